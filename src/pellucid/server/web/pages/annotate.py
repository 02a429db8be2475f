"""A person's score, given on the page: an annotation."""

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from pellucid.core.clock import now_ns
from pellucid.core.errors import InvalidInput
from pellucid.core.ids import new_id
from pellucid.core.score import Score, ScoreSource, ScoreValue
from pellucid.server.services.scores import ScoreService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.page import Fragment, doc
from pellucid.server.web.pages.span import build_panel

Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
_TRUE = {"good", "yes", "true"}
_FALSE = {"bad", "no", "false"}


@dataclass(frozen=True, kw_only=True)
class TraceScores(Fragment):
    """The scores in a trace's header, fetched anew when one was given."""

    template = "trace_scores.html"

    trace_id: str = doc("The trace")
    scores: list[Score] = doc("The latest ones on the trace and its spans, by name")


@post(
    "/traces/{trace_id:str}/spans/{span_id:str}/annotations",
    status_code=200,
    include_in_schema=False,
)
async def annotate(
    data: Form, traces: TraceService, scores: ScoreService, trace_id: str, span_id: str
) -> Response[str]:
    """Store what a person says of a span or its trace, and answer with the span's scores."""
    stored = await traces.get_span(trace_id, span_id)
    span = stored.span
    note = str(data.get("note") or "").strip()
    await scores.add(
        [
            Score(
                id=new_id(),
                name=str(data.get("name") or "").strip() or "quality",
                value=read_value(str(data.get("verdict") or data.get("value") or ""), note),
                rationale=note or None,
                source=ScoreSource.HUMAN,
                author=str(data.get("author") or "").strip() or None,
                time_ns=now_ns(),
                trace_id=span.trace_id,
                span_id=None if data.get("whole") else span.span_id,
            )
        ]
    )
    summary = await traces.get_summary(trace_id)
    panel = build_panel(
        stored, tab="scores", trace_duration_ns=summary.duration_ns, scores=summary.scores
    )
    return panel.respond(headers={"HX-Trigger": "pl-scored"})


@get("/traces/{trace_id:str}/scores", include_in_schema=False)
async def show_scores(traces: TraceService, trace_id: str) -> Response[str]:
    """Answer with the header's scores."""
    summary = await traces.get_summary(trace_id)
    return TraceScores(trace_id=summary.trace_id, scores=summary.scores).respond()


def read_value(text: str, note: str) -> ScoreValue:
    """Read a score as it was typed: yes or no, a number, else a word; a note alone is a text.

    Raises InvalidInput when there is neither a value nor a note.
    """
    typed = text.strip()
    if typed.lower() in _TRUE | _FALSE:
        return typed.lower() in _TRUE
    try:
        number = float(typed)
    except ValueError:
        if typed or note:
            return typed or note
        raise InvalidInput("Say good or bad, or give a value or a note.") from None
    if number != number or number in (float("inf"), float("-inf")):
        return typed
    return number
