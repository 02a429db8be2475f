"""Google's Agent Development Kit: OTel GenAI names, and whole bodies under names of its own.

Source: the tracing module of google-adk.
"""

from pellucid.core.span import SpanKind
from pellucid.semconv.rules import Dialect, Draft, table
from pellucid.semconv.usage import claim_usage
from pellucid.semconv.values import read_json_text, read_label

RANK = 2100


def _refine(draft: Draft) -> None:
    response = draft.claims.get("body_out")
    usage = response.get("usage_metadata") if type(response) is dict else None
    if type(usage) is dict:
        # Ahead of the attributes, whose output leaves the thoughts out.
        claim_usage(draft, usage, RANK)
    name = draft.decoded.name
    if "kind" in draft.claims:
        return
    if name == "call_llm":
        draft.claim("kind", SpanKind.LLM, RANK)
    elif name == "invocation":
        draft.claim("kind", SpanKind.CHAIN, RANK)
    elif name.startswith(("agent_run", "invoke_agent")):
        draft.claim("kind", SpanKind.AGENT, RANK)


DIALECT = Dialect(
    name="adk",
    rules=table(
        RANK,
        ("gcp.vertex.agent.llm_request", "body_in", read_json_text),
        ("gcp.vertex.agent.llm_response", "body_out", read_json_text),
        ("gcp.vertex.agent.tool_call_args", "tool.arguments", read_json_text),
        ("gcp.vertex.agent.tool_response", "tool.result", read_json_text),
        ("gcp.vertex.agent.session_id", "session_id", read_label),
    ),
    refine=_refine,
    scopes=("gcp.vertex.agent",),
)
