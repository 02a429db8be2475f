"""OpenInference: Arize's conventions, written by its instrumentors for many frameworks.

Source: the OpenInference semantic conventions, 0.1.42. Lists are flattened into names.
"""

from typing import Any

import msgspec

from pellucid.core.span import Document, Message, Part, SpanKind, Tool
from pellucid.semconv.genai import read_system
from pellucid.semconv.messages import message_of, messages_of, read_content
from pellucid.semconv.parts import bytes_part, media_part, part_of, shown
from pellucid.semconv.rules import Dialect, Draft, Flat, Rule, grouped, is_index, table
from pellucid.semconv.tools import tool_of, tools_of
from pellucid.semconv.usage import claim_usage
from pellucid.semconv.values import (
    UNREAD,
    Later,
    Reader,
    json_safe,
    read_any_text,
    read_count,
    read_embedded,
    read_label,
    read_later,
    read_number,
    read_object,
    read_reported_cost,
    read_tags,
    read_text,
    read_value,
)

RANK = 4000
_KIND_RANK = 2500

_KINDS = {
    **{kind.value: kind for kind in SpanKind if kind is not SpanKind.UNKNOWN},
    "PROMPT": SpanKind.CHAIN,
}


def read_kind(value: Any) -> Any:
    """Read an OpenInference kind, in any case."""
    return _KINDS.get(value.upper(), UNREAD) if type(value) is str else UNREAD


def _read_json_member(value: Any) -> Any:
    return json_safe(read_embedded(value))


_MESSAGE: dict[str, Reader] = {
    "role": read_text,
    "content": read_content,
    "name": read_text,
    "tool_call_id": read_label,
    "finish_reason": read_text,
    "function_call_name": read_text,
    "function_call_arguments_json": read_any_text,
}
_CONTENT: dict[str, Reader] = {
    "message_content.type": read_text,
    "message_content.text": read_any_text,
    "message_content.id": read_label,
    "message_content.name": read_text,
    "message_content.input": read_value,
    "message_content.tool_use_id": read_label,
    "message_content.content": read_value,
    "message_content.image.image.url": read_text,
    "message_content.audio.audio.url": read_text,
    "message_content.audio.audio.mime_type": read_text,
    "message_content.audio.audio.transcript": read_text,
    "message_content.file.file.url": read_text,
    "tool_call.id": read_label,
    "tool_call.function.name": read_text,
    "tool_call.function.arguments": _read_json_member,
}
_TOOL_CALL: dict[str, Reader] = {
    "tool_call.id": read_label,
    "tool_call.function.name": read_text,
    "tool_call.function.arguments": _read_json_member,
}
_DOCUMENT: dict[str, Reader] = {
    "document.id": read_label,
    "document.content": read_any_text,
    "document.score": read_number,
    "document.metadata": read_object,
}
_TOOL: dict[str, Reader] = {
    "tool.json_schema": read_object,
    "tool.name": read_text,
    "tool.description": read_text,
}
_GROUPS: dict[str, tuple[str, dict[str, Reader]]] = {
    "llm.input_messages.": ("oi.input_messages", _MESSAGE),
    "llm.output_messages.": ("oi.output_messages", _MESSAGE),
    "llm.prompts.": ("oi.prompts", {"prompt.text": read_text}),
    "llm.choices.": ("oi.choices", {"completion.text": read_text}),
    "llm.tools.": ("oi.tools", _TOOL),
    "retrieval.documents.": ("oi.documents", _DOCUMENT),
    "reranker.output_documents.": ("oi.reranked", _DOCUMENT),
    "reranker.input_documents.": ("oi.input_documents", _DOCUMENT),
    "embedding.embeddings.": ("oi.embeddings", {"embedding.text": read_any_text}),
    "output.images.": ("oi.output_images", {"image.url": read_text}),
    "input.images.": ("oi.input_images", {"image.url": read_text}),
}


