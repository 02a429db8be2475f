"""Evaluations as pages show them: verdicts, groups of rows, filters, slices, sweeps."""

from typing import Any

import pytest

from pellucid.core.errors import QuerySyntaxError
from pellucid.evals.compare import compare
from pellucid.evals.report import ExampleResult, Repeat, Report, RunInfo, ScoreResult, ScorerInfo
from pellucid.evals.stored_sweep import StoredConfig, StoredSweep
from pellucid.server.web.evaluation_rows import (
    find_moved,
    group_rows,
    list_keys,
    view_slices,
)
from pellucid.server.web.evaluation_view import (
    figure,
    is_low,
    p_value,
    pick_score,
    signed,
    view_cards,
    view_verdict,
)
from pellucid.server.web.example_query import Moved, meets, parse_examples
from pellucid.server.web.example_view import view_example
from pellucid.server.web.sweep_view import list_metrics, list_parameters, view_heat, view_plot

RATIONALE = "Because of <b>this</b>."


def example(number: int, value: Any, *, error: str | None = None, **more: Any) -> ExampleResult:
    scores = {"right": ScoreResult(value=value, rationale=RATIONALE)} if error is None else {}
    return ExampleResult(
        id=f"e{number}",
        inputs={"question": f"Question {number}"},
        expected=number,
        metadata={"topic": "even" if number % 2 == 0 else "odd", "number": number},
        repeats=[Repeat(output={"answer": f"Answer {number}"}, error=error, scores=scores, **more)],
    )


def report(values: list[Any], *, name: str = "one") -> Report:
    return Report(
        run=RunInfo(id=name, name=name),
        dataset="d",
        dataset_version="v",
        task="t",
        scorers=[ScorerInfo(name="right", source="MODEL", prompt="Is it? {{ output }}")],
        examples=[
            example(i, value)
            if value is not None
            else example(i, None, error="TimeoutError: too slow")
            for i, value in enumerate(values)
        ],
    )


BEFORE = report([True] * 4 + [False] * 26, name="before")
AFTER = report([False] * 2 + [True] * 26 + [None] * 2, name="after")


def test_a_verdict_names_what_moved_and_what_failed() -> None:
    verdict = view_verdict(
        AFTER, compare(AFTER, BEFORE), here="#2", there="#1", why="", chosen="right"
    )
    assert verdict.kind == "better"
    assert verdict.title == "#2 is better than #1"
    assert verdict.lines[0].startswith("right rose from 0.143 to 0.929: +0.786 (+")
    assert "2 examples regressed by right." in verdict.lines
    assert "2 of 30 examples failed." in verdict.lines


def test_an_evaluation_that_only_failed_says_so_first() -> None:
    failed = report([None] * 3, name="broken")
    verdict = view_verdict(failed, None, here="#3", there="", why="It is the first.")
    assert verdict.title == "#3 failed on every example"
    assert verdict.lines == ["It is the first."]


def test_a_verdict_the_other_way_round_is_worse_and_the_same_is_none() -> None:
    verdict = view_verdict(BEFORE, compare(BEFORE, AFTER), here="#1", there="#2", why="")
    assert verdict.title == "#1 is worse than #2"
    same = view_verdict(BEFORE, compare(BEFORE, BEFORE), here="#1", there="#1b", why="")
    assert (same.kind, same.title) == ("none", "No clear change between #1b and #1")


def test_without_a_baseline_the_page_says_why() -> None:
    verdict = view_verdict(BEFORE, None, here="#1", there="", why="It is the first.")
    assert (verdict.kind, verdict.lines) == ("alone", ["It is the first."])


def test_without_a_comparison_the_baselines_mean_stands_beside() -> None:
    why = "Install them with: pip install 'pellucid[evals]'"
    verdict = view_verdict(AFTER, None, here="#2", there="#1", why=why)
    assert verdict.lines == [f"{why}.", "2 of 30 examples failed."]
    (card,) = view_cards(AFTER, BEFORE, None, "right")
    assert (card.change, card.before) == (None, "0.133")


def test_a_card_tells_mean_interval_change_and_distribution() -> None:
    (card,) = view_cards(AFTER, BEFORE, compare(AFTER, BEFORE), "right")
    assert (card.mean, card.is_judge, card.is_chosen, card.failures) == ("0.929", True, True, 0)
    assert card.interval == "0.774 to 0.980"
    assert card.change is not None
    assert (card.change.wins, card.change.losses, card.change.ties) == (24, 2, 2)
    assert [bar.title for bar in card.bars] == ["no: 2, before 26", "yes: 26, before 4"]
    assert [bar.is_low for bar in card.bars] == [True, False]
    assert all(0 <= x <= 1 for x in (card.change.at, card.change.left, card.change.width))


