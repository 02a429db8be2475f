"""One span's panel: a fragment beside the waterfall, one tab at a time."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.response import Redirect

from pellucid.core.errors import NotFound
from pellucid.core.score import Score
from pellucid.core.span import Document, Span, SpanEvent, SpanKind, StoredSpan
from pellucid.core.views import with_all_numbers
from pellucid.server.services.traces import TraceService
from pellucid.server.web.chat import Argument, MessageView, answered, view_arguments, view_messages
from pellucid.server.web.faults import FaultView, list_faults, view_exception
from pellucid.server.web.page import HEADERS, Fragment, doc
from pellucid.server.web.values import (
    MediaView,
    TextView,
    ValueView,
    json_line,
    json_text,
    view_media,
    view_text,
    view_value,
)

TABS = ("messages", "io", "documents", "attributes", "events", "scores")
_SHOWN_DOCUMENTS = 200
_CONVERSATION = 3
"""Messages from which an agent's span opens as a conversation."""


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One tab; an empty one stays, dimmed."""

    key: str
    label: str
    count: int | None
    is_empty: bool


@dataclass(frozen=True, kw_only=True)
class DocumentView:
    """One retrieved chunk; `ratio` is its score against the best one's."""

    rank: int
    was_rank: int | None
    """Where a reranker found it, from 1."""
    id: str
    score: float | None
    ratio: float
    text: TextView
    metadata: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class AttributeView:
    """One attribute; `is_read` tells whether a vocabulary understood it."""

    name: str
    text: TextView
    is_read: bool


@dataclass(frozen=True, kw_only=True)
class EventView:
    """One event, `offset_ns` after the span's start."""

    name: str
    offset_ns: int
    fault: FaultView | None
    attributes: list[AttributeView]


@dataclass(frozen=True, kw_only=True)
class SpanPanel(Fragment):
    """All that is known of one span."""

    template = "span.html"

    span: Span = doc("The span, merged")
    stored: StoredSpan = doc("The same with what its trace says about it")
    share: float | None = doc("Its duration as a part of the trace's, 0 to 1")
    speed: float | None = doc("Tokens out per second after the first, of a model call")
    tab: str = doc("The tab that is open")
    tabs: list[Tab] = doc("All tabs, in order")
    faults: list[FaultView] = doc("What went wrong")
    messages: list[MessageView] = doc("What a model was sent and answered")
    chips: list[tuple[str, str]] = doc("Model and parameters")
    values: list[ValueView] = doc("Input and output")
    call: list[Argument] | None = doc("The arguments of the tool that the span called")
    call_result: ValueView | None = doc("What that tool returned")
    media: list[MediaView] = doc("Images, sounds and files that hang on the span")
    documents: list[DocumentView] = doc("What was retrieved, best first")
    document_count: int = doc("How many were retrieved; a page shows the first 200")
    input_documents: int = doc("How many documents a reranker was given")
    attributes: list[AttributeView] = doc("Every attribute as it was received")
    resource: list[AttributeView] = doc("Who sent it")
    events: list[EventView] = doc("What happened meanwhile")
    scores: list[Score] = doc("The latest scores of this span")
    trace_scores: list[Score] = doc("The latest scores of the whole trace")
    base_url: str = doc("The span's own address below its trace")


def build_panel(
    stored: StoredSpan, *, tab: str | None, trace_duration_ns: int, scores: list[Score]
) -> SpanPanel:
    """Prepare what the panel shows; `tab` falls back to the one that fits the kind."""
    span = stored.span
    base = f"/traces/{span.trace_id}/spans/{span.span_id}"
    own_scores = [score for score in scores if score.span_id == span.span_id]
    tabs = _tabs(stored, own_scores)
    call = span.tool_call
    return SpanPanel(
        span=span,
        stored=stored,
        share=span.duration_ns / trace_duration_ns if trace_duration_ns else None,
        speed=_speed(span),
        tab=_pick_tab(span, tab, tabs),
        tabs=tabs,
        faults=list_faults(span),
        messages=view_messages(span.input_messages, span.output_messages),
        chips=_chips(span),
        values=_values(span, base),
        call=view_arguments(call.arguments) if call and call.arguments is not None else None,
        call_result=(
            view_value("Result", call.result, f"{base}/values/result")
            if call and call.result is not None
            else None
        ),
        media=[
            view_media(
                item.media_type.partition("/")[0]
                if item.media_type.startswith(("image/", "audio/"))
                else "file",
                f"pellucid-attachment:{item.digest}",
                item.media_type,
                item.name or item.media_type,
            )
            for item in span.attachments
        ],
        documents=_documents(span),
        document_count=len(span.documents) or len(span.input_documents),
        input_documents=len(span.input_documents),
        attributes=_attributes(stored.raw, unread=span.attributes),
        resource=_attributes(span.resource, unread={}),
        events=[_event(span, event) for event in span.events],
        scores=own_scores,
        trace_scores=[score for score in scores if score.span_id is None],
        base_url=base,
    )


def _speed(span: Span) -> float | None:
    seconds = (span.duration_ns - (span.ttft_ns or 0)) / 1e9
    if span.kind is not SpanKind.LLM or not span.tokens.output or seconds < 0.001:
        return None
    return span.tokens.output / seconds


def _values(span: Span, base: str) -> list[ValueView]:
    """Show input and output, unless the tool call above says the same."""
    call = span.tool_call
    values = []
    if call is None or (span.input is not None and span.input != call.arguments):
        values.append(view_value("Input", span.input, f"{base}/values/input"))
    if call is None or (span.output is not None and span.output != call.result):
        values.append(view_value("Output", span.output, f"{base}/values/output"))
    return values


