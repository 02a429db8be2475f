"""Where LangChain calls the program's code, or a model, with a run's span current."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context

from pellucid.client.instrument import Integration, drop_frame
from pellucid.client.patching import Patch, Undo, Wrap, when_imported
from pellucid.client.stages import listened
from pellucid.client.tracing.context import detach
from pellucid.integrations.langchain.handler import Tracer
from pellucid.integrations.langchain.runs import Run

GetTracer = Callable[[], Tracer | None]

_MODELS = "langchain_core.language_models"
_MANAGERS = "langchain_core.callbacks.manager"


_EVENTS = "langchain_core.runnables.base:_astream_events_implementation_v2"


def install(undo: Undo, tracer: GetTracer, integration: Integration) -> None:
    """Patch LangChain's modules as they are imported; `undo` gets what undoes it."""
    patches = [
        Patch(_EVENTS, listened(integration), required=False),
        Patch("langchain_core.runnables.config:_set_config_context", entering(tracer)),
        Patch(f"{_MODELS}.chat_models:BaseChatModel._generate_with_cache", _called(tracer)),
        Patch(f"{_MODELS}.chat_models:BaseChatModel._agenerate_with_cache", _called(tracer)),
        Patch(
            f"{_MODELS}.chat_models:BaseChatModel._iter_v2_events",
            _iterated(tracer),
            required=False,
        ),
        Patch(
            f"{_MODELS}.chat_models:BaseChatModel._aiter_v2_events",
            _iterated_async(tracer),
            required=False,
        ),
        Patch(f"{_MODELS}.llms:BaseLLM._generate_helper", _called(tracer)),
        Patch(f"{_MODELS}.llms:BaseLLM._agenerate_helper", _called(tracer)),
    ]
    for kind in ("LLM", "Retriever"):
        manager = f"{_MANAGERS}:AsyncCallbackManagerFor{kind}Run"
        for end in ("llm", "retriever"):
            if end == kind.lower():
                patches.append(Patch(f"{manager}.on_{end}_end", _leaving(tracer)))
                patches.append(Patch(f"{manager}.on_{end}_error", _leaving(tracer)))
    chain = f"{_MANAGERS}:AsyncCallbackManagerForChainRun.on_chain_end"
    patches.append(Patch(chain, _left(tracer)))
    for patch in patches:
        later(undo, patch)


def later(undo: Undo, patch: Patch) -> None:
    """Apply a patch when its module has been imported."""
    undo.add(when_imported(patch.module, lambda: undo.add(patch.apply())))


def entering(tracer: GetTracer) -> Wrap:
    """LangChain makes a copy of the context for what a run calls: have the span current in it.

    The copy is thrown away afterwards, so there is nothing to detach; and no frame of ours is on
    the stack while the program's code runs.
    """

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def set_config_context(config: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(config, *args, **kwargs)
            held = tracer()
            run = None if held is None else _run_of(held, config)
            if run is not None and held is not None:
                otel_context.attach(run.context)
                _note_config(held, run, config)
            return result

        return set_config_context

    return wrap


def _run_of(tracer: Tracer, config: Any) -> Run | None:
    manager = config.get("callbacks") if isinstance(config, dict) else None
    return tracer.runs.find(getattr(manager, "parent_run_id", None))


def _note_config(tracer: Tracer, run: Run, config: Any) -> None:
    configurable = config.get("configurable")
    if not configurable:
        return
    if not run.top.session:
        for name in ("thread_id", "session_id", "conversation_id"):
            if configurable.get(name) is not None:
                tracer.set_session(run, configurable[name])
                break


def _leaving(tracer: GetTracer) -> Wrap:
    """The end of an async run is told in a task of its own: leave its span in the run's."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def end(self: Any, *args: Any, **kwargs: Any) -> Any:
            held = tracer()
            run = None if held is None else held.runs.find(self.run_id)
            if run is not None:
                run.detach()
            return original(self, *args, **kwargs)

        return end

    return wrap


def _left(tracer: GetTracer) -> Wrap:
    """A chain whose stream is read no further is told to have ended, but after the last piece."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def end(self: Any, *args: Any, **kwargs: Any) -> Any:
            if sys.exc_info()[0] is GeneratorExit:
                held = tracer()
                run = None if held is None else held.runs.find(self.run_id)
                if run is not None:
                    run.left = True
            return original(self, *args, **kwargs)

        return end

    return wrap


def _called(tracer: GetTracer) -> Wrap:
    """A model is asked: what its SDK does is part of the run's span."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def ask_async(self: Any, *args: Any, **kwargs: Any) -> Any:
                run = _model_run(tracer, args, kwargs)
                if run is None:
                    return await original(self, *args, **kwargs)
                token = otel_context.attach(run.context)
                try:
                    return await original(self, *args, **kwargs)
                except BaseException as error:
                    held = tracer()
                    if held is not None and not isinstance(error, Exception):
                        held.cancelled(run.run_id, error)
                    drop_frame(error)
                    raise
                finally:
                    detach(token)

            return ask_async

        @functools.wraps(original)
        def ask(self: Any, *args: Any, **kwargs: Any) -> Any:
            run = _model_run(tracer, args, kwargs)
            if run is None:
                return original(self, *args, **kwargs)
            token = otel_context.attach(run.context)
            try:
                return original(self, *args, **kwargs)
            except BaseException as error:
                drop_frame(error)
                raise
            finally:
                detach(token)

        return ask

    return wrap


def _iterated(tracer: GetTracer) -> Wrap:
    """A model is asked and answers in events: each step runs in the run's own context."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def events(self: Any, *args: Any, **kwargs: Any) -> Any:
            run = _model_run(tracer, args, kwargs)
            found = original(self, *args, **kwargs)
            return found if run is None else _steps(run, found)

        return events

    return wrap


def _iterated_async(tracer: GetTracer) -> Wrap:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def events(self: Any, *args: Any, **kwargs: Any) -> Any:
            run = _model_run(tracer, args, kwargs)
            found = original(self, *args, **kwargs)
            return found if run is None else _steps_async(run, found)

        return events

    return wrap


def _steps(run: Run, found: Any) -> Any:
    try:
        while True:
            token = otel_context.attach(run.context)
            try:
                item = next(found)
            except StopIteration:
                return
            finally:
                detach(token)
            yield item
    finally:
        found.close()


async def _steps_async(run: Run, found: Any) -> Any:
    try:
        while True:
            token = otel_context.attach(run.context)
            try:
                item = await anext(found)
            except StopAsyncIteration:
                return
            finally:
                detach(token)
            yield item
    finally:
        await found.aclose()


def _model_run(tracer: GetTracer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run | None:
    held = tracer()
    if held is None:
        return None
    manager = kwargs.get("run_manager") or kwargs.get("run_managers")
    if manager is None and len(args) > 2:
        manager = args[2]
    if isinstance(manager, list):
        manager = manager[0] if manager else None
    return held.runs.find(getattr(manager, "run_id", None))