def _read_prompts(value: Any) -> Any:
    """Read the texts that a completion model was given."""
    got = read_embedded(value)
    texts = got if type(got) is list else [got]
    if not all(type(text) is str and text for text in texts) or not texts:
        return UNREAD
    return [Message(role="user", parts=[Part(type="text", content=text)]) for text in texts]


def _match(name: str) -> Rule | None:
    for prefix, (group, members) in _GROUPS.items():
        if name.startswith(prefix):
            head, dot, rest = name[len(prefix) :].partition(".")
            if not dot or not is_index(head):
                return None
            return _member(group, members, int(head), rest)
    return None


def _member(group: str, members: dict[str, Reader], index: int, rest: str) -> Rule | None:
    if members is not _MESSAGE:
        if rest == "embedding.vector":
            return Rule(group, _read_dimensions, RANK, (index, rest))
        read = members.get(rest)
        return Rule(group, read, RANK, (index, rest)) if read else None
    if rest.startswith("function."):  # AutoGen's function results, without the `message.`
        inner = rest[len("function.") :]
        return (
            Rule(group, read_value, RANK, (index, "function", int(inner)))
            if is_index(inner)
            else None
        )
    if not rest.startswith("message."):
        return None
    rest = rest[len("message.") :]
    read = members.get(rest)
    if read:
        return Rule(group, read, RANK, (index, rest))
    kind, _, tail = rest.partition(".")
    number, _, key = tail.partition(".")
    if not is_index(number):
        return None
    if kind == "content" and not key:
        return Rule(group, read_any_text, RANK, (index, "contents", int(number), _TEXT))
    inner_members = {"contents": _CONTENT, "tool_calls": _TOOL_CALL}.get(kind, {})
    read = inner_members.get(key)
    return Rule(group, read, RANK, (index, kind, int(number), key)) if read else None


_TEXT = "message_content.text"
_PLAIN_ROLES = frozenset({"system", "user", "assistant"})


def _read_dimensions(value: Any) -> Any:
    return len(value) if isinstance(value, list | tuple) and value else UNREAD


def _message(group: dict[Any, Any], role: str) -> Message:
    said = group.get("role", role)
    content = group.get("content")
    if type(content) is str and len(group) == 2 and said in _PLAIN_ROLES:  # most of them
        return Message(role=said, parts=[Part(type="text", content=content)] if content else [])
    if "function" in group:
        return Message(role="tool", parts=[part for _, part in sorted(_results(group))])
    item: dict[str, Any] = {"role": said}
    for key in ("name", "tool_call_id", "finish_reason", "content"):
        if key in group:
            item[key] = group[key]
    contents = group.get("contents", {})
    parts = [_content(contents[place]) for place in sorted(contents)]
    texts = [part.content for part in parts if part.type == "text" and part.content]
    if texts and item.get("content") in ("".join(texts), "\n".join(texts)):
        del item["content"]  # the same, said twice
    if "tool_call_id" in item and "content" not in item:
        item["content"], parts = "\n".join(texts), []
    message = message_of(item) or Message(role=said)
    return msgspec.structs.replace(
        message, parts=[*message.parts, *shown(parts), *_calls(group, parts)]
    )


def _results(group: dict[Any, Any]) -> list[tuple[int, Part]]:
    found: list[tuple[int, Part]] = []
    for place, value in group["function"].items():
        item = value if type(value) is dict else {"content": value}
        content = {"type": "tool_result", **item}
        found.append((place, part_of(content)))
    return found


def _calls(group: dict[Any, Any], parts: list[Part]) -> list[Part]:
    known = {part.id for part in parts if part.type == "tool_call"}
    calls = group.get("tool_calls", {})
    found = [_call(calls[place]) for place in sorted(calls)]
    name = group.get("function_call_name")
    if name is not None:
        arguments = read_embedded(group.get("function_call_arguments_json"))
        found.append(Part(type="tool_call", name=name, arguments=arguments))
    return [part for part in found if part.id is None or part.id not in known]


def _call(members: dict[str, Any]) -> Part:
    return Part(
        type="tool_call",
        id=members.get("tool_call.id"),
        name=members.get("tool_call.function.name"),
        arguments=members.get("tool_call.function.arguments"),
    )