def _tabs(stored: StoredSpan, scores: list[Score]) -> list[Tab]:
    span = stored.span
    has_io = span.input is not None or span.output is not None or span.tool_call is not None
    counts = {
        "messages": len(span.input_messages)
        + len(answered(span.input_messages, span.output_messages)),
        "io": None if has_io or span.attachments else 0,
        "documents": len(span.documents) or len(span.input_documents),
        "attributes": len(stored.raw),
        "events": len(span.events),
        "scores": len(scores),
    }
    labels = ("Messages", "Input/Output", "Documents", "Attributes", "Events", "Scores")
    return [
        Tab(key=key, label=label, count=counts[key] or None, is_empty=counts[key] == 0)
        for key, label in zip(TABS, labels, strict=True)
    ]


def _pick_tab(span: Span, wanted: str | None, tabs: list[Tab]) -> str:
    filled = [tab.key for tab in tabs if not tab.is_empty]
    if wanted in filled:
        return wanted
    if wanted in TABS and wanted in {"events", "scores", "attributes"}:
        return wanted
    by_kind = {
        SpanKind.LLM: "messages",
        SpanKind.RETRIEVER: "documents",
        SpanKind.RERANKER: "documents",
    }
    first = by_kind.get(span.kind, "io")
    if first == "io" and len(span.input_messages) + len(span.output_messages) >= _CONVERSATION:
        first = "messages"
    for key in (first, "io", "messages", "documents", "attributes"):
        if key in filled:
            return key
    return "io"


def _chips(span: Span) -> list[tuple[str, str]]:
    chips = [("model", span.model)] if span.model else []
    if span.provider:
        chips.append(("provider", span.provider))
    chips += [(name, json_line(value)[:200]) for name, value in span.parameters.items()]
    if span.prompt and span.prompt.name:
        version = f" v{span.prompt.version}" if span.prompt.version else ""
        chips.append(("prompt", f"{span.prompt.name}{version}"))
    if span.finish_reason:
        chips.append(("finish", span.finish_reason))
    return chips


def _documents(span: Span) -> list[DocumentView]:
    documents = span.documents or span.input_documents
    best = max((document.score or 0.0 for document in documents), default=0.0)
    before = {_identity(document): rank for rank, document in enumerate(span.input_documents, 1)}
    return [
        DocumentView(
            rank=rank,
            was_rank=before.get(_identity(document)) if span.documents else None,
            id=document.id or "",
            score=document.score,
            ratio=min(max((document.score or 0.0) / best, 0.0), 1.0) if best > 0 else 0.0,
            text=view_text(document.text or ""),
            metadata=[(name, json_line(value)) for name, value in document.metadata.items()],
        )
        for rank, document in enumerate(documents[:_SHOWN_DOCUMENTS], 1)
    ]


def _identity(document: Document) -> str:
    return document.id or document.text or ""


def _attributes(received: dict[str, Any], *, unread: dict[str, Any]) -> list[AttributeView]:
    return [
        AttributeView(
            name=name,
            text=view_text(value if isinstance(value, str) else json_line(value)),
            is_read=name not in unread,
        )
        for name, value in sorted(with_all_numbers(received).items())
    ]


def _event(span: Span, event: SpanEvent) -> EventView:
    fault = view_exception(event) if event.name == "exception" else None
    hidden = {"exception.type", "exception.message", "exception.stacktrace"} if fault else set()
    shown = {name: value for name, value in event.attributes.items() if name not in hidden}
    return EventView(
        name=event.name,
        offset_ns=event.time_ns - span.start_ns,
        fault=fault,
        attributes=_attributes(shown, unread={}),
    )


@get("/traces/{trace_id:str}/spans/{span_id:str}", include_in_schema=False)
async def show_span(
    request: Request[object, object, State],
    traces: TraceService,
    trace_id: str,
    span_id: str,
    tab: str | None = None,
) -> Response[str] | Redirect:
    """Answer htmx with the panel; send a browser that came by itself to the trace's page."""
    if request.headers.get("hx-request") != "true":
        return Redirect(f"/traces/{trace_id}?span={span_id}" + (f"&tab={tab}" if tab else ""))
    stored = await traces.get_span(trace_id, span_id)
    summary = await traces.get_summary(trace_id)
    panel = build_panel(
        stored, tab=tab, trace_duration_ns=summary.duration_ns, scores=summary.scores
    )
    return panel.respond()


@get("/traces/{trace_id:str}/spans/{span_id:str}/values/{name:str}", include_in_schema=False)
async def show_value(traces: TraceService, trace_id: str, span_id: str, name: str) -> Response[str]:
    """Answer with one whole value as plain text, however long it is."""
    span = (await traces.get_span(trace_id, span_id)).span
    call = span.tool_call
    values = {
        "input": span.input,
        "output": span.output,
        "result": call.result if call else None,
        "messages": [*span.input_messages, *span.output_messages],
        "documents": span.documents,
    }
    if name not in values:
        raise NotFound(f"A span has no value {name!r}; ask for one of {', '.join(values)}.")
    value = values[name]
    text = value if isinstance(value, str) else json_text(value)
    return Response(
        text,
        media_type="text/plain; charset=utf-8",
        headers=HEADERS | {"Content-Security-Policy": "sandbox; default-src 'none'"},
    )
