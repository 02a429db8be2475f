"""Lines as SVG paths, in a box 1,000 wide and 100 high that the page stretches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pellucid.core.run import MetricSeries, from_wire
from pellucid.server.web.format import format_duration
from pellucid.server.web.measures import format_measure

WIDTH = 1000.0
HEIGHT = 100.0
COLOURS = 8
MOST_DRAWN = 400
"""Points of a line; more are not told apart on a screen."""


class Tick(NamedTuple):
    """A mark of an axis: where, from 0 to 100, and its text."""

    at: float
    label: str


class Drawn(NamedTuple):
    """What is drawn as a line: its name and its points."""

    name: str
    x: list[float]
    y: list[float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart; `raw` is the path before smoothing, else empty."""

    name: str
    colour: int
    path: str
    raw: str
    last: str
    last_at: float
    """Height of its end, from 0 to 100 downwards."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One metric over steps or time, for one or several runs."""

    title: str
    axis: str
    """`step`, or `time` in nanoseconds since the run's first point."""
    bounds: tuple[float, float, float, float]
    """Least and greatest x, then y, that the box stands for."""
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    points: int
    rows: list[list[str]]
    """The same as a table: the step, then each run's value; at most 12 rows."""


def draw_metric(
    name: str, series: Sequence[tuple[str, MetricSeries]], *, by_time: bool, smoothing: float
) -> Chart:
    """Draw one metric of several runs, each with its label; colours follow the order."""
    drawn = [_points(label, one, by_time=by_time) for label, one in series]
    xs = [x for one in drawn for x in one.x]
    ys = [y for one in drawn for y in one.y]
    x_low, x_high = _range(xs)
    y_ticks = nice_ticks(*_range(ys))
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def place(one: Drawn, values: list[float]) -> str:
        return path_of(
            [(x - x_low) / (x_high - x_low) * WIDTH for x in one.x],
            [HEIGHT - (y - y_low) / (y_high - y_low) * HEIGHT for y in values],
        )

    lines = []
    for number, one in enumerate(drawn):
        smooth = smoothed(one.y, smoothing)
        end = smooth[-1] if smooth else y_low
        lines.append(
            Line(
                name=one.name,
                colour=number % COLOURS + 1,
                path=place(one, smooth),
                raw=place(one, one.y) if smoothing else "",
                last=format_measure(one.y[-1]) if one.y else "",
                last_at=100 - (end - y_low) / (y_high - y_low) * 100,
            )
        )
    return Chart(
        title=name,
        axis="time" if by_time else "step",
        bounds=(x_low, x_high, y_low, y_high),
        lines=lines,
        x_ticks=_x_ticks(x_low, x_high, by_time=by_time),
        y_ticks=[Tick(100 - (y - y_low) / (y_high - y_low) * 100, format_tick(y)) for y in y_ticks],
        points=len(xs),
        rows=_table(drawn, by_time=by_time),
    )


def _points(label: str, series: MetricSeries, *, by_time: bool) -> Drawn:
    start = series.times_ns[0] if series.times_ns else 0
    x: list[float] = []
    y: list[float] = []
    for step, time_ns, wire in zip(series.steps, series.times_ns, series.values, strict=True):
        value = from_wire(wire)
        if math.isfinite(value):
            x.append(float(time_ns - start if by_time else step))
            y.append(value)
    return Drawn(label, x, y)


def smoothed(values: list[float], weight: float) -> list[float]:
    """Return a running mean that forgets by `weight`, without leaning to the first value."""
    if not weight:
        return values
    held, scale, result = 0.0, 0.0, []
    for value in values:
        held = held * weight + value * (1 - weight)
        scale = scale * weight + (1 - weight)
        result.append(held / scale)
    return result


def path_of(xs: Sequence[float], ys: Sequence[float]) -> str:
    """Return points as a path; long ones are thinned, each stretch keeping least and greatest."""
    kept = range(len(xs)) if len(xs) <= MOST_DRAWN else _thin(ys)
    return "".join(
        f"{'L' if number else 'M'}{xs[index]:.1f} {ys[index]:.2f}"
        for number, index in enumerate(kept)
    )


def _thin(ys: Sequence[float]) -> list[int]:
    kept: set[int] = {0, len(ys) - 1}
    width = max(2 * len(ys) // MOST_DRAWN, 2)
    for begin in range(0, len(ys), width):
        part = range(begin, min(begin + width, len(ys)))
        kept |= {min(part, key=ys.__getitem__), max(part, key=ys.__getitem__)}
    return sorted(kept)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high:
        room = abs(low) * 0.1 or 0.5
        return low - room, high + room
    return low, high


def nice_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers from below `low` to above `high`, about `most` steps."""
    raw = (high - low) / most
    if not math.isfinite(raw) or raw <= 0:
        return [low, low + 1]
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * part for part in (1, 2, 2.5, 5, 10) if scale * part >= raw * 0.999)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [index * step for index in range(first, last + 1)]


def format_tick(value: float) -> str:
    """Write a round number without the zeros that it does not need."""
    rounded = float(f"{value:.10g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e7 else f"{rounded:g}"


def _x_ticks(low: float, high: float, *, by_time: bool) -> list[Tick]:
    if by_time:
        return [
            Tick(share * 100, format_duration(round(low + share * (high - low))))
            for share in (0.0, 0.5, 1.0)
        ]
    inner = [value for value in nice_ticks(low, high) if low <= value <= high]
    return [
        Tick((value - low) / (high - low) * 100, f"{value:g}") for value in inner or [low, high]
    ]


def _table(drawn: Sequence[Drawn], *, by_time: bool) -> list[list[str]]:
    steps = sorted({x for one in drawn for x in one.x})
    if len(steps) > 12:
        steps = [steps[round(i * (len(steps) - 1) / 11)] for i in range(12)]
    values = [dict(zip(one.x, one.y, strict=True)) for one in drawn]
    return [
        [
            format_duration(round(step)) if by_time else f"{step:g}",
            *(format_measure(held.get(step)) for held in values),
        ]
        for step in steps
    ]
