"""`/api/v1/scores`: what scorers, judges and people say."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import Parameter

from pellucid.core.clock import now_ns
from pellucid.core.ids import new_id
from pellucid.core.score import Score, ScoreSource, ScoreValue
from pellucid.core.views import ScoreListView, view_score
from pellucid.server.api.errors import PROBLEMS
from pellucid.server.services.scores import ScoreService


class ScoreInput(msgspec.Struct, kw_only=True):
    """One score; without an id of your own a repetition is another score."""

    name: str
    value: ScoreValue
    id: str | None = None
    rationale: str | None = None
    source: ScoreSource = ScoreSource.CODE
    author: str | None = None
    time_ns: int | None = None
    """Your clock; the server's where it is missing."""
    trace_id: str | None = None
    span_id: str | None = None
    experiment: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    example_id: str | None = None
    score_trace_id: str | None = None


@post(
    "/api/v1/scores",
    tags=["scores"],
    operation_id="add_scores",
    status_code=200,
    responses=PROBLEMS,
)
async def add_scores(data: ScoreInput | list[ScoreInput], scores: ScoreService) -> ScoreListView:
    """Store one score or a list of them; the same again changes nothing.

    All or none, except that scores on runs are stored after the others: if they are refused as
    conflicts, the others are kept.
    """
    given = data if isinstance(data, list) else [data]
    stored = [_to_score(score) for score in given]
    await scores.add(stored)
    return ScoreListView(scores=[view_score(score) for score in stored])


@get("/api/v1/scores", tags=["scores"], operation_id="list_scores", responses=PROBLEMS)
async def list_scores(
    scores: ScoreService,
    trace_id: str | None = None,
    experiment: str | None = None,
    session_id: str | None = None,
    run_id: str | None = None,
    history: Annotated[bool, Parameter(description="All, not only the latest of each")] = False,
) -> ScoreListView:
    """List the scores of a trace and its spans, of a session, or of a run."""
    found = await scores.list_scores(
        trace_id=trace_id.lower() if trace_id else None,
        experiment=experiment,
        session_id=session_id,
        run_id=run_id,
        history=history,
    )
    return ScoreListView(scores=[view_score(score) for score in found])


def _to_score(data: ScoreInput) -> Score:
    return Score(
        id=data.id or new_id(),
        name=data.name,
        value=data.value,
        rationale=data.rationale,
        source=data.source,
        author=data.author,
        time_ns=now_ns() if data.time_ns is None else data.time_ns,
        trace_id=data.trace_id.lower() if data.trace_id else None,
        span_id=data.span_id.lower() if data.span_id else None,
        experiment=data.experiment,
        session_id=data.session_id,
        run_id=data.run_id,
        example_id=data.example_id,
        score_trace_id=data.score_trace_id,
    )


route_handlers: list[Any] = [add_scores, list_scores]
