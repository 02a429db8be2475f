"""`/api/v1/runs`: runs, their metrics and artifacts, and the images of an experiment."""

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from pellucid.core.errors import InvalidInput
from pellucid.core.run import Artifact, Direction, RunColumns, to_wire
from pellucid.core.run_paths import RUN_WRITES_PATH, SENT_HEADER
from pellucid.core.run_views import (
    ArtifactListView,
    LineageView,
    MeasuresView,
    MetricSummaryView,
    RunCountView,
    RunListView,
    RunReceiptList,
    RunView,
    SeriesListView,
    view_run,
)
from pellucid.server.services.run_bodies import take_writes
from pellucid.server.services.runs import RunService
from pellucid.server.services.threads import Threads

TAG = ["runs"]
MAX_SERIES_RUNS = 200

# Litestar keeps the name `query` for itself.
Query = Annotated[
    str,
    Parameter(query="query", description="A query, such as `metric.accuracy>0.8 param.k:5`"),
]
Order = Annotated[
    str, Parameter(description="Fields with asc or desc between commas: `metric.accuracy desc`")
]


class RunEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What a page changes; null leaves a field, a null tag removes it."""

    name: str | None = None
    notes: str | None = None
    tags: dict[str, str | None] = {}


@post(
    RUN_WRITES_PATH,
    tags=TAG,
    operation_id="write_runs",
    status_code=200,
    request_max_body_size=64 << 20,
)
async def write_runs(request: Request[Any, Any, Any], runs: RunService) -> RunReceiptList:
    """Merge writes about runs (a RunWriteRequest); durable when answered, harmless repeated."""
    # Of a whole server, `ingest/run_writes.py` answers these before they come here.
    return await take_writes(runs, await request.body(), request.headers.get(SENT_HEADER, ""))


@get("/api/v1/runs", tags=TAG, operation_id="search_runs")
async def search_runs(
    runs: RunService,
    threads: Threads,
    experiment: str | None = None,
    text: Query = "",
    order: Order = "",
    limit: int = 50,
    cursor: str | None = None,
) -> Response[bytes]:
    """List the runs that match a query, in an order; newest first without one."""
    page = await runs.search(
        experiment=experiment, query=text, order=order, limit=limit, cursor=cursor
    )
    view = await threads.run(
        lambda: msgspec.json.encode(
            RunListView(runs=[view_run(run) for run in page.runs], next=page.next)
        )
    )
    return Response(view, media_type=MediaType.JSON)


@get("/api/v1/runs/count", tags=TAG, operation_id="count_runs")
async def count_runs(
    runs: RunService, experiment: str | None = None, text: Query = ""
) -> RunCountView:
    """Count the runs that match a query."""
    return RunCountView(count=await runs.count(experiment=experiment, query=text))


@get("/api/v1/runs/resolve", tags=TAG, operation_id="resolve_run")
async def resolve_run(runs: RunService, run: str) -> RunView:
    """Return the run that an id, a unique prefix of one, or experiment@number stands for."""
    return view_run(await runs.get(run))


@get("/api/v1/runs/series", tags=TAG, operation_id="list_series")
async def list_series(
    runs: RunService,
    run: list[str],
    name: list[str] | None = None,
    limit: int = 2000,
) -> SeriesListView:
    """Return metrics of several runs in columns, thinned to `limit` points each."""
    if len(run) > MAX_SERIES_RUNS:
        raise InvalidInput(f"{len(run)} runs at once; at most {MAX_SERIES_RUNS} are answered.")
    return SeriesListView(series=await runs.list_series(run, name, limit=limit))


@get("/api/v1/runs/columns", tags=TAG, operation_id="list_run_columns")
async def list_columns(runs: RunService, experiment: str | None = None) -> RunColumns:
    """Return the names of params, metrics, tags and scores of the newest 1,000 runs."""
    return await runs.list_columns(experiment)


class MeasureEdit(msgspec.Struct, frozen=True, kw_only=True):
    """Which way a metric or score of an experiment is better."""

    experiment: str
    name: str
    direction: Direction


@get("/api/v1/measures", tags=TAG, operation_id="list_measures")
async def list_measures(experiment: str, runs: RunService) -> MeasuresView:
    """Return which way metrics and scores were declared better; of others it is guessed."""
    return MeasuresView(measures=await runs.list_measures(experiment))


@post("/api/v1/measures", tags=TAG, operation_id="declare_measure", status_code=200)
async def declare_measure(data: MeasureEdit, runs: RunService) -> MeasuresView:
    """Say which way a metric or score is better in an experiment."""
    await runs.declare_measure(data.experiment, data.name, data.direction)
    return MeasuresView(measures=await runs.list_measures(data.experiment))


@get("/api/v1/runs/lineage", tags=TAG, operation_id="list_lineage")
async def list_lineage(
    runs: RunService, experiment: str, value: str = "", goal: str = "max", limit: int = 1000
) -> LineageView:
    """List an experiment's runs, oldest first: where each came from, and the best so far."""
    points = await runs.list_lineage(experiment, value=value, goal=goal, limit=limit)
    return LineageView(runs=points)


