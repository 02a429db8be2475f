"""Messages out of request and response bodies, for vocabularies that record nothing else.

Understood are the bodies of OpenAI (chat, responses, images), Anthropic, Gemini, LangChain,
LlamaIndex and whatever holds messages in the same places. Usage is never taken from a body: it is
the producer's to say what it counts.
"""

from typing import Any

import msgspec

from pellucid.core.span import Message, Part, SpanKind
from pellucid.semconv.messages import message_of, messages_of, read_instructions
from pellucid.semconv.parts import bytes_part, media_part, parts_of_content, shown, text_or_none
from pellucid.semconv.rules import Draft
from pellucid.semconv.values import UNREAD

_REQUEST_KEYS = ("messages", "input", "contents", "prompt", "prompts", "chat_history")
_SYSTEM_KEYS = ("system", "instructions", "system_instruction")
_RESPONSE_KEYS = (
    "message",
    "content",
    "response",
    "result",
    "output",
    "messages",
    "text",
    "completion",
)


MODEL_CALLS = frozenset({SpanKind.LLM, SpanKind.IMAGE})


def read_bodies(draft: Draft) -> None:
    """Claim the messages of a model call from its bodies, where no attribute holds them."""
    claims = draft.claims
    if not claims.get("input_messages") and "body_in" in claims:
        claims["input_messages"] = request_messages(draft.body("body_in"))
    if "body_out" not in claims:
        return
    if not claims.get("output_messages"):
        claims["output_messages"] = response_messages(draft.body("body_out"))
    if "output_images" not in claims and not claims["output_messages"]:
        images = image_parts(draft.body("body_out"))
        if images:
            claims["output_images"] = images


def request_messages(body: Any) -> list[Message]:
    """Return the messages of a model request; none where it does not look like one."""
    if type(body) is str:
        return [_said("user", body)] if body else []
    if type(body) is list:
        return messages_of(body) or _said_all(body)
    if type(body) is not dict:
        return []
    found: list[Message] = []
    for key in _REQUEST_KEYS:
        value = body.get(key)
        if type(value) is str and value:
            found = [_said("user", value)]
        elif type(value) is list and value:
            found = messages_of(value) or _said_all(value)
        elif type(value) is dict:
            message = message_of(value, "user")
            found = messages_of(value) if message is None else [message]
        if found:
            break
    config = body.get("config")
    for holder in (body, config if type(config) is dict else {}):
        for key in _SYSTEM_KEYS:
            parts: Any = read_instructions(holder.get(key)) if holder.get(key) else UNREAD
            if parts is not UNREAD and found and found[0].role != "system":
                found = [Message(role="system", parts=parts), *found]
    return found


def response_messages(body: Any) -> list[Message]:
    """Return the messages of a model's response; none where it does not look like one."""
    if type(body) is str:
        return [_said("assistant", body)] if body else []
    if type(body) is list:
        texts = body if all(type(item) is str for item in body) else []
        return messages_of(body) or [_said("assistant", text) for text in texts]
    if type(body) is not dict:
        return []
    if body.get("role") == "assistant" and type(body.get("tool_calls")) is list:
        message = message_of(body)
        if message is not None:
            return [message]
    return (
        _choices(body)
        or _candidates(body)
        or _generations(body)
        or _items(body)
        or _anthropic(body)
        or _nested(body)
    )


def image_parts(body: Any) -> list[Part]:
    """Return the images of an image API's response."""
    data = body.get("data") if type(body) is dict else None
    if type(data) is not list:
        return []
    form = body.get("output_format")
    media_type = f"image/{form}" if type(form) is str else "image/png"
    found: list[Part] = []
    for item in data:
        if type(item) is not dict:
            continue
        if text_or_none(item.get("b64_json")):
            found.append(_image(item["b64_json"], media_type))
        elif text_or_none(item.get("url")):
            found.append(media_part(item["url"]))
    return found


def _image(data: str, media_type: str) -> Part:
    if "://" in data[:40]:
        return media_part(data, "image", media_type)
    return bytes_part(data, media_type, "image")


def _said(role: str, text: str) -> Message:
    return Message(role=role, parts=[Part(type="text", content=text)])


def _said_all(values: list[Any]) -> list[Message]:
    if all(type(value) is str for value in values):
        return [_said("user", value) for value in values]
    return []


def _choices(body: dict[str, Any]) -> list[Message]:
    choices = body.get("choices")
    if type(choices) is not list:
        return []
    found: list[Message] = []
    for choice in choices:
        if type(choice) is not dict:
            continue
        inner = choice.get("message", choice.get("delta"))
        message = message_of(inner, "assistant")
        if message is None and type(choice.get("text")) is str:
            message = _said("assistant", choice["text"])
        if message is not None:
            found.append(_finished(message, choice.get("finish_reason")))
    return found


def _candidates(body: dict[str, Any]) -> list[Message]:
    candidates = body.get("candidates")
    if type(candidates) is not list:
        return []
    found: list[Message] = []
    for candidate in candidates:
        if type(candidate) is not dict:
            continue
        message = message_of(candidate.get("content"), "assistant")
        if message is not None:
            reason = candidate.get("finish_reason", candidate.get("finishReason"))
            found.append(_finished(message, reason))
    return found


def _generations(body: dict[str, Any]) -> list[Message]:
    generations = body.get("generations")
    while type(generations) is list and generations and type(generations[0]) is list:
        generations = generations[0]
    if type(generations) is not list:
        return []
    found: list[Message] = []
    for generation in generations:
        if type(generation) is not dict:
            continue
        message = message_of(generation.get("message"), "assistant")
        if message is None and type(generation.get("text")) is str:
            message = _said("assistant", generation["text"])
        info = generation.get("generation_info")
        if message is not None:
            reason = info.get("finish_reason") if type(info) is dict else None
            found.append(_finished(message, reason))
    return found


def _items(body: dict[str, Any]) -> list[Message]:
    output = body.get("output")
    return messages_of(output) if type(output) is list else []


def _anthropic(body: dict[str, Any]) -> list[Message]:
    content = body.get("content")
    if type(content) not in (str, list):
        return []
    message = message_of({"role": "assistant", **body})
    if message is None:
        return [Message(role="assistant", parts=shown(parts_of_content(content)))]
    return [_finished(message, body.get("stop_reason"))]


def _nested(body: dict[str, Any]) -> list[Message]:
    for key in _RESPONSE_KEYS:
        value = body.get(key)
        if type(value) is str and value:
            return [_said("assistant", value)]
        if type(value) is dict:
            message = message_of(value, "assistant")
            found = [message] if message is not None else response_messages(value)
            if found:
                return found
        if type(value) is list and value:
            found = messages_of(value)
            if found:
                return found
    return []


def _finished(message: Message, reason: Any) -> Message:
    if message.finish_reason is not None or text_or_none(reason) is None:
        return message
    return msgspec.structs.replace(message, finish_reason=reason)