def test_failures_come_first_then_regressions() -> None:
    comparison = compare(AFTER, BEFORE)
    moved = find_moved(comparison, "right")
    groups = group_rows(
        AFTER,
        BEFORE,
        parse_examples(""),
        score="right",
        moved=moved,
        columns=["right"],
        said={},
        most=100,
    )
    assert [(group.key, group.count) for group in groups] == [
        ("error", 2),
        ("worse", 2),
        ("ok", 26),
    ]
    row = groups[1].rows[0]
    assert (row.asked, row.actual, row.expected) == ("Question 0", "Answer 0", "0")
    assert (row.cells[0].text, row.cells[0].is_low, row.cells[0].move) == ("no", True, "worse")
    assert row.cells[0].title.startswith("was 1.00")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", {"e0", "e1", "e2", "e3"}),
        ("status:error", {"e3"}),
        ("score.right<0.5", {"e1"}),
        ("score.right:true", {"e0", "e2"}),
        ("-score.right:true", {"e1", "e3"}),
        ("score.right:yes", {"e0", "e2"}),
        ("score.right:No", {"e1"}),
        ("score.right!=yes", {"e1", "e3"}),
        ("metadata.topic:odd", {"e1", "e3"}),
        ("topic.x:odd", set()),
        ("metadata.number>=2", {"e2", "e3"}),
        ('"answer 2"', {"e2"}),
        ("too slow", {"e3"}),
        ("regressed:true", {"e1"}),
        ("improved:true OR status:error", {"e2", "e3"}),
        ("has:score.right", {"e0", "e1", "e2"}),
        ("id:e0", {"e0"}),
        ("duration>1s", set()),
    ],
)
def test_examples_are_filtered_by_the_query_language(text: str, ids: set[str]) -> None:
    examples = report([True, False, True, None]).examples
    moved = Moved(worse=frozenset({"e1"}), better=frozenset({"e2"}))
    query = parse_examples(text)
    assert {one.id for one in examples if meets(query, one, moved)} == ids


def test_a_wrong_query_points_at_the_place() -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse_examples("status:error kind:LLM")
    assert caught.value.position == 13


def test_slices_are_by_any_key_with_few_values_the_lowest_first() -> None:
    assert list_keys(AFTER) == ["topic"]
    slices = view_slices(AFTER, BEFORE, "topic", "right", [])
    assert [(one.label, one.n, one.failed) for one in slices] == [("even", 15, 1), ("odd", 15, 1)]
    assert slices[0].term == "metadata.topic:even"
    assert slices[0].difference.startswith("+")
    assert not slices[0].is_worse


def test_an_example_in_full_has_reasons_and_what_was_before() -> None:
    view = view_example(AFTER, BEFORE, "e1", "worse")
    assert view is not None
    assert (view.number, view.title, view.before) == (2, "Question 1", "Answer 1")
    (score,) = view.scores
    assert score.rationale is not None
    assert score.rationale.text == RATIONALE
    assert (score.was, score.cell.move) == ("yes", "worse")
    assert view.inputs is None
    assert view_example(AFTER, BEFORE, "none such") is None


def test_an_operation_is_chosen_only_when_asked_for() -> None:
    both = report([True])
    for one in both.examples:
        one.repeats[0].scores = {
            "latency_s": ScoreResult(value=0.2),
            **one.repeats[0].scores,
        }
    assert pick_score(both, None) == "right"
    assert pick_score(both, "latency_s") == "latency_s"
    assert pick_score(both, "gone") == "right"


def test_a_low_value_is_one_that_others_pass() -> None:
    def one(*values: Any) -> Any:
        return report(list(values)).scores["right"]

    assert is_low(False, one(True, False))
    assert is_low(0.2, one(0.2, 0.9))
    assert not is_low(0.2, one(0.2, 0.2))
    assert not is_low("a", one("a", "b"))


def test_figures_are_short() -> None:
    assert [figure(v) for v in (None, 0, 1.0, 0.12345, 12.34, 1234.5, 0.00123)] == [
        "–",
        "0",
        "1.000",
        "0.123",
        "12.3",
        "1,234",
        "0.0012",
    ]
    assert [signed(0.5), signed(-0.5), signed(0)] == ["+0.500", "−0.500", "0"]
    assert [p_value(0.0001), p_value(0.04)] == ["<0.001", "0.040"]


