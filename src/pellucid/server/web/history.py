"""An experiment's runs in order, with the best so far as a staircase."""

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.core.run import LineagePoint, from_wire
from pellucid.server.web.charts import HEIGHT, WIDTH, Tick, format_tick, nice_ticks
from pellucid.server.web.measures import format_measure, is_number


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One run: x from 0 to 1,000, y from 0 to 100 downwards."""

    x: float
    y: float
    number: int
    run_id: str
    title: str
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class History:
    """The staircase, and the run that stands on its last step."""

    stairs: str
    dots: list[Dot]
    best: Dot | None
    best_value: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    run_count: int
    baseline_at: float | None
    """Height of the baseline's value, from 0 to 100 downwards."""


MOST_DOTS = 600


def draw_history(points: Sequence[LineagePoint], *, baseline: int | None) -> History:
    """Draw runs that have a value; among very many, those that set a best always stay."""
    held = [(point, from_wire(point.value)) for point in points if point.value is not None]
    held = [(point, value) for point, value in held if is_number(value)]
    numbers = [point.number for point, _ in held]
    values = [value for _, value in held]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 0.5
    ticks = nice_ticks(low - room, high + room, 3)
    x_low, x_high = (min(numbers), max(numbers)) if numbers else (0, 1)
    wide = max(x_high - x_low, 1)

    def across(number: int) -> float:
        return (number - x_low) / wide * WIDTH

    def down(value: float) -> float:
        return HEIGHT - (value - ticks[0]) / (ticks[-1] - ticks[0]) * HEIGHT

    every = max(len(held) // MOST_DOTS, 1)
    dots = [
        Dot(
            x=across(point.number),
            y=down(value),
            number=point.number,
            run_id=point.run_id,
            title=f"#{point.number} {point.name}: {format_measure(value)}",
            is_best=point.is_best,
        )
        for index, (point, value) in enumerate(held)
        if point.is_best or index % every == 0
    ]
    stairs = [dot for dot in dots if dot.is_best]
    pinned = next((value for point, value in held if point.number == baseline), None)
    best = stairs[-1] if stairs else None
    return History(
        stairs=_stairs(stairs),
        dots=dots,
        best=best,
        best_value=next(
            (format_measure(v) for p, v in held if best and p.run_id == best.run_id), ""
        ),
        x_ticks=[Tick(across(number) / 10, f"{number}") for number in _numbers(x_low, x_high)],
        y_ticks=[Tick(down(value), format_tick(value)) for value in ticks],
        run_count=len(held),
        baseline_at=down(pinned) if pinned is not None else None,
    )


def _numbers(first: int, last: int) -> list[int]:
    """Return the numbers that the axis names: round ones, the first and the last."""
    if last - first < 2:
        return sorted({first, last})
    far = (last - first) / 12
    inner = [round(tick) for tick in nice_ticks(first, last, 5)]
    return [first, *(n for n in inner if first + far < n < last - far), last]


def _stairs(dots: Sequence[Dot]) -> str:
    if not dots:
        return ""
    steps = "".join(f"H{dot.x:.1f}V{dot.y:.2f}" for dot in dots[1:])
    return f"M{dots[0].x:.1f} {dots[0].y:.2f}{steps}H{WIDTH:.0f}"
