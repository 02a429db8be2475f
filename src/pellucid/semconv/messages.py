"""Chat messages in every JSON shape that producers write, as `Message` and `Part`.

Read are: OTel GenAI (parts), OpenAI chat and responses, Anthropic, Gemini, LangChain, the Vercel AI
SDK, LlamaIndex and Bedrock. Reading what was written from `Message` gives the same messages.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pellucid.core.span import Message, Part
from pellucid.semconv.values import (
    UNREAD,
    encode_json,
    read_embedded,
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
_MODALITIES = {"image": "image", "audio": "audio"}


def read_messages(value: Any) -> Any:
    """Read an attribute that holds messages; `UNREAD` if no message can be found in it."""
    got = read_structure(value)
    return UNREAD if got is UNREAD else messages_of(got) or UNREAD


def read_instructions(value: Any) -> Any:
    """Read system instructions (text, or parts, or messages) as parts."""
    if type(value) is str and value[:1] not in "[{":
        return [Part(type="text", content=value)] if value else UNREAD
    got = read_structure(value)
    if got is UNREAD:
        return [Part(type="text", content=value)] if type(value) is str else UNREAD
    messages = messages_of(got)
    if messages and any("role" in item for item in (got if type(got) is list else [got])):
        return [part for message in messages for part in message.parts]
    return parts_of_content(got)


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
    if type(item.get("kwargs")) is dict and item.get("type") == "constructor":
        return _langchain_message(item)
    said = item.get("role")
    if type(said) is not str:
        if "parts" in item or "content" in item:
            kind = _text(item.get("type"))
            said = kind if kind in _ROLES else role
            if kind in {"system", "user", "assistant", "tool"}:
                said = kind
        if said is None:
            return _responses_item(item)
        if type(said) is not str:
            return None
    name = item.get("name")
    finish = item.get("finish_reason")
    return Message(
        role=_ROLES.get(said, said),
        parts=_parts_of(item),
        name=name if type(name) is str else None,
        finish_reason=finish if type(finish) is str else None,
    )


def parts_of_content(content: Any) -> list[Part]:
    """Return the parts of a message's content: text, one part, or a list of either."""
    if type(content) is str:
        return [Part(type="text", content=content)]
    if type(content) is list:
        return [part_of(item) for item in content]
    return [] if content is None else [part_of(content)]


def part_of(item: Any) -> Part:
    """Return the part that a JSON value is; what is not understood goes whole into `data`."""
    if type(item) is not dict:
        return Part(type="text", content=item if type(item) is str else encode_json(item))
    kind = item.get("type")
    if type(kind) is not str:
        return _untyped_part(item)
    read = _PARTS.get(kind)
    if read is not None:
        part = read(item)
        if part is not None:
            return part
    return _unknown_part(kind, item)


def text_of(messages: list[Message], role: str | None = None) -> str:
    """Return the text of the last message that has any, of one role or of all."""
    for message in reversed(messages):
        if role is None or message.role == role:
            text = "\n".join(p.content for p in message.parts if p.type == "text" and p.content)
            if text:
                return text
    return ""


def tool_calls_of(messages: list[Message]) -> list[dict[str, Any]]:
    """Return the tool calls that messages make, as plain `{name, arguments}` objects."""
    return [
        {"name": part.name, "arguments": part.arguments}
        for message in messages
        for part in message.parts
        if part.type == "tool_call"
    ]


def encode_messages(messages: list[Message]) -> str:
    """Return the JSON text that `read_messages` reads back."""
    return encode_json(messages)


def tool_call_part(call: Any) -> Part | None:
    """Return the part of one entry of a message's `tool_calls`."""
    if type(call) is not dict:
        return None
    function = call.get("function")
    inner = function if type(function) is dict else call
    arguments = inner.get("arguments", inner.get("args", inner.get("input")))
    return Part(
        type="tool_call",
        id=_text(call.get("id")),
        name=_text(inner.get("name")) or (function if type(function) is str else None),
        arguments=read_embedded(arguments),
    )


def media_part(uri: str, kind: str = "image", media_type: str | None = None) -> Part:
    """Return a part for bytes that stand elsewhere, or in a data URL."""
    if media_type is None and uri.startswith("data:"):
        media_type = uri[5:].partition(",")[0].partition(";")[0] or None
    return Part(type=kind, uri=uri, media_type=media_type)


