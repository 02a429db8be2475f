"""MLflow's spans as its OTLP exporter sends them: every value is a JSON text.

Source: spans recorded from MLflow 3.17 autologging.
"""

from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv.bodies import image_parts
from pellucid.semconv.genai import read_system
from pellucid.semconv.rules import Dialect, Draft, Flat, claim_from_metadata, table
from pellucid.semconv.tools import read_tools
from pellucid.semconv.usage import claim_usage
from pellucid.semconv.values import (
    UNREAD,
    read_count,
    read_json_text,
    read_label,
    read_number,
    read_object,
    read_structure,
    read_tags,
)

RANK = 1000

_KINDS = {
    "LLM": SpanKind.LLM,
    "CHAT_MODEL": SpanKind.LLM,
    "CHAIN": SpanKind.CHAIN,
    "WORKFLOW": SpanKind.CHAIN,
    "AGENT": SpanKind.AGENT,
    "TOOL": SpanKind.TOOL,
    "RETRIEVER": SpanKind.RETRIEVER,
    "EMBEDDING": SpanKind.EMBEDDING,
    "RERANKER": SpanKind.RERANKER,
    "PARSER": SpanKind.PARSER,
    "MEMORY": SpanKind.MEMORY,
    "TASK": SpanKind.TASK,
    "GUARDRAIL": SpanKind.GUARDRAIL,
    "EVALUATOR": SpanKind.EVALUATOR,
    "UNKNOWN": SpanKind.UNKNOWN,
}
_PROVIDERS = frozenset({"openai", "anthropic", "gemini", "groq", "mistral", "bedrock", "cohere"})
_PARAMETERS = frozenset(
    {
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "top_p",
        "top_k",
        "seed",
        "stop",
        "stream",
        "n",
        "frequency_penalty",
        "presence_penalty",
        "response_format",
        "reasoning_effort",
        "tool_choice",
        "size",
        "quality",
    }
)
"""Bare names that autologging writes beside its own on a model call."""
_NO_PARAMETERS = frozenset({"model", "model_name", "tools", "messages", "_type"})


def _read_kind(value: Any) -> Any:
    got = read_json_text(value)
    return _KINDS.get(got, UNREAD) if type(got) is str else UNREAD


def _read_text(value: Any) -> Any:
    got = read_json_text(value)
    return got if type(got) is str and got else UNREAD


def _read_system(value: Any) -> Any:
    return read_system(read_json_text(value))


def _read_format(value: Any) -> Any:
    """Read the provider from the form of the messages, where it is a provider's own form."""
    got = read_json_text(value)
    return got if type(got) is str and got in _PROVIDERS else UNREAD


def _read_cost(value: Any) -> Any:
    got = read_object(value)
    total = UNREAD if got is UNREAD else read_number(got.get("total_cost"))
    return total if total is not UNREAD and total > 0 else UNREAD


def _read_first_prompt(value: Any) -> Any:
    got = read_structure(value)
    first = got[0] if type(got) is list and got else None
    return first if type(first) is dict and type(first.get("name")) is str else UNREAD


def _refine(draft: Draft) -> None:
    _read_usage(draft)
    _read_linked_prompt(draft)
    _unwrap(draft)
    images = image_parts(draft.claims.get("body_out"))
    if images:
        draft.claim("kind", SpanKind.IMAGE, 0)
        draft.claim("output_images", images, RANK)
    if read_json_text(draft.rest.get("call_type")) in ("embedding", "aembedding"):  # LiteLLM
        draft.claims["kind"] = SpanKind.EMBEDDING
    kind = draft.claims.get("kind")
    if kind in (SpanKind.LLM, SpanKind.EMBEDDING, SpanKind.IMAGE):
        _read_bare_names(draft)
    elif kind is SpanKind.TOOL:
        name = read_json_text(draft.rest.get("name"))
        if type(name) is str and name:
            draft.claim("tool.name", name, RANK)
            del draft.rest["name"]
        _take(draft, "tool_call_id", "tool.id")
    elif kind is SpanKind.AGENT:
        _take(draft, "agent_name", "agent")
        named = read_json_text(draft.claims.get("agent"))  # as Logfire's name, in quotes
        if type(named) is str:
            draft.claims["agent"] = named
    if kind in (SpanKind.LLM, SpanKind.EMBEDDING):
        _read_answer(draft)
    claim_from_metadata(draft, RANK + 900)


def _take(draft: Draft, name: str, field: str) -> None:
    got = read_label(read_json_text(draft.rest.get(name)))
    if got is not UNREAD:
        draft.claim(field, got, RANK + 900)
        del draft.rest[name]


