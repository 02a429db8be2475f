"""Haystack's own tracing: a span a component, with what went in and came out as JSON.

Source: the tracing module of haystack-ai and its OpenTelemetry tracer. Contents, and with them the
tokens, are there only where content tracing was turned on.
"""

from typing import Any, Final

from pellucid.core.span import SpanKind
from pellucid.semconv.documents import documents_of
from pellucid.semconv.messages import messages_of
from pellucid.semconv.rules import Dialect, Draft, table
from pellucid.semconv.usage import claim_usage
from pellucid.semconv.values import UNREAD, read_json_text, read_label, read_text

RANK = 2200

_KINDS: Final = (
    ("Generator", SpanKind.LLM),
    ("Retriever", SpanKind.RETRIEVER),
    ("Embedder", SpanKind.EMBEDDING),
    ("Ranker", SpanKind.RERANKER),
    ("ToolInvoker", SpanKind.TOOL),
    ("Agent", SpanKind.AGENT),
    ("Splitter", SpanKind.PARSER),
    ("Converter", SpanKind.PARSER),
    ("Evaluator", SpanKind.EVALUATOR),
)
"""What a component does, by the end of its class's name."""


def _refine(draft: Draft) -> None:
    claims = draft.claims
    component = claims.get("haystack.type", "")
    kind = next((kind for end, kind in _KINDS if component.endswith(end)), SpanKind.CHAIN)
    if draft.decoded.name == "haystack.agent.run":
        kind = SpanKind.AGENT
    draft.claim("kind", kind, RANK)
    given, gave = claims.get("body_in"), claims.get("body_out")
    if type(gave) is not dict:
        return
    if kind is SpanKind.LLM:
        if type(given) is dict:
            draft.claim("input_messages", messages_of(given.get("messages")), RANK)
        replies = gave.get("replies")
        draft.claim("output_messages", messages_of(replies), RANK)
        _claim_meta(draft, _meta_of(replies) or _meta_of(gave.get("meta")))
    elif kind is SpanKind.AGENT:
        _claim_conversation(draft, given, gave)
    elif kind is SpanKind.TOOL:
        _claim_tool(draft, gave.get("tool_messages"))
    elif kind is SpanKind.EMBEDDING:
        meta = gave.get("meta")
        _claim_meta(draft, meta if type(meta) is dict else None)
    elif kind in (SpanKind.RETRIEVER, SpanKind.RERANKER):
        found = documents_of(gave.get("documents"))
        if found:
            draft.claim("documents", found, RANK)


def _claim_conversation(draft: Draft, given: Any, gave: dict[str, Any]) -> None:
    asked = messages_of(given.get("messages")) if type(given) is dict else []
    said = messages_of(gave.get("messages"))
    if said:
        draft.claim("input_messages", asked, RANK)
        draft.claim("output_messages", said[-1:], RANK)
        draft.claims.pop("body_in", None)
        draft.claims.pop("body_out", None)


def _claim_tool(draft: Draft, messages: Any) -> None:
    """Claim the tool and its result, where one was called."""
    if type(messages) is not list or len(messages) != 1:
        return
    content = messages[0].get("content") if type(messages[0]) is dict else None
    inner = content[0] if type(content) is list and len(content) == 1 else None
    result = inner.get("tool_call_result") if type(inner) is dict else None
    origin = result.get("origin") if type(result) is dict else None
    if type(result) is not dict or type(origin) is not dict:
        return
    name, identity = read_text(origin.get("tool_name")), read_label(origin.get("id"))
    if name is not UNREAD:
        draft.claim("tool.name", name, RANK)
    if identity is not UNREAD:
        draft.claim("tool.id", identity, RANK)
    draft.claim("tool.arguments", origin.get("arguments"), RANK)
    draft.claim("tool.result", result.get("result"), RANK)
    draft.claims.pop("body_in", None)
    draft.claims.pop("body_out", None)


def _meta_of(replies: Any) -> dict[str, Any] | None:
    """Return the metadata of the first reply: those of one call share its usage."""
    if type(replies) is not list or not replies or type(replies[0]) is not dict:
        return None
    first: dict[str, Any] = replies[0]
    meta = first.get("meta", first.get("_meta", first if "usage" in first else None))
    return meta if type(meta) is dict else None


def _claim_meta(draft: Draft, meta: dict[str, Any] | None) -> None:
    if meta is None:
        return
    model, reason, usage = meta.get("model"), meta.get("finish_reason"), meta.get("usage")
    if type(model) is str and model:
        draft.claim("model", model, RANK)
    if type(reason) is str and reason:
        draft.claim("finish_reason", reason, RANK)
    if type(usage) is dict:
        claim_usage(draft, usage, RANK)


DIALECT = Dialect(
    name="haystack",
    rules=table(
        RANK,
        ("haystack.component.type", "haystack.type", read_text),
        ("haystack.component.input", "body_in", read_json_text),
        ("haystack.component.output", "body_out", read_json_text),
        ("haystack.pipeline.input_data", "body_in", read_json_text),
        ("haystack.pipeline.output_data", "body_out", read_json_text),
        ("haystack.agent.input", "body_in", read_json_text),
        ("haystack.agent.output", "body_out", read_json_text),
    ),
    refine=_refine,
    marks=("haystack.component.type", "haystack.pipeline.output_data", "haystack.agent.output"),
)