def bytes_part(data: str, media_type: str | None, kind: str | None = None) -> Part:
    """Return a part for base64 text, or for the reference that was put in its place."""
    if kind is None:
        kind = _MODALITIES.get((media_type or "").partition("/")[0], "file")
    if data.startswith(("data:", "pellucid-attachment:", "http:", "https:")):
        return media_part(data, kind, media_type)
    return media_part(f"data:{media_type or 'application/octet-stream'};base64,{data}", kind)


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
        content = item.get("content")
        call_id = item.get("tool_call_id")
        if type(call_id) is str or (_text(item.get("role")) in _TOOL_ROLES and "content" in item):
            if type(content) is list and content and all(_is_tool_result(one) for one in content):
                return parts_of_content(content)
            return [Part(type="tool_call_response", id=_text(call_id), response=_plain(content))]
        found = parts_of_content(content)
        if type(content) is str and not content:
            found = []
        reasoning = item.get("reasoning_content") or item.get("reasoning")
        if type(reasoning) is str:
            found.insert(0, Part(type="reasoning", content=reasoning))
        refusal = item.get("refusal")
        if type(refusal) is str:
            found.append(Part(type="refusal", content=refusal))
    calls = item.get("tool_calls") or item.get("toolCalls")
    if type(calls) is list and not any(part.type == "tool_call" for part in found):
        found += [part for part in map(tool_call_part, calls) if part is not None]
    function = item.get("function_call")
    if type(function) is dict:
        part = tool_call_part(function)
        if part is not None:
            found.append(part)
    return found


def _is_tool_result(part: Any) -> bool:
    return type(part) is dict and _text(part.get("type")) in {
        "tool_result",
        "tool-result",
        "tool_call_response",
    }


def _plain(content: Any) -> Any:
    """Return a tool's answer: the text where it is one text part, else as it is."""
    if type(content) is list and len(content) == 1 and type(content[0]) is dict:
        text = content[0].get("text", content[0].get("content"))
        if content[0].get("type") == "text" and type(text) is str:
            return text
    return content


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
    kind = _text(item.get("type"))
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