def _content(members: dict[str, Any]) -> Part:
    if any(key.startswith("tool_call.") for key in members):
        return _call(members)
    url = members.get("message_content.image.image.url")
    if url is not None:
        return bytes_part(url, None, "image") if "," not in url[:64] else media_part(url)
    url = members.get("message_content.audio.audio.url")
    if url is not None:
        return media_part(url, "audio", members.get("message_content.audio.audio.mime_type"))
    url = members.get("message_content.file.file.url")
    if url is not None:
        return media_part(url, "file")
    item = {key.partition(".")[2]: value for key, value in members.items()}
    item.setdefault("type", "text" if "text" in item else "unknown")
    return part_of(item)


def _messages(field: str, role: str) -> Any:
    def assemble(flats: list[Flat], draft: Draft) -> None:
        draft.claim(field, [_message(group, role) for group in grouped(flats)], RANK)

    return assemble


def _texts(field: str, role: str, key: str) -> Any:
    def assemble(flats: list[Flat], draft: Draft) -> None:
        found = [
            Message(role=role, parts=[Part(type="text", content=group[key])])
            for group in grouped(flats)
        ]
        draft.claim(field, found, RANK + 1)

    return assemble


def _images(field: str) -> Any:
    def assemble(flats: list[Flat], draft: Draft) -> None:
        urls = [group["image.url"] for group in grouped(flats)]
        draft.claim(field, [bytes_part(url, None, "image") for url in urls], RANK)

    return assemble


def _documents(field: str, rank: int) -> Any:
    def assemble(flats: list[Flat], draft: Draft) -> None:
        found = [
            Document(
                id=group.get("document.id"),
                text=group.get("document.content"),
                score=group.get("document.score"),
                metadata=group.get("document.metadata", {}),
            )
            for group in grouped(flats)
        ]
        draft.claim(field, [document for document in found if document != Document()], rank)

    return assemble


def _tools(flats: list[Flat], draft: Draft) -> None:
    found: list[Tool] = []
    for group in grouped(flats):
        schema = group.get("tool.json_schema", {})
        name, description = group.get("tool.name"), group.get("tool.description")
        tool = tool_of(schema) if name is None else None
        if tool is None and name is not None:
            tool = Tool(name=name, description=description, parameters=schema or None)
        if tool is not None:
            found.append(tool)
    draft.claim("tools", found, RANK)


def _embeddings(flats: list[Flat], draft: Draft) -> None:
    groups = grouped(flats)
    texts = [group["embedding.text"] for group in groups if "embedding.text" in group]
    if texts:
        draft.claim("body_in", texts[0] if len(texts) == 1 else texts, RANK + 900)
    sizes = [group["embedding.vector"] for group in groups if "embedding.vector" in group]
    if sizes:
        flat = Flat(RANK + 900, ("dimensions",), sizes[0])
        draft.flats.setdefault("parameters", []).append(flat)


def _refine(draft: Draft) -> None:
    _read_parameters(draft)
    kind = draft.claims.get("kind")
    if "tokens.input" in draft.claims:
        _read_answer(draft, _DETAILS)
    elif kind is SpanKind.EMBEDDING:
        _read_answer(draft, _USAGE)


def _read_answer(draft: Draft, wanted: tuple[str, ...]) -> None:
    """Read what no attribute says of the usage from the answer that a provider gave."""
    claims = draft.claims
    said = claims.get("body_out")
    if type(said) is not Later or claims.keys() & {"tokens.cache_read", "tokens.reasoning"}:
        return
    if not any(name in said.text for name in wanted):
        return
    answer = draft.body("body_out")
    for holder in (answer, answer.get("meta") if type(answer) is dict else None):
        usage = holder.get("usage") if type(holder) is dict else None
        if type(usage) is dict:
            claim_usage(draft, usage, RANK + 900)


_DETAILS = ('"cached_tokens":', '"reasoning_tokens":')
_USAGE = ('"prompt_tokens":', '"input_tokens":')


