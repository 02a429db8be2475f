"""One trace: the question, the answer, every stage, and one span in full."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Response, get

from pellucid.core.errors import NotFound
from pellucid.core.span import SpanKind, Status, StoredSpan
from pellucid.core.trace import TraceSummary, Waterfall
from pellucid.server.services.traces import TraceService
from pellucid.server.web.faults import list_faults
from pellucid.server.web.format import short_id
from pellucid.server.web.gist import answered_of, asked_of
from pellucid.server.web.matches import find_spans, list_marks
from pellucid.server.web.page import Fragment, Page, Place, doc
from pellucid.server.web.pages.annotate import TraceScores
from pellucid.server.web.pages.span import SpanPanel, build_panel
from pellucid.server.web.values import MediaView, view_media

READ_WHOLE = 300
"""Spans up to which the page reads all of them at once; larger traces report a moment later."""
LOOK_THROUGH = 2_000
"""Spans up to which a trace is looked through for a query's words."""
MOST_MATCHES = 200
_UNFINISHED = {Status.RUNNING.value, Status.INTERRUPTED.value}


@dataclass(frozen=True, kw_only=True)
class TraceFacts(Fragment):
    """What only the spans' bodies tell: pictures, losses, and who answered."""

    template = "trace_facts.html"

    images: list[MediaView] = doc("The pictures that its spans made, the last first")
    image_span: str | None = doc("The span of the first of them")
    dropped_attributes: int = doc("Attributes that producers say they left out")
    dropped_spans: int = doc("In how many spans")
    is_scripted: bool = doc("Whether the demo's scripted model answered")


@dataclass(frozen=True, kw_only=True)
class TracePage(Page):
    """One trace: totals, waterfall or graph, and the selected span."""

    template = "trace.html"

    trace: TraceSummary = doc("The trace's own fields and totals")
    first_token_ns: int | None = doc("From its start to the first token of its last answer")
    question: str | None = doc("What the trace was asked, in words where its input holds some")
    answer: str | None = doc("What it answered")
    failure: str | None = doc("What a failed trace failed of")
    failed: int = doc("Spans that failed")
    unfinished: int = doc("Spans that are running or were interrupted")
    kinds: list[tuple[str, int]] = doc("Kind → spans, the most frequent first")
    columns: Waterfall = doc("The spans in columns, for readers without scripts")
    spans_url: str = doc("Columnar JSON that <pl-waterfall> and <pl-graph> read")
    view: str = doc("waterfall or graph")
    scores: TraceScores = doc("The scores in the header")
    panel: SpanPanel = doc("The selected span")
    facts: TraceFacts | None = doc("None where the page fetches them a moment later")
    missing_span: str | None = doc("A span that the address names and the trace lacks")
    marks: list[str] = doc("Words to mark, from the query that led here")
    matches: list[str] = doc("The spans that hold them")


@get("/traces/{trace_id:str}", include_in_schema=False)
async def show_trace(
    traces: TraceService,
    trace_id: str,
    span: str | None = None,
    tab: str | None = None,
    view: str = "waterfall",
    q: str = "",
) -> Response[str]:
    """Show one trace, opened at a span; `q` is the query that it was found by."""
    summary, columns, experiments = await asyncio.gather(
        traces.get_summary(trace_id), traces.get_waterfall(trace_id), traces.list_experiments()
    )
    if not columns.span_ids:
        raise NotFound(f"Trace {trace_id} has no spans any more. It was deleted just now.")
    matches = await _read_matches(traces, summary, q)
    known = span is not None and span in columns.span_ids
    selected = span if span is not None and known else first_span(columns, matches)
    stored = await traces.get_span(trace_id, selected)
    root = stored.span
    if selected != columns.span_ids[0]:
        root = (await traces.get_span(trace_id, columns.span_ids[0])).span
    question = asked_of(root) or summary.input_preview
    own = next((one for one in experiments if one.name == summary.experiment), None)
    return TracePage(
        title=question or summary.name or short_id(summary.trace_id),
        place=Place.of(own, "traces", rail=True),
        trace=summary,
        first_token_ns=first_token(columns),
        question=question,
        answer=answered_of(root) or summary.output_preview,
        failure=await _read_failure(traces, summary, columns, stored),
        failed=columns.statuses.count(Status.ERROR.value),
        unfinished=sum(status in _UNFINISHED for status in columns.statuses),
        kinds=Counter(columns.kinds).most_common(),
        columns=columns,
        spans_url=f"/api/v1/traces/{summary.trace_id}/waterfall",
        scores=TraceScores(trace_id=summary.trace_id, scores=summary.scores),
        view="graph" if view == "graph" else "waterfall",
        panel=build_panel(
            stored, tab=tab, trace_duration_ns=summary.duration_ns, scores=summary.scores
        ),
        facts=(
            await _read_facts(traces, summary.trace_id)
            if summary.span_count <= READ_WHOLE
            else None
        ),
        missing_span=None if known else span,
        marks=list_marks(q),
        matches=matches,
    ).respond()


