"""Evaluations side by side: the verdict, shared axes, rows by need, answers word by word."""

from typing import Any

import pytest

from pellucid.core.run import Run, RunStatus
from pellucid.evals.compare import compare_all
from pellucid.evals.report import ExampleResult, Repeat, Report, RunInfo, ScoreResult, ScorerInfo
from pellucid.server.services.evaluations import Judgement
from pellucid.server.web.example_query import parse_examples
from pellucid.server.web.page import Place
from pellucid.server.web.pages.evaluation_compare import _page
from pellucid.server.web.side_view import (
    Side,
    find_all_moved,
    list_rows,
    view_full,
    view_groups,
    view_scores,
    view_sides_verdict,
)


def run(number: int, **params: Any) -> Run:
    return Run(
        id=f"run-{number}",
        experiment="e",
        number=number,
        name=f"run {number}",
        status=RunStatus.FINISHED,
        start_ns=number,
        end_ns=number,
        heard_ns=number,
        params=params,
        metrics={},
        tags={},
        scores={},
        notes="",
        error=None,
        parent_id=None,
        snapshot_id=None,
        parent_snapshot_id=None,
        source={},
        conflicts=[],
    )


def report(number: int, values: list[float | None], latency: float = 1.0) -> Report:
    return Report(
        run=RunInfo(id=f"run-{number}", name=f"run {number}"),
        dataset="d",
        dataset_version="v",
        task="t",
        scorers=[
            ScorerInfo(name="right"),
            ScorerInfo(name="latency_s", lower_is_better=True),
        ],
        examples=[
            ExampleResult(
                id=f"e{n}",
                inputs={"q": f"question {n}"},
                expected="yes",
                repeats=[
                    Repeat(
                        output=f"answer {n} of {value}",
                        error="ValueError: no" if value is None else None,
                        scores={}
                        if value is None
                        else {
                            "right": ScoreResult(value=value, rationale="so"),
                            "latency_s": ScoreResult(value=latency + n / 100),
                        },
                    )
                ],
            )
            for n, value in enumerate(values)
        ],
    )


def sides(*reports: Report) -> list[Side]:
    found: list[Judgement | None] = [None]
    found += [Judgement(one) for one in compare_all(reports[1:], reports[0])]
    return [
        Side(run=run(n, k=n), report=one, judgement=judged)
        for n, (one, judged) in enumerate(zip(reports, found, strict=True), 1)
    ]


LOW: list[float | None] = [*[0.0] * 20, *[1.0] * 4]
HIGH: list[float | None] = [*[1.0] * 22, *[0.0] * 2]


def test_the_verdict_names_who_is_better_and_at_what() -> None:
    found = sides(report(1, LOW), report(2, HIGH), report(3, LOW), report(4, LOW, latency=0.2))
    verdict = view_sides_verdict(found, "right")
    assert (verdict.kind, verdict.title) == ("better", "#2 is better than #1")
    assert verdict.lines[0].startswith("#2, better at right: right +0.750 (")
    assert verdict.lines[0].endswith("2 regressions.")
    assert verdict.lines[1] == "#3: right is 0.167, the same in every example."
    assert verdict.lines[2].startswith("#4, better at latency_s: right is 0.167")
    assert verdict.lines[3] == "No clear change in #3 and #4."


def test_nothing_clear_is_said_plainly() -> None:
    verdict = view_sides_verdict(sides(report(1, LOW), report(2, [*LOW[1:], 0.0])), "right")
    assert (verdict.kind, verdict.title) == ("none", "No clear change from #1")


def test_corrections_count_all_comparisons() -> None:
    one = compare_all([report(2, HIGH)], report(1, LOW))[0].changes["right"]
    many = compare_all([report(n, HIGH) for n in range(2, 6)], report(1, LOW))
    assert all(m.changes["right"].raw_p_value == one.raw_p_value for m in many)
    assert all(m.changes["right"].p_value > one.p_value for m in many)


def test_scores_share_an_axis_and_the_baseline_has_none() -> None:
    rows = view_scores(sides(report(1, LOW), report(2, HIGH), report(3, [0.5] * 24)), "right")
    (base, second, third) = rows[0].cells
    assert (base.verdict, base.difference) == ("", "")
    assert second.verdict == "better"
    assert second.at - 0.5 > third.at - 0.5 > 0
    assert rows[0].is_chosen
    assert not rows[1].is_chosen


def test_rows_come_by_need_and_in_pages() -> None:
    second = [None, *HIGH[1:]]
    found = sides(report(1, LOW), report(2, second), report(3, LOW))
    moved = find_all_moved(found, "right")
    rows = list_rows(found, parse_examples(""), "right", moved)
    assert [state for state, _ in rows[:4]] == ["error", "worse", "worse", "better"]
    assert len(rows) == 24
    pages = [view_groups(found, rows, "right", first=n, most=10) for n in (0, 10, 20)]
    assert [[len(group.rows) for group in page] for page in pages] == [[1, 2, 7], [10], [2, 2]]
    worse = pages[0][1]
    assert (worse.count, worse.title) == (2, "regressed in one at least")
    assert worse.rows[0].cells[1] is not None
    assert worse.rows[0].cells[1].move == "worse"
    assert worse.rows[0].cells[2] is not None
    assert worse.rows[0].cells[2].is_same
    regressed = list_rows(found, parse_examples("regressed:true"), "right", moved)
    assert [key for _, key in regressed] == ["e22", "e23"]
    assert len(list_rows(found, parse_examples("status:error"), "right", moved)) == 1


def test_answers_are_marked_where_they_differ_from_the_baseline() -> None:
    found = sides(report(1, LOW), report(2, HIGH), report(3, LOW))
    first, second, third = view_full(found, "e0")
    assert first.words == []
    assert [word.text for word in second.words if word.change == "added"] == ["1"]
    assert third.is_same
    assert second.scores[0] == ("right", "1.00", "better", "so")
    assert view_full(found, "none") == []


def test_an_evaluation_without_common_examples_says_so() -> None:
    alone = Side(run=run(2), report=report(2, LOW), judgement=Judgement(None, "It shares none."))
    base = Side(run=run(1), report=report(1, LOW), judgement=None)
    verdict = view_sides_verdict([base, alone], "right")
    assert verdict.title == "Nothing compares with #1"
    assert verdict.lines == ["#2: It shares none."]


@pytest.mark.parametrize(("page", "first", "last"), [("1", 1, 24), ("9", 1, 24), ("x", 1, 24)])
def test_the_page_stays_within_its_rows(page: str, first: int, last: int) -> None:
    found = sides(report(1, LOW), report(2, HIGH))
    shown = _page(found, Place(slug="e", experiment="e"), [run(7)], {"page": page, "query": ""})
    assert (shown.first, shown.last, shown.matched) == (first, last, 24)
    assert shown.swap_url == "/evaluations/compare?runs=run-2,run-1"
    assert [row.name for row in shown.settings] == ["k"]
    assert [one.href for one in shown.addable] == ["/evaluations/compare?runs=run-1,run-2,run-7"]
    assert shown.heads[1].drop_url == ""
    assert "#2" in shown.render()
