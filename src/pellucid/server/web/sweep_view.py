"""A sweep as its page shows it: the front of quality and latency, what mattered, every row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.run import Run
from pellucid.evals.stored_sweep import StoredConfig, StoredSweep
from pellucid.server.web.evaluation_view import figure
from pellucid.server.web.values import json_line

LATENCY = "latency_s"
COST = "cost_usd"
WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 34
SIDE = 10
METRICS = 6
FAR_APART = 8
"""From this ratio of the greatest to the least on, an axis goes by powers."""
MOST_TICKS = 6


@dataclass(frozen=True, kw_only=True)
class Point:
    """One configuration in the plot; its area stands for its cost."""

    x: float
    y: float
    radius: float
    on_front: bool
    is_broken: bool
    href: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line of the grid."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Quality over latency (over cost where no latency is known)."""

    x_name: str
    y_name: str
    points: list[Point]
    front: str
    """The front's points, for a polyline; empty below two."""
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    has_cost: bool


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """The mean of the objective where two parameters have these values."""

    text: str
    share: float
    title: str


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """The objective over the two parameters that matter most."""

    rows_name: str
    columns_name: str
    columns: list[str]
    rows: list[tuple[str, list[HeatCell | None]]]


@dataclass(frozen=True, kw_only=True)
class MetricCell:
    """A figure in the table, with its place between the least (0) and the greatest (1)."""

    text: str
    share: float | None
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class ConfigRow:
    """One configuration."""

    href: str
    number: int | None
    settings: list[str]
    cells: list[MetricCell]
    on_front: bool
    broken: str
    is_best: bool


def view_plot(sweep: StoredSweep, parameters: Sequence[str]) -> Plot | None:
    """Return the plot; None where fewer than two configurations have both figures."""
    x_name = LATENCY if any(_known(one, LATENCY) for one in sweep.runs) else COST
    drawn = [one for one in sweep.runs if _known(one, sweep.goal) and _known(one, x_name)]
    if len(drawn) < 2 or x_name == sweep.goal:
        return None
    across = _Scale([_value(one, x_name) for one in drawn])
    y_low, y_high = _reach([_value(one, sweep.goal) for one in drawn])
    dearest = max((_value(one, COST) for one in drawn if _known(one, COST)), default=0.0)
    has_cost = dearest > 0 and x_name != COST

    def x(value: float) -> float:
        return round(LEFT + across.share(value) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - y_low) / (y_high - y_low) * _tall(), 1)

    points = [
        Point(
            x=x(_value(one, x_name)),
            y=y(_value(one, sweep.goal)),
            radius=_radius(one, dearest) if has_cost else 4.5,
            on_front=one.on_front,
            is_broken=bool(one.broken),
            href=f"/evaluations/{one.run_id}",
            title=_title(one, sweep.goal, parameters),
        )
        for one in drawn
    ]
    front = _steps([(p.x, p.y) for p in points if p.on_front], upwards=not sweep.minimises)
    return Plot(
        x_name=x_name,
        y_name=sweep.goal,
        points=sorted(points, key=lambda point: point.on_front),
        front=" ".join(f"{a},{b}" for a, b in front) if len(front) > 1 else "",
        x_ticks=[Tick(at=x(value), label=figure(value)) for value in across.ticks()],
        y_ticks=[Tick(at=y(value), label=figure(value)) for value in _ticks(y_low, y_high)],
        has_cost=has_cost,
    )


def view_heat(sweep: StoredSweep, chosen: Sequence[str]) -> HeatMap | None:
    """Return the heat map of two parameters; None where there are not two."""
    if len(chosen) < 2:
        return None
    rows_name, columns_name = chosen[:2]
    found: dict[tuple[str, str], list[float]] = {}
    for one in sweep.runs:
        if _known(one, sweep.goal) and rows_name in one.config and columns_name in one.config:
            key = (_text(one.config[rows_name]), _text(one.config[columns_name]))
            found.setdefault(key, []).append(_value(one, sweep.goal))
    rows, columns = _values(sweep, rows_name), _values(sweep, columns_name)
    if not found or len(rows) > SIDE or len(columns) > SIDE or max(len(rows), len(columns)) < 2:
        return None
    means = {key: math.fsum(values) / len(values) for key, values in found.items()}
    low, high = min(means.values()), max(means.values())

    def cell(row: str, column: str) -> HeatCell | None:
        mean = means.get((row, column))
        if mean is None:
            return None
        share = (mean - low) / (high - low) if high > low else 0.5
        count = len(found[row, column])
        return HeatCell(
            text=figure(mean),
            share=round(1 - share if sweep.minimises else share, 3),
            title=f"{rows_name} {row}, {columns_name} {column}: mean of {count}",
        )

    return HeatMap(
        rows_name=rows_name,
        columns_name=columns_name,
        columns=columns,
        rows=[(row, [cell(row, column) for column in columns]) for row in rows],
    )


