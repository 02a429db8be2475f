"""LangSmith's OTel exporter: LangChain and LangGraph runs with GenAI names around whole bodies.

Source: spans recorded from langsmith with LANGSMITH_OTEL_ONLY. `gen_ai.operation.name` says
"embeddings" for a retriever, so the kind comes from `langsmith.span.kind`; what it calls
`session_name` is a project.
"""

from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv.genai import read_system
from pellucid.semconv.rules import (
    SESSION_KEYS,
    USER_KEYS,
    Dialect,
    Draft,
    Rule,
    table,
)
from pellucid.semconv.values import (
    UNREAD,
    read_count,
    read_label,
    read_literal,
    read_object,
    read_text,
    read_value,
)

RANK = 1100

_KINDS = {
    "llm": SpanKind.LLM,
    "chain": SpanKind.CHAIN,
    "tool": SpanKind.TOOL,
    "retriever": SpanKind.RETRIEVER,
    "embedding": SpanKind.EMBEDDING,
    "prompt": SpanKind.CHAIN,
    "parser": SpanKind.PARSER,
}
_METADATA = "langsmith.metadata."


def _read_kind(value: Any) -> Any:
    return _KINDS.get(value.lower(), UNREAD) if type(value) is str else UNREAD


def _read_tags(value: Any) -> Any:
    if type(value) is not str:
        return UNREAD
    tags = [tag.strip() for tag in value.split(",")]
    return {tag: "" for tag in tags if tag} or UNREAD


def _read_details(value: Any) -> Any:
    """Read token details, which come as the text of a Python dict."""
    got = read_literal(value)
    return got if type(got) is dict else read_object(value)


def _match(name: str) -> Rule | None:
    key = name[len(_METADATA) :]
    if key in SESSION_KEYS:
        return Rule("session_id", read_label, RANK + SESSION_KEYS.index(key))
    if key in USER_KEYS:
        return Rule("user_id", read_label, RANK + USER_KEYS.index(key))
    if key.startswith(("LANGSMITH_", "LANGCHAIN_")):
        return None
    return Rule("metadata", read_value, RANK, (key,))


def _refine(draft: Draft) -> None:
    claims = draft.claims
    for field in ("body_in", "body_out"):
        body = claims.get(field)
        if type(body) is dict and len(body) == 1 and draft.ranks[field] // 100 == RANK // 100:
            claims[field] = next((body[key] for key in _FRAMES[field] if key in body), body)
    for group in ("langsmith.usage", "langsmith.input_details", "langsmith.output_details"):
        usage = claims.get(group)
        if usage is not None:
            _claim_usage(draft, usage)


_FRAMES = {"body_in": ("input",), "body_out": ("output", "outputs")}


def _claim_usage(draft: Draft, usage: dict[str, Any]) -> None:
    received, sent = usage.get("input_token_details"), usage.get("output_token_details")
    received = received if type(received) is dict else usage
    sent = sent if type(sent) is dict else usage
    for holder, name, field in (
        (usage, "input_tokens", "tokens.input"),
        (usage, "output_tokens", "tokens.output"),
        (received, "cache_read", "tokens.cache_read"),
        (received, "cache_creation", "tokens.cache_write"),
        (sent, "reasoning", "tokens.reasoning"),
    ):
        count = read_count(holder.get(name))
        if field == "tokens.cache_write" and not count:
            count = _written_for_a_time(received)
        if count is not UNREAD:
            draft.claim(field, count, RANK)


def _written_for_a_time(details: dict[str, Any]) -> Any:
    """Return what was written to Anthropic's caches, where each duration is told alone."""
    names = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    counts = [count for name in names if (count := read_count(details.get(name))) is not UNREAD]
    return sum(counts) if counts else UNREAD


DIALECT = Dialect(
    name="langsmith",
    rules=table(
        RANK,
        ("langsmith.span.kind", "kind", _read_kind),
        ("gen_ai.prompt", "body_in", read_value),
        ("gen_ai.completion", "body_out", read_value),
        ("langsmith.span.tags", "tags", _read_tags),
        ("langsmith.metadata.ls_model_name", "model", read_text),
        ("langsmith.metadata.ls_provider", "provider", read_system),
        ("langsmith.metadata.ls_invocation_params", "parameters", read_object),
        ("langsmith.metadata.usage_metadata", "langsmith.usage", read_object),
        ("langsmith.usage_metadata", "langsmith.usage", read_object),
        ("gen_ai.usage.input_token_details", "langsmith.input_details", _read_details),
        ("gen_ai.usage.output_token_details", "langsmith.output_details", _read_details),
    ),
    match=_match,
    prefixes=(_METADATA,),
    refine=_refine,
    marks=("langsmith.span.kind",),
)
