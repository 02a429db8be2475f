"""Wrappers for an integration's patches: each call of a framework's function is one span.

    def begin(agent, args, kwargs) -> Stage | None:
        return Stage(open_span(agent.name, SpanKind.AGENT), result=show_reply)

    Patch("framework:Agent.run", traced_async(INTEGRATION, begin))

`begin` gets what the function was called with and opens the span, or returns None to leave this
call alone. The span is current while the function runs, fails with what leaves it, and ends after.
"""

import asyncio
import functools
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.instrument import Integration, context_of, drop_frame
from pellucid.client.patching import Wrap
from pellucid.client.tracing.span import Span

_log = logging.getLogger("pellucid")
_STAGE = otel_context.create_key("pellucid-stage")


class Listener:
    """Whom a framework yields to, and whether they have stopped listening."""

    def __init__(self, context: Context) -> None:
        outer = otel_context.get_value(_STAGE, context)
        self.outer = outer if isinstance(outer, Listener) else None
        self.was_let_go = False
        self.context = otel_context.set_value(_STAGE, self, context)

    @contextmanager
    def current(self) -> Iterator[None]:
        """A block in which what runs works for whom listens."""
        token = otel_context.attach(self.context)
        try:
            yield
        finally:
            otel_context.detach(token)

    def let_go(self) -> None:
        """Note that nobody listens any more: what is cancelled below from now on has not failed."""
        self.was_let_go = True


class TaskListener(Listener):
    """A framework that runs a task and, when it cancels that, is no more interested in it.

    What the task itself cancels, as by a timeout, has failed.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._task = _current_task()

    @property
    def was_let_go(self) -> bool:
        """Whether the code that asks, since it was cancelled, is the task's own."""
        return self._task is not None and self._task is _current_task()

    @was_let_go.setter
    def was_let_go(self, value: bool) -> None:
        pass


class Stage(Listener):
    """One call: its span, where the call runs, and what its result or items say."""

    def __init__(
        self,
        span: Span,
        *,
        result: Callable[[Span, Any], object] | None = None,
        item: Callable[[Span, Any], object] | None = None,
        context: Context | None = None,
        within: AbstractContextManager[object] | None = None,
        expected: Callable[[BaseException], bool] | None = None,
    ) -> None:
        super().__init__(context_of(span) if context is None else context)
        self.span = span
        self._result = result
        self._item = item
        self._expected = expected
        self._within = within if within is not None else nullcontext()
        self._last: Callable[[], object] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block that is the whole call."""
        try:
            with self._within, self.current():
                yield
        except BaseException as error:
            self.fail(error)
            raise
        self.end()

    def finally_(self, last: Callable[[], object]) -> None:
        """Call `last` when the stage has ended, however it did."""
        self._last = last

    def fail(self, error: BaseException) -> None:
        """End the span with what left the call; a closed generator is no failure.

        Nor is what `expected` says is the framework's way to tell that it is done.
        """
        if (self._expected is not None and self._expected(error)) or _is_leftover(self, error):
            self.span.end()
        else:
            self.span.__exit__(type(error), error, None)
        self._over()

    def end(self) -> None:
        """End the span of a call that went well."""
        self.span.end()
        self._over()

    def _over(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last()

    def show(self, result: Any) -> None:
        """Show what the call returned."""
        self._call(self._result, result)

    def show_item(self, item: Any) -> None:
        """Show what the call yielded."""
        self._call(self._item, item)

    def _call(self, show: Callable[[Span, Any], object] | None, value: Any) -> None:
        if show is None:
            return
        try:
            show(self.span, value)
        except Exception:
            # What we fail to understand must not become the program's failure.
            _log.debug("Pellucid could not read what a traced call gave", exc_info=True)


Begin = Callable[[Any, tuple[Any, ...], dict[str, Any]], Stage | None]


def traced_sync(integration: Integration, begin: Begin) -> Wrap:
    """Return a patch's wrapper for a method."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            stage = _begin(integration, begin, self, args, kwargs)
            if stage is None:
                return original(self, *args, **kwargs)
            try:
                with stage.running():
                    result = original(self, *args, **kwargs)
                    stage.show(result)
            except BaseException as error:
                drop_frame(error)
                raise
            return result

        return wrapper

    return wrap


