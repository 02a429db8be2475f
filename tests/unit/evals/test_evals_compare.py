"""Comparing reports and gating on them, with figures computed by hand and simulated data."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy
import pytest

import pellucid
from pellucid.core.errors import InvalidInput
from pellucid.evals.compare import COMPLETED
from pellucid.evals.report import ExampleResult, Repeat, Report, RunInfo, ScoreResult, ScorerInfo
from pellucid.evals.statistics import mcnemar_test


def made(name: str, *, lower: tuple[str, ...] = (), **scores: list[Any]) -> Report:
    """A report whose scores are given; None is a scorer's failure, an Exception the task's."""
    count = len(next(iter(scores.values())))
    examples = []
    for i in range(count):
        values = {key: column[i] for key, column in scores.items()}
        broken = next((v for v in values.values() if isinstance(v, Exception)), None)
        repeat = Repeat(
            output=f"{name} {i}",
            error=str(broken) if broken else None,
            scores={
                key: ScoreResult(error="no score") if value is None else ScoreResult(value=value)
                for key, value in values.items()
                if not broken
            },
        )
        examples.append(ExampleResult(id=f"e{i}", inputs={"n": i}, repeats=[repeat]))
    return Report(
        run=RunInfo(id=name, name=name),
        dataset="d",
        dataset_version="v",
        task="t",
        scorers=[ScorerInfo(name=key, lower_is_better=key in lower) for key in scores],
        examples=examples,
    )


def test_yes_or_no_scores_are_tested_by_mcnemar() -> None:
    before = made("before", right=[True] * 10 + [False] * 20)
    after = made("after", right=[True] * 8 + [False] * 2 + [True] * 14 + [False] * 6)
    change = pellucid.compare(after, before).metrics["right"]
    assert change.test == "McNemar"
    assert (change.wins, change.losses, change.ties) == (14, 2, 14)
    assert change.difference == pytest.approx(12 / 30)
    assert change.p_value == pytest.approx(mcnemar_test(14, 2))
    assert change.verdict == "better"
    assert change.interval is not None
    assert change.interval.low < 0.4 < change.interval.high
    assert [one.id for one in change.regressions] == ["e8", "e9"]
    assert change.regressions[0].output_after == "after 8"
    assert len(change.improvements) == 14


def test_lower_is_better_turns_the_verdict_round() -> None:
    generator = numpy.random.default_rng(1)
    times = generator.normal(1, 0.1, 30)
    before = made("before", lower=("latency_s",), latency_s=times.tolist())
    after = made("after", lower=("latency_s",), latency_s=(times + 0.1).tolist())
    change = pellucid.compare(after, before).metrics["latency_s"]
    assert change.difference == pytest.approx(0.1)
    assert (change.verdict, change.losses) == ("worse", 30)
    assert pellucid.compare(before, after).metrics["latency_s"].verdict == "better"


def test_no_clear_change_is_said_plainly_with_the_needed_sample() -> None:
    before = made("before", score=[0.5, 0.6, 0.4, 0.5, 0.9])
    after = made("after", score=[0.6, 0.5, 0.5, 0.5, 0.95])
    comparison = pellucid.compare(after, before)
    change = comparison.metrics["score"]
    assert change.verdict == comparison.verdict == "no clear change"
    assert change.needed_n is not None
    assert change.needed_n > 5
    assert "no clear change; a difference of +0.03 needs about" in str(comparison)
    assert "<table>" in comparison._repr_html_()


def test_many_metrics_are_corrected() -> None:
    same: dict[str, Any] = {f"m{i}": [False] * 6 + [True] * 9 for i in range(1, 5)}
    before = made("before", m0=[False] * 6 + [True] * 9, **same)
    after = made("after", m0=[True] * 15, **same)
    change = pellucid.compare(after, before).metrics["m0"]
    assert change.raw_p_value == pytest.approx(2 / 2**6)
    assert change.p_value == pytest.approx(5 * 2 / 2**6)
    assert change.verdict == "no clear change"
    alone = pellucid.compare(after, before, metrics=["m0"]).metrics["m0"]
    assert alone.verdict == "better"
    with pytest.raises(InvalidInput, match="holm"):
        pellucid.compare(after, before, correction="magic")


def test_failures_are_left_out_and_counted() -> None:
    before = made("before", score=[0.1, 0.2, ValueError("x"), None, 0.5])
    after = made("after", score=[0.1, None, 0.3, 0.4, 0.6])
    comparison = pellucid.compare(after, before)
    change = comparison.metrics["score"]
    assert (change.n, change.left_out) == (2, 3)
    assert comparison.metrics[COMPLETED].wins == 1
    assert "3 examples lack the score" in str(comparison)


def test_reports_without_a_shared_example_cannot_be_compared() -> None:
    first, second = made("a", s=[1, 2]), made("b", s=[1, 2])
    second.examples = [ExampleResult(id="other", inputs={}, repeats=[Repeat()])]
    with pytest.raises(InvalidInput, match="No example is in both"):
        pellucid.compare(first, second)


@pytest.mark.slow
def test_false_verdicts_stay_below_five_percent() -> None:
    generator = numpy.random.default_rng(12)
    rounds, alarms = 200, 0
    for _ in range(rounds):
        base = generator.normal(0, 1, 25)
        before = made("before", score=(base + generator.normal(0, 1, 25)).tolist())
        after = made("after", score=(base + generator.normal(0, 1, 25)).tolist())
        alarms += pellucid.compare(after, before).verdict != "no clear change"
    assert alarms / rounds <= 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5


def test_a_gate_reads_its_rules() -> None:
    before = made("before", lower=("slow",), right=[True] * 10, slow=[1.0] * 10)
    after = made("after", lower=("slow",), right=[True] * 9 + [False], slow=[1.05] * 10)
    rules = [
        "right >= 0.8",
        "right.low > 0.95",
        "right.n == 10",
        "right.failures <= 0",
        "right not worse",
        "right better",
        "right drop <= 5%",
        "slow drop <= 0.1",
        "errors == 0",
        "* not worse",
    ]
    gate = pellucid.gate(after, before, rules)
    assert [result.passed for result in gate.results] == [
        True, False, True, True, True, False, False, True, True, True, False,
    ]  # fmt: skip
    assert not gate
    assert "FAIL  right.low > 0.95" in str(gate)
    assert "FAIL  slow not worse" in str(gate)
    assert "| `right better` |" in gate.markdown
    suite = ElementTree.fromstring(gate.junit)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("11", "4")


def test_a_gate_without_rules_asks_for_no_drop_and_no_error() -> None:
    good = made("good", right=[True] * 12)
    bad = made("bad", right=[False] * 12)
    broken = made("broken", right=[ValueError("x")] * 12)
    assert pellucid.gate(good, good).passed
    assert pellucid.gate(good).passed
    assert not pellucid.gate(bad, good).passed
    assert not pellucid.gate(broken).passed


def test_a_score_that_is_missing_throughout_breaks_the_gate() -> None:
    before = made("before", right=[True] * 12, judged=[1.0] * 12)
    after = made("after", right=[True] * 12, judged=[None] * 12)
    comparison = pellucid.compare(after, before)
    assert comparison.unmeasured == ["judged"]
    assert "judged: not measured" in str(comparison)
    gate = pellucid.gate(after, before)
    assert [(one.rule, one.passed) for one in gate.results] == [
        ("right not worse", True),
        ("judged not worse", False),
        ("errors == 0", True),
    ]
    assert not pellucid.gate(after, before, "judged drop <= 1").passed
    # What the baseline has not measured either cannot have become worse.
    assert pellucid.gate(after, after).passed


def test_reports_without_a_score_in_common_break_the_gate() -> None:
    gate = pellucid.gate(made("a", one=[1.0] * 3), made("b", other=[1.0] * 3))
    assert not gate.passed
    assert gate.results[0].found == "the two have no score in common"


def test_no_rules_are_the_usual_rules_and_dollars_are_read() -> None:
    report = made("a", right=[True, True], cost_usd=[0.5, 0.5])
    assert [one.rule for one in pellucid.gate(report, rules=[]).results] == ["errors == 0"]
    assert pellucid.gate(report, rules="cost_usd <= $1.00").passed


def test_runs_without_a_name_are_called_by_their_number() -> None:
    report = made("x", right=[True, True])
    report.run = RunInfo(id="0" * 32, number=7, experiment="agent")
    assert pellucid.compare(report, report).baseline_name == "agent@7"
    assert "2 examples" in repr(report)
    assert "1 example " in str(made("y", right=[True])).splitlines()[0]


@pytest.mark.parametrize("rule", ["right", "right >= many", "right ~ 3", ""])
def test_unreadable_rules_are_refused(rule: str) -> None:
    with pytest.raises(InvalidInput, match="rule"):
        pellucid.gate(made("a", right=[True]), rules=[rule])


def test_rules_name_what_is_missing() -> None:
    report = made("a", right=[True])
    with pytest.raises(InvalidInput, match="needs a baseline"):
        pellucid.gate(report, rules="right not worse")
    with pytest.raises(pellucid.core.errors.NotFound, match="no score 'wrong'"):
        pellucid.gate(report, rules="wrong >= 1")


def test_names_are_escaped_in_pages_and_files() -> None:
    report = made("<b>|", right=[True, False, True])
    report.notes = ["<i>"]
    shown = report._repr_html_() + pellucid.compare(report, report)._repr_html_()
    assert "<b>" not in shown.replace("<p><b>", "").replace("</b></p>", "")
    assert "<i>" not in shown
    gate = pellucid.gate(report, report)
    assert "<b>\\|" in gate.markdown
    assert "&lt;b&gt;" in gate.junit


def test_reports_are_read_from_files(tmp_path: Path) -> None:
    report = made("a", right=[True, False])
    report.save(tmp_path / "a.json")
    assert pellucid.compare(tmp_path / "a.json", report).metrics["right"].difference == 0
    with pytest.raises(pellucid.core.errors.NotFound, match="no report"):
        pellucid.gate(tmp_path / "none.json")
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(InvalidInput, match="not a report"):
        pellucid.gate(tmp_path / "b.json")
