"""Chat messages in every JSON shape that producers write, as `Message` and `Part`.

Read are: OTel GenAI (parts), OpenAI chat and responses, Anthropic, Gemini, LangChain, the Vercel AI
SDK, LlamaIndex and Bedrock. Reading what was written from `Message` gives the same messages.
"""

from typing import Any

import msgspec

from pellucid.core.span import Message, Part
from pellucid.semconv.parts import (
    is_part,
    media_kind,
    part_of,
    parts_of_content,
    plain_answer,
    shown,
    text_or_none,
    tool_call_part,
)
from pellucid.semconv.values import (
    UNREAD,
    decode_json,
    encode_json,
    read_any_text,
    read_structure,
)

_ROLES = {
    "human": "user",
    "HumanMessage": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "model": "assistant",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "developer": "system",
    "SystemMessage": "system",
    "function": "tool",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
}
_TOOL_ROLES = frozenset({"tool", "function"})


def read_messages(value: Any) -> Any:
    """Read an attribute that holds messages; `UNREAD` if no message can be found in it."""
    got = read_structure(value)
    return UNREAD if got is UNREAD else messages_of(got) or UNREAD


def read_instructions(value: Any) -> Any:
    """Read system instructions (text, or parts, or messages) as parts."""
    got = read_structure(value)
    if got is UNREAD:
        return [Part(type="text", content=value)] if type(value) is str and value else UNREAD
    messages = messages_of(got)
    if messages and any("role" in item for item in (got if type(got) is list else [got])):
        return [part for message in messages for part in message.parts]
    return shown(parts_of_content(got)) or UNREAD


def read_content(value: Any) -> Any:
    """Read a message's text; a list of parts stands there as JSON text at times."""
    if type(value) is str and value.startswith("[{"):
        parts = decode_json(value)
        if type(parts) is list and all(type(p) is dict and is_part(p) for p in parts):
            return parts
    return read_any_text(value)


def messages_of(value: Any) -> list[Message]:
    """Return the messages in a JSON value: a list of them, or an object that holds such a list.

    A list with anything in it that is no message gives none at all.
    """
    if type(value) is dict:
        return _messages_of_object(value)
    if type(value) is not list or not value:
        return []
    if len(value) == 1 and type(value[0]) is list:
        return messages_of(value[0])  # LangChain: one batch
    found: list[Message] = []
    for item in value:
        message = message_of(item)
        if message is None:
            return []
        found.append(message)
    return found


def message_of(item: Any, role: str | None = None) -> Message | None:
    """Return the message that a JSON object is, or None; `role` stands in for a missing one."""
    if type(item) is not dict:
        return None
    said = item.get("role")
    listed = item.get("parts")
    if type(said) is str and type(listed) is list and "tool_calls" not in item:
        return _genai_message(item, said, listed)
    if type(item.get("kwargs")) is dict and item.get("type") == "constructor":
        return _langchain_message(item)
    if type(said) is not str:
        if "parts" in item or "content" in item or "blocks" in item:
            kind = text_or_none(item.get("type"))
            said = kind if kind in _ROLES else role
            if kind in {"system", "user", "assistant", "tool"}:
                said = kind
        if said is None:
            return _responses_item(item)
        if type(said) is not str:
            return None
    name = item.get("name")
    return Message(
        role=_ROLES.get(said, said),
        parts=shown(_parts_of(item)),
        name=text_or_none(name),
        finish_reason=text_or_none(item.get("finish_reason")),
    )


def _genai_message(item: dict[str, Any], role: str, listed: list[Any]) -> Message:
    """Read OTel GenAI's own form, which is by far the most frequent one."""
    parts: list[Part] = []
    for one in listed:
        if type(one) is dict and one.get("type") == "text":
            content = one.get("content")
            if type(content) is str:
                if content:
                    parts.append(Part(type="text", content=content))
                continue
        part = part_of(one)
        if part.type != "text" or part.content != "":
            parts.append(part)
    name, finish = item.get("name"), item.get("finish_reason")
    return Message(
        role=_ROLES.get(role, role),
        parts=parts,
        name=name if type(name) is str and name else None,
        finish_reason=finish if type(finish) is str and finish else None,
    )


def text_of(messages: list[Message], role: str | None = None) -> str:
    """Return the text of the last message that has any, of one role or of all."""
    for message in reversed(messages):
        if role is None or message.role == role:
            texts = [part.content for part in message.parts if part.type == "text" and part.content]
            if texts:
                return "\n".join(texts)
    return ""


