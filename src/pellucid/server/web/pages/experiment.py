"""One experiment's overview: what it cost, how long it took, what failed; from rollups alone."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from litestar import Response, get

from pellucid.core.clock import now_ns
from pellucid.core.rollup import Figures, Rollup, percentile_ns
from pellucid.core.trace import ExperimentSummary
from pellucid.server.services.traces import TraceService
from pellucid.server.web.format import quote_term
from pellucid.server.web.page import Page, Place, doc

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS
_MOST_BARS = 72


class Period(NamedTuple):
    """One choice of the time range."""

    key: str
    label: str
    length_ns: int


PERIODS = (
    Period("24h", "24 hours", _DAY_NS),
    Period("7d", "7 days", 7 * _DAY_NS),
    Period("30d", "30 days", 30 * _DAY_NS),
    Period("all", "All time", 0),
)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over spans."""

    spans: int
    errors: int
    tokens_in: int
    tokens_out: int
    cached: int
    cost_usd: float | None
    unpriced: int
    """Model calls with tokens whose cost nobody knows."""


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """The spans of one kind and model."""

    kind: str
    model: str
    spans: int
    errors: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    is_unpriced: bool
    share: float
    """Its part of the cost, 0 to 1."""
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    query: str


@dataclass(frozen=True, kw_only=True)
class StepBar:
    """One step of time, in the drawing's own units (1,000 wide, 64 high)."""

    x: float
    width: float
    height: float
    error_height: float
    start_ns: int
    spans: int
    errors: int
    cost_usd: float


class BarSteps(NamedTuple):
    """The bars and the length of a step."""

    bars: list[StepBar]
    step_ns: int


@dataclass(frozen=True, kw_only=True)
class ExperimentPage(Page):
    """Totals, a time line, and a table by kind and model."""

    template = "experiment.html"

    experiment: ExperimentSummary = doc("The experiment, with its totals over all time")
    periods: tuple[Period, ...] = doc("The time ranges to choose from")
    period: Period = doc("The one that is shown")
    totals: Totals = doc("Sums over the range")
    models: list[FigureRow] = doc("Model calls, the most expensive first")
    others: list[FigureRow] = doc("Everything else, the most time-consuming first")
    bars: list[StepBar] = doc("Spans over time")
    most: int = doc("Spans of the fullest step")
    step_hours: int = doc("Length of a step")


@get("/experiments/{slug:str}", include_in_schema=False)
async def show_experiment(traces: TraceService, slug: str, period: str = "") -> Response[str]:
    """Show an experiment's overview."""
    experiment = await traces.get_experiment(slug)
    now = now_ns()
    chosen = next((one for one in PERIODS if one.key == period), _fitting(experiment, now))
    since = now - chosen.length_ns if chosen.length_ns else 0
    rollups = await traces.list_rollups(
        experiment=experiment.name, since_ns=since // _HOUR_NS * _HOUR_NS, step_minutes=60
    )
    rows = figure_rows(rollups)
    begin = since or min((rollup.time_ns for rollup in rollups), default=now)
    bars, step = place_bars(rollups, begin, now)
    return ExperimentPage(
        title=experiment.name,
        place=Place.of(experiment, "overview"),
        experiment=experiment,
        periods=PERIODS,
        period=chosen,
        totals=_totals([rollup.figures for rollup in rollups], rows),
        models=sorted(
            (row for row in rows if row.model),
            key=lambda row: (-(row.cost_usd or 0), -row.tokens_in - row.tokens_out, row.model),
        ),
        others=sorted(
            (row for row in rows if not row.model), key=lambda row: (-row.spans, row.kind)
        ),
        bars=bars,
        most=max((bar.spans for bar in bars), default=0),
        step_hours=step // _HOUR_NS,
    ).respond()


def _fitting(experiment: ExperimentSummary, now: int) -> Period:
    """Return the shortest range, up to a week, that holds all there is."""
    is_young = experiment.first_ns is not None and now - experiment.first_ns < _DAY_NS
    return PERIODS[0] if is_young else PERIODS[1]


def _totals(figures: list[Figures], rows: list[FigureRow]) -> Totals:
    costs = [one.cost_usd for one in figures if one.cost_usd is not None]
    return Totals(
        spans=sum(one.count for one in figures),
        errors=sum(one.error_count for one in figures),
        tokens_in=sum(one.tokens.input for one in figures),
        tokens_out=sum(one.tokens.output for one in figures),
        cached=sum(one.tokens.cache_read for one in figures),
        cost_usd=sum(costs) if costs else None,
        unpriced=sum(row.spans for row in rows if row.is_unpriced),
    )


def figure_rows(rollups: list[Rollup]) -> list[FigureRow]:
    """Add rollups up by kind and model, in no order."""
    held: dict[tuple[str, str], list[Figures]] = {}
    for rollup in rollups:
        held.setdefault((rollup.kind.value, rollup.model or ""), []).append(rollup.figures)
    total = sum(r.figures.cost_usd for r in rollups if r.figures.cost_usd is not None)
    return [_row(kind, model, figures, total) for (kind, model), figures in held.items()]


def _row(kind: str, model: str, figures: list[Figures], total: float) -> FigureRow:
    latency: Counter[int] = Counter()
    for one in figures:
        latency.update(one.latency)
    costs = [one.cost_usd for one in figures if one.cost_usd is not None]
    tokens_in = sum(one.tokens.input for one in figures)
    tokens_out = sum(one.tokens.output for one in figures)
    terms = [f"kind:{kind}"] + ([f"model={quote_term(model)}"] if model else [])
    return FigureRow(
        kind=kind,
        model=model,
        spans=sum(one.count for one in figures),
        errors=sum(one.error_count for one in figures),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=sum(costs) if costs else None,
        is_unpriced=bool(model and not costs and (tokens_in or tokens_out)),
        share=sum(costs) / total if costs and total else 0.0,
        p50_ns=percentile_ns(latency, 0.5),
        p95_ns=percentile_ns(latency, 0.95),
        p99_ns=percentile_ns(latency, 0.99),
        query=f"span({' '.join(terms)})",
    )


def place_bars(rollups: list[Rollup], begin_ns: int, end_ns: int) -> BarSteps:
    """Add rollups up by steps of time, at most 72 of them, and place their bars."""
    step = _HOUR_NS
    for hours in (1, 2, 6, 12, 24, 48, 168, 720, 8_760):
        step = hours * _HOUR_NS
        if end_ns - begin_ns <= step * _MOST_BARS:
            break
    first = begin_ns // step * step
    count = max((end_ns - first) // step + 1, 1)
    spans: Counter[int] = Counter()
    errors: Counter[int] = Counter()
    costs: dict[int, float] = {}
    for rollup in rollups:
        index = min(max((rollup.time_ns - first) // step, 0), count - 1)
        spans[index] += rollup.figures.count
        errors[index] += rollup.figures.error_count
        costs[index] = costs.get(index, 0.0) + (rollup.figures.cost_usd or 0.0)
    most = max(spans.values(), default=1) or 1
    width = 1000 / count
    bars = [
        StepBar(
            x=index * width + min(width * 0.1, 1),
            width=width - min(width * 0.2, 2),
            height=max(spans[index] / most * 62, 1.5),
            error_height=max(errors[index] / most * 62, 1.5) if errors[index] else 0,
            start_ns=first + index * step,
            spans=spans[index],
            errors=errors[index],
            cost_usd=costs[index],
        )
        for index in sorted(spans)
    ]
    return BarSteps(bars, step)