def sweep(**more: Any) -> StoredSweep:
    return StoredSweep(
        objective="right",
        runs=[
            StoredConfig(
                run_id=f"r{k}{how}",
                config={"k": k, "how": how},
                metrics={"right": k / 10, "latency_s": k / 100, "cost_usd": None},
                on_front=k == 8,
            )
            for k in (8, 4, 2)
            for how in ("a", "b")
        ],
        importance={"k": 1.0, "how": 0.0},
        **more,
    )


def test_a_sweep_is_drawn_with_its_front_and_a_heat_map() -> None:
    found = sweep()
    assert list_parameters(found) == ["k", "how"]
    assert list_metrics(found) == ["right", "latency_s", "cost_usd"]
    plot = view_plot(found, ["k", "how"])
    assert plot is not None
    assert (plot.x_name, plot.y_name, len(plot.points)) == ("latency_s", "right", 6)
    assert plot.front == ""  # both that are on the front stand on one point
    assert all(0 <= p.x <= 440 and 0 <= p.y <= 240 for p in plot.points)
    heat = view_heat(found, ["k", "how"])
    assert heat is not None
    assert [label for label, _ in heat.rows] == ["2", "4", "8"]
    assert heat.columns == ["a", "b"]
    assert [cells[0].share for _, cells in heat.rows if cells[0]] == [0.0, 0.333, 1.0]


def test_the_line_of_the_front_joins_what_no_other_beats_in_what_is_drawn() -> None:
    # The third is on the front by its cost.
    figures = [(0.001, 0.2), (0.01, 0.5), (0.02, 0.4), (0.5, 0.9)]
    runs = [
        StoredConfig(
            run_id=str(n),
            config={"k": n},
            metrics={"right": right, "latency_s": latency, "cost_usd": 1.0 - n / 10},
            on_front=True,
        )
        for n, (latency, right) in enumerate(figures)
    ]
    plot = view_plot(StoredSweep(objective="right", runs=runs), ["k"])
    assert plot is not None
    places = [point.split(",") for point in plot.front.split()]
    assert len(places) == 3
    assert [float(x) for x, _ in places] == sorted(float(x) for x, _ in places)
    assert [float(y) for _, y in places] == sorted((float(y) for _, y in places), reverse=True)
    # Latencies 500 times apart go by powers, so that the quick ones can be told apart.
    assert float(places[1][0]) - float(places[0][0]) > 100
    assert [tick.label for tick in plot.x_ticks] == [
        "0.001",
        "0.003",
        "0.010",
        "0.030",
        "0.100",
        "0.300",
    ]
    lower = view_plot(StoredSweep(objective="-right", runs=runs), ["k"])
    assert lower is not None
    assert len(lower.front.split()) < 2  # the quickest is the least as well


def test_a_sweep_with_one_parameter_has_no_heat_map_and_none_without_figures_a_plot() -> None:
    assert view_heat(sweep(), ["k"]) is None
    bare = StoredSweep(
        objective="-right", runs=[StoredConfig(run_id="r", config={}, metrics={"right": 1.0})]
    )
    assert view_plot(bare, []) is None
    assert bare.minimises


def test_a_verdict_on_time_alone_says_so_and_what_the_score_did() -> None:
    before, after = report([True, False] * 15), report([False, True] + [True, False] * 14)
    for one, took in ((before, 0.1), (after, 0.3)):
        for number, case in enumerate(one.examples):
            case.repeats[0].scores["latency_s"] = ScoreResult(value=took + number / 100)
        one.scorers.append(ScorerInfo(name="latency_s", lower_is_better=True))
    verdict = view_verdict(
        after, compare(after, before), here="#2", there="#1", why="", chosen="right"
    )
    assert verdict.title == "#2 is worse than #1 at latency_s"
    assert verdict.lines[0] == "right is 0.500 in both."
    assert verdict.lines[1].startswith("latency_s rose from 0.245 to 0.445: +0.200")
    assert verdict.lines[2] == "1 example regressed by right."


def test_of_repeats_the_first_that_answered_is_shown() -> None:
    whole = report([True, False])
    first = whole.examples[0]
    first.repeats = [Repeat(error="boom"), *first.repeats]
    (failed, _) = group_rows(
        whole, None, parse_examples(""), score="right", moved=Moved(), columns=[], said={}, most=9
    )
    (row,) = failed.rows
    assert (row.actual, row.error, row.broken) == ("Answer 0", "", "1 of 2 failed")
