"""The examples of an evaluation as rows: failures first, then regressions, then what is low."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.query import Query
from pellucid.evals.compare import Comparison
from pellucid.evals.report import ExampleResult, Report, ScoreResult, ScoreSummary
from pellucid.server.services.evaluation_summary import interval_of
from pellucid.server.web.evaluation_view import figure, is_low, signed, span
from pellucid.server.web.example_query import Moved, meets
from pellucid.server.web.format import format_score, quote_term
from pellucid.server.web.gist import ANSWERED, ASKED
from pellucid.server.web.review_view import Said
from pellucid.server.web.values import json_line

SHOWN = 100
"""Rows of one group that are shown before the rest is asked for."""
GIST = 300
NOTICED = 0.05
"""A difference below this is not marked in a cell."""
SLICES = 24
STATES = ("error", "worse", "unscored", "low", "ok")
"""What an example may be, in the order in which it is shown."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One score of one example."""

    name: str
    text: str
    is_low: bool
    move: str
    """`worse`, `better` or empty, against the baseline."""
    title: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example."""

    id: str
    number: int
    state: str
    """One of `STATES`."""
    asked: str
    expected: str
    actual: str
    error: str
    """Why it failed, where no repeat gave an output."""
    broken: str
    """How many repeats failed, where some did not."""
    cells: list[Cell]
    said: Said | None
    """What a person said of it, by the chosen score."""
    duration_ns: int | None
    trace_id: str | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that want the same attention."""

    key: str
    count: int
    title: str
    """What follows the count."""
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The examples that share one value of a metadata key."""

    label: str
    term: str
    n: int
    failed: int
    mean: str
    interval: str
    share: float | None
    """The mean, where it is between 0 and 1."""
    before: str
    difference: str
    is_worse: bool
    others: list[str]


def find_moved(
    comparison: Comparison | None, score: str | None, said: Mapping[str, Said] | None = None
) -> Moved:
    """Return the examples that moved by one score, and what people said by it."""
    change = comparison.changes.get(score or "") if comparison is not None else None
    return Moved(
        worse=frozenset(one.id for one in change.regressions) if change else frozenset(),
        better=frozenset(one.id for one in change.improvements) if change else frozenset(),
        said={key: one.words for key, one in (said or {}).items()},
    )


def group_rows(
    report: Report,
    baseline: Report | None,
    query: Query,
    *,
    score: str | None,
    moved: Moved,
    columns: Sequence[str],
    said: Mapping[str, Said],
    most: int,
) -> list[Group]:
    """Return the rows that meet a query, in groups that are not empty."""
    summaries = dict(report.scores)
    before = {one.id: one for one in baseline.examples} if baseline is not None else {}
    chosen = summaries.get(score or "")
    sorted_in: dict[str, list[tuple[float, int, ExampleResult]]] = {}
    for number, example in enumerate(report.examples, 1):
        if not meets(query, example, moved):
            continue
        state = _state(example, chosen, moved)
        rank = _rank(example, before.get(example.id), chosen, state)
        sorted_in.setdefault(state, []).append((rank, number, example))
    groups = []
    for key in STATES:
        found = sorted(sorted_in.get(key, []), key=lambda item: item[:2])
        if found:
            shown = found[:most]
            groups.append(
                Group(
                    key=key,
                    count=len(found),
                    title=_title(key, len(found), score),
                    rows=[
                        _row(
                            example,
                            number,
                            key,
                            before.get(example.id),
                            summaries,
                            columns,
                            said.get(example.id),
                        )
                        for _, number, example in shown
                    ],
                )
            )
    return groups


def list_keys(report: Report) -> list[str]:
    """Return the metadata keys that have two to `SLICES` values, `split` too."""
    values: dict[str, set[str]] = {}
    for example in report.examples:
        for key, value in _facts(example).items():
            values.setdefault(key, set()).add(json_line(value))
    return sorted(key for key, found in values.items() if 2 <= len(found) <= SLICES)


def view_slices(
    report: Report, baseline: Report | None, key: str, score: str, others: Sequence[str]
) -> list[Slice]:
    """Return the slices of one key, the lowest mean first."""
    lower = report.scores[score].lower_is_better
    now, past = _by(report, key), _by(baseline, key) if baseline is not None else {}
    found = []
    for label, examples in now.items():
        summary = ScoreSummary(score, examples, lower_is_better=lower)
        old = ScoreSummary(score, past.get(label, []))
        mean, was = summary.mean, old.mean
        difference = mean - was if mean is not None and was is not None else None
        term = f"split:{quote_term(label)}" if key == "split" else _term(key, label)
        one = Slice(
            label=label,
            term=term,
            n=len(examples),
            failed=sum(example.error is not None for example in examples),
            mean=figure(mean),
            interval=span(interval_of(summary)),
            share=mean if mean is not None and 0 <= mean <= 1 else None,
            before=figure(was) if was is not None else "",
            difference="" if difference is None else signed(difference),
            is_worse=bool(difference) and ((difference or 0) < 0) is not lower,
            others=[figure(ScoreSummary(name, examples).mean) for name in others],
        )
        found.append((mean if mean is not None else -1e300, one))
    return [one for _, one in sorted(found, key=lambda item: -item[0] if lower else item[0])]


def gist(value: Any, keys: Sequence[str]) -> str:
    """Return the telling text of inputs or an output, in one line."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, dict):
        told = (value[key] for key in keys if isinstance(value.get(key), str) and value[key])
        value = next(told, value)
    text = json_line(value) if value is not None else ""
    line = " ".join(text[: GIST * 4].split())
    return line if len(line) <= GIST else f"{line[:GIST]} …"