def tool_calls_of(messages: list[Message]) -> list[dict[str, Any]]:
    """Return the tool calls that messages make, as plain `{name, arguments}` objects."""
    return [
        {"name": part.name, "arguments": part.arguments}
        for message in messages
        for part in message.parts
        if part.type == "tool_call"
    ]


def typed(messages: list[Message], types: dict[str, str]) -> list[Message]:
    """Return messages whose parts say the media type of the attachment that they name."""
    found: list[Message] = []
    for message in messages:
        parts = [_typed(part, types) for part in message.parts]
        same = all(new is old for new, old in zip(parts, message.parts, strict=True))
        found.append(message if same else msgspec.structs.replace(message, parts=parts))
    return found


def _typed(part: Part, types: dict[str, str]) -> Part:
    media_type = types.get(part.uri) if part.uri is not None else None
    if media_type is None or part.media_type not in (None, "application/octet-stream"):
        return part
    kind = media_kind(media_type) if part.type == "file" else part.type
    return msgspec.structs.replace(part, media_type=media_type, type=kind)


def encode_messages(messages: list[Message]) -> str:
    """Return the JSON text that `read_messages` reads back."""
    return encode_json(messages)


def _messages_of_object(value: dict[str, Any]) -> list[Message]:
    for key in ("messages", "input", "contents"):
        inner = value.get(key)
        if type(inner) is list:
            return messages_of(inner)
    message = message_of(value)
    return [] if message is None else [message]


def _parts_of(item: dict[str, Any]) -> list[Part]:
    parts = item.get("parts")
    if type(parts) is list:
        found = [part_of(part) for part in parts]
    else:
        content = item.get("content", item.get("blocks"))  # LlamaIndex: blocks
        call_id = item.get("tool_call_id")
        if type(call_id) is str or (
            text_or_none(item.get("role")) in _TOOL_ROLES and "content" in item
        ):
            if type(content) is list and content and all(_is_tool_result(one) for one in content):
                return parts_of_content(content)
            return [
                Part(
                    type="tool_call_response",
                    id=text_or_none(call_id),
                    response=plain_answer(content),
                )
            ]
        found = parts_of_content(content)
        reasoning = item.get("reasoning_content") or item.get("reasoning")
        if type(reasoning) is str:
            found.insert(0, Part(type="reasoning", content=reasoning))
        refusal = item.get("refusal")
        if type(refusal) is str:
            found.append(Part(type="refusal", content=refusal))
    more = item.get("additional_kwargs")  # LangChain, LlamaIndex
    calls = item.get("tool_calls") or (more.get("tool_calls") if type(more) is dict else None)
    if type(calls) is list and not any(part.type == "tool_call" for part in found):
        found += [part for part in map(tool_call_part, calls) if part is not None]
    function = item.get("function_call")
    if type(function) is dict:
        part = tool_call_part(function)
        if part is not None:
            found.append(part)
    return found


def _is_tool_result(part: Any) -> bool:
    return type(part) is dict and text_or_none(part.get("type")) in {
        "tool_result",
        "tool-result",
        "tool_call_response",
    }


def _langchain_message(item: dict[str, Any]) -> Message | None:
    path = item.get("id")
    name = path[-1] if type(path) is list and path else None
    kwargs = item["kwargs"]
    role = kwargs.get("type") if type(kwargs.get("type")) is str else name
    if type(role) is not str or ("content" not in kwargs and role not in _ROLES):
        return None
    return message_of({**kwargs, "role": _ROLES.get(role, role)})


def _responses_item(item: dict[str, Any]) -> Message | None:
    """Read an item of OpenAI's responses API that has no role."""
    kind = text_or_none(item.get("type"))
    if kind in {"function_call", "custom_tool_call", "reasoning"}:
        return Message(role="assistant", parts=[part_of(item)])
    if kind in {"function_call_output", "custom_tool_call_output"}:
        return Message(role="tool", parts=[part_of(item)])
    inner = item.get("message")
    if type(inner) is dict:  # a choice of OpenAI's chat API
        message = message_of(inner, "assistant")
        finish = item.get("finish_reason")
        if message is not None and type(finish) is str:
            return msgspec.structs.replace(message, finish_reason=finish)
        return message
    return None
