"""AG2's own tracing: OTel GenAI names and the span's type.

Source: spans recorded from AG2 0.14, and the telemetry of AG2 1.2. A conversation repeats the usage
of the model calls below it. A span named `record_usage model_call` repeats that of a call beside
it; `record_usage` of another kind tells of calls that have no span.
"""

from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.rules import Dialect, Draft, table
from pellucid.semconv.values import UNREAD, read_count

RANK = 1700

_KINDS = {
    "llm": SpanKind.LLM,
    "agent": SpanKind.AGENT,
    "tool": SpanKind.TOOL,
    "conversation": SpanKind.CHAIN,
    "multi_conversation": SpanKind.CHAIN,
    "speaker_selection": SpanKind.CHAIN,
    "handoff": SpanKind.CHAIN,
    "human_input": SpanKind.TASK,
    "code_execution": SpanKind.TOOL,
    "usage": SpanKind.TASK,
    "task": SpanKind.TASK,
    "envelope": SpanKind.TASK,
    "agent_event": SpanKind.TASK,
    "channel": SpanKind.CHAIN,
    "agent_lifetime": SpanKind.AGENT,
}
_USAGE = (
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS,
    names.CACHE_WRITE_TOKENS,
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.thinking_tokens",
    "gen_ai.usage.cost",
)
_FIELDS = (
    *("tokens.input", "tokens.output", "tokens.cache_read", "tokens.cache_write"),
    *("tokens.reasoning", "cost"),
)
_RECORD = "record_usage"


def _read_kind(value: Any) -> Any:
    return _KINDS.get(value, UNREAD) if type(value) is str else UNREAD


def _refine(draft: Draft) -> None:
    decoded = draft.decoded
    if not decoded.name.startswith(_RECORD):
        return
    kind = decoded.attributes.get("ag2.usage.kind", decoded.name[len(_RECORD) :].strip())
    if kind in ("model_call", ""):
        draft.give_back(_USAGE, *_FIELDS)


DIALECT = Dialect(
    name="ag2",
    rules=table(
        RANK,
        ("ag2.span.type", "kind", _read_kind),
        ("gen_ai.usage.thinking_tokens", "tokens.reasoning", read_count),
    ),
    refine=_refine,
    marks=("ag2.span.type", "ag2.usage.kind"),
    scopes=("opentelemetry.instrumentation.ag2",),
)
