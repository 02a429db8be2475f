"""Sessions: an experiment's traces added up by conversation.

Read from the newest traces that match, a bounded number of them; what is beyond is said so, never
estimated.
"""

from collections.abc import Iterable

import msgspec

from pellucid.core.score import Score
from pellucid.core.span import Status
from pellucid.core.trace import TraceSummary
from pellucid.server.services.traces import MAX_LIMIT, TraceService

MOST_TRACES = 1_000


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest traces that match a query; `is_partial` when there are more."""

    traces: list[TraceSummary]
    is_partial: bool


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Traces of one conversation, added up."""

    session_id: str
    trace_count: int
    error_count: int
    first_ns: int
    last_ns: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    user_id: str | None
    first_input: str | None
    last_output: str | None
    scores: list[Score]
    """The latest by name over its traces."""


async def read_newest(traces: TraceService, experiment: str, query: str) -> Newest:
    """Read the newest traces of an experiment that match. Raises what `list_traces` raises."""
    found: list[TraceSummary] = []
    cursor: str | None = None
    while len(found) < MOST_TRACES:
        page = await traces.list_traces(
            experiment=experiment,
            query=query,
            limit=min(MAX_LIMIT, MOST_TRACES - len(found)),
            cursor=cursor,
        )
        found += page.traces
        cursor = page.next
        if cursor is None or page.partial:
            break
    return Newest(traces=found, is_partial=cursor is not None)


def group_sessions(traces: Iterable[TraceSummary]) -> list[Session]:
    """Add traces up by session, the session that was active last first."""
    held: dict[str, list[TraceSummary]] = {}
    for trace in traces:
        if trace.session_id:
            held.setdefault(trace.session_id, []).append(trace)
    sessions = [_session(name, turns) for name, turns in held.items()]
    return sorted(sessions, key=lambda session: (-session.last_ns, session.session_id))


def _session(session_id: str, turns: list[TraceSummary]) -> Session:
    turns = sorted(turns, key=lambda trace: (trace.start_ns, trace.trace_id))
    costs = [trace.cost_usd for trace in turns if trace.cost_usd is not None]
    scores = {score.name: score for trace in turns for score in trace.scores}
    return Session(
        session_id=session_id,
        trace_count=len(turns),
        error_count=sum(trace.status is Status.ERROR for trace in turns),
        first_ns=turns[0].start_ns,
        last_ns=turns[-1].start_ns,
        tokens_in=sum(trace.tokens_in for trace in turns),
        tokens_out=sum(trace.tokens_out for trace in turns),
        cost_usd=sum(costs) if costs else None,
        user_id=next((trace.user_id for trace in turns if trace.user_id), None),
        first_input=turns[0].input_preview,
        last_output=turns[-1].output_preview,
        scores=list(scores.values()),
    )
