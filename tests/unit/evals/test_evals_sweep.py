"""Sweeps: stages that are paid for once, samplers, constraints, the front, and importance."""

import asyncio
import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pandas  # type: ignore[import-untyped]
import pytest

import pellucid
from pellucid import scorers
from pellucid.core.errors import InvalidInput
from pellucid.evals.fingerprint import fingerprint
from pellucid.evals.space import make_sampler
from pellucid.evals.stage import Stage

DATA = [{"inputs": {"n": n}, "expected": 2 * n} for n in range(4)]


def staged(counter: list[str]) -> Any:
    @pellucid.stage
    def split(size: int) -> list[int]:
        counter.append("split")
        return list(range(size))

    @pellucid.stage
    def index(parts: list[int], embedder: str) -> dict[str, Any]:
        counter.append("index")
        return {"parts": parts, "embedder": embedder}

    def task(n: int, *, size: int, embedder: str, factor: int) -> int:
        found = index(split(size), embedder)
        return n * factor + (0 if found["embedder"] == "good" else 1)

    return task


def test_each_distinct_stage_is_computed_once() -> None:
    counter: list[str] = []
    space = {"size": [1, 2, 3], "embedder": ["good", "bad"], "factor": [1, 2, 3]}
    sweep = pellucid.sweep(staged(counter), space, DATA, scorers.exact_match(), concurrency=4)
    assert len(sweep.runs) == 18
    assert (counter.count("split"), counter.count("index")) == (3, 6)
    assert sweep.stages["split"].calls == 18 * 4
    assert sweep.stages["index"].computed == 6
    assert sweep.best.config["factor"] == 2
    assert sweep.best.config["embedder"] == "good"
    assert sweep.best.metrics["exact_match"] == 1
    assert list(sweep.importance)[-1] == "size"
    assert sweep.importance["size"] == 0
    assert "18 configurations, the greatest exact_match first" in str(sweep)
    assert "stage split: asked 72 times, computed 3 times" in str(sweep)
    assert "<table>" in sweep._repr_html_()
    assert sweep.to_pandas()["exact_match"].max() == 1


def test_of_equal_configurations_the_best_is_on_the_front() -> None:
    def task(n: int, *, pause: float) -> dict[str, Any]:
        return {"answer": 2 * n, "took": pause}

    latency = scorers.Scorer("latency_s", lambda output: output["took"], lower_is_better=True)
    sweep = pellucid.sweep(
        task, {"pause": [0.9, 0.5, 0.7]}, DATA, [scorers.exact_match(), latency], concurrency=1
    )
    assert [run.config["pause"] for run in sweep.runs] == [0.5, 0.9, 0.7]
    assert sweep.front == [sweep.best]


def test_constraints_and_the_front() -> None:
    def task(n: int, *, pause: float, right: bool) -> dict[str, Any]:
        return {"answer": 2 * n if right else -1, "took": pause}

    # Said rather than measured: a busy machine would decide.
    latency = scorers.Scorer("latency_s", lambda output: output["took"], lower_is_better=True)
    sweep = pellucid.sweep(
        task,
        {"pause": [0.0, 1.0], "right": [True, False]},
        DATA,
        [scorers.exact_match(), latency],
        constraints=["latency_s <= 0.8"],
        objective="exact_match",
    )
    assert sweep.best.config == {"pause": 0.0, "right": True}
    assert sum(bool(run.broken) for run in sweep.runs) == 2
    assert sweep.best in sweep.front
    assert all(not run.broken for run in sweep.front)
    slow = pellucid.sweep(
        task,
        {"pause": [0.02, 0.01], "right": [True]},
        DATA,
        [latency],
        constraints=["latency_s <= 0"],
    )
    assert slow.objective == "-latency_s"
    assert slow.runs[0].config["pause"] == 0.01
    with pytest.raises(InvalidInput, match="latency_s <= 0 by 2"):
        _ = slow.best


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"objective": "exactmatch"}, "no score 'exactmatch'; it has exact_match, latency_s"),
        ({"objective": "-cost"}, "no score 'cost'"),
        ({"constraints": ["latency <= 1"]}, "no score 'latency'"),
        ({"constraints": ["latency_s at most 1"]}, "cannot be read"),
    ],
)
def test_a_mistyped_name_is_told_before_all_are_paid_for(
    options: dict[str, Any], says: str
) -> None:
    asked: list[int] = []

    def task(n: int, k: int) -> int:
        asked.append(k)
        return n

    with pytest.raises(InvalidInput, match=says):
        pellucid.sweep(task, {"k": [1, 2, 3]}, DATA, scorers.exact_match(), **options)
    assert set(asked) <= {1}


def test_a_value_alone_is_one_value() -> None:
    space = {"retriever": "bm25", "k": 3}
    sweep = pellucid.sweep(lambda n, **config: n, space, DATA, scorers.exact_match())
    assert [one.config for one in sweep.runs] == [space]


