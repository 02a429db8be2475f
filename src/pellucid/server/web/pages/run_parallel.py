"""Parallel coordinates: which params go with which outcome, and a brush that narrows the table."""

from dataclasses import dataclass

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import QuerySyntaxError
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.measures import Goals
from pellucid.server.web.page import Fragment, doc
from pellucid.server.web.pages.runs import pick_history_value, read_view
from pellucid.server.web.parallel import Parallel, draw_parallel
from pellucid.server.web.runs_table import View

MOST_LINES = 1000


@dataclass(frozen=True, kw_only=True)
class ParallelFragment(Fragment):
    """The frame of the chart; the element in it fetches the lines."""

    template = "runs_parallel.html"

    value: str = doc("The metric or score of the last axis")
    value_name: str = doc("The same by its bare name")
    values: list[str] = doc("Metrics and scores that can be drawn instead")
    experiment: str = doc("The experiment's name")
    goal: str = doc("`max` or `min`")
    is_guessed: bool = doc("Whether that is only read from the name")
    view: View = doc("What the address says")
    src: str = doc("Where the element gets the lines")


@get("/experiments/{slug:str}/runs/parallel", include_in_schema=False)
async def show_parallel(
    request: Request[object, object, State], traces: TraceService, runs: RunService, slug: str
) -> Response[str]:
    """Answer with the frame of the chart of params and outcome."""
    experiment = await traces.get_experiment(slug)
    view = read_view(request, f"/experiments/{slug}/runs")
    goals = Goals(await runs.list_measures(experiment.name))
    chosen = await pick_history_value(runs, experiment.name, view, goals)
    return ParallelFragment(
        value=chosen.value,
        value_name=chosen.value.partition(".")[2],
        values=chosen.values[:100],
        experiment=experiment.name,
        goal=chosen.goal,
        is_guessed=goals.is_guessed(chosen.value),
        view=view,
        src=view.link(base=f"{view.base}/parallel/lines", value=chosen.value, goal=chosen.goal),
    ).respond()


@get("/experiments/{slug:str}/runs/parallel/lines", include_in_schema=False)
async def list_lines(
    request: Request[object, object, State], traces: TraceService, runs: RunService, slug: str
) -> Response[bytes]:
    """Answer with axes and lines of the newest runs, and which of them match."""
    experiment = await traces.get_experiment(slug)
    view = read_view(request, f"/experiments/{slug}/runs")
    page = await runs.search(experiment=experiment.name, limit=MOST_LINES)
    matching = None
    if view.query:
        try:
            found = await runs.search(
                experiment=experiment.name, query=view.query, limit=MOST_LINES
            )
            matching = {run.id for run in found.runs}
        except QuerySyntaxError:
            # The page above says what is wrong with it.
            matching = set()
    drawn: Parallel = draw_parallel(page.runs, view.value, matching)
    return Response(msgspec.json.encode(drawn), media_type=MediaType.JSON)
