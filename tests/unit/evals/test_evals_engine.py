"""The engine: how tasks are called, and what becomes of failures, limits, repeats and crashes."""

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid import scorers
from pellucid.core.errors import InvalidInput
from pellucid.evals.blocking import run_blocking
from pellucid.evals.calling import ThreadPool
from pellucid.evals.report import Report
from pellucid.evals.run import EvaluationRun


def rows(count: int) -> list[dict[str, Any]]:
    return [{"inputs": {"n": n}, "expected": 2 * n} for n in range(count)]


def double(n: int) -> int:
    return 2 * n


async def double_later(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def double_of(inputs: dict[str, int]) -> int:
    return 2 * inputs["n"]


class Doubler:
    def __call__(self, n: int) -> int:
        return 2 * n


class AsyncDoubler:
    async def __call__(self, n: int) -> int:
        return 2 * n


def text_stream(n: int) -> Iterator[str]:
    yield "2"
    yield "x"


async def async_text_stream(n: int) -> AsyncIterator[str]:
    yield "2"
    yield "x"


@pytest.mark.parametrize(
    "task",
    [
        double,
        double_later,
        double_of,
        Doubler(),
        AsyncDoubler(),
        functools.partial(double),
        lambda n: double_later(n),
        lambda n, unused=1: 2 * n,
    ],
)
def test_any_callable_is_a_task(task: Any) -> None:
    report = pellucid.evaluate(task, rows(3), scorers.exact_match())
    assert [example.output for example in report.examples] == [0, 2, 4]
    assert report.scores["exact_match"].mean == 1


@pytest.mark.parametrize("task", [text_stream, async_text_stream])
def test_a_streamed_text_is_one_output(task: Any) -> None:
    assert pellucid.evaluate(task, rows(1), []).examples[0].output == "2x"


async def test_evaluate_works_inside_a_running_loop() -> None:
    report = pellucid.evaluate(double_later, rows(2), [scorers.exact_match()])
    assert report.scores["exact_match"].mean == 1
    again = await pellucid.aevaluate(double_later, rows(2), [scorers.exact_match()])
    assert again.scores["exact_match"].n == 2


def test_async_clients_meet_the_same_loop_in_every_evaluation() -> None:
    loops: set[int] = set()

    async def task(n: int) -> int:
        loops.add(id(asyncio.get_running_loop()))
        return 2 * n

    async def judge(prompt: str) -> str:
        loops.add(id(asyncio.get_running_loop()))
        return "correct"

    correctness = pellucid.judges.correctness(model=judge)
    for _ in range(2):
        pellucid.evaluate(task, rows(2), [correctness])
    correctness(inputs={}, output="", expected="")
    assert len(loops) == 1


def test_errors_and_timeouts_of_blocking_calls_come_as_they_are() -> None:
    async def slow() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        run_blocking(slow)

    async def nested() -> int:
        async def inner() -> int:
            return 7

        return run_blocking(inner)

    assert run_blocking(nested) == 7


def test_processes_run_the_task() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        report = pellucid.evaluate(double, rows(4), scorers.exact_match(), executor=executor)
    assert report.scores["exact_match"].mean == 1


def failing(n: int) -> int:
    if n % 20 == 7:
        raise ValueError(f"no {n}")
    return 2 * n


def picky(output: int, expected: int) -> bool:
    if output % 40 == 4:
        raise RuntimeError("cannot judge")
    return output == expected


def test_a_thousand_examples_with_five_percent_faults() -> None:
    report = pellucid.evaluate(failing, rows(1000), [scorers.exact_match(), picky], concurrency=20)
    assert len(report.examples) == 1000
    assert [example.id for example in report.errors] == [
        example.id for example in report.examples if example.inputs["n"] % 20 == 7
    ]
    assert report.examples[7].error == "ValueError: no 7"
    exact, judged = report.scores["exact_match"], report.scores["picky"]
    assert (exact.mean, exact.n, exact.failures) == (1, 950, 50)
    assert (judged.n, judged.failures) == (900, 100)
    assert report.examples[2].scores["picky"].error == "RuntimeError: cannot judge"
    assert "50 examples failed" in str(report)


def test_scorers_get_what_they_ask_for_by_name() -> None:
    seen: dict[str, Any] = {}

    def nosy(
        inputs: Any, output: Any, metadata: Any, n: int, documents: Any, extra: int = 3
    ) -> int:
        seen.update(inputs=inputs, metadata=metadata, n=n, documents=documents)
        return extra

    class Judgement:
        def look(self, output: Any) -> dict[str, Any]:
            return {"size": len(output["text"]), "kind": "short"}

    def many(output: Any) -> list[pellucid.Score]:
        return [pellucid.Score(1, "because", name="first"), pellucid.Score(True, name="second")]

    def task(n: int) -> dict[str, Any]:
        return {"text": "abc", "documents": ["one", {"id": "d2", "text": "two"}]}

    data = [{"inputs": {"n": 5}, "metadata": {"topic": "a"}}]
    report = pellucid.evaluate(task, data, [nosy, Judgement(), many])
    assert seen["inputs"] == {"n": 5}
    assert seen["n"] == 5
    assert seen["metadata"] == {"topic": "a"}
    assert [document.id for document in seen["documents"]] == ["one", "d2"]
    scores = report.examples[0].scores
    assert {name: result.value for name, result in scores.items()} == {
        "nosy": 3,
        "size": 3,
        "kind": "short",
        "first": 1,
        "second": True,
    }
    assert scores["first"].rationale == "because"
    assert report.scores["kind"].counts == {"short": 1}
    assert report.scores["kind"].mean is None


def test_what_cannot_work_is_refused_before_anything_runs() -> None:
    def task(n: int) -> int:
        raise AssertionError("ran")

    for scorer, says in [
        (Doubler, "give an object of it"),
        (lambda a, /: a, "by name"),
        (object(), "is no scorer"),
    ]:
        with pytest.raises(InvalidInput, match=says):
            pellucid.evaluate(task, rows(1), [scorer])
    with pytest.raises(InvalidInput, match="named 'exact_match'"):
        pellucid.evaluate(task, rows(1), [scorers.exact_match(), scorers.exact_match()])
    with pytest.raises(InvalidInput, match="no examples"):
        pellucid.evaluate(task, [], [])
    with pytest.raises(InvalidInput, match="hold outputs"):
        pellucid.evaluate(None, rows(1), [])
    with pytest.raises(InvalidInput, match="at least 1"):
        pellucid.evaluate(task, rows(1), [], concurrency=0)
    with pytest.raises(InvalidInput, match="60/m"):
        pellucid.evaluate(task, rows(1), [], rate_limit="often")
    with pytest.raises(InvalidInput, match="budget has no"):
        pellucid.evaluate(task, rows(1), [], budget={"euros": 1})


def test_a_score_that_is_no_number_is_a_recorded_failure() -> None:
    def nan(output: Any) -> float:
        return float("nan")

    def strange(output: Any) -> object:
        return object()

    report = pellucid.evaluate(double, rows(1), [nan, strange])
    assert "returned nan" in str(report.examples[0].scores["nan"].error)
    assert "returned object" in str(report.examples[0].scores["strange"].error)


def test_examples_without_expected_get_no_score_from_scorers_that_need_it() -> None:
    judge = pellucid.judges.correctness(model=lambda prompt: "correct")
    marks = [scorers.exact_match(), scorers.rouge(), judge, scorers.recall()]
    report = pellucid.evaluate(double, [*rows(2), {"inputs": {"n": 9}}], marks)
    for name in ("exact_match", "rougel", "correctness"):
        assert (report.scores[name].n, report.scores[name].failures) == (2, 0)
    assert report.examples[2].scores == {}
    assert "recall: no example has what this scorer needs." in report.notes


@pytest.mark.parametrize("blocking", [True, False])
def test_a_scorer_may_ask_judges_itself_in_one_slot(blocking: bool) -> None:
    inner = pellucid.judges.correctness(model=lambda prompt: "correct")

    def waits(output: int) -> Any:
        return inner(inputs={}, output=output, expected=output)

    async def awaits(output: int) -> Any:
        return await inner.ascore(inputs={}, output=output, expected=output)

    scorer = waits if blocking else awaits
    report = pellucid.evaluate(double, rows(4), [scorer], concurrency=1, timeout=60)
    assert report.scores[scorer.__name__].mean == 1


def test_waiting_for_a_turn_is_not_part_of_the_time_limit() -> None:
    async def slow(prompt: str) -> str:
        await asyncio.sleep(0.7)
        return "correct"

    judge = pellucid.judges.correctness(model=slow)
    report = pellucid.evaluate(double, rows(8), [judge], concurrency=1, timeout=5)
    assert report.scores["correctness"].n == 8

    async def hung(prompt: str) -> str:
        await asyncio.sleep(30)
        return "correct"

    judge = pellucid.judges.correctness(model=hung)
    report = pellucid.evaluate(double, rows(2), [judge], timeout=0.05)
    assert report.scores["correctness"].failures == 2


def test_a_scorer_that_asks_for_what_is_not_there_is_a_recorded_failure() -> None:
    def wants(output: Any, nonsense: Any) -> int:
        return 1

    report = pellucid.evaluate(double, rows(2), [wants])
    assert "asks for 'nonsense'" in str(report.examples[0].scores["wants"].error)
    assert report.scores["wants"].failures == 2


def test_concurrency_is_never_exceeded_and_is_used() -> None:
    running = peak = 0
    lock, are_five = threading.Lock(), threading.Event()

    def slow(n: int) -> int:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
            if peak == 5:
                are_five.set()
        are_five.wait(60)
        time.sleep(0.01)
        with lock:
            running -= 1
        return n

    def slow_scorer(output: int) -> int:
        return slow(output)

    pellucid.evaluate(slow, rows(40), [slow_scorer], concurrency=5)
    assert peak == 5


@pytest.mark.parametrize("asynchronous", [True, False])
def test_every_slot_is_used_and_costs_little(asynchronous: bool) -> None:
    tasks, threads = asyncio.Barrier(10), threading.Barrier(10, timeout=90)

    async def later(n: int) -> int:
        await tasks.wait()
        return n

    def waits(n: int) -> int:
        threads.wait()
        return n

    task = later if asynchronous else waits
    began = time.process_time()
    report = pellucid.evaluate(task, rows(200), [scorers.exact_match()], concurrency=10, timeout=90)
    assert not any(example.error for example in report.examples)
    # Its own time, because others use the machine too; the target is half a millisecond.
    assert (time.process_time() - began) / len(report.examples) < 0.02


def test_a_hanging_example_times_out_and_keeps_nobody_waiting() -> None:
    is_over = threading.Event()

    def hangs(n: int) -> int:
        if n % 2:
            is_over.wait(90)
        return n

    async def hangs_too(n: int) -> int:
        if n % 2:
            await asyncio.sleep(90)
        return n

    for task in (hangs, hangs_too):
        report = pellucid.evaluate(task, rows(4), [], concurrency=2, timeout=3)
        assert report.wall_s < 60
        assert [bool(example.error) for example in report.examples] == [False, True] * 2
        assert "TimedOut: The task took longer than 3 s." == report.examples[1].error
    is_over.set()


def test_retries_with_backoff() -> None:
    tried: dict[int, int] = {}

    def flaky(n: int) -> int:
        tried[n] = tried.get(n, 0) + 1
        if tried[n] < 2:
            raise ConnectionError("again")
        return n

    report = pellucid.evaluate(flaky, rows(3), [], retries=1, concurrency=3)
    assert not report.errors
    assert report.calls == 6


def test_a_rate_limit_spaces_the_calls() -> None:
    report = pellucid.evaluate(double, rows(11), [], rate_limit=50)
    assert report.wall_s >= 10 / 50


def test_a_budget_of_calls_stops_the_run_and_says_so() -> None:
    report = pellucid.evaluate(double, rows(10), scorers.exact_match(), budget={"calls": 4})
    assert report.calls == 4
    assert len(report.errors) == 6
    assert report.scores["exact_match"].n == 4
    assert "6 examples were not run: the budget is spent." in str(report)


def test_repeats_give_variance_and_pass_at_k() -> None:
    calls: dict[int, int] = {}

    def unsteady(n: int) -> bool:
        calls[n] = calls.get(n, 0) + 1
        return n == 0 or calls[n] in (1, 2)

    data = [{"inputs": {"n": n}, "expected": True} for n in range(2)]
    report = pellucid.evaluate(unsteady, data, [scorers.exact_match()], repeats=4, concurrency=1)
    score = report.scores["exact_match"]
    assert report.repeats == 4
    assert score.n == 8
    assert score.example_means == [1, 0.5]
    assert score.mean == 0.75
    assert score.variance == pytest.approx((0 + 1 / 3) / 2)
    assert score.pass_at(1) == pytest.approx(0.75)
    assert score.pass_at(3) == 1
    assert report.examples[1].mean("exact_match") == 0.5
    assert "variance" in str(report)


RUNNING: list["asyncio.Task[Report]"] = []


def test_a_crash_is_resumed_without_paying_twice(own_folder: Path) -> None:
    log, alive = own_folder.with_name("log"), own_folder.with_name("alive")
    log.touch()

    def calls() -> list[str]:
        return log.read_text().split()

    async def task(n: int) -> int:
        if n == 6 and not alive.exists():
            RUNNING[0].cancel()
            await asyncio.Event().wait()
        with log.open("a") as file:
            print(n, file=file)
        return 2 * n

    def run(**options: Any) -> Report:
        async def running() -> Report:
            scoring = [scorers.exact_match()]
            work = pellucid.aevaluate(task, rows(10), scoring, concurrency=1, name="c", **options)
            RUNNING[:] = [asyncio.ensure_future(work)]
            return await RUNNING[0]

        return asyncio.run(running())

    with pytest.raises(asyncio.CancelledError):
        run()
    paid = len(calls())
    assert 5 <= paid < 10
    alive.touch()
    report = run()
    assert report.scores["exact_match"].n == 10
    assert len(calls()) == len(set(calls())) == 10, "an example was paid twice"
    assert sum(repeat.reused for e in report.examples for repeat in e.repeats) == paid
    assert f"{paid} outputs were taken from an earlier run" in str(report)
    assert not list((own_folder / "evaluations" / "journal").iterdir())
    run()
    assert len(calls()) == 20, "a finished evaluation starts anew"


def test_a_crash_before_the_server_has_the_report_is_not_paid_for_twice(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = own_folder.with_name("log")

    def task(n: int) -> int:
        with log.open("a") as file:
            print(n, file=file)
        return 2 * n

    class Killed(BaseException):
        pass

    def delivered(run: EvaluationRun, timeout_s: float) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(EvaluationRun, "delivered", delivered)
        with pytest.raises(Killed):
            pellucid.evaluate(task, rows(5), name="late crash", concurrency=1)
    report = pellucid.evaluate(task, rows(5), name="late crash")
    assert log.read_text().split() == ["0", "1", "2", "3", "4"]
    assert sum(repeat.reused for e in report.examples for repeat in e.repeats) == 5
    assert not list((own_folder / "evaluations" / "journal").iterdir())


def test_no_thread_of_a_closed_pool_waits_for_work() -> None:
    before = set(threading.enumerate())
    release = threading.Event()

    async def run() -> list[threading.Thread]:
        pool = ThreadPool()
        busy = [asyncio.ensure_future(pool.run(release.wait)) for _ in range(3)]
        await asyncio.gather(*(pool.run(lambda: None) for _ in range(3)))
        pool.close()
        made = [one for one in threading.enumerate() if one not in before]
        release.set()
        assert all(await asyncio.gather(*busy))
        return [one for one in made if one.name == "pellucid-eval"]

    made = asyncio.run(run())
    assert len(made) >= 3
    for thread in made:
        thread.join(30)
        assert not thread.is_alive()


def test_the_cache_is_keyed_by_content(tmp_path: Path) -> None:
    def task(n: int) -> int:
        return n

    for _ in range(2):
        report = pellucid.evaluate(task, rows(3), [], cache=tmp_path, repeats=2)
    assert report.calls == 0
    assert "6 outputs were taken from the cache" in str(report)
    report = pellucid.evaluate(task, rows(4), [], cache=tmp_path, repeats=2)
    assert report.calls == 2

    def other(n: int) -> int:
        return n + 1

    assert pellucid.evaluate(other, rows(1), [], cache=tmp_path).examples[0].output == 1


def test_a_table_of_outputs_needs_no_task() -> None:
    data = [
        {"question": "capital of France?", "output": "Paris", "expected": "Paris"},
        {"question": "two and two?", "output": "5", "expected": "4", "gold_documents": "a, b"},
    ]
    report = pellucid.evaluate(None, data, [scorers.exact_match()])
    assert report.scores["exact_match"].mean == 0.5
    assert report.examples[0].inputs == {"question": "capital of France?"}
    assert report.examples[1].gold_documents == ["a", "b"]
    assert report.task == "table"


def test_a_report_is_saved_and_read_back(tmp_path: Path) -> None:
    report = pellucid.evaluate(failing, rows(10), [scorers.exact_match()], name="r", repeats=2)
    report.save(tmp_path / "r.json")
    again = Report.load(tmp_path / "r.json")
    assert again.scores["exact_match"].mean == report.scores["exact_match"].mean
    assert again.scores["exact_match"].interval == report.scores["exact_match"].interval
    assert str(again) == str(report)
    assert "<table>" in report._repr_html_()


def test_what_json_does_not_know_hinders_nothing(tmp_path: Path) -> None:
    def task(n: Any) -> Any:
        return {(1, 2): "\ud800", "set": {1}}

    odd = [{"inputs": {"n": {(1, 2): 3}}}, {"inputs": {"n": "\ud800"}}, {"inputs": {"n": object()}}]
    report = pellucid.evaluate(task, odd, [lambda output: len(output)])
    assert report.scores["scorer"].mean == 2
    report.save(tmp_path / "r.json")
    assert Report.load(tmp_path / "r.json").scores["scorer"].mean == 2


def test_a_disk_that_takes_nothing_only_costs_the_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "file" / "spool"))
    report = pellucid.evaluate(double, rows(3), [scorers.exact_match()])
    assert report.scores["exact_match"].mean == 1
    assert "cannot be resumed" in caplog.text
    cached = pellucid.evaluate(double, rows(3), [], cache=tmp_path / "file")
    assert cached.calls == 3


def test_a_report_is_a_table() -> None:
    report = pellucid.evaluate(failing, rows(8), [scorers.exact_match()], repeats=2)
    frame = report.to_pandas()
    assert len(frame) == 16
    assert frame["score.exact_match"].sum() == 14
    assert frame[frame["inputs.n"] == 7]["error"].tolist() == ["ValueError: no 7"] * 2


def test_slices_by_metadata_and_split() -> None:
    data = [
        {"inputs": {"n": n}, "expected": 2, "metadata": {"odd": n % 2}, "split": f"s{n % 3}"}
        for n in range(6)
    ]
    report = pellucid.evaluate(double, data, [scorers.exact_match()])
    assert len(report.where(odd=1).examples) == 3
    assert report.where(split="s1", odd=1).scores["exact_match"].mean == 1


def test_the_progress_line_has_running_means_cost_and_failures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pellucid.evaluate(failing, rows(10), [scorers.exact_match()], progress=True)
    shown = capsys.readouterr().err
    assert "10/10" in shown
    assert "exact_match 1" in shown
    assert "1 failed" in shown
