"""`/api/v1`: completing a query, and what the traces that match add up to."""

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import Parameter

from pellucid.core.clock import now_ns
from pellucid.core.query import print_value
from pellucid.core.query.tree import Value
from pellucid.core.rollup import Rollup
from pellucid.server.api.errors import PROBLEMS
from pellucid.server.api.traces import Query
from pellucid.server.services.completion import Completions, CompletionService
from pellucid.server.services.overview import (
    Bucket,
    Facet,
    Session,
    draw_histogram,
    group_sessions,
    list_facets,
    read_newest,
)
from pellucid.server.services.traces import MAX_TIME_NS, TraceService


class OverviewView(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest matching traces have, and when they started."""

    facets: list[Facet]
    histogram: list[Bucket]
    trace_count: int
    """The traces that were counted."""
    partial: bool
    """Whether older ones match too and were not counted."""


class SessionListView(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions of the newest traces, the one that was active last first."""

    sessions: list[Session]
    partial: bool
    """Whether there are older traces than those that were looked through."""


class RollupListView(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over final spans, by time, kind and model."""

    rollups: list[Rollup]


@get("/api/v1/complete", tags=["search"], operation_id="complete_query", responses=PROBLEMS)
async def complete_query(
    completions: CompletionService,
    text: Query = "",
    at: Annotated[int | None, Parameter(description="Where; the end, if it is missing")] = None,
    experiment: str | None = None,
) -> Completions:
    """Propose how a query may go on, and tell what is wrong with it so far."""
    return await completions.complete(text, at, experiment)


@get("/api/v1/overview", tags=["search"], operation_id="get_overview", responses=PROBLEMS)
async def get_overview(traces: TraceService, experiment: str, text: Query = "") -> OverviewView:
    """Count the newest matching traces by status, name, model, tag … and by time."""
    newest = await read_newest(traces, experiment, text)
    return OverviewView(
        facets=list_facets(newest.traces, lambda value: print_value(Value(value))),
        histogram=draw_histogram(newest.traces, now_ns()),
        trace_count=len(newest.traces),
        partial=newest.is_partial,
    )


@get("/api/v1/sessions", tags=["search"], operation_id="list_sessions", responses=PROBLEMS)
async def list_sessions(traces: TraceService, experiment: str, text: Query = "") -> SessionListView:
    """List an experiment's sessions; their traces are found with `session:ID`."""
    newest = await read_newest(traces, experiment, text)
    return SessionListView(sessions=group_sessions(newest.traces), partial=newest.is_partial)


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


route_handlers: list[Any] = [complete_query, get_overview, list_sessions, list_rollups]
