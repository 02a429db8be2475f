"""Sessions: the list of an experiment's conversations, and one of them turn by turn."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get

from pellucid.core.errors import NotFound
from pellucid.core.survey import SessionSummary
from pellucid.core.trace import ExperimentSummary, TraceSummary
from pellucid.server.services.traces import TraceService
from pellucid.server.web.faults import list_faults
from pellucid.server.web.format import quote_term, short_id
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.pages.trace import failed_span
from pellucid.server.web.values import ValueView, view_value

ROWS = 100
TURNS = 50


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """One session and where its conversation is."""

    session: SessionSummary
    href: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One trace of a conversation: what was asked, what was answered."""

    trace: TraceSummary
    asked: ValueView
    answered: ValueView
    failure: str | None


@dataclass(frozen=True, kw_only=True)
class SessionsPage(Page):
    """The sessions of one experiment, the one that was active last first."""

    template = "sessions.html"

    experiment: ExperimentSummary = doc("The experiment")
    rows: list[SessionRow] = doc("A page of its sessions")
    newest_url: str | None = doc("The first page, where this is a later one")
    older_url: str | None = doc("The next page, where there is one")


@dataclass(frozen=True, kw_only=True)
class SessionPage(Page):
    """One conversation, the oldest turn first."""

    template = "session.html"

    session: SessionSummary = doc("The session's totals")
    turns: list[Turn] = doc("A page of its turns; at first the newest")
    first: int = doc("The number of the first of these, from 1")
    newest_url: str | None = doc("The newest turns, where these are earlier ones")
    earlier_url: str | None = doc("The turns before these, where there are any")
    traces_url: str = doc("The same traces as a list")
    delete_url: str = doc("Where a deletion is asked for")


@get("/experiments/{slug:str}/sessions", include_in_schema=False)
async def list_sessions(
    traces: TraceService, slug: str, cursor: str | None = None
) -> Response[str]:
    """Show an experiment's sessions."""
    experiment = await traces.get_experiment(slug)
    page = await traces.list_sessions(experiment=experiment.name, limit=ROWS, cursor=cursor)
    base = f"/experiments/{slug}/sessions"
    return SessionsPage(
        title=f"Sessions · {experiment.name}",
        place=Place.of(experiment, "sessions"),
        experiment=experiment,
        rows=[
            SessionRow(session=session, href=_address(slug, session.session_id))
            for session in page.sessions
        ],
        newest_url=base if cursor else None,
        older_url=f"{base}?{urlencode({'cursor': page.next})}" if page.next else None,
    ).respond()


@get("/experiments/{slug:str}/session", include_in_schema=False)
async def show_session(
    traces: TraceService, slug: str, id: str, cursor: str | None = None, skipped: int = 0
) -> Response[str]:
    """Show one session as a conversation; `cursor` and `skipped` go back from the newest turns."""
    experiment = await traces.get_experiment(slug)
    query = f"session={quote_term(id)}"
    page = await traces.list_sessions(experiment=experiment.name, query=query, limit=1)
    if not page.sessions:
        raise NotFound(f"Experiment {experiment.name} has no session {id[:80]!r}.")
    shown = await traces.list_traces(
        experiment=experiment.name, query=query, limit=TURNS, cursor=cursor
    )
    turns = await asyncio.gather(*(_read_turn(traces, one) for one in reversed(shown.traces)))
    after = max(skipped, 0) + len(turns) if cursor else len(turns)
    here = _address(slug, id)
    return SessionPage(
        title=f"Session {short_id(id)}",
        place=Place.of(experiment, "sessions"),
        session=page.sessions[0],
        turns=list(turns),
        first=max(page.sessions[0].trace_count - after + 1, 1),
        newest_url=here if cursor else None,
        earlier_url=f"{here}&{urlencode({'cursor': shown.next, 'skipped': after})}"
        if shown.next
        else None,
        traces_url=f"/experiments/{slug}/traces?{urlencode({'query': query})}",
        delete_url=f"/experiments/{slug}/delete?{urlencode({'session': id})}",
    ).respond()


async def _read_turn(traces: TraceService, trace: TraceSummary) -> Turn:
    columns = await traces.get_waterfall(trace.trace_id)
    root = (await traces.get_span(trace.trace_id, columns.span_ids[0])).span
    failure = None
    origin = failed_span(columns)
    if trace.status == "error" and origin:
        failed = (await traces.get_span(trace.trace_id, origin)).span
        failure = " ".join(f"{fault.type}: {fault.message}" for fault in list_faults(failed)[:1])
    base = f"/traces/{trace.trace_id}/spans/{root.span_id}/values"
    return Turn(
        trace=trace,
        asked=view_value("Asked", _utterance(root.input), f"{base}/input"),
        answered=view_value("Answered", _utterance(root.output), f"{base}/output"),
        failure=failure,
    )


def _utterance(value: Any) -> Any:
    """Return the one text that an object holds beside nothing else, else the value as it is."""
    if isinstance(value, dict) and len(value) == 1:
        (only,) = value.values()
        if isinstance(only, str):
            return only
    return value


def _address(slug: str, session_id: str) -> str:
    return f"/experiments/{slug}/session?{urlencode({'id': session_id})}"
