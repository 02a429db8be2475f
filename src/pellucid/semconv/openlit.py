"""OpenLIT: OTel GenAI names, and figures that are not what they say.

Source: spans recorded from OpenLIT 1.34 and 1.45. Outside model calls its usage is a guess from the
length of texts, and the time to first token is the whole latency of a call that did not stream.
Anthropic's and Bedrock's input leaves the caches out, Gemini's output the thoughts.
"""

from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import messages_of
from pellucid.semconv.rules import Dialect, Draft, table
from pellucid.semconv.usage import include_caches
from pellucid.semconv.values import UNREAD, read_literal, read_seconds, read_value

RANK = 1600

_CACHES_BESIDE = frozenset({"openlit.instrumentation.anthropic", "openlit.instrumentation.bedrock"})
_THOUGHTS_BESIDE = frozenset(
    {"openlit.instrumentation.google_ai_studio", "openlit.instrumentation.vertexai"}
)
_MODEL_CALLS = frozenset({SpanKind.LLM, SpanKind.EMBEDDING, SpanKind.IMAGE, SpanKind.RERANKER})
_USAGE = (
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.CACHE_READ_TOKENS,
    names.CACHE_WRITE_TOKENS,
    names.REASONING_TOKENS,
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.total_tokens",
    "gen_ai.usage.cost",
)
_FIELDS = (
    "tokens.input",
    "tokens.output",
    "tokens.cache_read",
    "tokens.cache_write",
    "tokens.reasoning",
    "tokens.total",
    "cost",
)
_TOOL_NAMES = (names.TOOL_NAME, names.TOOL_CALL_ID, names.TOOL_CALL_ARGUMENTS, "gen_ai.tool.args")
_TOOL_FIELDS = ("tool.name", "tool.id", "tool.arguments")


def _refine(draft: Draft) -> None:
    decoded, claims = draft.decoded, draft.claims
    if not decoded.scope.name.startswith("openlit"):
        return
    if decoded.name.startswith("execute_task "):
        claims["kind"] = SpanKind.TASK  # its operation says chat, and no model is called
    elif decoded.name.startswith("create_agent "):
        claims["kind"] = SpanKind.AGENT
    elif "kind" not in claims and decoded.name.startswith("chat "):
        claims["kind"] = SpanKind.LLM
    elif "kind" not in claims and decoded.name.startswith("invoke_workflow "):
        claims["kind"] = SpanKind.CHAIN
    _read_literals(draft)
    kind = claims.get("kind")
    if kind not in _MODEL_CALLS:
        draft.give_back(_USAGE, *_FIELDS)
    elif decoded.scope.name in _CACHES_BESIDE:
        include_caches(claims)
    elif decoded.scope.name in _THOUGHTS_BESIDE and "tokens.output" in claims:
        claims["tokens.output"] += claims.get("tokens.reasoning", 0)
    if kind is not SpanKind.TOOL:
        draft.give_back(_TOOL_NAMES, *_TOOL_FIELDS)
    first = claims.get("openlit.first_token")
    if first is not None:
        streams = decoded.attributes.get("gen_ai.request.stream") is True
        if streams or decoded.attributes.get("gen_ai.request.is_stream") is True:
            draft.claim("ttft", first, RANK)
        else:
            draft.give_back(("gen_ai.server.time_to_first_token",))


def _read_literals(draft: Draft) -> None:
    """Read messages and arguments that were written as Python and not as JSON."""
    rest, claims = draft.rest, draft.claims
    for name, field in (
        (names.INPUT_MESSAGES, "input_messages"),
        (names.OUTPUT_MESSAGES, "output_messages"),
    ):
        messages = messages_of(read_literal(rest.get(name)))
        if messages:
            draft.claim(field, messages, RANK)
            del rest[name]
    arguments = read_literal(claims.get("tool.arguments"))
    if arguments is not UNREAD:
        claims["tool.arguments"] = arguments


DIALECT = Dialect(
    name="openlit",
    rules=table(
        RANK,
        ("gen_ai.server.time_to_first_token", "openlit.first_token", read_seconds),
        ("gen_ai.tool.args", "tool.arguments", read_value),
        ("gen_ai.workflow.input", "body_in", read_value),
        ("gen_ai.workflow.output", "body_out", read_value),
    ),
    refine=_refine,
    scopes=("openlit",),
)