@get("/api/v1/runs/{run_id:str}", tags=TAG, operation_id="get_run")
async def get_run(run_id: str, runs: RunService) -> RunView:
    """Return one run, by id or a unique prefix of it."""
    return view_run(await runs.get(run_id))


@post("/api/v1/runs/{run_id:str}/edit", tags=TAG, operation_id="edit_run", status_code=200)
async def edit_run(run_id: str, data: RunEdit, runs: RunService) -> RunView:
    """Change a run's name, notes or tags."""
    return view_run(await runs.edit(run_id, name=data.name, notes=data.notes, tags=dict(data.tags)))


@delete("/api/v1/runs/{run_id:str}", tags=TAG, operation_id="delete_run")
async def delete_run(run_id: str, runs: RunService) -> None:
    """Delete a run with all that hangs on it; a write that arrives later revives nothing."""
    await runs.delete(run_id)


@get("/api/v1/runs/{run_id:str}/children", tags=TAG, operation_id="list_children")
async def list_children(run_id: str, runs: RunService) -> list[str]:
    """List the ids of a run's children, oldest first."""
    return await runs.list_children(run_id)


@get("/api/v1/runs/{run_id:str}/metrics", tags=TAG, operation_id="list_run_metrics")
async def list_metrics(run_id: str, runs: RunService) -> dict[str, MetricSummaryView]:
    """Return a run's metrics: last value, least and greatest."""
    return {
        name: MetricSummaryView(
            value=to_wire(summary.value),
            step=summary.step,
            time_ns=summary.time_ns,
            least=to_wire(summary.least),
            greatest=to_wire(summary.greatest),
        )
        for name, summary in (await runs.list_metrics(run_id)).items()
    }


@get("/api/v1/runs/{run_id:str}/artifacts", tags=TAG, operation_id="list_run_artifacts")
async def list_artifacts(run_id: str, runs: RunService) -> ArtifactListView:
    """List a run's artifacts by path; their bytes are at /api/v1/artifacts/{digest}."""
    return ArtifactListView(artifacts=await runs.list_artifacts(run_id))


@get(
    "/api/v1/runs/{run_id:str}/artifacts/{path:path}",
    tags=TAG,
    operation_id="get_run_artifact",
    responses={404: ResponseSpec(None, description="No such artifact")},
)
async def get_artifact(run_id: str, path: str, runs: RunService) -> Artifact:
    """Return what is known of one artifact of a run, by its path."""
    return await runs.get_artifact(run_id, path.removeprefix("/"))


@get("/api/v1/images", tags=TAG, operation_id="list_images")
async def list_images(
    runs: RunService,
    experiment: str | None = None,
    run_id: str | None = None,
    text: str = "",
    model: str | None = None,
    key: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> ArtifactListView:
    """List images, newest first, whose prompt has all the words of `text`."""
    page = await runs.list_images(
        experiment=experiment,
        run_id=run_id,
        text=text,
        model=model,
        key=key,
        limit=limit,
        cursor=cursor,
    )
    return ArtifactListView(artifacts=page.artifacts, next=page.next)


route_handlers: list[Any] = [
    write_runs,
    search_runs,
    count_runs,
    resolve_run,
    list_series,
    list_columns,
    list_measures,
    declare_measure,
    list_lineage,
    get_run,
    edit_run,
    delete_run,
    list_children,
    list_metrics,
    list_artifacts,
    get_artifact,
    list_images,
]