def _read_parameters(draft: Draft) -> None:
    """Take the model and the tools out of the invocation parameters."""
    parameters = draft.claims.get("parameters")
    if type(parameters) is not dict or draft.ranks["parameters"] < RANK:
        return
    parameters = dict(parameters)
    for key in ("model", "model_name", "model_id"):
        model = parameters.pop(key, None)
        if type(model) is str and model:
            draft.claim("model", model, RANK + 900)
    tools = parameters.pop("tools", None)
    if type(tools) is list:
        draft.claim("tools", tools_of(tools), RANK + 900)
    messages = parameters.pop("messages", None)
    if type(messages) is list:
        draft.claim("input_messages", messages_of(messages), RANK + 900)
    draft.claims["parameters"] = parameters


DIALECT = Dialect(
    name="openinference",
    rules={
        **table(
            RANK,
            ("llm.request.model_name", "model", read_text),
            ("llm.model_name", "model", read_text),
            ("llm.response.model_name", "model", read_text),
            ("embedding.model_name", "model", read_text),
            ("reranker.model_name", "model", read_text),
            ("llm.provider", "provider", read_system),
            ("llm.system", "provider", read_system),
            ("llm.invocation_parameters", "parameters", read_object),
            ("embedding.invocation_parameters", "parameters", read_object),
            ("llm.prompts", "input_messages", _read_prompts),
            ("input.value", "body_in", read_later),
            ("output.value", "body_out", read_later),
            ("input.mime_type", "oi.mime", read_text),
            ("output.mime_type", "oi.mime", read_text),
            ("reranker.query", "body_in", read_any_text),
            ("tool_call.function.name", "tool.name", read_text),
            ("tool.name", "tool.name", read_text),
            ("tool_call.id", "tool.id", read_label),
            ("tool.id", "tool.id", read_label),
            ("tool_call.function.arguments", "tool.arguments", read_value),
            ("tool.parameters", "tool.parameters", read_value),
            ("llm.token_count.prompt", "tokens.input", read_count),
            ("llm.token_count.completion", "tokens.output", read_count),
            ("llm.token_count.total", "tokens.total", read_count),
            ("llm.token_count.prompt_details.cache_read", "tokens.cache_read", read_count),
            ("llm.token_count.prompt_details.cache_write", "tokens.cache_write", read_count),
            ("llm.token_count.completion_details.reasoning", "tokens.reasoning", read_count),
            ("llm.cost.total", "cost", read_reported_cost),
            ("llm.cost.prompt", "cost.input", read_reported_cost),
            ("llm.cost.completion", "cost.output", read_reported_cost),
            ("llm.finish_reason", "finish_reason", read_text),
            ("llm.prompt_template.template", "prompt.template", read_text),
            ("llm.prompt_template.variables", "prompt.variables", read_object),
            ("llm.prompt_template.version", "prompt.version", read_label),
            ("prompt.id", "prompt.name", read_label),
            ("agent.name", "agent", read_text),
            ("metadata", "metadata", read_object),
            ("tag.tags", "tags", read_tags),
        ),
        "openinference.span.kind": Rule("kind", read_kind, _KIND_RANK),
        "reranker.top_k": Rule("parameters", read_count, RANK, ("top_k",)),
    },
    match=_match,
    prefixes=tuple(_GROUPS),
    assemblers={
        "oi.input_messages": _messages("input_messages", "user"),
        "oi.output_messages": _messages("output_messages", "assistant"),
        "oi.prompts": _texts("input_messages", "user", "prompt.text"),
        "oi.choices": _texts("output_messages", "assistant", "completion.text"),
        "oi.tools": _tools,
        "oi.documents": _documents("documents", RANK),
        "oi.reranked": _documents("documents", RANK - 1),
        "oi.input_documents": _documents("input_documents", RANK),
        "oi.embeddings": _embeddings,
        "oi.output_images": _images("output_images"),
        "oi.input_images": _images("input_images"),
    },
    refine=_refine,
    marks=("llm.invocation_parameters", "embedding.invocation_parameters", "output.value"),
)