def _unwrap(draft: Draft) -> None:
    output = draft.claims.get("body_out")
    if type(output) is dict and list(output) == ["_value"]:
        draft.claims["body_out"] = output["_value"]


def _read_usage(draft: Draft) -> None:
    """Read the usage; what the total has beyond both is the reasoning that Gemini sets apart."""
    usage = draft.claims.get("mlflow.usage")
    if type(usage) is not dict:
        return
    counts: dict[str, int] = {}
    for name, field in (
        ("input_tokens", "tokens.input"),
        ("output_tokens", "tokens.output"),
        ("cache_read_input_tokens", "tokens.cache_read"),
        ("cache_creation_input_tokens", "tokens.cache_write"),
    ):
        got = read_count(usage.get(name))
        if got is not UNREAD:
            counts[field] = got
    total = read_count(usage.get("total_tokens"))
    known = counts.get("tokens.input", 0) + counts.get("tokens.output", 0)
    if total is not UNREAD and len(counts) > 1 and total > known:
        caches = counts.get("tokens.cache_read", 0) + counts.get("tokens.cache_write", 0)
        if total - known == caches:
            counts["tokens.input"] = counts.get("tokens.input", 0) + caches
        else:
            counts["tokens.output"] = counts.get("tokens.output", 0) + total - known
            counts["tokens.reasoning"] = total - known
    for field, count in counts.items():
        draft.claim(field, count, RANK)


def _read_answer(draft: Draft) -> None:
    """Read what the usage does not say, as reasoning or an embedding's tokens, from the answer."""
    answer = draft.claims.get("body_out")
    usage = answer.get("usage") if type(answer) is dict else None
    if type(usage) is dict:
        claim_usage(draft, usage, RANK + 900)


def _read_linked_prompt(draft: Draft) -> None:
    linked = draft.claims.get("mlflow.prompt")
    if linked is not None:
        draft.claim("prompt.name", linked["name"], RANK)
        version = read_label(linked.get("version"))
        if version is not UNREAD:
            draft.claim("prompt.version", version, RANK)


def _read_bare_names(draft: Draft) -> None:
    """Read the call's parameters, which stand beside MLflow's names as JSON texts."""
    rest = draft.rest
    flats: list[Flat] = []
    for name in _PARAMETERS.intersection(rest):
        got = read_json_text(rest[name])
        if got is not UNREAD:
            flats.append(Flat(RANK, (name,), got))
            del rest[name]
    for name in ("invocation_params", "model_dict"):
        given = read_structure(rest.get(name))
        if type(given) is not dict:
            continue
        del rest[name]
        model = given.get("model_name", given.get("model"))
        if type(model) is str:
            draft.claim("model", model, RANK + 900)
        if type(given.get("tools")) is list:
            draft.claim("tools", read_tools(given["tools"]), RANK + 900)
        flats += [
            Flat(RANK + 1, (key,), value)
            for key, value in given.items()
            if key not in _NO_PARAMETERS and value is not None
        ]
    if flats:
        draft.flats.setdefault("parameters", []).extend(flats)
    for name in ("model", "model_name"):
        _take(draft, name, "model")
    for name, field in (("cost", "cost"), ("response_cost", "cost")):
        cost = read_number(read_json_text(rest.get(name)))
        if cost is not UNREAD and cost > 0:
            draft.claim(field, cost, RANK + 900)
            del rest[name]


DIALECT = Dialect(
    name="mlflow",
    rules=table(
        RANK,
        ("mlflow.spanType", "kind", _read_kind),
        ("mlflow.spanInputs", "body_in", read_json_text),
        ("mlflow.spanOutputs", "body_out", read_json_text),
        ("mlflow.llm.model", "model", _read_text),
        ("mlflow.llm.provider", "provider", _read_system),
        ("mlflow.message.format", "provider", _read_format),
        ("mlflow.chat.tokenUsage", "mlflow.usage", read_object),
        ("mlflow.chat.tools", "tools", read_tools),
        ("mlflow.llm.cost", "cost", _read_cost),
        ("mlflow.linkedPrompts", "mlflow.prompt", _read_first_prompt),
        ("mlflow.trace.session", "session_id", _read_text),
        ("mlflow.trace.user", "user_id", _read_text),
        ("mlflow.traceTags", "tags", read_tags),
    ),
    refine=_refine,
    marks=("mlflow.spanType", "mlflow.traceRequestId"),
)