def traced_async(integration: Integration, begin: Begin) -> Wrap:
    """Return a patch's wrapper for a coroutine method."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            stage = _begin(integration, begin, self, args, kwargs)
            if stage is None:
                return await original(self, *args, **kwargs)
            try:
                with stage.running():
                    result = await original(self, *args, **kwargs)
                    stage.show(result)
            except BaseException as error:
                drop_frame(error)
                raise
            return result

        return wrapper

    return wrap


def traced_async_generator(integration: Integration, begin: Begin) -> Wrap:
    """Return a patch's wrapper for an asynchronous generator method.

    The span is current for each step and not between them, where the consumer runs. A generator
    that is closed half-way ends its span there.
    """

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def wrapper(self: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            stage = _begin(integration, begin, self, args, kwargs)
            generator = original(self, *args, **kwargs)
            yielded = False
            if stage is None:
                try:
                    async for item in generator:
                        yield item
                except BaseException as error:
                    drop_frame(error)
                    raise
                return
            try:
                while True:
                    with stage.current():
                        try:
                            item = await anext(generator)
                        except StopAsyncIteration:
                            break
                    stage.show_item(item)
                    yielded = True
                    yield item
                    yielded = False
            except BaseException as error:
                # At a `yield`, these come from the loop that closes what the program has left.
                if yielded and isinstance(error, GeneratorExit | asyncio.CancelledError):
                    stage.let_go()
                try:
                    with stage.current():
                        await generator.aclose()
                finally:
                    stage.fail(error)
                drop_frame(error)
                raise
            stage.end()

        return wrapper

    return wrap


def listened(integration: Integration) -> Wrap:
    """Return a patch's wrapper for an asynchronous generator that makes no span of its own.

    When the program reads on no further, what it cancels then has not failed.
    """

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            generator = original(*args, **kwargs)
            return _listened(generator) if integration.active else generator

        return wrapper

    return wrap


async def _listened(generator: Any) -> AsyncGenerator[Any, Any]:
    listener = Listener(otel_context.get_current())
    yielded = False
    try:
        while True:
            with listener.current():
                try:
                    item = await anext(generator)
                except StopAsyncIteration:
                    return
            yielded = True
            yield item
            yielded = False
    except BaseException as error:
        if yielded and isinstance(error, GeneratorExit | asyncio.CancelledError):
            listener.let_go()
        await generator.aclose()
        drop_frame(error)
        raise


def _current_task() -> Any:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return None


def is_let_go() -> bool:
    """Tell whether this code works for a stream that the program has left, or for no program.

    What an event loop cancels when it closes, the program has left behind.
    """
    listener = otel_context.get_value(_STAGE)
    return (isinstance(listener, Listener) and _works_for_nobody(listener)) or _is_closing()


def _is_closing() -> bool:
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_cancel_all_tasks":  # asyncio's, and others' after its model
            return True
        frame = frame.f_back
    return False


def _is_leftover(stage: Stage, error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError | GeneratorExit) and (
        _works_for_nobody(stage) or _is_closing()
    )


def _works_for_nobody(listener: Listener) -> bool:
    found: Listener | None = listener
    while found is not None:
        if found.was_let_go:
            return True
        found = found.outer
    return False


def _begin(
    integration: Integration, begin: Begin, owner: Any, args: tuple[Any, ...], kwargs: Any
) -> Stage | None:
    if not integration.active:
        return None
    try:
        return begin(owner, args, kwargs)
    except Exception:
        _log.debug("Pellucid could not read a call of %s", integration.name, exc_info=True)
        return None


def captures(integration: Integration) -> bool:
    """Tell whether inputs, outputs and messages are captured."""
    return bool(integration.options.get("capture_content", True))
