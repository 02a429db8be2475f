"""Spans: as OTLP brought them (`DecodedSpan`), and as Pellucid understands them (`Span`).

Times are nanoseconds since the Unix epoch. Ids are lowercase hex: 32 digits a trace, 16 a span;
an absent parent is "".
"""

from enum import StrEnum
from typing import Any

import msgspec

Attributes = dict[str, Any]
"""Attribute name → str, bool, int, float, bytes, None, or lists and dicts of these."""


class SpanKind(StrEnum):
    """What a span did (DESIGN §2)."""

    AGENT = "AGENT"
    CHAIN = "CHAIN"
    LLM = "LLM"
    TOOL = "TOOL"
    RETRIEVER = "RETRIEVER"
    EMBEDDING = "EMBEDDING"
    RERANKER = "RERANKER"
    PARSER = "PARSER"
    GUARDRAIL = "GUARDRAIL"
    EVALUATOR = "EVALUATOR"
    MEMORY = "MEMORY"
    TASK = "TASK"
    IMAGE = "IMAGE"
    UNKNOWN = "UNKNOWN"


class Status(StrEnum):
    """How a span or trace stands; OpenTelemetry's UNSET is `ok`."""

    OK = "ok"
    ERROR = "error"
    RUNNING = "running"
    INTERRUPTED = "interrupted"


class SpanEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened at one moment of a span; an exception is one named `exception`."""

    name: str
    time_ns: int
    attributes: Attributes = {}
    dropped_attributes: int = 0


class SpanLink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reference to another span, often of another trace."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    attributes: Attributes = {}


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The instrumentation scope that made a span."""

    name: str = ""
    version: str = ""
    attributes: Attributes = {}


class Dropped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the producer says it left out."""

    attributes: int = 0
    events: int = 0
    links: int = 0


class DecodedSpan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span exactly as it arrived, with its resource, scope and resolved experiment."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str = ""
    otel_kind: int = 0
    start_ns: int
    end_ns: int
    status_code: int = 0
    """0 unset, 1 ok, 2 error."""
    status_message: str = ""
    trace_state: str = ""
    flags: int = 0
    attributes: Attributes = {}
    events: list[SpanEvent] = []
    links: list[SpanLink] = []
    dropped: Dropped = Dropped()
    resource: Attributes = {}
    scope: Scope = Scope()
    experiment: str = "default"


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a message, shaped as in the OpenTelemetry GenAI conventions.

    `type` is `text`, `reasoning`, `tool_call`, `tool_call_response`, `image`, `audio`, `file` or a
    producer's own word. Text stands in `content`; a tool call has `id`, `name`, `arguments`; its
    response has `id` and `response`; bytes are named by `uri` (https, data URL, or
    `pellucid-attachment:DIGEST`) and `media_type`.
    """

    type: str
    content: str | None = None
    id: str | None = None
    name: str | None = None
    arguments: Any = None
    response: Any = None
    uri: str | None = None
    media_type: str | None = None
    data: Any = None
    """What a part of an unknown type held."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat message; `role` is `system`, `user`, `assistant`, `tool` or a producer's word."""

    role: str
    parts: list[Part] = []
    name: str | None = None
    finish_reason: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool that a model was offered; `parameters` is JSON Schema."""

    name: str
    description: str | None = None
    parameters: Any = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The call that a TOOL span made; arguments and result are JSON values."""

    id: str | None = None
    name: str | None = None
    arguments: Any = None
    result: Any = None


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A retrieved chunk; a higher `score` is more relevant."""

    id: str | None = None
    text: str | None = None
    score: float | None = None
    metadata: dict[str, Any] = {}


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts; `input` includes both caches, `output` includes reasoning."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    image: int = 0

    @property
    def has_usage(self) -> bool:
        """Whether any figure is above zero."""
        return (
            self.input > 0
            or self.output > 0
            or self.cache_read > 0
            or self.cache_write > 0
            or self.reasoning > 0
            or self.image > 0
        )


class PromptRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The prompt that a call was made from."""

    name: str | None = None
    version: str | None = None
    template: str | None = None
    variables: dict[str, Any] = {}


class AttachmentRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes stored once by digest (BLAKE2b-256, hex), named by a span."""

    digest: str
    media_type: str
    size_bytes: int
    name: str | None = None


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span as Pellucid understands it, whatever vocabulary it came in.

    Nothing here depends on other spans: `counted` and `interrupted` are the store's to say.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str = ""
    kind: SpanKind = SpanKind.UNKNOWN
    status: Status = Status.OK
    """`running` while pending."""
    status_message: str = ""
    start_ns: int
    duration_ns: int
    pending: bool = False
    experiment: str = "default"
    run_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    agent: str | None = None
    """The agent that an AGENT span is, or that a producer says a span belongs to."""
    model: str | None = None
    provider: str | None = None
    parameters: dict[str, Any] = {}
    input: Any = None
    """A string, or a JSON value."""
    output: Any = None
    input_messages: list[Message] = []
    output_messages: list[Message] = []
    tools: list[Tool] = []
    tool_call: ToolCall | None = None
    documents: list[Document] = []
    """What a RETRIEVER or RERANKER returned, in order."""
    input_documents: list[Document] = []
    """What a RERANKER was given."""
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    """As the producer reported it."""
    estimated_cost_usd: float | None = None
    """From the price table, where the producer reported none and the model is in the table."""
    ttft_ns: int | None = None
    """Time to first token."""
    finish_reason: str | None = None
    prompt: PromptRef | None = None
    attachments: list[AttachmentRef] = []
    attributes: Attributes = {}
    """What no dialect understood, as it came."""
    events: list[SpanEvent] = []
    links: list[SpanLink] = []
    dropped: Dropped = Dropped()
    resource: Attributes = {}
    scope: Scope = Scope()
    otel_kind: int = 0
    trace_state: str = ""
    flags: int = 0


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One span on its way into a store: both readings of it, and what decides a merge."""

    decoded: DecodedSpan
    """Raw, with attachments already cut (contracts.md §1, normalising)."""
    span: Span
    digest: bytes
    """`digest_of` the decoded span before cutting."""
    attribute_count: int
    """As decoded, without `pellucid.pending`."""
    seen_ns: int
    normaliser: int
    """The normaliser's version."""


class LogRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One OTLP log record with a trace and span id; identity is `digest`."""

    trace_id: str
    span_id: str
    digest: bytes
    time_ns: int
    event_name: str = ""
    severity: str = ""
    body: Any = None
    attributes: Attributes = {}
    resource: Attributes = {}
    scope: Scope = Scope()


class StoredSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One span as a store gives it back: merged, with what its trace says about it."""

    span: Span
    """`status` is `interrupted` where nothing was heard of a pending span for five minutes."""
    raw: Attributes
    """Every attribute as it was received (attachments as references)."""
    counted: bool
    """Whether its tokens and cost are in the trace's totals."""
    cost_counted: bool
    """Whether its cost is in the trace's total (a reported cost beats estimates)."""
    last_seen_ns: int
