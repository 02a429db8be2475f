"""Runs side by side: the figures, the settings, and the conclusion in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.leaves import flatten_params
from pellucid.core.run import Run
from pellucid.server.web.format import plural
from pellucid.server.web.measures import (
    GUESSED,
    Goals,
    format_change,
    format_measure,
    format_setting,
    is_number,
    verdict_of,
)

_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value of one run, and how it differs from the first run's."""

    text: str
    change: str = ""
    verdict: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One metric or score of all runs."""

    name: str
    family: str
    goal: str
    is_guessed: bool
    """Whether `goal` is only read from the name."""
    figures: list[Figure]
    differs: bool


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """One param of all runs, empty where a run has none."""

    name: str
    values: list[str]
    differs: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The conclusion: a headline and a sentence."""

    headline: str
    detail: str


def figure_rows(runs: Sequence[Run], goals: Goals = GUESSED) -> list[FigureRow]:
    """Return the scores and metrics of runs; what differs first."""
    rows = []
    for family, held in (
        ("score", [run.scores for run in runs]),
        ("metric", [run.metrics for run in runs]),
    ):
        names = sorted({name for values in held for name in values})
        for name in names:
            values = [one.get(name) for one in held]
            rows.append(_figure_row(family, name, values, goals))
    return sorted(rows, key=lambda row: (row.name.startswith("system."), not row.differs))


def _figure_row(family: str, name: str, values: list[Any], goals: Goals) -> FigureRow:
    goal = goals.of(name)
    first = values[0]
    figures = [
        Figure(
            text=format_measure(value),
            change="" if index == 0 else format_change(first, value),
            verdict="" if index == 0 else verdict_of(first, value, goal),
        )
        for index, value in enumerate(values)
    ]
    return FigureRow(
        name=name,
        family=family,
        goal=goal,
        is_guessed=goals.is_guessed(name),
        figures=figures,
        differs=any(value != first for value in values),
    )


def setting_rows(runs: Sequence[Run]) -> list[SettingRow]:
    """Return the params of runs; what differs first."""
    flat = [flatten_params(run.params) for run in runs]
    names = sorted({name for params in flat for name in params})
    rows = [
        SettingRow(
            name=name,
            values=[format_setting(params[name]) if name in params else "" for params in flat],
            differs=len({repr(params.get(name)) for params in flat}) > 1
            or len({name in params for params in flat}) > 1,
        )
        for name in names
    ]
    return sorted(rows, key=lambda row: not row.differs)


def judge(runs: Sequence[Run], rows: Sequence[FigureRow]) -> Verdict:
    """Say what came of the comparison, in plain words.

    A run has one value a metric, so there is no interval: the sentence says so instead of calling
    a small change significant.
    """
    counted = [row for row in rows if not row.name.startswith("system.")]
    if len(runs) == 2:
        return _judge_two(runs, counted)
    wins = [0] * len(runs)
    for row in counted:
        values = [_value(run, row) for run in runs]
        numbers = [value for value in values if is_number(value)]
        if len(numbers) == len(runs) and len(set(numbers)) > 1:
            best = max(numbers) if row.goal == "max" else min(numbers)
            if numbers.count(best) == 1:
                wins[values.index(best)] += 1
    most = max(wins, default=0)
    if not most:
        return Verdict(
            headline="No run stands out",
            detail="They share no metric or score in which one of them is ahead.",
        )
    leaders = [run for run, count in zip(runs, wins, strict=True) if count == most]
    names = " and ".join(f"#{run.number}" for run in leaders)
    verb = "leads" if len(leaders) == 1 else "lead"
    each = "" if len(leaders) == 1 else " each"
    return Verdict(
        headline=f"{names} {verb} in {most} of {len(counted)} measures{each}",
        detail=_caveat(runs),
    )


def _judge_two(runs: Sequence[Run], rows: Sequence[FigureRow]) -> Verdict:
    name = f"#{runs[1].number}"
    better = [row for row in rows if row.figures[1].verdict == "better"]
    worse = [row for row in rows if row.figures[1].verdict == "worse"]
    if not better and not worse:
        same = "measure the same" if rows else "share no metric or score"
        return Verdict(headline=f"#{runs[0].number} and {name} {same}", detail=_caveat(runs))
    if better and not worse:
        headline = f"{name} is better in {_all(len(better), len(rows))}"
    elif worse and not better:
        headline = f"{name} is worse in {_all(len(worse), len(rows))}"
    else:
        measures = plural(len(better), "measure")
        headline = f"{name} is better in {measures} and worse in {len(worse)}"
    told = [f"{_sentence(row)}" for row in [*better[:_NAMED], *worse[:_NAMED]]]
    return Verdict(headline=headline, detail=" ".join([*told, _caveat(runs)]))


def _all(count: int, total: int) -> str:
    if count == total:
        return {1: "its only measure", 2: "both measures"}.get(total, f"all {total} measures")
    return f"{count} of {total} measures"


def _sentence(row: FigureRow) -> str:
    change = row.figures[1].change
    verb = "rose" if not change.startswith("-") else "fell"
    return f"{row.name} {verb} from {row.figures[0].text} to {row.figures[1].text}."


def _caveat(runs: Sequence[Run]) -> str:
    unfinished = [f"#{run.number}" for run in runs if run.status.value != "finished"]
    if unfinished:
        verb = "is" if len(unfinished) == 1 else "are"
        return f"{' and '.join(unfinished)} {verb} not finished, so this may not be the last word."
    return "Each is a single value, so small changes may be chance."


def _value(run: Run, row: FigureRow) -> Any:
    return run.scores.get(row.name) if row.family == "score" else run.metrics.get(row.name)
