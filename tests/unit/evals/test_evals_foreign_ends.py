"""What ends a user's call without being an Exception must not end the evaluation, nor hide."""

import asyncio
import threading
from typing import Any

import pytest

import pellucid
from pellucid import scorers
from pellucid.evals.report import Report

ROWS = [{"inputs": {"n": n}, "expected": 2 * n} for n in range(6)]


class Outcome(BaseException):
    """As pytest's `fail` raises it."""


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


ENDS = [
    asyncio.CancelledError,
    KeyboardInterrupt,
    Outcome,
    SystemExit,
    StopIteration,
    GeneratorExit,
    Speechless,
]


@pytest.mark.parametrize("end", ENDS)
def test_a_task_on_a_thread_ends_alone(end: type[BaseException]) -> None:
    def task(n: int) -> int:
        if n == 3:
            raise end
        return 2 * n

    _only_the_fourth_failed(pellucid.evaluate(task, ROWS, scorers.exact_match()), end)


@pytest.mark.parametrize("end", [e for e in ENDS if e not in (StopIteration, GeneratorExit)])
def test_an_async_task_ends_alone(end: type[BaseException]) -> None:
    async def task(n: int) -> int:
        await asyncio.sleep(0)
        if n == 3:
            raise end
        return 2 * n

    _only_the_fourth_failed(pellucid.evaluate(task, ROWS, scorers.exact_match()), end)


def test_a_task_that_cancels_its_own_work_ends_alone() -> None:
    async def task(n: int) -> int:
        if n == 3:
            work = asyncio.create_task(asyncio.sleep(60))
            work.cancel()
            await work
        return 2 * n

    report = pellucid.evaluate(task, ROWS, scorers.exact_match())
    assert [example.error for example in report.errors] == [
        "CutShort: The task was cancelled from inside."
    ]


@pytest.mark.parametrize("end", [asyncio.CancelledError, KeyboardInterrupt, Outcome])
def test_a_scorer_ends_alone(end: type[BaseException]) -> None:
    def sync(expected: int) -> float:
        if expected == 6:
            raise end
        return 1.0

    async def later(expected: int) -> float:
        return sync(expected)

    report = pellucid.evaluate(lambda n: 2 * n, ROWS, [sync, later])
    assert not report.errors
    for name in ("sync", "later"):
        assert (report.scores[name].n, report.scores[name].failures) == (5, 1)


async def test_cancelling_from_outside_still_ends_the_evaluation() -> None:
    begun = asyncio.Event()

    async def task(n: int) -> int:
        begun.set()
        await asyncio.Event().wait()
        return n

    running = asyncio.create_task(pellucid.aevaluate(task, ROWS, scorers.exact_match()))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_a_stage_that_somebody_gave_up_waiting_for_is_still_computed() -> None:
    go = threading.Event()
    asked: list[int] = []

    @pellucid.stage
    async def index(size: int) -> dict[str, Any]:
        asked.append(size)
        await asyncio.to_thread(go.wait)
        return {"size": size}

    async def work() -> tuple[Any, Any]:
        first = asyncio.ensure_future(index(3))
        impatient = asyncio.ensure_future(index(3))
        patient = asyncio.ensure_future(index(3))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        go.set()
        return await first, await patient

    assert asyncio.run(work()) == ({"size": 3}, {"size": 3})
    assert asked == [3]


def test_a_stage_whose_computing_was_cancelled_is_computed_by_who_waits() -> None:
    asked: list[int] = []

    @pellucid.stage
    async def index(size: int) -> dict[str, Any]:
        asked.append(size)
        await (asyncio.Event().wait() if len(asked) == 1 else asyncio.sleep(0))
        return {"size": size}

    async def work() -> Any:
        first = asyncio.ensure_future(index(3))
        patient = asyncio.ensure_future(index(3))
        await asyncio.sleep(0)
        first.cancel()
        return await patient

    assert asyncio.run(work()) == {"size": 3}
    assert asked == [3, 3]


def _only_the_fourth_failed(report: Report, end: type[BaseException]) -> None:
    assert [example.output for example in report.examples] == [0, 2, 4, None, 8, 10]
    assert report.errors == [report.examples[3]]
    said = report.examples[3].error or ""
    assert (
        "cancelled from inside" in said if end is asyncio.CancelledError else end.__name__ in said
    )
    assert report.scores["exact_match"].failures == 1
