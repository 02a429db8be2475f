"""`/api/v1`: completing a query, what the traces that match add up to, and SQL."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import Parameter

from pellucid.core.rollup import Rollup
from pellucid.core.survey import SessionSummary, Survey, TimeBins
from pellucid.core.views import ScoreView, view_score
from pellucid.server.api.errors import PROBLEMS
from pellucid.server.api.traces import Query
from pellucid.server.services.completion import (
    Completions,
    CompletionService,
    RunCompletionService,
)
from pellucid.server.services.sql import SqlService
from pellucid.server.services.traces import MAX_TIME_NS, TraceService


class OverviewView(msgspec.Struct, frozen=True, kw_only=True):
    """What the matching traces have, and when they started."""

    survey: Survey
    histogram: TimeBins


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """The traces of one session, added up."""

    experiment: str
    session_id: str
    user_id: str | None
    trace_count: int
    error_count: int
    first_ns: int
    last_ns: int
    """Start of the newest trace."""
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    input_preview: str | None
    """Of the first trace."""
    output_preview: str | None
    """Of the last one."""
    scores: list[ScoreView]
    """The latest on the session itself."""


class SessionListView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions, the last active first; `next` is the cursor of the page after it."""

    sessions: list[SessionView]
    next: str | None


class RollupListView(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over final spans, by time, kind and model."""

    rollups: list[Rollup]


class SqlInput(msgspec.Struct, kw_only=True):
    """One SELECT over the views traces, spans and scores."""

    sql: str
    limit: int = 1000
    """Rows, at most 100,000."""


class SqlView(msgspec.Struct, frozen=True, kw_only=True):
    """What a SELECT gave."""

    columns: list[str]
    rows: list[list[Any]]
    """Strings, numbers and null; bytes in base64."""
    truncated: bool
    """Whether there were more rows than asked for."""


@get("/api/v1/complete", tags=["search"], operation_id="complete_query", responses=PROBLEMS)
async def complete_query(
    completions: CompletionService,
    text: Query = "",
    at: Annotated[int | None, Parameter(description="Where; the end, if it is missing")] = None,
) -> Completions:
    """Propose how a query may go on, and tell what is wrong with it so far."""
    return await completions.complete(text, at)


@get(
    "/api/v1/complete/runs",
    tags=["search"],
    operation_id="complete_run_query",
    responses=PROBLEMS,
)
async def complete_run_query(
    run_completions: RunCompletionService,
    text: Query = "",
    experiment: str | None = None,
    at: Annotated[int | None, Parameter(description="Where; the end, if it is missing")] = None,
) -> Completions:
    """Propose how a query on runs may go on, and tell what is wrong with it so far."""
    return await run_completions.complete(text, at, experiment=experiment)


@get("/api/v1/overview", tags=["search"], operation_id="get_overview", responses=PROBLEMS)
async def get_overview(traces: TraceService, experiment: str, text: Query = "") -> OverviewView:
    """Count the matching traces by status, kind, name, model, tag, score … and by time."""
    return OverviewView(
        survey=await traces.survey(experiment=experiment, query=text),
        histogram=await traces.count_by_time(experiment=experiment, query=text),
    )


@get("/api/v1/sessions", tags=["search"], operation_id="list_sessions", responses=PROBLEMS)
async def list_sessions(
    traces: TraceService,
    experiment: str,
    text: Query = "",
    limit: int = 50,
    cursor: str | None = None,
) -> SessionListView:
    """List sessions with a trace that matches; their traces are found with `session:ID`."""
    page = await traces.list_sessions(experiment=experiment, query=text, limit=limit, cursor=cursor)
    return SessionListView(sessions=[_view(one) for one in page.sessions], next=page.next)


@get("/api/v1/rollups", tags=["search"], operation_id="list_rollups", responses=PROBLEMS)
async def list_rollups(
    traces: TraceService,
    experiment: str | None = None,
    since_ns: int = 0,
    until_ns: int = MAX_TIME_NS,
    step_minutes: Annotated[int, Parameter(description="1 or 60; 0 is one for all time")] = 60,
) -> RollupListView:
    """List counts, errors, tokens, cost and latency by time, kind and model."""
    rollups = await traces.list_rollups(
        experiment=experiment,
        since_ns=since_ns,
        until_ns=until_ns,
        step_minutes=step_minutes,
    )
    return RollupListView(rollups=rollups)


@post(
    "/api/v1/sql",
    status_code=200,
    tags=["search"],
    operation_id="run_sql",
    responses=PROBLEMS,
)
async def run_sql(data: SqlInput, sql: SqlService) -> SqlView:
    """Run one SELECT over the views traces, spans and scores: read-only, bounded in time."""
    result = await sql.run(data.sql, limit=data.limit)
    rows: list[list[Any]] = [list(row) for row in result.rows]
    return SqlView(columns=result.columns, rows=rows, truncated=result.truncated)


def _view(session: SessionSummary) -> SessionView:
    return SessionView(
        experiment=session.experiment,
        session_id=session.session_id,
        user_id=session.user_id,
        trace_count=session.trace_count,
        error_count=session.error_count,
        first_ns=session.first_ns,
        last_ns=session.last_ns,
        tokens_in=session.tokens_in,
        tokens_out=session.tokens_out,
        cost_usd=session.cost_usd,
        input_preview=session.input_preview,
        output_preview=session.output_preview,
        scores=[view_score(score) for score in session.scores],
    )


route_handlers: list[Any] = [
    complete_query,
    complete_run_query,
    get_overview,
    list_sessions,
    list_rollups,
    run_sql,
]
