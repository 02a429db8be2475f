"""Sync calls of async work: all on one loop of this process, also where another loop runs.

One loop, because what a task holds (an async client with its open connections) belongs to the
loop that it was first used on, and evaluations are run more than once.
"""

import asyncio
import atexit
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")
Work = Callable[[], Coroutine[Any, Any, Result]]

_POLL_S = 0.1
_CANCEL_S = 2.0


def run_blocking(work: "Work[Result]") -> Result:
    """Run a coroutine to its end and return what it gives, in the caller's context.

    Ctrl-C cancels it. Called on the loop itself, by a scorer that asks a judge without `await`,
    the work gets another loop on another thread.
    """
    home = _home.get()
    if _running() is home:
        return _on_another_thread(work)
    ended = threading.Event()

    async def watched() -> Result:
        try:
            return await work()
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), home)
    try:
        return _wait(future)
    except BaseException:
        if not future.done():
            future.cancel()
            ended.wait(_CANCEL_S)
        raise


def _wait(future: "Future[Result]") -> Result:
    """Wait for a result; Ctrl-C under `asyncio.run` only marks the caller's task."""
    caller = asyncio.current_task() if _running() is not None else None
    marks = caller.cancelling() if caller is not None else 0
    while True:
        try:
            return future.result(_POLL_S)
        except TimeoutError:
            if future.done():
                return future.result()
            if caller is not None and caller.cancelling() > marks:
                raise asyncio.CancelledError from None


def _on_another_thread(work: "Work[Result]") -> Result:
    future: Future[Result] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(asyncio.run, work()))
        except BaseException as error:  # carried to the waiting thread
            future.set_exception(error)

    threading.Thread(target=run, name="pellucid-nested", daemon=True).start()
    return future.result()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Home:
    """The loop, made when first asked for, and anew in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the three below
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the running loop."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="pellucid-evaluate", daemon=True
                )
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Stop the loop and close it, as the process ends."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is None or self._thread is None or self._pid != os.getpid():
                return
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(1)
            if not loop.is_running():
                loop.close()


_home = _Home()
atexit.register(_home.close)
