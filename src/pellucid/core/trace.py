"""Traces as they are listed and drawn; every field is a pure function of the merged spans."""

import msgspec

from pellucid.core.score import Score
from pellucid.core.span import SpanKind, Status, StoredSpan

PREVIEW_CHARACTERS = 300


class TraceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One trace in a list (contracts.md §1 says how each field follows from the spans)."""

    trace_id: str
    experiment: str
    run_id: str | None
    name: str
    root_kind: SpanKind
    status: Status
    start_ns: int
    duration_ns: int
    """Last end less first start."""
    span_count: int
    error_count: int
    models: list[str]
    """Distinct, sorted."""
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    input_preview: str | None
    """The root's input, at most `PREVIEW_CHARACTERS`."""
    output_preview: str | None
    session_id: str | None
    user_id: str | None
    tags: dict[str, str]
    scores: list[Score]
    """The latest ones on the trace and its spans, by name."""


class TracePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of traces, newest start first; `next` is an opaque cursor, None on the last page."""

    traces: list[TraceSummary]
    next: str | None
    partial: bool = False
    """Whether the search ran out of time: there may be more matches, after `next`."""
    hints: list[str] = []
    """Where nothing matches: what of the query is nowhere stored, and what may be meant."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A whole trace: parents before children, siblings by (start, span id)."""

    trace: TraceSummary
    spans: list[StoredSpan]


class Waterfall(msgspec.Struct, frozen=True, kw_only=True):
    """A trace's spans in columns, depth first: row i of every list is one span.

    `parents[i]` is the row of the parent or -1; `starts[i]` is nanoseconds after `start_ns`.
    """

    trace_id: str
    start_ns: int
    duration_ns: int
    span_ids: list[str]
    parents: list[int]
    depths: list[int]
    names: list[str]
    kinds: list[str]
    statuses: list[str]
    starts: list[int]
    durations: list[int]
    models: list[str | None]
    agents: list[str | None]
    tokens_in: list[int]
    tokens_out: list[int]
    costs: list[float | None]
    ttfts: list[int | None]
    details: list[str]
    """A few words beside the name: a tool's arguments, a retriever's query; may be empty."""


class ExperimentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment with its totals over final spans."""

    name: str
    slug: str
    """Unique; letters, digits and `-`."""
    trace_count: int
    error_count: int
    """Traces whose status is error."""
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    first_ns: int | None
    last_ns: int | None
    """Start of the newest trace."""
    run_count: int = 0
    """A span store knows of no runs; the service counts them."""
    last_run_ns: int | None = None
    """Start of the newest run, from the service too."""


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """What a deletion took away, or would."""

    trace_count: int
    span_count: int
    score_count: int
    unreferenced: list[str]
    """Digests of attachments that no trace names any more, sorted."""
