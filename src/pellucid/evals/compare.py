"""Did the change help? Two reports, paired by example."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.evals.report import ExampleResult, Named, Report
from pellucid.evals.statistics import (
    CORRECTIONS,
    Interval,
    bootstrap_interval,
    mcnemar_test,
    needed_sample_size,
    paired_effect_size,
    paired_test,
    standard_deviation,
)

BETTER = "better"
WORSE = "worse"
NO_CLEAR_CHANGE = "no clear change"
COMPLETED = "completed"
"""The metric that stands for "the task did not fail", there where any did."""


class ExampleChange(msgspec.Struct, frozen=True, kw_only=True):
    """One example's score before and after."""

    id: str
    inputs: dict[str, Any]
    before: float
    after: float
    change: float
    """After less before, positive where that is better."""
    output_before: Any = None
    output_after: Any = None
    trace_before: str | None = None
    trace_after: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one metric."""

    name: str
    n: int
    """Pairs: examples that have the score in both reports."""
    left_out: int
    """Examples of either report that have not."""
    mean: float
    baseline_mean: float
    difference: float
    """Mean less baseline mean; whether up is good, `lower_is_better` says."""
    interval: Interval | None
    """95 % bootstrap confidence interval of the difference."""
    p_value: float
    """Corrected for the number of metrics; what the verdict goes by."""
    raw_p_value: float
    test: str
    """`McNemar` for yes-or-no scores, else `permutation` (`statistics.paired_test`)."""
    effect_size: float | None
    """Cohen's d of the paired differences."""
    needed_n: int | None
    """Pairs that it takes to find a difference of this size with 80 % power."""
    wins: int
    losses: int
    ties: int
    verdict: str
    lower_is_better: bool
    examples: list[ExampleChange]
    """Examples that moved, regressions first."""

    @property
    def regressions(self) -> list[ExampleChange]:
        """The examples that became worse, the worst first."""
        return [example for example in self.examples if example.change < 0]

    @property
    def improvements(self) -> list[ExampleChange]:
        """The examples that became better, the best first."""
        return [example for example in reversed(self.examples) if example.change > 0]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two reports compared, metric by metric."""

    name: str
    baseline_name: str
    changes: dict[str, Change]
    correction: str
    only_here: list[str]
    """Example ids that the baseline has not."""
    only_baseline: list[str]
    unmeasured: list[str] = []
    """Metrics of both that no example has in both, although the baseline has values of it."""

    @property
    def metrics(self) -> Named[Change]:
        """The changes by metric."""
        return Named(self.changes)

    @property
    def verdict(self) -> str:
        """`worse` if any metric is, else `better` if any is, else `no clear change`."""
        verdicts = {change.verdict for change in self.changes.values()}
        return next((v for v in (WORSE, BETTER) if v in verdicts), NO_CLEAR_CHANGE)

    def __str__(self) -> str:
        from pellucid.evals.compare_view import as_text

        return as_text(self)

    def __rich__(self) -> Any:
        from pellucid.evals.compare_view import as_table

        return as_table(self)

    def _repr_html_(self) -> str:
        from pellucid.evals.compare_view import as_html

        return as_html(self)


class _Pair(NamedTuple):
    before: ExampleResult
    after: ExampleResult
    first: float
    second: float


def compare(
    report: Report | str | Path,
    baseline: Report | str | Path,
    *,
    metrics: list[str] | None = None,
    alpha: float = 0.05,
    correction: str = "holm",
    lower_is_better: Mapping[str, bool] | None = None,
) -> Comparison:
    """Compare a report with a baseline, example by example.

    Either may be a file that `report.save` wrote, or a run on the server: its id, a unique prefix
    of it, or `experiment@number`. Repeats of an example count as their mean.
    Yes-or-no scores are tested by McNemar's exact test, others by a paired permutation test;
    p-values are corrected for the number of metrics (`holm`, `bh` or `none`), and a verdict needs
    one of at most `alpha`. Raises InvalidInput if no example is in both.
    """
    (found,) = compare_all(
        [report],
        baseline,
        metrics=metrics,
        alpha=alpha,
        correction=correction,
        lower_is_better=lower_is_better,
    )
    return found


def compare_all(
    reports: Sequence[Report | str | Path],
    baseline: Report | str | Path,
    *,
    metrics: list[str] | None = None,
    alpha: float = 0.05,
    correction: str = "holm",
    lower_is_better: Mapping[str, bool] | None = None,
) -> list[Comparison]:
    """Compare several reports with one baseline, each as `compare` does.

    The p-values are corrected for all metrics of all reports together, so that trying more
    variants does not make it likelier that one seems better by luck.
    """
    if correction not in CORRECTIONS:
        raise InvalidInput(f"correction={correction!r}: say {', '.join(CORRECTIONS)}.")
    first = as_report(baseline)
    tested = [
        _tested(as_report(report), first, metrics, lower_is_better or {}) for report in reports
    ]
    raw = [change.raw_p_value for one in tested for change in one.changes]
    adjusted = iter(CORRECTIONS[correction](raw))
    return [
        Comparison(
            name=one.report.run.called,
            baseline_name=first.run.called,
            changes={change.name: _judged(change, next(adjusted), alpha) for change in one.changes},
            correction=correction,
            only_here=one.only_here,
            only_baseline=one.only_baseline,
            unmeasured=one.unmeasured,
        )
        for one in tested
    ]


class _Tested(NamedTuple):
    report: Report
    changes: list[Change]
    only_here: list[str]
    only_baseline: list[str]
    unmeasured: list[str]


def _tested(
    report: Report,
    baseline: Report,
    metrics: list[str] | None,
    lower_is_better: Mapping[str, bool],
) -> _Tested:
    after = {example.id: example for example in report.examples}
    before = {example.id: example for example in baseline.examples}
    shared = [key for key in after if key in before]
    if not shared:
        raise InvalidInput("No example is in both reports, so there is nothing to compare.")
    directions = {**_directions(baseline), **_directions(report), **lower_is_better}
    changes = [
        _change(name, before, after, shared, bool(directions.get(name)))
        for name in metrics or _metrics(report, baseline)
    ]
    return _Tested(
        report,
        [change for change in changes if change.n],
        [key for key in after if key not in before],
        [key for key in before if key not in after],
        [
            change.name
            for change in changes
            if not change.n and change.name != COMPLETED and baseline.scores[change.name].n
        ],
    )


def as_report(report: Report | str | Path) -> Report:
    """Return a report: itself, or that of a file or run."""
    if isinstance(report, Report):
        return report
    from pellucid.evals.stored import get_report

    return get_report(report)


def _directions(report: Report) -> dict[str, bool]:
    return {name: summary.lower_is_better for name, summary in report.scores.items()}


def _metrics(report: Report, baseline: Report) -> list[str]:
    names = [name for name in report.scores if name in baseline.scores]
    return [*names, *([COMPLETED] if report.errors or baseline.errors else [])]


def _reader(name: str) -> Callable[[ExampleResult], float | None]:
    if name == COMPLETED:
        return lambda example: sum(r.error is None for r in example.repeats) / len(example.repeats)
    return lambda example: example.mean(name)


def _pairs(
    name: str,
    before: dict[str, ExampleResult],
    after: dict[str, ExampleResult],
    shared: list[str],
) -> Iterator[_Pair]:
    read = _reader(name)
    for key in shared:
        first, second = read(before[key]), read(after[key])
        if first is not None and second is not None:
            yield _Pair(before[key], after[key], first, second)


def _change(
    name: str,
    before: dict[str, ExampleResult],
    after: dict[str, ExampleResult],
    shared: list[str],
    lower_is_better: bool,
) -> Change:
    pairs = list(_pairs(name, before, after, shared))
    differences = [pair.second - pair.first for pair in pairs]
    n = len(pairs)
    ups = sum(difference > 0 for difference in differences)
    downs = sum(difference < 0 for difference in differences)
    binary = all(pair.first in (0, 1) and pair.second in (0, 1) for pair in pairs)
    mean = math.fsum(differences) / n if n else 0.0
    deviation = standard_deviation(differences)
    sign = -1 if lower_is_better else 1
    return Change(
        name=name,
        n=n,
        left_out=len(before.keys() | after.keys()) - n,
        mean=math.fsum(pair.second for pair in pairs) / n if n else 0.0,
        baseline_mean=math.fsum(pair.first for pair in pairs) / n if n else 0.0,
        difference=mean,
        interval=bootstrap_interval(differences) if n > 1 else None,
        p_value=1.0,
        raw_p_value=mcnemar_test(ups, downs) if binary else paired_test(differences),
        test="McNemar" if binary else "permutation",
        effect_size=paired_effect_size(differences),
        needed_n=needed_sample_size(mean, deviation, binary=binary) if deviation else None,
        wins=downs if lower_is_better else ups,
        losses=ups if lower_is_better else downs,
        ties=n - ups - downs,
        verdict=NO_CLEAR_CHANGE,
        lower_is_better=lower_is_better,
        examples=sorted(
            (_moved(pair, sign) for pair in pairs if pair.first != pair.second),
            key=lambda example: example.change,
        ),
    )


def _moved(pair: _Pair, sign: int) -> ExampleChange:
    return ExampleChange(
        id=pair.after.id,
        inputs=pair.after.inputs,
        before=pair.first,
        after=pair.second,
        change=sign * (pair.second - pair.first),
        output_before=pair.before.output,
        output_after=pair.after.output,
        trace_before=pair.before.trace_id,
        trace_after=pair.after.trace_id,
    )


def _judged(change: Change, p_value: float, alpha: float) -> Change:
    verdict = NO_CLEAR_CHANGE
    if p_value <= alpha and change.difference != 0:
        verdict = WORSE if (change.difference > 0) == change.lower_is_better else BETTER
    return msgspec.structs.replace(change, p_value=p_value, verdict=verdict)
