"""A sweep: which configuration to choose, and what made the difference."""

from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.run import Run
from pellucid.core.slug import slug_of
from pellucid.evals.stored_sweep import StoredSweep
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.evaluation_view import figure
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.sweep_view import (
    HEIGHT,
    WIDTH,
    ConfigRow,
    HeatMap,
    Plot,
    find_best,
    list_metrics,
    list_parameters,
    view_heat,
    view_plot,
    view_rows,
)


@dataclass(frozen=True, kw_only=True)
class HeatChoice:
    """One side of the heat map and the parameters that it may show."""

    label: str
    key: str
    current: str
    options: list[tuple[str, str]]
    """Parameter, and the address that shows it."""


@dataclass(frozen=True, kw_only=True)
class SweepPage(Page):
    """All configurations of a sweep, the best first."""

    template = "sweep.html"

    run: Run = doc("The run that it is")
    sweep: StoredSweep = doc("What the run keeps")
    headline: str = doc("The answer of the page")
    lines: list[str] = doc("What it rests on")
    plot: Plot | None = doc("Quality over latency, with the Pareto front")
    width: int = doc("The plot's width")
    height: int = doc("The plot's height")
    shares: list[tuple[str, float, str]] = doc("Each parameter's importance")
    heat: HeatMap | None = doc("The objective over two parameters")
    heat_choices: list[HeatChoice] = doc("The parameters that the heat map may show, per side")
    parameters: list[str] = doc("The parameters, the one that mattered most first")
    metrics: list[str] = doc("The metrics that have a column")
    rows: list[ConfigRow] = doc("A row a configuration")
    has_broken: bool = doc("Whether any breaks a constraint")


@get("/sweeps/{run_id:str}", include_in_schema=False)
async def show_sweep(
    request: Request[object, object, State],
    evaluations: EvaluationService,
    traces: TraceService,
    runs: RunService,
    run_id: str,
) -> Response[str]:
    """Show one sweep; `x` and `y` choose the heat map's parameters."""
    run, sweep = await evaluations.get_sweep(run_id)
    experiment = await traces.get_experiment(slug_of(run.experiment))
    parameters, metrics = list_parameters(sweep), list_metrics(sweep)
    asked = [request.query_params.get(name) for name in ("y", "x")]
    chosen = [name for name in asked if name in parameters]
    sides = [str(one) for one in dict.fromkeys([*chosen, *parameters])][:2]
    heat = view_heat(sweep, sides)
    rows = view_rows(sweep, await _children(runs, sweep), parameters, metrics)
    headline, lines = _answer(sweep, rows, parameters)
    return SweepPage(
        title=f"{run.name} · Evaluations",
        place=Place.of(experiment, "evaluations"),
        run=run,
        sweep=sweep,
        headline=headline,
        lines=lines,
        plot=view_plot(sweep, parameters),
        width=WIDTH,
        height=HEIGHT,
        shares=[(name, share, f"{share:.0%}") for name, share in sweep.importance.items()],
        heat=heat,
        heat_choices=_heat_choices(run.id, sides, parameters),
        parameters=parameters,
        metrics=metrics,
        rows=rows,
        has_broken=any(row.broken for row in rows),
    ).respond()


def _heat_choices(run_id: str, sides: list[str], parameters: list[str]) -> list[HeatChoice]:
    if len(parameters) < 3 or len(sides) < 2:
        return []
    down, across = sides

    def url(y: str, x: str) -> str:
        return f"/sweeps/{run_id}?{urlencode({'y': y, 'x': x})}"

    # The parameter that the other side shows changes places with this one.
    rows = [(name, url(name, down if name == across else across)) for name in parameters]
    columns = [(name, url(across if name == down else down, name)) for name in parameters]
    return [
        HeatChoice(label="Rows", key="heat-rows", current=down, options=rows),
        HeatChoice(label="Columns", key="heat-columns", current=across, options=columns),
    ]


async def _children(runs: RunService, sweep: StoredSweep) -> dict[str, Run]:
    shown = sweep.runs[:200]
    return {one.run_id: await runs.get(one.run_id) for one in shown}


def _answer(
    sweep: StoredSweep, rows: list[ConfigRow], parameters: list[str]
) -> tuple[str, list[str]]:
    chosen = find_best(sweep)
    if chosen is None:
        return "Every configuration failed or breaks a constraint", []
    best = sweep.runs.index(chosen)
    value = chosen.metrics.get(sweep.goal)
    settings = ", ".join(f"{n} {s}" for n, s in zip(parameters, rows[best].settings, strict=True))
    word = "least" if sweep.minimises else "best"
    equal = sum(not one.broken and one.metrics.get(sweep.goal) == value for one in sweep.runs)
    lines = []
    if equal > 1:
        which = "this one is on the Pareto front" if chosen.on_front else "this is the first"
        lines.append(f"{equal} configurations reach it; {which}.")
    first = next(iter(sweep.importance.items()), None)
    if first is not None and first[1] > 0:
        lines.append(f"{first[0]} explains {first[1]:.0%} of the differences in {sweep.goal}.")
    front = sum(row.on_front for row in rows)
    lines.append(f"{front} of {len(rows)} are on the Pareto front of {sweep.goal}, time and cost.")
    broken = sum(bool(row.broken) for row in rows)
    if broken:
        lines.append(f"{broken} break a constraint.")
    return f"{settings}: {word} {sweep.goal}, {figure(value)}", lines