def view_rows(
    sweep: StoredSweep,
    children: dict[str, Run],
    parameters: Sequence[str],
    metrics: Sequence[str],
) -> list[ConfigRow]:
    """Return a row a configuration, the best first."""
    ends = {name: _ends(sweep, name) for name in metrics}
    best = find_best(sweep)
    return [
        ConfigRow(
            href=f"/evaluations/{one.run_id}",
            number=children[one.run_id].number if one.run_id in children else None,
            settings=[_text(one.config.get(name, "")) for name in parameters],
            cells=[_cell(one, name, ends[name]) for name in metrics],
            on_front=one.on_front,
            broken=", ".join(one.broken),
            is_best=one is best,
        )
        for one in sweep.runs
    ]


def find_best(sweep: StoredSweep) -> StoredConfig | None:
    """Return the configuration to choose: of equal ones, one that is on the front."""
    sound = [one for one in sweep.runs if not one.broken and _known(one, sweep.goal)]
    equal = [one for one in sound if one.metrics[sweep.goal] == sound[0].metrics[sweep.goal]]
    return next((one for one in equal if one.on_front), equal[0] if equal else None)


def list_parameters(sweep: StoredSweep) -> list[str]:
    """Return the parameters, the one that mattered most first."""
    names = dict.fromkeys(name for one in sweep.runs for name in one.config)
    return [
        *(n for n in sweep.importance if n in names),
        *(n for n in names if n not in sweep.importance),
    ]


def list_metrics(sweep: StoredSweep) -> list[str]:
    """Return the metrics that have a column: the objective first, latency and cost last."""
    names = dict.fromkeys(name for one in sweep.runs for name in one.metrics)
    middle = [name for name in names if name not in (sweep.goal, LATENCY, COST)]
    wanted = [sweep.goal, *middle[:METRICS], LATENCY, COST]
    return [name for name in wanted if name in names]


def _cell(one: StoredConfig, name: str, ends: tuple[float, float]) -> MetricCell:
    if not _known(one, name):
        return MetricCell(text="", share=None)
    value, (low, high) = _value(one, name), ends
    share = (value - low) / (high - low) if high > low else 0.0
    return MetricCell(text=figure(value), share=round(share, 3), value=value)


def _ends(sweep: StoredSweep, name: str) -> tuple[float, float]:
    values = [_value(one, name) for one in sweep.runs if _known(one, name)]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _known(one: StoredConfig, name: str) -> bool:
    value = one.metrics.get(name)
    return value is not None and math.isfinite(value)


def _value(one: StoredConfig, name: str) -> float:
    return one.metrics.get(name) or 0.0


def _values(sweep: StoredSweep, name: str) -> list[str]:
    found: dict[str, Any] = {}
    for one in sweep.runs:
        if name in one.config:
            found[_text(one.config[name])] = one.config[name]
    numbers = all(isinstance(v, int | float) for v in found.values())
    return sorted(found, key=lambda text: (found[text] if numbers else 0, text))


def _text(value: Any) -> str:
    return json_line(value)[:80]


def _title(one: StoredConfig, goal: str, parameters: Sequence[str]) -> str:
    settings = ", ".join(f"{name} {_text(one.config.get(name, ''))}" for name in parameters)
    parts = [f"{goal} {figure(_value(one, goal))}"]
    parts += [f"{_value(one, LATENCY):.3g} s"] if _known(one, LATENCY) else []
    parts += [f"${_value(one, COST):.2g}"] if _known(one, COST) else []
    return f"{settings}: {', '.join(parts)}"


def _radius(one: StoredConfig, dearest: float) -> float:
    return round(3 + 7 * math.sqrt(_value(one, COST) / dearest), 1)


def _tall() -> float:
    return HEIGHT - TOP - BOTTOM


class _Scale:
    """An axis from the least to the greatest value: in powers where these are far apart."""

    def __init__(self, values: Sequence[float]) -> None:
        least, most = min(values), max(values)
        self._is_log = least > 0 and most / least > FAR_APART
        self._low, self._high = _reach([self._at(value) for value in values])

    def _at(self, value: float) -> float:
        return math.log10(value) if self._is_log else value

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        return (self._at(value) - self._low) / (self._high - self._low)

    def ticks(self) -> list[float]:
        """Return up to six round values on the axis."""
        if not self._is_log:
            return _ticks(self._low, self._high)
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        found: list[float] = []
        for steps in ((1, 2, 5), (1, 3), (1,)):
            every = [step * 10.0**power for power in powers for step in steps]
            found = [one for one in every if self._low <= math.log10(one) <= self._high]
            if len(found) <= MOST_TICKS:
                break
        return found


def _steps(points: Sequence[tuple[float, float]], *, upwards: bool) -> list[tuple[float, float]]:
    """Return the points that no other beats in the two drawn figures, from left to right."""
    sign = -1 if upwards else 1  # y grows downwards on the screen, and here "better" is less
    best = math.inf
    kept = []
    for x, y in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        good = -sign * y
        if good < best:
            best = good
            kept.append((x, y))
    return kept


def _reach(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) / 2))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 5:
            step *= factor
            break
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]
