"""OpenLLMetry (Traceloop), the old names (0.40) and the new ones (0.62).

Source: spans recorded from both, and the package opentelemetry-semantic-conventions-ai.
"""

from typing import Any

from pellucid.core.span import Message, Part, SpanKind, Tool
from pellucid.semconv.genai import read_parameter
from pellucid.semconv.messages import message_of, read_content
from pellucid.semconv.rules import (
    SESSION_KEYS,
    USER_KEYS,
    Dialect,
    Draft,
    Flat,
    Rule,
    grouped,
    is_index,
    table,
)
from pellucid.semconv.usage import include_caches
from pellucid.semconv.values import (
    UNREAD,
    Reader,
    read_any_text,
    read_count,
    read_embedded,
    read_flag,
    read_json_text,
    read_label,
    read_literal,
    read_object,
    read_text,
    read_value,
)

RANK = 1200
_WEAK = 900

_LANGCHAIN = "opentelemetry.instrumentation.langchain"
_BEDROCK = "opentelemetry.instrumentation.bedrock"
_FRAME = frozenset(
    {"inputs", "outputs", "output", "input_str", "query", "tags", "metadata", "kwargs"}
)

_KINDS = {
    "workflow": SpanKind.CHAIN,
    "task": SpanKind.TASK,
    "agent": SpanKind.AGENT,
    "tool": SpanKind.TOOL,
}
_REQUESTS = {
    "chat": SpanKind.LLM,
    "completion": SpanKind.LLM,
    "text": SpanKind.LLM,
    "embedding": SpanKind.EMBEDDING,
    "rerank": SpanKind.RERANKER,
}
_CLASS_KINDS = (
    ("Retriever.", SpanKind.RETRIEVER),
    ("Embedding.", SpanKind.EMBEDDING),
    ("Rerank.", SpanKind.RERANKER),
    ("Tool.", SpanKind.TOOL),
    ("Splitter.", SpanKind.PARSER),
    ("Parser.", SpanKind.PARSER),
)
"""What a LlamaIndex class does, by the end of its name in `NAME.task`."""


def _read_kind(value: Any) -> Any:
    return _KINDS.get(value.lower(), UNREAD) if type(value) is str else UNREAD


def _read_request(value: Any) -> Any:
    return _REQUESTS.get(value.lower(), UNREAD) if type(value) is str else UNREAD


_MESSAGE: dict[str, Reader] = {
    "role": read_text,
    "content": read_content,
    "finish_reason": read_text,
    "tool_call_id": read_label,
}
_CALL: dict[str, Reader] = {"id": read_label, "name": read_text, "arguments": read_any_text}
_FUNCTION: dict[str, Reader] = {
    "name": read_text,
    "description": read_text,
    "parameters": read_value,
}
_GROUPS: dict[str, tuple[str, dict[str, Reader]]] = {
    "gen_ai.prompt.": ("otl.prompt", _MESSAGE),
    "gen_ai.completion.": ("otl.completion", _MESSAGE),
    "llm.prompts.": ("otl.prompt", _MESSAGE),
    "llm.completions.": ("otl.completion", _MESSAGE),
    "llm.request.functions.": ("otl.functions", _FUNCTION),
}
_PROPERTIES = "traceloop.association.properties."


def _match(name: str) -> Rule | None:
    if name.startswith(_PROPERTIES):
        key = name[len(_PROPERTIES) :]
        if key in SESSION_KEYS:
            return Rule("session_id", read_label, RANK + SESSION_KEYS.index(key))
        if key in USER_KEYS:
            return Rule("user_id", read_label, RANK + USER_KEYS.index(key))
        return Rule("metadata", read_value, RANK, (key,))
    if name.startswith("traceloop.prompt.template_variables."):
        key = name[len("traceloop.prompt.template_variables.") :]
        return Rule("prompt.variables", read_value, RANK, (key,))
    if name.startswith("gen_ai.openai.request."):
        return Rule("parameters", read_parameter, RANK, (name[len("gen_ai.openai.request.") :],))
    for prefix, (group, members) in _GROUPS.items():
        if name.startswith(prefix):
            return _flat(group, members, name[len(prefix) :].split("."))
    return None


def _flat(group: str, members: dict[str, Reader], steps: list[str]) -> Rule | None:
    if len(steps) < 2 or not is_index(steps[0]):
        return None
    index = int(steps[0])
    if len(steps) == 2 and steps[1] in members:
        return Rule(group, members[steps[1]], RANK, (index, steps[1]))
    is_call = len(steps) == 4 and steps[1] == "tool_calls" and is_index(steps[2])
    if is_call and steps[3] in _CALL and members is _MESSAGE:
        return Rule(group, _CALL[steps[3]], RANK, (index, "tool_calls", int(steps[2]), steps[3]))
    return None


def _prompt(flats: list[Flat], draft: Draft) -> None:
    draft.claim("input_messages", [_message(group, "user") for group in grouped(flats)], RANK)


def _completion(flats: list[Flat], draft: Draft) -> None:
    found = [_message(group, "assistant") for group in grouped(flats)]
    draft.claim("output_messages", found, RANK)


def _message(group: dict[Any, Any], role: str) -> Message:
    calls = group.pop("tool_calls", {})
    item = {"role": role, **group}
    message = message_of(item) or Message(role=role)
    parts = [
        Part(
            type="tool_call",
            id=call.get("id"),
            name=call.get("name"),
            arguments=read_embedded(call.get("arguments")),
        )
        for _, call in sorted(calls.items())
    ]
    return Message(
        role=message.role,
        parts=[*message.parts, *parts],
        finish_reason=message.finish_reason,
    )


