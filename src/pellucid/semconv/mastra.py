"""Mastra's OpenTelemetry exporter: OTel GenAI names, its own span types, and bare bodies.

Source: spans recorded from @mastra/otel-exporter 0.3 and 1.4. In the former a model span holds the
usage of all its steps; in the latter each step's call has its own.
"""

from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv.rules import Dialect, Draft, Rule, table
from pellucid.semconv.values import UNREAD, read_label, read_value

RANK = 2300

_KINDS = {
    "agent_run": SpanKind.AGENT,
    "workflow_run": SpanKind.CHAIN,
    "workflow_step": SpanKind.TASK,
    "model_generation": SpanKind.LLM,
    "llm_generation": SpanKind.LLM,
    "model_inference": SpanKind.LLM,
    "model_step": SpanKind.CHAIN,
    "model_chunk": SpanKind.TASK,
    "tool_call": SpanKind.TOOL,
    "mcp_tool_call": SpanKind.TOOL,
    "processor_run": SpanKind.GUARDRAIL,
    "scorer_run": SpanKind.EVALUATOR,
}
_TYPE = "mastra.span.type"


def _read_kind(value: Any) -> Any:
    return _KINDS.get(value, SpanKind.CHAIN) if type(value) is str else UNREAD


def _match(name: str) -> Rule | None:
    if name.endswith(".input"):
        return Rule("body_in", read_value, RANK)
    return Rule("body_out", read_value, RANK) if name.endswith(".output") else None


def _refine(draft: Draft) -> None:
    claims, rest = draft.claims, draft.rest
    for name, field in (("input", "body_in"), ("output", "body_out")):
        body = read_value(rest[name]) if name in rest else UNREAD
        if body is not UNREAD:
            draft.claim(field, body, RANK + 900)
            del rest[name]
    if claims.get("kind") is SpanKind.LLM and "tokens.input" not in claims:
        claims["kind"] = SpanKind.CHAIN
    gave = claims.get("body_out")
    if type(gave) is dict and type(gave.get("text")) is str and gave["text"]:
        claims["body_out"] = gave["text"]
    provider = claims.get("provider")
    if type(provider) is str:
        claims["provider"] = provider.partition(".")[0]  # `openai.chat`


DIALECT = Dialect(
    name="mastra",
    rules=table(
        RANK,
        (_TYPE, "kind", _read_kind),
        ("gen_ai.tool.input", "tool.arguments", read_value),
        ("gen_ai.tool.output", "tool.result", read_value),
        ("mastra.metadata.threadId", "session_id", read_label),
        ("mastra.metadata.resourceId", "user_id", read_label),
    ),
    match=_match,
    prefixes=tuple(f"mastra.{kind}." for kind in (*_KINDS, "generic")),
    refine=_refine,
    marks=(_TYPE,),
)
