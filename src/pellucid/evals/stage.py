"""Stages: steps of a pipeline that are computed once for the same input, whoever asks."""

import asyncio
import functools
import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, overload

import msgspec

from pellucid.core.dataset import digest
from pellucid.evals.calling import is_async
from pellucid.evals.fingerprint import fingerprint
from pellucid.evals.journal import DiskCache

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
KEPT = 256
"""How many results a stage holds in memory by default; the least recently used go first."""


class StageFigures(msgspec.Struct, kw_only=True):
    """How often a stage was asked, and what it computed."""

    calls: int = 0
    computed: int = 0
    seconds: float = 0.0
    """Spent computing."""

    def since(self, earlier: "StageFigures") -> "StageFigures":
        """Return the figures of the time between."""
        return StageFigures(
            calls=self.calls - earlier.calls,
            computed=self.computed - earlier.computed,
            seconds=self.seconds - earlier.seconds,
        )


class Stage(Generic[Parameters, Result]):
    """A function whose results are kept by the content of its arguments and of its code.

    Threads and tasks that ask for the same result at the same time share one computation. What a
    stage returns is shared: it must not be changed. A result that another stage takes as an
    argument is known by how it was made, so that a large index is never hashed.
    """

    def __init__(
        self,
        function: Callable[Parameters, Result],
        *,
        name: str | None = None,
        keep: int = KEPT,
        folder: str | Path | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = name or function.__name__
        self.function = function
        self.figures = StageFigures()
        self._keep = keep
        self._disk = DiskCache(Path(folder)) if folder is not None else None
        self._signature = inspect.signature(function)
        self._results: OrderedDict[str, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()  # guards `_results` and `figures`
        self._async = is_async(function)
        STAGES.append(self)

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        """Return the kept result, or compute it."""
        key = self._key(args, kwargs)
        with self._lock:
            self.figures.calls += 1
            future = self._results.get(key)
            mine = future is None
            if future is None:
                future = self._results[key] = Future()
                future.set_running_or_notify_cancel()  # who gives up waiting must not cancel it
            self._results.move_to_end(key)
        if self._async:
            coroutine: Any = self._acomputed(key, future, mine, args, kwargs)
            return coroutine  # type: ignore[no-any-return]
        if mine:
            self._compute(key, future, args, kwargs)
        result: Result = future.result()
        return result

    def clear(self) -> None:
        """Forget every result in memory."""
        with self._lock:
            for future in self._results.values():
                if future.done() and future.exception() is None:
                    _MADE.pop(id(future.result()), None)
            self._results.clear()

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        known = {name: _known(value) for name, value in bound.arguments.items()}
        return digest([self.name, _code_of(self.function), known])

    def _compute(
        self, key: str, future: "Future[Any]", args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        kept = self._disk.find(key) if self._disk is not None else None
        if kept is not None:
            self._finish(key, future, kept["result"])
            return
        began = time.perf_counter()
        try:
            result = self.function(*args, **kwargs)
        except BaseException as error:  # every waiter gets it; the next caller tries again
            self._give_up(key, future, error)
            return
        self._count(began)
        self._finish(key, future, result)
        if self._disk is not None:
            self._disk.keep(key, {"result": result})

    async def _acomputed(
        self,
        key: str,
        future: "Future[Any]",
        mine: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if not mine:
            try:
                return await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
            coroutine: Any = self(*args, **kwargs)  # whoever computed it was cancelled
            return await coroutine
        began = time.perf_counter()
        try:
            result = await self.function(*args, **kwargs)  # type: ignore[misc]
        except BaseException as error:  # as above
            self._give_up(key, future, error)
            raise
        self._count(began)
        self._finish(key, future, result)
        return result

    def _count(self, began: float) -> None:
        with self._lock:
            self.figures.computed += 1
            self.figures.seconds += time.perf_counter() - began

    def _finish(self, key: str, future: "Future[Any]", result: Any) -> None:
        if not isinstance(result, str | int | float | bool | None):
            _MADE[id(result)] = (key, result)
        future.set_result(result)
        with self._lock:
            while len(self._results) > self._keep:
                _, oldest = self._results.popitem(last=False)
                if oldest.done() and oldest.exception() is None:
                    _MADE.pop(id(oldest.result()), None)

    def _give_up(self, key: str, future: "Future[Any]", error: BaseException) -> None:
        with self._lock:
            self._results.pop(key, None)
        future.set_exception(error)


STAGES: list[Stage[..., Any]] = []
"""All stages of this process."""

_MADE: dict[int, tuple[str, Any]] = {}
"""Identity of a kept result → the key it is kept under, and the result, so that it stays itself."""


@overload
def stage(function: Callable[Parameters, Result], /) -> Stage[Parameters, Result]: ...
@overload
def stage(
    *, name: str | None = None, keep: int = KEPT, folder: str | Path | None = None
) -> Callable[[Callable[Parameters, Result]], Stage[Parameters, Result]]: ...
def stage(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    keep: int = KEPT,
    folder: str | Path | None = None,
) -> Any:
    """Declare a function to be a stage: `@pellucid.stage`, or with options.

    `keep` bounds the results in memory; with a `folder` those that JSON can hold are kept there
    too, for later processes.
    """
    if function is None:
        return functools.partial(_staged, name=name, keep=keep, folder=folder)
    return _staged(function, name=name, keep=keep, folder=folder)


def _staged(function: Callable[..., Any], **options: Any) -> Stage[..., Any]:
    return Stage(function, **options)


def figures() -> dict[str, StageFigures]:
    """Return the figures of all stages so far, by name."""
    total: dict[str, StageFigures] = {}
    for one in STAGES:
        sum_ = total.setdefault(one.name, StageFigures())
        sum_.calls += one.figures.calls
        sum_.computed += one.figures.computed
        sum_.seconds += one.figures.seconds
    return total


def _known(value: Any) -> Any:
    made = _MADE.get(id(value))
    return ["made by", made[0]] if made is not None else fingerprint(value)


@functools.cache
def _code_of(function: Callable[..., Any]) -> str:
    return fingerprint(function)