def _text(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _text_part(item: dict[str, Any]) -> Part | None:
    content = item.get("content")
    if type(content) is not str:
        content = item.get("text")
    return Part(type="text", content=content) if type(content) is str else None


def _reasoning_part(item: dict[str, Any]) -> Part | None:
    for key in ("content", "text", "thinking", "reasoning"):
        content = item.get(key)
        if type(content) is str:
            return Part(type="reasoning", content=content)
    summary = item.get("summary")
    if type(summary) is list:
        texts = [one["text"] for one in summary if type(one) is dict and _text(one.get("text"))]
        return Part(type="reasoning", content="\n".join(texts))
    return None


def _refusal_part(item: dict[str, Any]) -> Part | None:
    content = item.get("content", item.get("refusal"))
    return Part(type="refusal", content=content) if type(content) is str else None


def _call_part(item: dict[str, Any]) -> Part | None:
    function = item.get("function")
    if type(function) is dict:
        item = {**item, **function}
    arguments = item.get("arguments")
    for key in ("args", "input"):
        if arguments is None:
            arguments = item.get(key)
    return Part(
        type="tool_call",
        id=_text(item.get("call_id")) or _text(item.get("toolCallId")) or _text(item.get("id")),
        name=_text(item.get("name")) or _text(item.get("toolName")),
        arguments=read_embedded(arguments),
    )


def _response_part(item: dict[str, Any]) -> Part | None:
    response: Any = None
    for key in ("response", "result", "output", "content"):
        if item.get(key) is not None:
            response = item[key]
            break
    if key == "output" and type(response) is dict and "value" in response:
        response = response["value"]  # Vercel: {"type": "text", "value": …}
    name = item.get("name", item.get("toolName"))
    identity = (
        _text(item.get("id"))
        or _text(item.get("tool_use_id"))
        or _text(item.get("toolCallId"))
        or _text(item.get("call_id"))
    )
    return Part(type="tool_call_response", id=identity, name=_text(name), response=_plain(response))


def _image_part(item: dict[str, Any]) -> Part | None:
    return _media_from(item, "image")


def _audio_part(item: dict[str, Any]) -> Part | None:
    inner = item.get("input_audio", item.get("audio"))
    if type(inner) is dict and type(inner.get("data")) is str:
        form = _text(inner.get("format"))
        return bytes_part(inner["data"], f"audio/{form}" if form else None, "audio")
    return _media_from(item, "audio")


def _file_part(item: dict[str, Any]) -> Part | None:
    inner = item.get("file")
    if type(inner) is dict:
        item = {**item, **inner}
    part = _media_from(item, None)
    identity = _identity(item)
    if part is None and identity is not None:
        return Part(type="file", id=identity, name=_file_name(item), media_type=_media_type(item))
    return part


def _blob_part(item: dict[str, Any]) -> Part | None:
    modality = _text(item.get("modality")) or ""
    return _media_from(item, _MODALITIES.get(modality, "file") if modality else None)


def _media_type(item: dict[str, Any]) -> str | None:
    for key in ("media_type", "mime_type", "mimeType", "mediaType"):
        if type(item.get(key)) is str:
            return str(item[key])
    return None


def _identity(item: dict[str, Any]) -> str | None:
    return _text(item.get("file_id")) or _text(item.get("id"))


def _file_name(item: dict[str, Any]) -> str | None:
    return _text(item.get("filename")) or _text(item.get("name"))


def _media_from(item: dict[str, Any], kind: str | None) -> Part | None:
    """Find the bytes or the address in any of the forms that producers nest them in."""
    source = item.get("source")
    inner = source if type(source) is dict else item
    media_type = _media_type(inner) or _media_type(item)
    part = _address_part(inner, kind, media_type) or _data_part(inner, kind, media_type)
    identity, name = _identity(item), _file_name(item)
    if part is None or (identity is None and name is None):
        return part
    return msgspec.structs.replace(part, id=identity, name=name)


def _address_part(item: dict[str, Any], kind: str | None, media_type: str | None) -> Part | None:
    for key in ("uri", "url", "image_url", "file_uri", "fileUri", "file_url", "image"):
        found = item.get(key)
        if type(found) is dict:
            found = found.get("url")
        if type(found) is str:
            if key == "image":
                return bytes_part(found, media_type, kind)
            return _at(found, kind, media_type)
    return None


def _data_part(item: dict[str, Any], kind: str | None, media_type: str | None) -> Part | None:
    for key in ("content", "data", "file_data", "binary"):
        found = item.get(key)
        if type(found) is str:
            return bytes_part(found, media_type, kind)
    return None


def _at(uri: str, kind: str | None, media_type: str | None) -> Part:
    part = media_part(uri, kind or "file", media_type)
    if kind is not None:
        return part
    kind = _MODALITIES.get((part.media_type or "").partition("/")[0], "file")
    return msgspec.structs.replace(part, type=kind)


def _unknown_part(kind: str, item: dict[str, Any]) -> Part:
    rest = {key: value for key, value in item.items() if key != "type"}
    if set(rest) <= {"content", "data"} and type(rest.get("content")) is str:
        return Part(type=kind, content=rest["content"], data=rest.get("data"))
    return Part(type=kind, data=rest["data"] if list(rest) == ["data"] else rest or None)


def _untyped_part(item: dict[str, Any]) -> Part:
    """Read a part of Gemini's or Bedrock's, told by its key alone."""
    if type(item.get("text")) is str:
        return Part(
            type="reasoning" if item.get("thought") is True else "text", content=item["text"]
        )
    for key, read in _UNTYPED.items():
        inner = item.get(key)
        if type(inner) is dict:
            part = read(inner)
            if part is not None:
                return part
    return Part(type="json", data=item)


def _bedrock_result(inner: dict[str, Any]) -> Part:
    return Part(
        type="tool_call_response",
        id=_text(inner.get("toolUseId")),
        response=_plain(inner.get("content")),
    )


def _bedrock_call(inner: dict[str, Any]) -> Part:
    return Part(
        type="tool_call",
        id=_text(inner.get("toolUseId")),
        name=_text(inner.get("name")),
        arguments=inner.get("input"),
    )


_PartReader = Callable[[dict[str, Any]], Part | None]

_PARTS: dict[str, _PartReader] = {
    "text": _text_part,
    "input_text": _text_part,
    "output_text": _text_part,
    "reasoning": _reasoning_part,
    "thinking": _reasoning_part,
    "refusal": _refusal_part,
    "tool_call": _call_part,
    "tool-call": _call_part,
    "tool_use": _call_part,
    "function_call": _call_part,
    "custom_tool_call": _call_part,
    "function": _call_part,
    "tool_call_response": _response_part,
    "tool-result": _response_part,
    "tool_result": _response_part,
    "function_call_output": _response_part,
    "custom_tool_call_output": _response_part,
    "image": _image_part,
    "image_url": _image_part,
    "input_image": _image_part,
    "audio": _audio_part,
    "input_audio": _audio_part,
    "blob": _blob_part,
    "uri": _blob_part,
    "file": _file_part,
    "input_file": _file_part,
    "document": _file_part,
    "media": _blob_part,
}

_UNTYPED: dict[str, _PartReader] = {
    "inline_data": _blob_part,
    "inlineData": _blob_part,
    "file_data": _blob_part,
    "fileData": _blob_part,
    "function_call": _call_part,
    "functionCall": _call_part,
    "function_response": _response_part,
    "functionResponse": _response_part,
    "toolUse": _bedrock_call,
    "toolResult": _bedrock_result,
}
