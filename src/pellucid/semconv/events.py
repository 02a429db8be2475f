"""What the events of a span tell: errors, the first token, and messages.

Earlier generations of OTel GenAI put messages into events or log records, one each; a log record
joins its span as an event whose `body` attribute is the record's body.
"""

from collections.abc import Sequence
from typing import Any

from pellucid.core.span import Attributes, DecodedSpan, LogRecord, Message, Part, SpanEvent
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import message_of, read_content, read_instructions, read_messages
from pellucid.semconv.values import UNREAD, decode_json, json_safe, read_structure

BODY = "body"
SEVERITY = "severity"

_FIRST_TOKEN = frozenset(
    {
        "First Token Stream Event",
        "gen_ai.content.completion.chunk",
        "llm.content.completion.chunk",
        "mlflow.chunk.item.0",
        "ai.stream.firstChunk",
        "new_token",
    }
)
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"
_CONTENTS = {
    "gen_ai.content.prompt": ("gen_ai.prompt", "user"),
    "gen_ai.content.completion": ("gen_ai.completion", "assistant"),
}
"""The first generation: everything in one attribute of two events."""
_DETAILS = frozenset({names.INPUT_MESSAGES, names.OUTPUT_MESSAGES})


class EventMessages:
    """The messages that a span's events hold."""

    __slots__ = ("input", "output")

    def __init__(self) -> None:
        self.input: list[Message] = []
        self.output: list[Message] = []


def messages_from_events(events: Sequence[SpanEvent]) -> EventMessages:
    """Return the messages that events hold, in the order of the events."""
    found = EventMessages()
    details = EventMessages()
    for event in events:
        role = _ROLES.get(event.name)
        attributes = event.attributes
        if role is not None:
            message = _message(attributes, role)
            if message is not None:
                found.input.append(message)
        elif event.name == _CHOICE:
            message = _message(attributes, "assistant")
            if message is not None:
                found.output.append(message)
        elif event.name in _CONTENTS:
            _read_contents(event, found)
        elif not _DETAILS.isdisjoint(attributes) or type(attributes.get(BODY)) is dict:
            _read_details(attributes, details)
    found.input = found.input or details.input
    found.output = found.output or details.output
    return found


def error_message(events: Sequence[SpanEvent], attributes: Attributes) -> str:
    """Return what a failed span says went wrong: its last exception, else its error attributes."""
    for event in reversed(events):
        if event.name == "exception":
            for key in ("exception.message", "exception.type"):
                text = event.attributes.get(key)
                if type(text) is str and text:
                    return text
    for key in ("error.message", "exception.message", "error.type"):
        text = attributes.get(key)
        if type(text) is str and text:
            return text
    return ""


def first_token_ns(decoded: DecodedSpan, events: Sequence[SpanEvent]) -> int | None:
    """Return the time from the start to the first token, if an event marks it."""
    times = [event.time_ns for event in events if event.name in _FIRST_TOKEN]
    waited = min(times) - decoded.start_ns if times else -1
    return waited if waited >= 0 else None


def join_logs(events: Sequence[SpanEvent], logs: Sequence[LogRecord]) -> list[SpanEvent]:
    """Return events and log records together, in order of time; a record that came twice, once."""
    unique = {record.digest: record for record in logs}
    ordered = sorted(unique.values(), key=lambda record: (record.time_ns, record.digest))
    return sorted([*events, *map(event_of_log, ordered)], key=lambda event: event.time_ns)


def event_of_log(record: LogRecord) -> SpanEvent:
    """Return the event that a log record becomes on its span."""
    attributes = dict(record.attributes)
    named = attributes.get("event.name")
    if record.body is not None:
        attributes.setdefault(BODY, record.body)
    if record.severity:
        attributes.setdefault(SEVERITY, record.severity)
    name = record.event_name or (named if type(named) is str else "") or "log"
    return SpanEvent(name=name, time_ns=record.time_ns, attributes=attributes)


def _read_contents(event: SpanEvent, found: EventMessages) -> None:
    name, role = _CONTENTS[event.name]
    content = event.attributes.get(name)
    messages = read_messages(content)
    if messages is UNREAD:
        if type(content) is not str or not content:
            return
        messages = [Message(role=role, parts=[Part(type="text", content=content)])]
    target = found.input if role == "user" else found.output
    target += messages


def _message(attributes: Attributes, role: str) -> Message | None:
    body = attributes.get(BODY, attributes.get("gen_ai.event.content"))
    item = decode_json(body) if type(body) is str else body
    if type(item) is not dict:
        item = _nested(attributes)
    inner = item.get("message")
    if type(inner) is str:
        read = read_structure(inner)
        if read is UNREAD:  # an agent's answer in Strands
            item = {"content": inner, **item}
        inner = read
    if type(inner) is dict:
        item = {**inner, "finish_reason": item.get("finish_reason")}
    elif type(inner) is list:  # Strands: the parts alone
        item = {"content": inner, "finish_reason": item.get("finish_reason")}
    item = json_safe(item)
    if type(item) is not dict:
        return None
    item = {"role": role, **item}
    if role == "tool":
        item.setdefault("tool_call_id", item.get("id"))
        item.setdefault("content", None)
    content = item.get("content")
    if type(content) is str:
        item["content"] = read_content(content)
    for key in ("tool_calls", "parts"):
        listed = read_structure(item[key]) if key in item else UNREAD
        if listed is not UNREAD:
            item[key] = listed
    return message_of(item)


def _nested(attributes: Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("role", "content", "tool_calls", "id", "finish_reason", "message", "name"):
        value = attributes.get(key, attributes.get(f"gen_ai.{key}"))
        if value is not None:
            found[key] = value
    return found


def _read_details(attributes: Attributes, found: EventMessages) -> None:
    body = attributes.get(BODY)
    sources: list[Any] = [attributes, body] if type(body) is dict else [attributes]
    for source in sources:
        for name, target in (
            (names.INPUT_MESSAGES, found.input),
            (names.OUTPUT_MESSAGES, found.output),
        ):
            got = read_messages(source.get(name))
            if got is not UNREAD and not target:
                target += got
    instructions = attributes.get(names.SYSTEM_INSTRUCTIONS)
    if instructions is not None and found.input and found.input[0].role != "system":
        parts = read_instructions(instructions)
        if parts is not UNREAD:
            found.input.insert(0, Message(role="system", parts=parts))