@get("/traces/{trace_id:str}/facts", include_in_schema=False)
async def show_facts(traces: TraceService, trace_id: str) -> Response[str]:
    """Answer with the facts as a fragment."""
    return (await _read_facts(traces, trace_id)).respond()


def first_span(columns: Waterfall, matches: Sequence[str] = ()) -> str:
    """Return the span that a trace opens at.

    That is the deepest match of a query, else the origin of a failure, else the root.

    A failure that the trace survived does not take the page away from the answer, except in a
    large trace, where nobody would find it.
    """
    if matches:
        depths = dict(zip(columns.span_ids, columns.depths, strict=True))
        return max(matches, key=lambda span_id: depths.get(span_id, -1))
    if columns.statuses[0] != Status.ERROR.value and len(columns.span_ids) <= READ_WHOLE:
        return columns.span_ids[0]
    return failed_span(columns) or columns.span_ids[0]


def failed_span(columns: Waterfall) -> str | None:
    """Return the origin of a failure: the deepest failed span, the earliest of these."""
    failed = [row for row, status in enumerate(columns.statuses) if status == Status.ERROR.value]
    if not failed:
        return None
    return columns.span_ids[min(failed, key=lambda row: (-columns.depths[row], row))]


def first_token(columns: Waterfall) -> int | None:
    """Return when the last streamed answer began to arrive, after the trace's start."""
    streamed = [
        (columns.starts[row] + columns.durations[row], columns.starts[row] + ttft)
        for row, ttft in enumerate(columns.ttfts)
        if ttft is not None
    ]
    return max(streamed)[1] if streamed else None


async def _read_matches(traces: TraceService, summary: TraceSummary, query: str) -> list[str]:
    """Find the spans that hold a query's words; too large a trace is not looked through."""
    if not query or summary.span_count > LOOK_THROUGH:
        return []
    return find_spans(query, (await traces.get_trace(summary.trace_id)).spans)[:MOST_MATCHES]


async def _read_failure(
    traces: TraceService, summary: TraceSummary, columns: Waterfall, selected: StoredSpan
) -> str | None:
    """Say what a failed trace failed of, and in which span."""
    origin = failed_span(columns)
    if summary.status is not Status.ERROR or origin is None:
        return None
    span = selected.span
    if span.span_id != origin:
        span = (await traces.get_span(summary.trace_id, origin)).span
    faults = list_faults(span)
    if not faults:
        return None
    kind = "" if faults[0].type == "Error" else f"{faults[0].type}: "
    return f"{kind}{faults[0].message} (in {span.name})"


async def _read_facts(traces: TraceService, trace_id: str) -> TraceFacts:
    whole = await traces.get_trace(trace_id)
    images: list[MediaView] = []
    image_span = None
    for stored in reversed(whole.spans):
        found = _images(stored)
        if found and image_span is None:
            image_span = stored.span.span_id
        images += [image for image in found if image not in images]
    dropped = [stored.span.dropped.attributes for stored in whole.spans]
    return TraceFacts(
        images=images,
        image_span=image_span,
        dropped_attributes=sum(dropped),
        dropped_spans=sum(count > 0 for count in dropped),
        is_scripted=whole.trace.tags.get("demo.model") == "scripted"
        or any(stored.span.metadata.get("demo.model") == "scripted" for stored in whole.spans),
    )


def _images(stored: StoredSpan) -> list[MediaView]:
    if stored.span.kind not in {SpanKind.IMAGE, SpanKind.TOOL, SpanKind.AGENT, SpanKind.LLM}:
        return []
    shown = [
        view_media("image", f"pellucid-attachment:{item.digest}", item.media_type, item.name or "")
        for item in stored.span.attachments
        if item.media_type.startswith("image/")
    ]
    return [image for image in shown if image.kind == "image" and image.src]
