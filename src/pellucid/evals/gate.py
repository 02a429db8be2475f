"""Rules that a report must keep, for CI."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.evals.compare import WORSE, Comparison, as_report, compare
from pellucid.evals.report import Named, Report, ScoreSummary
from pellucid.evals.statistics import shown_p

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_NAME = r"[\w.@-]+?"
_BOUND = re.compile(
    rf"({_NAME})(?:\.(mean|low|high|min|max|n|failures|std))?\s*(>=|<=|==|>|<)\s*(\S+)"
)
_RELATIVE = re.compile(r"([\w.@*-]+)\s+(not worse|better|drop\s*<=?\s*(\S+))")
_TOTALS = {"errors", "cost_usd", "calls", "wall_s", "examples"}
DEFAULT_RULES = ("* not worse", "errors == 0")


class Bound(NamedTuple):
    """A metric and the bound that it must keep."""

    name: str
    compare: Callable[[float, float], bool]
    limit: float


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, and whether it was kept."""

    rule: str
    passed: bool
    found: str
    """What is true, in words."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of a report."""

    name: str
    results: list[RuleResult]
    comparison: Comparison | None

    @property
    def passed(self) -> bool:
        """Whether every rule was kept."""
        return all(result.passed for result in self.results)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        from pellucid.evals.gate_view import as_text

        return as_text(self)

    @property
    def markdown(self) -> str:
        """The result for a pull request."""
        from pellucid.evals.gate_view import as_markdown

        return as_markdown(self)

    @property
    def junit(self) -> str:
        """The result as JUnit XML, a test case a rule."""
        from pellucid.evals.gate_view import as_junit

        return as_junit(self)


def gate(
    run: Report | str | Path,
    baseline: Report | str | Path | None = None,
    rules: str | Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
) -> Gate:
    """Check a report against rules.

    A rule is a line such as

    - `exact_match >= 0.8`: the mean; also `exact_match.low` and `.high` (the interval's ends),
      `.min .max .std .n .failures`, and the totals `errors cost_usd calls wall_s examples`;
    - `exact_match not worse`, `* not worse`: no significant drop from the baseline;
    - `exact_match better`: a significant gain over it;
    - `exact_match drop <= 0.02`: whatever the significance, at most this much worse.

    What cannot be compared is not kept: a score that the baseline has and of which the report
    has no value, as where a judge failed throughout.

    Without rules: `* not worse` (where there is a baseline) and `errors == 0`. Raises
    InvalidInput for a rule that cannot be read, or that needs a baseline or score that is missing.
    """
    report = as_report(run)
    comparison = None if baseline is None else compare(report, baseline, alpha=alpha)
    if not rules:
        rules = DEFAULT_RULES if comparison is not None else DEFAULT_RULES[1:]
    lines = [rules] if isinstance(rules, str) else list(rules)
    results = [result for line in lines for result in _check(line.strip(), report, comparison)]
    return Gate(name=report.run.called, results=results, comparison=comparison)


def holds(rule: str, metrics: Mapping[str, float]) -> bool:
    """Tell whether metrics keep a bound such as `latency_s <= 0.5`; a missing one breaks it."""
    bound = read_bound(rule)
    value = metrics.get(bound.name)
    return value is not None and bound.compare(value, bound.limit)


def read_bound(rule: str) -> Bound:
    """Read a rule such as `latency_s <= 0.5`. Raises InvalidInput."""
    match = _BOUND.fullmatch(rule.strip())
    if match is None:
        raise InvalidInput(f"The rule {rule!r} cannot be read. Write such as 'latency_s <= 0.5'.")
    return Bound(match[1], _OPERATORS[match[3]], _number(match[4], rule))


def _check(rule: str, report: Report, comparison: Comparison | None) -> list[RuleResult]:
    if match := _RELATIVE.fullmatch(rule):
        if comparison is None:
            raise InvalidInput(f"The rule {rule!r} needs a baseline.")
        names = [*comparison.changes, *comparison.unmeasured] if match[1] == "*" else [match[1]]
        if not names:
            why = "the two have no score in common"
            return [RuleResult(rule=rule, passed=False, found=why)]
        return [_relative(rule, match, name, comparison) for name in names]
    if match := _BOUND.fullmatch(rule):
        return [_bound(rule, match, report)]
    raise InvalidInput(
        f"The rule {rule!r} cannot be read. Write such as 'exact_match >= 0.8', "
        "'* not worse', 'latency_s drop <= 0.1' or 'errors == 0'."
    )


def _bound(rule: str, match: re.Match[str], report: Report) -> RuleResult:
    name, part, relation, text = match[1], match[2] or "mean", match[3], match[4]
    value = _total(name, report) if name in _TOTALS else _part(report.scores, name, part)
    if value is None:
        return RuleResult(rule=rule, passed=False, found=f"{name} has no {part}")
    passed = _OPERATORS[relation](value, _number(text, rule))
    return RuleResult(rule=rule, passed=passed, found=f"{value:.4g}")


def _total(name: str, report: Report) -> float:
    if name in ("errors", "examples"):
        return len(getattr(report, name))
    return float(getattr(report, name))


def _part(scores: Named[ScoreSummary], name: str, part: str) -> float | None:
    summary = scores[name]
    if part in ("low", "high"):
        interval = summary.interval
        return None if interval is None else float(getattr(interval, part))
    if part in ("min", "max"):
        numbers: list[Any] = summary.example_means
        return (min if part == "min" else max)(numbers) if numbers else None
    value: float | None = getattr(summary, part)
    return value


def _relative(rule: str, match: re.Match[str], name: str, comparison: Comparison) -> RuleResult:
    if name in comparison.unmeasured:
        why = f"{name}: no example has it in both"
        return RuleResult(rule=rule.replace("*", name, 1), passed=False, found=why)
    change = comparison.metrics[name]
    said = f"{change.name} {change.difference:+.4g}, p {shown_p(change.p_value)}: {change.verdict}"
    if match[2] == "not worse":
        passed = change.verdict != WORSE
    elif match[2] == "better":
        passed = change.verdict == "better"
    else:
        drop = change.difference if change.lower_is_better else -change.difference
        passed = drop <= _number(match[3], rule)
    return RuleResult(rule=rule.replace("*", name, 1), passed=passed, found=said)


def _number(text: str, rule: str) -> float:
    try:
        return float(text.lstrip("$").removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise InvalidInput(f"The rule {rule!r}: {text!r} is no number.") from None
