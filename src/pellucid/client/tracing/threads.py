"""Threads and executors that keep the parent span, with an undo.

Only OpenTelemetry's context goes along, not the user's other context variables. A thread or task
that is started outside of any span is left as it was; a task of a process pool is not, for its
worker may have been forked inside of one.
"""

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.patching import Patch, Undo, when_imported
from pellucid.client.tracing.context import attach, current, detach
from pellucid.client.tracing.exceptions import drop_frame
from pellucid.client.tracing.propagation import extract, inject


def keep_parents() -> Undo:
    """Patch `Thread.start` and the executors' `submit` until the undo is called.

    Executors are patched when they are imported: the one with processes takes 25 ms to load.
    """
    undo = Undo()
    for patch in (
        Patch("threading:Thread.start", _start_with_context),
        Patch("concurrent.futures.thread:ThreadPoolExecutor.submit", _submit_with_context),
        Patch("concurrent.futures.process:ProcessPoolExecutor.submit", _submit_with_headers),
    ):
        undo.add(when_imported(patch.module, functools.partial(_apply, patch, undo)))
    return undo


def _apply(patch: Patch, undo: Undo) -> None:
    undo.add(patch.apply())


class CarriedCall:
    """A call that takes its parent to another process; it runs the same without Pellucid there."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._headers = dict(inject())
        self._ambient = current().as_changes()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function below the parent."""
        token = otel_context.attach(Context())
        try:
            otel_context.attach(extract(self._headers))
            attach(**self._ambient)
            return self._function(*args, **kwargs)
        finally:
            detach(token)


def _submit_with_headers(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original(self, CarriedCall(fn), *args, **kwargs)

    return submit


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
        except BaseException as error:
            drop_frame(error)
            raise
        finally:
            detach(token)

    with contextlib.suppress(AttributeError):  # a subclass may forbid it
        thread.run = run_in_context  # type: ignore[method-assign]


def _submit_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        context = otel_context.get_current()
        if not context:
            return original(self, fn, *args, **kwargs)

        def task(*args: Any, **kwargs: Any) -> Any:
            token = otel_context.attach(context)
            try:
                return fn(*args, **kwargs)
            except BaseException as error:
                drop_frame(error)
                raise
            finally:
                detach(token)

        # A worker that this starts serves others later: it must not inherit this context.
        token = otel_context.attach(Context())
        try:
            return original(self, task, *args, **kwargs)
        finally:
            detach(token)

    return submit
