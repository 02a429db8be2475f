"""Scorers and tasks that do what nobody should do: a recorded failure, never the run's end."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

import pellucid
from pellucid.evals.report import ExampleResult, Repeat, Report, RunInfo, ScoreResult

DATA = [{"inputs": {"question": str(n)}, "expected": str(n)} for n in range(3)]


def evaluate(task: Any, *scorers: Any) -> Report:
    return pellucid.evaluate(task, DATA, list(scorers), progress=False, resume=False)


def same(question: str) -> str:
    return question


@pytest.mark.parametrize("value", [10**400, 2**63, -(2**63) - 1, 1e101, -1e308])
def test_figures_beyond_all_measure_are_refused(value: float) -> None:
    def far(output: str) -> float:
        return value

    report = evaluate(same, far)
    assert report.scores["far"].failures == 3
    assert "far" in (report.examples[0].scores["far"].error or "")
    assert str(report)


def test_the_greatest_figures_that_are_taken_can_be_reckoned_with() -> None:
    def far(output: str) -> float:
        return 1e100 if output == "1" else -1e100

    report = evaluate(same, far)
    summary = report.scores["far"]
    assert summary.mean == pytest.approx(-1e100 / 3)
    assert summary.interval is not None
    assert summary.std is not None
    assert pellucid.compare(report, report).verdict == "no clear change"


def test_a_file_with_figures_beyond_all_measure_is_read_without_them() -> None:
    report = Report(
        run=RunInfo(id="r"),
        dataset="d",
        dataset_version="v",
        task="t",
        scorers=[],
        examples=[
            ExampleResult(
                id=str(n), inputs={}, repeats=[Repeat(scores={"x": ScoreResult(value=value)})]
            )
            for n, value in enumerate([10**400, 1e308, -1e308, 0.5, 0.7])
        ],
    )
    assert report.scores["x"].mean == pytest.approx(0.6)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_program_that_wants_to_exit_does_not_end_the_run(is_async: bool) -> None:
    async def leaves_later(**_: Any) -> None:
        sys.exit(3)

    def leaves(**_: Any) -> None:
        sys.exit(3)

    one = leaves_later if is_async else leaves
    report = evaluate(one)
    assert [example.error for example in report.examples] == ["SystemExit: 3"] * 3
    scored = evaluate(same, one)
    assert next(iter(scored.scores.values())).failures == 3


def test_a_scorer_may_yield_its_scores() -> None:
    def several(output: str) -> Iterator[pellucid.Score]:
        yield pellucid.Score(1.0, name="first")
        yield pellucid.Score(True, name="second")

    report = evaluate(same, several)
    assert report.scores["first"].mean == 1.0
    assert report.scores["second"].n == 3


def test_a_scorer_of_several_names_has_no_score_of_its_own() -> None:
    def several(output: str) -> dict[str, Any]:
        return {"tone": 0.5, "length": len(output)}

    def silent(output: str) -> None:
        return None

    several.lower_is_better = True  # type: ignore[attr-defined]
    report = evaluate(same, several, silent)
    assert list(report.scores) == ["tone", "length", "silent"]
    assert report.scores["tone"].lower_is_better
    assert report.notes == ["silent: no example has what this scorer needs."]
    found = report.scorer_of("length")
    assert found is not None
    assert found.name == "several"
    assert report.scorer_of("none") is None
    again = Report.from_json(report.to_json())
    assert list(again.scores) == ["tone", "length", "silent"]
