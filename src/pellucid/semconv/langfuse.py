"""Langfuse's SDK, which exports OTLP with names of its own.

Source: spans recorded from Langfuse 5. An error is a level, not a status.
"""

from datetime import datetime
from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv.rules import Dialect, Draft, Rule, table
from pellucid.semconv.values import (
    UNREAD,
    read_count,
    read_json_text,
    read_label,
    read_number,
    read_object,
    read_tags,
    read_text,
)

RANK = 1300

_KINDS = {
    "span": SpanKind.CHAIN,
    "generation": SpanKind.LLM,
    "agent": SpanKind.AGENT,
    "tool": SpanKind.TOOL,
    "chain": SpanKind.CHAIN,
    "retriever": SpanKind.RETRIEVER,
    "evaluator": SpanKind.EVALUATOR,
    "embedding": SpanKind.EMBEDDING,
    "guardrail": SpanKind.GUARDRAIL,
}
_METADATA = ("langfuse.observation.metadata.", "langfuse.trace.metadata.")


def _read_kind(value: Any) -> Any:
    return _KINDS.get(value.lower(), UNREAD) if type(value) is str else UNREAD


def _read_cost(value: Any) -> Any:
    got = read_object(value)
    if got is UNREAD:
        return UNREAD
    total = read_number(got.get("total"))
    if total is UNREAD:
        parts = [read_number(cost) for cost in got.values()]
        total = sum(part for part in parts if part is not UNREAD)
    return total if total > 0 else UNREAD


def _read_level(value: Any) -> Any:
    return value if type(value) is str else UNREAD


def _read_moment(value: Any) -> Any:
    """Read an ISO time, at times in JSON quotes, as nanoseconds since the epoch."""
    text = read_json_text(value)
    try:
        moment = datetime.fromisoformat(text) if type(text) is str else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        return UNREAD
    return round(moment.timestamp() * 1_000_000) * 1_000


def _read_reason(value: Any) -> Any:
    return read_text(read_json_text(value))


def _match(name: str) -> Rule | None:
    for place, prefix in enumerate(_METADATA):
        if name.startswith(prefix):
            key = name[len(prefix) :]
            if key == "finish_reason":
                return Rule("finish_reason", _read_reason, RANK + 900 + place)
            return Rule("metadata", read_json_text, RANK + place, (key,))
    return None


def _refine(draft: Draft) -> None:
    claims = draft.claims
    if draft.decoded.name == "OpenAI.embeddings":  # its JavaScript wrapper calls all alike
        claims["kind"] = SpanKind.EMBEDDING
    if str(claims.get("langfuse.level", "")).upper() == "ERROR":
        claims["failed"] = True
    started = claims.get("langfuse.first_token")
    if started is not None and started >= draft.decoded.start_ns:
        draft.claim("ttft", started - draft.decoded.start_ns, RANK)
    usage = claims.get("langfuse.usage")
    if usage is not None:
        _claim_usage(draft, usage)


def _claim_usage(draft: Draft, usage: dict[str, Any]) -> None:
    """Read usage in Langfuse's names or in a provider's.

    Langfuse's LangChain handler takes the details out of `input` and `output`; the total tells.
    """
    counts = {name: read_count(value) for name, value in usage.items()}
    counts = {name: count for name, count in counts.items() if count is not UNREAD}
    received = _first(counts, "input", "input_tokens", "prompt_tokens", "promptTokens")
    sent = _first(counts, "output", "output_tokens", "completion_tokens", "completionTokens")
    read = _first(
        counts,
        "input_cached_tokens",
        "input_cache_read",
        "cache_read_input_tokens",
        "cached_tokens",
    )
    written = _first(counts, "input_cache_creation", "cache_creation_input_tokens")
    written = written or _sum_of(counts, "input_ephemeral_", "")
    reasoning = _first(counts, "output_reasoning_tokens", "output_reasoning", "reasoning_tokens")
    total = _first(counts, "total", "total_tokens", "totalTokens")
    for name, field in (
        ("prompt_tokens_details", "cached_tokens"),
        ("input_tokens_details", "cached_tokens"),
        ("completion_tokens_details", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
    ):
        details = usage.get(name)
        count: Any = read_count(details.get(field)) if type(details) is dict else UNREAD
        if count is not UNREAD and field == "cached_tokens":
            read = read or count
        elif count is not UNREAD:
            reasoning = reasoning or count
    beside_in = _sum_of(counts, "input_", "input_tokens")
    beside_out = _sum_of(counts, "output_", "output_tokens")
    if total == received + sent + beside_in + beside_out and beside_in + beside_out:
        received, sent = received + beside_in, sent + beside_out
    for field, count in (
        ("tokens.input", received),
        ("tokens.output", sent),
        ("tokens.cache_read", read),
        ("tokens.cache_write", written),
        ("tokens.reasoning", reasoning),
        ("tokens.total", total),
    ):
        if count:
            draft.claim(field, count, RANK)


def _first(counts: dict[str, Any], *names: str) -> int:
    return next((int(counts[name]) for name in names if name in counts), 0)


def _sum_of(counts: dict[str, Any], prefix: str, but: str) -> int:
    return sum(count for name, count in counts.items() if name.startswith(prefix) and name != but)


DIALECT = Dialect(
    name="langfuse",
    rules=table(
        RANK,
        ("langfuse.observation.type", "kind", _read_kind),
        ("langfuse.observation.model.name", "model", read_text),
        ("langfuse.observation.model.parameters", "parameters", read_object),
        ("langfuse.observation.input", "body_in", read_json_text),
        ("langfuse.observation.output", "body_out", read_json_text),
        ("langfuse.trace.input", "body_in", read_json_text),
        ("langfuse.trace.output", "body_out", read_json_text),
        ("langfuse.observation.usage_details", "langfuse.usage", read_object),
        ("langfuse.observation.cost_details", "cost", _read_cost),
        ("langfuse.observation.prompt.name", "prompt.name", read_text),
        ("langfuse.observation.prompt.version", "prompt.version", read_label),
        ("langfuse.observation.level", "langfuse.level", _read_level),
        ("langfuse.observation.status_message", "status_message", read_text),
        ("langfuse.observation.completion_start_time", "langfuse.first_token", _read_moment),
        ("langfuse.session.id", "session_id", read_label),
        ("langfuse.trace.session_id", "session_id", read_label),
        ("langfuse.user.id", "user_id", read_label),
        ("langfuse.trace.user_id", "user_id", read_label),
        ("langfuse.trace.tags", "tags", read_tags),
        ("langfuse.observation.metadata", "metadata", read_object),
        ("langfuse.trace.metadata", "metadata", read_object),
    ),
    match=_match,
    prefixes=_METADATA,
    refine=_refine,
    marks=(
        "langfuse.observation.type",
        "langfuse.observation.level",
        "langfuse.observation.usage_details",
    ),
)
