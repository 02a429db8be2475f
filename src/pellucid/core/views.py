"""The JSON of `/api/v1` as structs: what the server writes is what clients read (contracts.md §4).

Every field without a default is always written, be it null or empty.
"""

import math
from typing import Any

import msgspec

from pellucid.core.score import Score, ScoreSource, ScoreValue
from pellucid.core.span import (
    AttachmentRef,
    Attributes,
    Document,
    Message,
    Part,
    PromptRef,
    SpanEvent,
    SpanKind,
    SpanLink,
    Status,
    StoredSpan,
    Tool,
    ToolCall,
)
from pellucid.core.trace import ExperimentSummary, TracePage, TraceSummary


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error, as problem details (RFC 9457), with the place where a query is at fault."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    position: int | None = None
    """Characters from the start of the query, from 0."""
    length: int | None = None
    proposal: str | None = None


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """What runs here."""

    name: str
    version: str


class MessageView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat message; a part leaves out what it does not have."""

    role: str
    parts: list[Part]
    name: str | None = None
    finish_reason: str | None = None


class DocumentView(msgspec.Struct, frozen=True, kw_only=True):
    """A retrieved chunk."""

    id: str | None
    text: str | None
    score: float | None
    metadata: dict[str, Any]


class ToolView(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that a model was offered."""

    name: str
    description: str | None
    parameters: Any


class ToolCallView(msgspec.Struct, frozen=True, kw_only=True):
    """The call that a TOOL span made."""

    id: str | None
    name: str | None
    arguments: Any
    result: Any


