"""Params of many runs beside what came out: axes and lines of parallel coordinates."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.leaves import flatten_params
from pellucid.core.run import Run
from pellucid.server.web.facets import write_key
from pellucid.server.web.measures import format_setting, is_number, read_value

MOST_AXES = 7
MOST_CATEGORIES = 24
MOST_MARKS = 12
_LOG_SPAN = 50.0


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One column: numbers between two ends, or categories from below to above."""

    id: str
    """Such as `param.k`."""
    field: str
    """The same as a query writes it."""
    label: str
    low: float | None = None
    high: float | None = None
    is_log: bool = False
    marks: list[float] | None = None
    """The numbers themselves, where they are few."""
    categories: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """The axes, the last of them what came out; and the lines."""

    axes: list[Axis]
    lines: list[tuple[str, int | None, list[float | None], bool]]
    """A run each: its id, its number, its place on each axis, and whether it matches."""
    run_count: int
    """How many runs were looked at; those without the value have no line."""


def draw_parallel(
    runs: Sequence[Run], value: str, matching: Collection[str] | None = None
) -> Parallel:
    """Choose the params that differ, the most common first, and place each run on them.

    The axes are those of all runs, so that they stay while a query narrows to `matching` ids.
    """
    lined = [run for run in runs if is_number(read_value(run, value))]
    counts = Counter(name for run in lined for name in flatten_params(run.params))
    axes = []
    for name, _ in counts.most_common():
        axis = _param_axis(lined, f"param.{name}")
        if axis is not None:
            axes.append(axis)
        if len(axes) == MOST_AXES:
            break
    last = _number_axis(value, [read_value(run, value) for run in lined])
    if last is None:
        return Parallel(axes=[], lines=[], run_count=len(runs))
    axes.append(last)
    lines = [
        (
            run.id,
            run.number,
            [_place(axis, read_value(run, axis.id)) for axis in axes],
            matching is None or run.id in matching,
        )
        for run in lined
    ]
    return Parallel(axes=axes, lines=lines, run_count=len(runs))


def _param_axis(runs: Sequence[Run], column: str) -> Axis | None:
    values = [value for run in runs if (value := read_value(run, column)) is not None]
    texts = sorted({format_setting(value) for value in values})
    if len(texts) < 2:
        return None
    if all(is_number(value) for value in values):
        return _number_axis(column, values)
    if len(texts) > MOST_CATEGORIES or any(isinstance(value, list | dict) for value in values):
        return None
    return Axis(id=column, field=_field(column), label=_bare(column), categories=texts)


def _number_axis(column: str, values: Sequence[Any]) -> Axis | None:
    numbers = [float(value) for value in values if is_number(value)]
    if not numbers:
        return None
    low, high = min(numbers), max(numbers)
    distinct = sorted(set(numbers))
    is_log = low > 0 and high / low > _LOG_SPAN and column.startswith("param.")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return Axis(
        id=column,
        field=_field(column),
        label=_bare(column),
        low=low,
        high=high,
        is_log=is_log,
        marks=distinct if 2 <= len(distinct) <= MOST_MARKS else None,
    )


def _place(axis: Axis, value: Any) -> float | None:
    """Return where a value stands, from 0 (below) to 1; None for a run without it."""
    if value is None:
        return None
    if axis.categories is not None:
        text = format_setting(value)
        return axis.categories.index(text) / (len(axis.categories) - 1)
    if not is_number(value) or axis.low is None or axis.high is None:
        return None
    low, high, at = axis.low, axis.high, float(value)
    if axis.is_log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return round((at - low) / (high - low), 5)


def _bare(column: str) -> str:
    return column.partition(".")[2]


def _field(column: str) -> str:
    family, _, name = column.partition(".")
    return f"{family}.{write_key(name)}"