def _functions(flats: list[Flat], draft: Draft) -> None:
    found = [
        Tool(
            name=group["name"],
            description=group.get("description"),
            parameters=group.get("parameters"),
        )
        for group in grouped(flats)
        if "name" in group
    ]
    draft.claim("tools", found, RANK)


def _refine(draft: Draft) -> None:
    claims = draft.claims
    if draft.decoded.scope.name == _BEDROCK:
        include_caches(claims)
    entity = claims.get("otl.entity")
    kind = claims.get("kind")
    if entity is not None and draft.decoded.scope.name.endswith(".llamaindex"):
        kind = _kind_of_class(entity + ".", kind)
        claims["kind"] = kind
    elif draft.decoded.attributes.get("gen_ai.operation.name") == "vector_db_retrieve":
        kind = claims["kind"] = SpanKind.RETRIEVER
    elif kind is None and draft.decoded.name.endswith(".mcp"):
        claims["kind"] = SpanKind.CHAIN
    if entity is not None and kind is SpanKind.TOOL:
        draft.claim("tool.name", entity, RANK + _WEAK)
    if entity is not None and kind is SpanKind.AGENT:
        draft.claim("agent", entity, RANK + _WEAK)
    if draft.ranks.get("body_in", 0) // 100 == RANK // 100:
        claims["body_in"] = _arguments(claims["body_in"], draft)
    if draft.decoded.scope.name == _LANGCHAIN:
        for field in ("body_in", "body_out", "tool.arguments", "tool.result"):
            if field in claims:
                claims[field] = _unframe(claims[field])
    output = claims.get("body_out")
    if kind is SpanKind.TOOL and type(output) is dict and "result" in output:
        draft.claim("tool.result", output["result"], RANK + _WEAK)


def _kind_of_class(entity: str, kind: SpanKind | None) -> SpanKind | None:
    if kind not in (SpanKind.TASK, SpanKind.CHAIN):
        return kind
    if kind is SpanKind.CHAIN and "Agent" in entity:
        return SpanKind.AGENT
    return next((better for ending, better in _CLASS_KINDS if ending in entity), kind)


def _unframe(value: Any) -> Any:
    """Take a value out of the frame of a LangChain callback: `{"inputs": …, "tags": …, …}`."""
    if type(value) is not dict or len(value) < 2 or not value.keys() <= _FRAME:
        return value
    written = value.get("input_str")
    if type(written) is str:
        literal = read_literal(written)
        return written if literal is UNREAD else literal
    inner = ("inputs", "outputs", "output", "query")
    return next((value[key] for key in inner if key in value), value)


def _arguments(given: Any, draft: Draft) -> Any:
    """Return a decorated function's arguments without the frame that they stand in."""
    if type(given) is not dict:
        return given
    if set(given) == {"tool_name", "arguments"}:  # MCP
        draft.claim("tool.name", str(given["tool_name"]), RANK + _WEAK)
        return given["arguments"]
    if set(given) == {"args", "kwargs"} and type(given["args"]) is list:
        if not given["args"]:
            return given["kwargs"]
        if not given["kwargs"]:
            return given["args"][0] if len(given["args"]) == 1 else given["args"]
    return given


DIALECT = Dialect(
    name="openllmetry",
    rules={
        **table(
            RANK,
            ("traceloop.span.kind", "kind", _read_kind),
            ("llm.request.type", "kind", _read_request),
            ("traceloop.entity.name", "otl.entity", read_text),
            ("traceloop.entity.input", "body_in", read_json_text),
            ("gen_ai.task.input", "body_in", read_json_text),
            ("traceloop.entity.output", "body_out", read_json_text),
            ("gen_ai.task.output", "body_out", read_json_text),
            ("crewai.task.description", "body_in", read_any_text),
            ("crewai.crew.result", "body_out", read_any_text),
            ("crewai.task.agent", "agent", read_text),
            ("llm.usage.prompt_tokens", "tokens.input", read_count),
            ("llm.usage.completion_tokens", "tokens.output", read_count),
            ("llm.usage.total_tokens", "tokens.total", read_count),
            ("llm.usage.reasoning_tokens", "tokens.reasoning", read_count),
            ("llm.request.model", "model", read_text),
            ("llm.response.model", "model", read_text),
            ("traceloop.prompt.key", "prompt.name", read_text),
            ("traceloop.prompt.version", "prompt.version", read_label),
            ("traceloop.prompt.template", "prompt.template", read_text),
            ("traceloop.prompt.template_variables", "prompt.variables", read_object),
        ),
        "llm.is_streaming": Rule("parameters", read_flag, RANK, ("stream",)),
        "gen_ai.is_streaming": Rule("parameters", read_flag, RANK + 1, ("stream",)),
        "openai.request.service_tier": Rule("parameters", read_text, RANK, ("service_tier",)),
    },
    match=_match,
    prefixes=(
        "gen_ai.prompt.",
        "gen_ai.completion.",
        "gen_ai.openai.request.",
        "llm.",
        "traceloop.",
    ),
    assemblers={"otl.prompt": _prompt, "otl.completion": _completion, "otl.functions": _functions},
    refine=_refine,
    marks=("traceloop.span.kind", "traceloop.entity.name", "traceloop.entity.input"),
    scopes=(_BEDROCK,),
)