def test_a_failing_configuration_does_not_end_the_sweep() -> None:
    def task(n: int, *, mode: str) -> int:
        if mode == "bad":
            raise ValueError(mode)
        return 2 * n

    sweep = pellucid.sweep(task, {"mode": ["bad", "good"]}, DATA, [scorers.exact_match()])
    assert sweep.best.config == {"mode": "good"}
    assert len(sweep.runs[1].report.errors) == 4


def test_samplers() -> None:
    space = {"a": [1, 2, 3], "b": ["x", "y"]}

    def all_of(sampler: Any) -> list[dict[str, Any]]:
        return list(iter(sampler.propose, None))

    grid = all_of(make_sampler("grid", space, count=None, seed=0))
    assert len(grid) == 6
    assert grid[0] == {"a": 1, "b": "x"}
    drawn = all_of(make_sampler("random", space, count=4, seed=1))
    assert len({str(config) for config in drawn}) == 4
    assert drawn == all_of(make_sampler("random", space, count=4, seed=1))
    assert len(all_of(make_sampler("random", space, count=None, seed=1))) == 6
    with pytest.raises(InvalidInput, match="grid, random or tpe"):
        make_sampler("magic", space, count=1, seed=0)
    with pytest.raises(InvalidInput, match="at least one value"):
        make_sampler("grid", {"a": []}, count=1, seed=0)


def test_tpe_finds_the_best_of_many() -> None:
    pytest.importorskip("optuna")

    def task(n: int, *, x: int, y: int) -> float:
        return -abs(x - 7) - abs(y - 3)

    def value(output: float) -> float:
        return output

    space = {"x": range(10), "y": range(10)}
    sweep = pellucid.sweep(task, space, DATA[:1], [value], sampler="tpe", runs=40, seed=1)
    assert len(sweep.runs) == 40
    assert sweep.best.metrics["value"] >= -2


def test_a_stage_is_shared_by_threads_and_forgets_failures() -> None:
    made: list[int] = []

    @pellucid.stage
    def slow(n: int) -> list[int]:
        made.append(n)
        time.sleep(0.05)
        if len(made) == 1:
            raise ConnectionError("once")
        return [n]

    with pytest.raises(ConnectionError):
        slow(1)
    threads = [threading.Thread(target=slow, args=(1,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert slow(1) is slow(1)
    slow.clear()
    slow(1)
    assert len(made) == 3


async def test_an_async_stage_is_shared_by_tasks() -> None:
    made: list[int] = []

    @pellucid.stage
    async def slow(n: int) -> int:
        made.append(n)
        await asyncio.sleep(0.01)
        if n < 0:
            raise ValueError(n)
        return n

    assert await asyncio.gather(*(slow(3) for _ in range(5))) == [3] * 5
    assert made == [3]
    with pytest.raises(ValueError, match="-1"):
        await slow(-1)


def test_content_not_identity_is_the_key() -> None:
    @pellucid.stage
    def total(values: Any, scale: float = 1.0) -> float:
        return float(sum(values)) * scale

    assert isinstance(total, Stage)
    total([1, 2])
    total([1, 2], scale=1.0)
    total(values=[1, 2])
    assert total.figures.computed == 1
    big = numpy.zeros(5000)
    total(big)
    big[2500] = 1
    assert total(big) == 1


def test_fingerprints_see_what_an_answer_may_depend_on() -> None:
    frame = pandas.DataFrame({"a": range(500)})
    other = frame.copy()
    other.loc[250, "a"] = -1
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint(frame) != fingerprint(other)
    assert fingerprint(pellucid.Document(id="a")) != fingerprint(pellucid.Document(id="b"))
    assert fingerprint({1, 2}) == fingerprint({2, 1})

    def scaled(factor: int) -> Any:
        return lambda n: n * factor

    assert fingerprint(scaled(1)) == fingerprint(scaled(1))
    assert fingerprint(scaled(1)) != fingerprint(scaled(2))

    class Agent:
        def __init__(self, k: int) -> None:
            self.k = k
            self.lock = threading.Lock()

        def __call__(self, n: int) -> int:
            return n

        def answer(self, n: int) -> int:
            return n

    assert fingerprint(Agent(1)) == fingerprint(Agent(1))
    assert fingerprint(Agent(1).answer) != fingerprint(Agent(2).answer)


def test_a_stage_with_a_folder_outlives_the_process(tmp_path: Path) -> None:
    def declare() -> Any:
        @pellucid.stage(name="embed", folder=tmp_path, keep=2)
        def embed(text: str) -> list[float]:
            return [float(len(text))]

        return embed

    declare()("abc")
    again = declare()
    assert again("abc") == [3.0]
    assert again.figures.computed == 0
    for text in "abcd":
        again(text)
    assert len(again._results) == 2


def test_a_number_of_many_values_does_not_explain_each_configuration() -> None:
    def noise(n: int) -> float:
        return random.Random(n).random()

    sweep = pellucid.sweep(
        lambda question, knob: noise(knob),
        space={"knob": list(range(40))},
        data=[{"inputs": {"question": "?"}}],
        scorers=[lambda output: output],
        progress=False,
        resume=False,
    )
    assert sweep.importance["knob"] < 0.4
