"""Parts of chat messages in every JSON shape that producers write.

Read are the parts of OTel GenAI, OpenAI chat and responses, Anthropic, Gemini, LangChain, the
Vercel AI SDK, LlamaIndex and Bedrock. Reading what was written from a `Part` gives the same part.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pellucid.core.span import Part
from pellucid.semconv.values import encode_json, read_embedded

_MODALITIES = {"image": "image", "audio": "audio"}
_MEDIA_TYPES = (
    "media_type",
    "mime_type",
    "mimeType",
    "mediaType",
    "image_mimetype",
    "document_mimetype",
)


def parts_of_content(content: Any) -> list[Part]:
    """Return the parts of a message's content: text, one part, or a list of either."""
    if type(content) is str:
        return [Part(type="text", content=content)]
    if type(content) is list:
        return [part_of(item) for item in content]
    return [] if content is None else [part_of(content)]


def shown(parts: list[Part]) -> list[Part]:
    """Return the parts without texts that say nothing."""
    return [part for part in parts if part.type != "text" or part.content != ""]


def part_of(item: Any) -> Part:
    """Return the part that a JSON value is; what is not understood goes whole into `data`."""
    if type(item) is not dict:
        return Part(type="text", content=item if type(item) is str else encode_json(item))
    kind = item.get("type")
    if kind is None:
        kind = item.get("block_type")
    if type(kind) is not str:
        return _untyped_part(item)
    read = _PARTS.get(kind)
    if read is not None:
        part = read(item)
        if part is not None:
            return part
    return _unknown_part(kind, item)


def tool_call_part(call: Any) -> Part | None:
    """Return the part of one entry of a message's `tool_calls`."""
    if type(call) is not dict:
        return None
    function = call.get("function")
    inner = function if type(function) is dict else call
    arguments = inner.get("arguments", inner.get("args", inner.get("input")))
    return Part(
        type="tool_call",
        id=text_or_none(call.get("id")),
        name=text_or_none(inner.get("name")) or (function if type(function) is str else None),
        arguments=read_embedded(arguments),
    )


def media_part(uri: str, kind: str = "image", media_type: str | None = None) -> Part:
    """Return a part for bytes that stand elsewhere, or in a data URL."""
    if media_type is None and uri.startswith("data:"):
        media_type = uri[5:].partition(",")[0].partition(";")[0] or None
    return Part(type=kind, uri=uri, media_type=media_type)


def is_part(item: dict[str, Any]) -> bool:
    """Tell whether an object is a part beyond doubt, and not data that looks a little like one."""
    kind = item.get("type")
    if kind is None:
        return set(item) == {"text"} or (len(item) == 1 and not _UNTYPED.keys().isdisjoint(item))
    return type(kind) is str and kind in _PARTS


def media_kind(media_type: str | None) -> str:
    """Return the type of part that bytes of a media type make: image, audio or file."""
    return _MODALITIES.get((media_type or "").partition("/")[0], "file")


def bytes_part(data: str, media_type: str | None, kind: str | None = None) -> Part:
    """Return a part for base64 text, or for the reference that was put in its place."""
    if kind is None:
        kind = media_kind(media_type)
    if data.startswith(("data:", "pellucid-attachment:", "http:", "https:")):
        return media_part(data, kind, media_type)
    return media_part(f"data:{media_type or 'application/octet-stream'};base64,{data}", kind)


def plain_answer(content: Any) -> Any:
    """Return a tool's answer: the text where it is one text part, else as it is."""
    if type(content) is list and len(content) == 1 and type(content[0]) is dict:
        text = content[0].get("text", content[0].get("content"))
        if content[0].get("type") == "text" and type(text) is str:
            return text
    return content


def text_or_none(value: Any) -> str | None:
    """Return a text that is not empty, else None."""
    return value if type(value) is str and value else None


def _first_text(item: dict[str, Any], *keys: str) -> str | None:
    return next((item[key] for key in keys if text_or_none(item.get(key))), None)


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
        texts = [
            one["text"] for one in summary if type(one) is dict and text_or_none(one.get("text"))
        ]
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
    for key in ("args", "input", "tool_kwargs"):
        if arguments is None:
            arguments = item.get(key)
    return Part(
        type="tool_call",
        id=_first_text(item, "call_id", "toolCallId", "tool_call_id", "id"),
        name=_first_text(item, "name", "toolName", "tool_name"),
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
    identity = _first_text(item, "id", "tool_use_id", "toolCallId", "call_id")
    return Part(
        type="tool_call_response",
        id=identity,
        name=text_or_none(name),
        response=plain_answer(response),
    )


def _image_part(item: dict[str, Any]) -> Part | None:
    return _media_from(item, "image")


def _audio_part(item: dict[str, Any]) -> Part | None:
    inner = item.get("input_audio", item.get("audio"))
    if type(inner) is dict and type(inner.get("data")) is str:
        form = text_or_none(inner.get("format"))
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
    modality = text_or_none(item.get("modality")) or ""
    return _media_from(item, _MODALITIES.get(modality, "file") if modality else None)


def _media_type(item: dict[str, Any]) -> str | None:
    for key in _MEDIA_TYPES:
        if type(item.get(key)) is str:
            return str(item[key])
    return None


def _identity(item: dict[str, Any]) -> str | None:
    return _first_text(item, "file_id", "id")


def _file_name(item: dict[str, Any]) -> str | None:
    return _first_text(item, "filename", "name", "title")


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
    kind = media_kind(part.media_type)
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
        id=text_or_none(inner.get("toolUseId")),
        response=plain_answer(inner.get("content")),
    )


def _bedrock_call(inner: dict[str, Any]) -> Part:
    return Part(
        type="tool_call",
        id=text_or_none(inner.get("toolUseId")),
        name=text_or_none(inner.get("name")),
        arguments=inner.get("input"),
    )


def _haystack_result(inner: dict[str, Any]) -> Part:
    origin = inner.get("origin")
    origin = origin if type(origin) is dict else {}
    return Part(
        type="tool_call_response",
        id=text_or_none(origin.get("id")),
        name=text_or_none(origin.get("tool_name")),
        response=plain_answer(inner.get("result")),
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
    "tool_call": _call_part,
    "tool_call_result": _haystack_result,
}