class TokensView(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts; `input` includes both caches, `output` includes reasoning."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    image: int


class PromptView(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt that a call was made from."""

    name: str | None
    version: str | None
    template: str | None
    variables: dict[str, Any]


class AttachmentView(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes to be had at `/api/v1/attachments/{digest}`."""

    digest: str
    media_type: str
    size_bytes: int
    name: str | None


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at one moment of a span."""

    name: str
    time_ns: int
    attributes: Attributes
    dropped_attributes: int


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A reference to another span."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: Attributes


class DroppedView(msgspec.Struct, frozen=True, kw_only=True):
    """What the producer says it left out."""

    attributes: int
    events: int
    links: int


class ScopeView(msgspec.Struct, frozen=True, kw_only=True):
    """The instrumentation scope that made a span."""

    name: str
    version: str
    attributes: Attributes


class SpanView(msgspec.Struct, frozen=True, kw_only=True):
    """One span of a trace."""

    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    status: Status
    status_message: str
    start_ns: int
    duration_ns: int
    pending: bool
    run_id: str | None
    session_id: str | None
    model: str | None
    provider: str | None
    parameters: dict[str, Any]
    input: Any
    output: Any
    input_messages: list[MessageView]
    output_messages: list[MessageView]
    tools: list[ToolView]
    tool_call: ToolCallView | None
    documents: list[DocumentView]
    tokens: TokensView
    counted: bool
    cost_usd: float | None
    """As reported, else estimated from the price table."""
    ttft_ns: int | None
    finish_reason: str | None
    prompt: PromptView | None
    attachments: list[AttachmentView]
    events: list[EventView]
    links: list[LinkView]
    attributes: Attributes
    """Every attribute as it was received."""
    dropped: DroppedView
    resource: Attributes
    scope: ScopeView


class ScoreView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One score; one of a session or run names it too."""

    id: str
    name: str
    value: ScoreValue
    rationale: str | None
    source: ScoreSource
    author: str | None
    time_ns: int
    trace_id: str | None
    span_id: str | None
    experiment: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    example_id: str | None = None
    score_trace_id: str | None = None


class TraceView(msgspec.Struct, frozen=True, kw_only=True):
    """One trace without its spans."""

    trace_id: str
    experiment: str
    run_id: str | None
    name: str
    root_kind: SpanKind
    status: Status
    start_ns: int
    duration_ns: int
    span_count: int
    error_count: int
    models: list[str]
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    input_preview: str | None
    output_preview: str | None
    session_id: str | None
    user_id: str | None
    tags: dict[str, str]
    scores: list[ScoreView]


class TraceListView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of traces, newest first; `next` is the cursor of the page after it."""

    traces: list[TraceView]
    next: str | None
    partial: bool = False
    """Whether the search ran out of time: there may be more matches, after `next`."""
    hints: list[str] = []
    """Where nothing matches: what of the query is nowhere stored, and what may be meant."""


class TraceDetailView(msgspec.Struct, frozen=True, kw_only=True):
    """One trace with its spans, parents before children."""

    trace: TraceView
    spans: list[SpanView]


class ExperimentListView(msgspec.Struct, frozen=True, kw_only=True):
    """All experiments, the most recently used first."""

    experiments: list[ExperimentSummary]


class ScoreListView(msgspec.Struct, frozen=True, kw_only=True):
    """Scores, the latest of each name, or all."""

    scores: list[ScoreView]


def view_score(score: Score) -> ScoreView:
    """Return a score as the API shows it."""
    return ScoreView(
        id=score.id,
        name=score.name,
        value=score.value,
        rationale=score.rationale,
        source=score.source,
        author=score.author,
        time_ns=score.time_ns,
        trace_id=score.trace_id,
        span_id=score.span_id,
        experiment=score.experiment,
        session_id=score.session_id,
        run_id=score.run_id,
        example_id=score.example_id,
        score_trace_id=score.score_trace_id,
    )


def view_trace(trace: TraceSummary) -> TraceView:
    """Return a trace's fields as the API shows them."""
    return TraceView(
        trace_id=trace.trace_id,
        experiment=trace.experiment,
        run_id=trace.run_id,
        name=trace.name,
        root_kind=trace.root_kind,
        status=trace.status,
        start_ns=trace.start_ns,
        duration_ns=trace.duration_ns,
        span_count=trace.span_count,
        error_count=trace.error_count,
        models=trace.models,
        tokens_in=trace.tokens_in,
        tokens_out=trace.tokens_out,
        cost_usd=trace.cost_usd,
        input_preview=trace.input_preview,
        output_preview=trace.output_preview,
        session_id=trace.session_id,
        user_id=trace.user_id,
        tags=trace.tags,
        scores=[view_score(score) for score in trace.scores],
    )


def view_page(page: TracePage) -> TraceListView:
    """Return a page of traces as the API shows it."""
    return TraceListView(
        traces=[view_trace(trace) for trace in page.traces],
        next=page.next,
        partial=page.partial,
        hints=page.hints,
    )


def view_span(stored: StoredSpan) -> SpanView:
    """Return a span as the API shows it."""
    span = stored.span
    tokens, scope, dropped = span.tokens, span.scope, span.dropped
    return SpanView(
        span_id=span.span_id,
        parent_id=span.parent_id or None,
        name=span.name,
        kind=span.kind,
        status=span.status,
        status_message=span.status_message,
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        pending=span.pending,
        run_id=span.run_id,
        session_id=span.session_id,
        model=span.model,
        provider=span.provider,
        parameters=span.parameters,
        input=span.input,
        output=span.output,
        input_messages=_messages(span.input_messages),
        output_messages=_messages(span.output_messages),
        tools=[_tool(tool) for tool in span.tools],
        tool_call=_tool_call(span.tool_call),
        documents=[_document(document) for document in span.documents],
        tokens=TokensView(
            input=tokens.input,
            output=tokens.output,
            cache_read=tokens.cache_read,
            cache_write=tokens.cache_write,
            reasoning=tokens.reasoning,
            image=tokens.image,
        ),
        counted=stored.counted,
        cost_usd=span.estimated_cost_usd if span.cost_usd is None else span.cost_usd,
        ttft_ns=span.ttft_ns,
        finish_reason=span.finish_reason,
        prompt=_prompt(span.prompt),
        attachments=[_attachment(reference) for reference in span.attachments],
        events=[_event(event) for event in span.events],
        links=[_link(link) for link in span.links],
        attributes=with_all_numbers(stored.raw),
        dropped=DroppedView(
            attributes=dropped.attributes, events=dropped.events, links=dropped.links
        ),
        resource=with_all_numbers(span.resource),
        scope=ScopeView(
            name=scope.name,
            version=scope.version,
            attributes=with_all_numbers(scope.attributes),
        ),
    )


def with_all_numbers(attributes: Attributes) -> Attributes:
    """Return attributes that JSON can say: `NaN` and the infinities, which it lacks, as texts."""
    shown: Attributes | None = None
    for name, value in attributes.items():
        kind = type(value)
        if kind is float or kind is list or kind is dict:
            said = _said(value)
            if said is not value:
                shown = dict(attributes) if shown is None else shown
                shown[name] = said
    return attributes if shown is None else shown


def _said(value: Any) -> Any:
    """Return the same object where nothing in it needs other words."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _NAMES[str(value)]
    if isinstance(value, list):
        items = [_said(item) for item in value]
        changed = any(a is not b for a, b in zip(items, value, strict=True))
        return items if changed else value
    if isinstance(value, dict):
        held = {key: _said(item) for key, item in value.items()}
        return held if any(held[key] is not value[key] for key in value) else value
    return value


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _messages(messages: list[Message]) -> list[MessageView]:
    return [
        MessageView(
            role=message.role,
            parts=message.parts,
            name=message.name,
            finish_reason=message.finish_reason,
        )
        for message in messages
    ]


def _tool(tool: Tool) -> ToolView:
    return ToolView(name=tool.name, description=tool.description, parameters=tool.parameters)


def _tool_call(call: ToolCall | None) -> ToolCallView | None:
    if call is None:
        return None
    return ToolCallView(id=call.id, name=call.name, arguments=call.arguments, result=call.result)


def _document(document: Document) -> DocumentView:
    return DocumentView(
        id=document.id, text=document.text, score=document.score, metadata=document.metadata
    )


def _prompt(prompt: PromptRef | None) -> PromptView | None:
    if prompt is None:
        return None
    return PromptView(
        name=prompt.name,
        version=prompt.version,
        template=prompt.template,
        variables=prompt.variables,
    )


def _attachment(reference: AttachmentRef) -> AttachmentView:
    return AttachmentView(
        digest=reference.digest,
        media_type=reference.media_type,
        size_bytes=reference.size_bytes,
        name=reference.name,
    )


def _event(event: SpanEvent) -> EventView:
    return EventView(
        name=event.name,
        time_ns=event.time_ns,
        attributes=with_all_numbers(event.attributes),
        dropped_attributes=event.dropped_attributes,
    )


def _link(link: SpanLink) -> LinkView:
    return LinkView(
        trace_id=link.trace_id,
        span_id=link.span_id,
        trace_state=link.trace_state,
        attributes=with_all_numbers(link.attributes),
    )
