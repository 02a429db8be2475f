"""`@pellucid.trace`: a span around every call of a function, method or generator."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from opentelemetry import context as otel_context
from opentelemetry import trace as otel

from pellucid.client.encoding import attribute_of
from pellucid.client.tracing import exceptions
from pellucid.client.tracing.arguments import ArgumentNames
from pellucid.client.tracing.context import detach
from pellucid.client.tracing.span import (
    documents_attribute,
    end,
    kind_attributes,
    kind_text,
    shown_attributes,
    start,
)
from pellucid.client.tracing.state import state
from pellucid.client.tracing.streams import Stream, first_step
from pellucid.core.errors import InvalidInput
from pellucid.core.span import Document, SpanKind
from pellucid.semconv import attributes as names

P = ParamSpec("P")
R = TypeVar("R")


class _Traced:
    """What every wrapper of one function shares."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        kind: str | SpanKind,
        *,
        capture_input: bool,
        capture_output: bool,
        attributes: Mapping[str, Any] | None,
    ) -> None:
        self.name: str = name or getattr(function, "__name__", "") or type(function).__name__
        self.kind = kind
        self.capture_output = capture_output
        self._arguments = ArgumentNames(function) if capture_input else None
        self._attributes = kind_attributes(kind, self.name) | shown_attributes(attributes)

    def start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> otel.Span:
        attributes = self._attributes.copy()
        if self._arguments is not None:
            attributes[names.INPUT] = attribute_of(self._arguments.bind(args, kwargs))
        return start(self.name, attributes, self.kind)

    def stream(self, span: otel.Span) -> Stream:
        is_model = kind_text(self.kind) == "LLM"
        return Stream(span, capture_output=self.capture_output, is_model=is_model)

    def finish(self, span: otel.Span, result: Any) -> None:
        if self.capture_output and result is not None and span.is_recording():
            span.set_attribute(names.OUTPUT, attribute_of(result))
            if type(result) is list and result and type(result[0]) is Document:
                span.set_attribute(names.DOCUMENTS, documents_attribute(result))
        end(span)

    @staticmethod
    def fail(span: otel.Span, error: BaseException) -> None:
        exceptions.record(span, error)
        end(span)
        # Our frame says nothing to who reads the traceback, and some agents put it in prompts.
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next


@overload
def trace(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def trace(
    *,
    name: str | None = None,
    kind: str | SpanKind = SpanKind.CHAIN,
    capture_input: bool = True,
    capture_output: bool = True,
    attributes: Mapping[str, Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def trace(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    kind: str | SpanKind = SpanKind.CHAIN,
    capture_input: bool = True,
    capture_output: bool = True,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Trace every call of a function, as `@trace` or `@trace(kind="TOOL")`.

    Works on plain, async, generator and async-generator functions, on methods, and above or below
    `@staticmethod`, `@classmethod` and `@property`. The input is the arguments by name, without
    `self` and `cls`; the output is what is returned or yielded. Values are bounded, secrets masked.
    """

    def decorate(target: Any) -> Any:
        if isinstance(target, staticmethod | classmethod):
            return type(target)(decorate(target.__func__))
        if isinstance(target, property) and target.fget is not None:
            return property(decorate(target.fget), target.fset, target.fdel, target.__doc__)
        if not callable(target) or isinstance(target, type):
            raise InvalidInput(
                f"trace decorates a function, not {target!r}. Give a name with trace(name=…); "
                "of a class decorate the methods."
            )
        traced = _Traced(
            target,
            name,
            kind,
            capture_input=capture_input,
            capture_output=capture_output,
            attributes=attributes,
        )
        return _wrapper_for(target)(target, traced)

    return decorate if function is None else decorate(function)


def _wrapper_for(function: Any) -> Callable[[Any, _Traced], Any]:
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator
    if inspect.iscoroutinefunction(function):
        return _wrap_async
    if inspect.isgeneratorfunction(function):
        return _wrap_generator
    return _wrap_plain


def _wrap_plain(function: Callable[..., Any], traced: _Traced) -> Callable[..., Any]:
    attach, set_span = otel_context.attach, otel.set_span_in_context

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not state.active:
            return function(*args, **kwargs)
        span = traced.start(args, kwargs)
        token = attach(set_span(span))
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            traced.fail(span, error)
            raise
        detach(token)
        traced.finish(span, result)
        return result

    return wrapper


def _wrap_async(function: Callable[..., Any], traced: _Traced) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not state.active:
            return await function(*args, **kwargs)
        span = traced.start(args, kwargs)
        token = otel_context.attach(otel.set_span_in_context(span))
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            traced.fail(span, error)
            raise
        detach(token)
        traced.finish(span, result)
        return result

    return wrapper


def _wrap_generator(function: Callable[..., Any], traced: _Traced) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        if not state.active:
            return (yield from generator)
        span = traced.start(args, kwargs)
        return (yield from traced.stream(span).run(generator))

    return wrapper


def _wrap_async_generator(function: Callable[..., Any], traced: _Traced) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        if state.active:
            span = traced.start(args, kwargs)
            generator = traced.stream(span).run_async(generator)
        step, given = first_step(generator), None
        while True:
            try:
                item = await step(given)
            except StopAsyncIteration:
                return
            step, given = generator.asend, None
            try:
                given = yield item
            except GeneratorExit:
                await generator.aclose()
                raise
            except BaseException as thrown:
                step, given = generator.athrow, thrown

    return wrapper
