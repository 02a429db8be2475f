"""Calling tasks and scorers: sync ones on threads, async ones on the loop, with a time limit."""

import asyncio
import contextvars
import inspect
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

from pellucid.core.errors import PellucidError

Result = TypeVar("Result")


class TimedOut(PellucidError):
    """A call took longer than it may; a thread that ignores this is left to end by itself."""


class CutShort(PellucidError):
    """A user's call ended by what is no Exception, such as being cancelled from inside.

    Raised in its place: the same from the evaluation itself would end all the others too.
    """


@contextmanager
def contained(who: str) -> Iterator[None]:
    """Make an ordinary failure of whatever ends a user's call. Raises CutShort.

    Passed on are the cancelling of the call from outside, Ctrl-C, and `SystemExit`.
    """
    try:
        yield
    except (Exception, SystemExit, GeneratorExit):
        raise
    except asyncio.CancelledError as error:
        task = _current_task()
        if task is not None and task.cancelling():
            raise
        raise CutShort(f"{who} was cancelled from inside.") from error
    except BaseException as error:
        # The main thread alone is interrupted by Ctrl-C.
        if isinstance(error, KeyboardInterrupt) and _is_main_thread():
            raise
        raise CutShort(f"{who} ended with {type(error).__name__}.") from error


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # on a thread


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class ThreadPool:
    """Daemon threads that grow with demand: a call that hangs never keeps others waiting.

    Unlike `ThreadPoolExecutor`'s, these threads do not hold up the end of the process.
    """

    def __init__(self) -> None:
        self._idle = _Idle()

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run `call` in the caller's context, on a thread that is free or new.

        What it raises comes as it is, but that GeneratorExit and the like are CutShort.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                with contained("The call"):
                    result = context.run(call)
            except BaseException as error:  # handed to the waiter, whatever it is
                _settle(loop, lambda error=error: _fail(done, error))  # type: ignore[misc]
            else:
                _settle(loop, lambda: _succeed(done, result))

        worker = self._idle.take() or _Worker(self._idle)
        worker.submit(work)
        return await done

    def close(self) -> None:
        """Let idle threads end; a busy one ends after its call."""
        self._idle.close()


class _Idle:
    """The threads that wait for work, until the pool is closed."""

    def __init__(self) -> None:
        self._workers: deque[_Worker] = deque()
        self._open = True
        self._lock = threading.Lock()  # guards both: none may come back once it is closed

    def take(self) -> "_Worker | None":
        with self._lock:
            return self._workers.popleft() if self._workers else None

    def give_back(self, worker: "_Worker") -> bool:
        """Take a thread that has done its call; False says that it is to end."""
        with self._lock:
            if self._open:
                self._workers.append(worker)
            return self._open

    def close(self) -> None:
        with self._lock:
            self._open = False
            waiting, self._workers = self._workers, deque()
        for worker in waiting:
            worker.submit(None)


class _Worker:
    """One thread; goes back to the idle ones after each call."""

    def __init__(self, idle: _Idle) -> None:
        self._idle = idle
        self._work: Callable[[], None] | None = None
        self._ready = threading.Semaphore(0)
        threading.Thread(target=self._loop, name="pellucid-eval", daemon=True).start()

    def submit(self, work: Callable[[], None] | None) -> None:
        self._work = work
        self._ready.release()

    def _loop(self) -> None:
        while True:
            self._ready.acquire()
            if self._work is None:
                return
            self._work()
            self._work = None
            if not self._idle.give_back(self):
                return


def _settle(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        return  # the loop has closed: nobody waits any more


def _succeed(done: "asyncio.Future[Result]", result: Result) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if isinstance(error, StopIteration):
        error = RuntimeError(f"StopIteration: {error}")  # a future cannot carry it
    elif isinstance(error, GeneratorExit):
        error = CutShort("The call ended with GeneratorExit.")  # an awaiting coroutine would end
    if not done.done():
        done.set_exception(error)


def binds(function: Callable[..., Any], inputs: Mapping[str, Any]) -> bool:
    """Tell whether `function(**inputs)` fits the function's signature."""
    try:
        inspect.signature(function).bind(**inputs)
    except (TypeError, ValueError):
        return False
    return True


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives a coroutine or an async generator."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 (the method itself is wanted)
    for candidate in (function, call, getattr(function, "func", None)):
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            return True
    return False


def call_with(task: Callable[..., Any], inputs: dict[str, Any], by_name: bool) -> Any:
    """Call a task; a module-level function, so that process pools can pickle it."""
    output = task(**inputs) if by_name else task(inputs)
    if inspect.isgenerator(output):
        return joined(list(output))
    return output


async def call_task(
    task: Callable[..., Any],
    inputs: dict[str, Any],
    *,
    pool: ThreadPool,
    executor: Executor | None = None,
    timeout_s: float | None = None,
) -> Any:
    """Call a task with an example's inputs and return what it gives, a stream as a whole.

    Raises TimedOut, and whatever the task raises.
    """
    by_name = binds(task, inputs)

    async def once() -> Any:
        with contained("The task"):
            return await output()

    async def output() -> Any:
        if executor is not None:
            found = await asyncio.wrap_future(executor.submit(call_with, task, inputs, by_name))
        elif is_async(task):
            found = call_with(task, inputs, by_name)
        else:
            found = await pool.run(lambda: call_with(task, inputs, by_name))
        if inspect.isawaitable(found):
            found = await found
        if inspect.isasyncgen(found):
            found = joined([chunk async for chunk in found])
        return found

    return await within(once(), timeout_s, "The task")


async def within(work: Coroutine[Any, Any, Result], timeout_s: float | None, who: str) -> Result:
    """Await `work`, at most `timeout_s` seconds. Raises TimedOut, which names `who`."""
    if timeout_s is None:
        return await work
    scope = asyncio.timeout(timeout_s)
    try:
        async with scope:
            return await work
    except TimeoutError:
        if not scope.expired():  # the work's own timeout, not ours
            raise
        raise TimedOut(f"{who} took longer than {timeout_s:g} s.") from None


def joined(chunks: list[Any]) -> Any:
    """Return a stream's chunks as one text, where they are all text."""
    if chunks and all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    return chunks
