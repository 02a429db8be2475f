"""`/api/v1`: experiments, traces and spans."""

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from pellucid.core.trace import Deletion, Trace, Waterfall
from pellucid.core.views import (
    ExperimentListView,
    SpanView,
    TraceDetailView,
    TraceListView,
    view_page,
    view_span,
    view_trace,
)
from pellucid.server.api.errors import PROBLEMS
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService

# Litestar keeps the name `query` for itself.
Query = Annotated[
    str, Parameter(query="query", description="A query, such as `status:error duration>2s`")
]
DryRun = Annotated[bool, Parameter(description="Only tell what would be deleted")]


@get("/api/v1/experiments", tags=["traces"], operation_id="list_experiments", responses=PROBLEMS)
async def list_experiments(traces: TraceService) -> ExperimentListView:
    """List all experiments, the most recently used first."""
    return ExperimentListView(experiments=await traces.list_experiments())


@get("/api/v1/traces", tags=["traces"], operation_id="list_traces", responses=PROBLEMS)
async def list_traces(
    traces: TraceService,
    experiment: str | None = None,
    text: Query = "",
    limit: int = 50,
    cursor: str | None = None,
) -> TraceListView:
    """List traces, newest first; `next` is the cursor of the page after this one."""
    page = await traces.list_traces(experiment=experiment, query=text, limit=limit, cursor=cursor)
    return view_page(page)


@get(
    "/api/v1/traces/{trace_id:str}",
    tags=["traces"],
    operation_id="get_trace",
    responses={200: ResponseSpec(TraceDetailView, generate_examples=False), **PROBLEMS},
)
async def get_trace(trace_id: str, traces: TraceService, threads: Threads) -> Response[bytes]:
    """Return one trace with all of its spans, parents before children."""
    trace = await traces.get_trace(trace_id)
    return json_response(await threads.run(_encode_detail, trace))


@get(
    "/api/v1/traces/{trace_id:str}/waterfall",
    tags=["traces"],
    operation_id="get_waterfall",
    responses={200: ResponseSpec(Waterfall, generate_examples=False), **PROBLEMS},
)
async def get_waterfall(trace_id: str, traces: TraceService) -> Response[bytes]:
    """Return one trace in columns, depth first."""
    return json_response(msgspec.json.encode(await traces.get_waterfall(trace_id)))


@get(
    "/api/v1/traces/{trace_id:str}/spans/{span_id:str}",
    tags=["traces"],
    operation_id="get_span",
    responses=PROBLEMS,
)
async def get_span(trace_id: str, span_id: str, traces: TraceService) -> SpanView:
    """Return one span."""
    return view_span(await traces.get_span(trace_id, span_id))


@delete(
    "/api/v1/traces/{trace_id:str}",
    status_code=200,
    tags=["traces"],
    operation_id="delete_trace",
    responses=PROBLEMS,
)
async def delete_trace(trace_id: str, traces: TraceService, dry_run: DryRun = False) -> Deletion:
    """Delete a trace with all that hangs on it; a copy that is sent again does not revive it."""
    return await traces.delete_trace(trace_id, dry_run=dry_run)


@delete(
    "/api/v1/sessions",
    status_code=200,
    tags=["traces"],
    operation_id="delete_session",
    responses=PROBLEMS,
)
async def delete_session(
    experiment: str, session_id: str, traces: TraceService, dry_run: DryRun = False
) -> Deletion:
    """Delete all traces of a session, and its scores."""
    return await traces.delete_session(experiment, session_id, dry_run=dry_run)


@delete(
    "/api/v1/experiments",
    status_code=200,
    tags=["traces"],
    operation_id="delete_experiment",
    responses=PROBLEMS,
)
async def delete_experiment(
    experiment: str, traces: TraceService, dry_run: DryRun = False
) -> Deletion:
    """Delete all traces of an experiment, which is given by name."""
    return await traces.delete_experiment(experiment, dry_run=dry_run)


class RenormaliseView(msgspec.Struct, frozen=True, kw_only=True):
    """How far the older spans were read anew."""

    next: int | None
    """What the next call passes as `after`; null at the end."""


@post(
    "/api/v1/renormalise",
    status_code=200,
    tags=["traces"],
    operation_id="renormalise",
    responses=PROBLEMS,
)
async def renormalise(
    traces: TraceService, after: int = 0, limit: int = 500, prices: bool = False
) -> RenormaliseView:
    """Read anew the next spans that an older version understood; call until `next` is null.

    With `prices`, estimate the costs of all stored spans with the present price table.
    """
    following = await traces.renormalise(after=after, limit=limit, prices=prices)
    return RenormaliseView(next=following or None)


def _encode_detail(trace: Trace) -> bytes:
    """Encode a TraceDetailView span by span: one call for all would hold up every other thread."""
    encode = msgspec.json.encode
    spans = b",".join([encode(view_span(span)) for span in trace.spans])
    return b'{"trace":%b,"spans":[%b]}' % (encode(view_trace(trace.trace)), spans)


def json_response(body: bytes) -> Response[bytes]:
    """Return JSON that is already encoded."""
    return Response(body, media_type=MediaType.JSON)


route_handlers: list[Any] = [
    list_experiments,
    list_traces,
    get_trace,
    get_waterfall,
    get_span,
    delete_trace,
    delete_session,
    delete_experiment,
    renormalise,
]
