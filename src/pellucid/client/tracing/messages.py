"""Chat messages as users have them → the JSON text of `gen_ai.*.messages`."""

from collections.abc import Iterable, Mapping
from typing import Any

from pellucid.client.encoding import json_text, simplify, taken

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
"""Roles by the `type` of LangChain's messages."""


def messages_attribute(messages: Iterable[Any]) -> str:
    """Return messages in OTel GenAI form: `[{role, parts: [{type, …}]}]`.

    Takes a text, OpenAI's chat dicts (also as objects), and messages already in that form.
    """
    if isinstance(messages, str | Mapping):
        messages = [messages]
    simple = simplify(taken(messages))
    return json_text([_message(item) for item in simple])


def _message(item: Any) -> Any:
    if type(item) is str:
        return {"role": "user", "parts": [{"type": "text", "content": item}]}
    if type(item) is not dict:
        return {"role": "unknown", "parts": [{"type": "text", "content": json_text(item)}]}
    if "parts" in item:
        return item
    if "message" in item and type(item["message"]) is dict:  # a choice of a completion
        choice = _message(item["message"])
        if item.get("finish_reason"):
            choice["finish_reason"] = item["finish_reason"]
        return choice
    role = str(item.get("role") or _ROLES.get(str(item.get("type"))) or "user")
    parts = _tool_response(item) if role == "tool" else _contents(item.get("content"))
    reasoning = item.get("reasoning_content") or item.get("reasoning")
    if type(reasoning) is str and reasoning:
        parts.insert(0, {"type": "reasoning", "content": reasoning})
    calls = item.get("tool_calls")
    if type(calls) is list:
        parts += [_tool_call(call) for call in calls if type(call) is dict]
    message: dict[str, Any] = {"role": role, "parts": parts}
    for name in ("name", "finish_reason"):
        if item.get(name):
            message[name] = item[name]
    return message


def _contents(content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    if type(content) is list:
        return [_part(part) for part in content]
    text = content if type(content) is str else json_text(content)
    if text.startswith("data:"):
        return [_image(text)]
    return [{"type": "text", "content": text}]


def _part(part: Any) -> dict[str, Any]:
    if type(part) is str:
        return _contents(part)[0]
    if type(part) is not dict:
        return {"type": "text", "content": json_text(part)}
    kind = part.get("type")
    if kind in {"text", "input_text", "output_text"}:
        return {"type": "text", "content": str(part.get("text", part.get("content", "")))}
    if kind in {"image_url", "input_image"}:
        image = part.get("image_url")
        return _image(str(image.get("url", "")) if type(image) is dict else str(image))
    return part if type(kind) is str else {"type": "text", "content": json_text(part)}


def _image(url: str) -> dict[str, Any]:
    part = {"type": "image", "uri": url}
    if url.startswith("data:"):
        part["media_type"] = url[5:].partition(";")[0]
    return part


def _tool_response(item: dict[str, Any]) -> list[dict[str, Any]]:
    part = {"type": "tool_call_response", "response": item.get("content")}
    if item.get("tool_call_id"):
        part["id"] = item["tool_call_id"]
    return [part]


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    function = function if type(function) is dict else call
    part = {
        "type": "tool_call",
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }
    if call.get("id"):
        part["id"] = call["id"]
    return part
