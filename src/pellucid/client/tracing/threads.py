"""Threads and executors that keep the parent span, with an undo.

Only OpenTelemetry's context goes along, not the user's other context variables. A thread or task
that is started outside of any span is left as it was.
"""

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.tracing.context import detach

Undo = Callable[[], None]
_MARK = "_pellucid_original"


def keep_parents() -> Undo:
    """Patch `Thread.start` and `ThreadPoolExecutor.submit` until the undo is called.

    Patching twice is patching once; the undo leaves alone what others patched meanwhile.
    """
    undos = [
        _replace(threading.Thread, "start", _start_with_context),
        _replace(concurrent.futures.ThreadPoolExecutor, "submit", _submit_with_context),
    ]

    def undo() -> None:
        for step in reversed(undos):
            step()

    return undo


def _replace(owner: type, name: str, make: Callable[[Any], Any]) -> Undo:
    original = getattr(owner, name)
    if hasattr(original, _MARK):
        return lambda: None
    replacement = make(original)
    replacement.__name__ = original.__name__
    replacement.__qualname__ = original.__qualname__
    replacement.__doc__ = original.__doc__
    replacement.__wrapped__ = original
    setattr(replacement, _MARK, original)
    setattr(owner, name, replacement)

    def undo() -> None:
        if owner.__dict__.get(name) is replacement:
            setattr(owner, name, original)

    return undo


def _start_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    def start(self: threading.Thread) -> None:
        context = otel_context.get_current()
        if context:
            _run_in(self, context)
        original(self)

    return start


def _run_in(thread: threading.Thread, context: Context) -> None:
    """Shadow the thread's `run` with one inside the context, for one run.

    A subclass may have a `run` of its own, so it is the instance that is changed.
    """
    run = thread.run

    def run_in_context() -> None:
        thread.__dict__.pop("run", None)
        token = otel_context.attach(context)
        try:
            run()
        finally:
            detach(token)

    with contextlib.suppress(AttributeError):  # a subclass may forbid it
        thread.run = run_in_context  # type: ignore[method-assign]


def _submit_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(
        self: concurrent.futures.ThreadPoolExecutor, fn: Any, /, *args: Any, **kwargs: Any
    ) -> Any:
        context = otel_context.get_current()
        if not context:
            return original(self, fn, *args, **kwargs)

        def task(*args: Any, **kwargs: Any) -> Any:
            token = otel_context.attach(context)
            try:
                return fn(*args, **kwargs)
            finally:
                detach(token)

        # A worker that this starts serves others later: it must not inherit this context.
        token = otel_context.attach(Context())
        try:
            return original(self, task, *args, **kwargs)
        finally:
            detach(token)

    return submit
