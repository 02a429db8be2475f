"""AG2's own tracing: OTel GenAI names and the span's type.

Source: spans recorded from AG2 0.14. A conversation repeats the usage of the model calls below
it, and so does a span named `record_usage`, which stands beside them.
"""

from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.rules import Dialect, Draft, table
from pellucid.semconv.values import UNREAD

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
    "record_usage": SpanKind.TASK,
}
_USAGE = (
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS,
    names.CACHE_WRITE_TOKENS,
    "gen_ai.usage.cost",
)
_FIELDS = ("tokens.input", "tokens.output", "tokens.cache_read", "tokens.cache_write", "cost")
_REPEATS = "record_usage"


def _read_kind(value: Any) -> Any:
    return _KINDS.get(value, UNREAD) if type(value) is str else UNREAD


def _refine(draft: Draft) -> None:
    decoded = draft.decoded
    operation = decoded.attributes.get(names.OPERATION)
    if _REPEATS in decoded.name or operation == _REPEATS:
        draft.give_back(_USAGE, *_FIELDS)


DIALECT = Dialect(
    name="ag2",
    rules=table(RANK, ("ag2.span.type", "kind", _read_kind)),
    refine=_refine,
    marks=(names.INPUT_TOKENS,),
)