def show_score(result: ScoreResult | None) -> str:
    """Write a score's value."""
    if result is None or result.value is None:
        return "failed" if result is not None and result.error else ""
    return format_score(result.value)


def asked_of(example: ExampleResult) -> str:
    """Return what an example asks."""
    return gist(example.inputs, ASKED)


def answered_of(example: ExampleResult | None) -> str:
    """Return what its output says: the first that a repeat gave."""
    repeats = example.repeats if example is not None else []
    given = next((one.output for one in repeats if one.error is None), None)
    return gist(given, ANSWERED)


def cell_of(
    name: str,
    example: ExampleResult,
    before: ExampleResult | None,
    summary: ScoreSummary,
) -> Cell:
    """Return one score of an example, against the baseline's."""
    result = example.repeats[0].scores.get(name) if example.repeats else None
    mean = example.mean(name)
    text = show_score(result)
    value = result.value if result is not None else None
    if len(example.repeats) > 1 and mean is not None:
        text, value = format_score(mean), mean
    move, title = "", result.rationale or "" if result is not None else ""
    if result is not None and result.error:
        title = result.error
    was = before.mean(name) if before is not None else None
    if mean is not None and was is not None and abs(mean - was) >= NOTICED:
        move = "worse" if (mean > was) is summary.lower_is_better else "better"
        title = f"was {format_score(was)}{'. ' if title else ''}{title}"
    failed = result is not None and result.error is not None
    return Cell(
        name=name, text=text, is_low=failed or is_low(value, summary), move=move, title=title
    )


def _row(
    example: ExampleResult,
    number: int,
    state: str,
    before: ExampleResult | None,
    summaries: dict[str, ScoreSummary],
    columns: Sequence[str],
    said: Said | None,
) -> Row:
    failed = sum(one.error is not None for one in example.repeats)
    some = 0 < failed < len(example.repeats)
    times = [one.duration_s for one in example.repeats if one.duration_s is not None]
    return Row(
        id=example.id,
        number=number,
        state=state,
        asked=asked_of(example),
        expected=gist(example.expected, ANSWERED),
        actual=answered_of(example),
        error="" if some else " ".join((example.error or "").split())[:GIST],
        broken=f"{failed} of {len(example.repeats)} failed" if some else "",
        cells=[cell_of(name, example, before, summaries[name]) for name in columns],
        said=said,
        duration_ns=round(sum(times) / len(times) * 1e9) if times else None,
        trace_id=example.trace_id if example.repeats else None,
    )


def _state(example: ExampleResult, chosen: ScoreSummary | None, moved: Moved) -> str:
    if example.error is not None:
        return "error"
    if example.id in moved.worse:
        return "worse"
    if chosen is not None:
        results = [repeat.scores.get(chosen.name) for repeat in example.repeats]
        known = [one for one in results if one is not None]
        if any(one.error for one in known):
            return "unscored"
        if any(is_low(one.value, chosen) for one in known):
            return "low"
    return "ok"


def _rank(
    example: ExampleResult,
    before: ExampleResult | None,
    chosen: ScoreSummary | None,
    state: str,
) -> float:
    if chosen is None or state in ("error", "unscored", "ok"):
        return 0.0
    sign = -1 if chosen.lower_is_better else 1
    now = example.mean(chosen.name) or 0.0
    was = before.mean(chosen.name) if before is not None and state == "worse" else None
    return sign * (now - (was or 0.0))


def _title(key: str, count: int, score: str | None) -> str:
    if key == "worse":
        return f"{'regression' if count == 1 else 'regressions'} by {score}"
    return {
        "error": "failed",
        "unscored": f"not scored: {score} failed",
        "low": f"low in {score}",
        "ok": "other" if count == 1 else "others",
    }[key]


def _facts(example: ExampleResult) -> dict[str, Any]:
    split = {"split": example.split} if example.split is not None else {}
    return {**example.metadata, **split}


def _by(report: Report, key: str) -> dict[str, list[ExampleResult]]:
    found: dict[str, list[ExampleResult]] = {}
    for example in report.examples:
        facts = _facts(example)
        if key in facts:
            found.setdefault(json_line(facts[key]), []).append(example)
    return found


def _term(key: str, label: str) -> str:
    plain = key.isidentifier()
    name = key if plain else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"metadata.{name}:{quote_term(label)}"
