"""Messages as a span's panel shows them; a tool's call and its result are paired by id."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from pellucid.core.span import Message, Part
from pellucid.server.web.values import (
    MediaView,
    TextView,
    json_line,
    json_text,
    view_media,
    view_text,
)

_ROLES = {"system": "System", "developer": "System", "user": "User", "human": "User"}
_ROLES |= {"assistant": "Assistant", "ai": "Assistant", "model": "Assistant"}
_ROLES |= {"tool": "Tool", "function": "Tool"}
_MEDIA = {"image": "image", "audio": "audio", "file": "file", "video": "file"}
_ONE_LINE = 120
_DONE = {"", "stop", "end_turn", "stop_sequence", "completed", "tool_calls", "tool_use"}
_DONE |= {"tool_call", "function_call", "unknown", "other"}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One named argument of a call; a long one stands in a block below."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class PartView:
    """One part of a message. `kind`: text, reasoning, call, result, media or other."""

    kind: str
    text: TextView | None = None
    call_id: str = ""
    name: str = ""
    arguments: list[Argument] = field(default_factory=list)
    media: MediaView | None = None


@dataclass(frozen=True, kw_only=True)
class MessageView:
    """One message; `role` picks the ink, `label` is what the rail says."""

    role: str
    label: str
    name: str
    is_output: bool
    cut_short: str
    """Why the model stopped before it was done; empty when it was."""
    parts: list[PartView]


def view_messages(inputs: Iterable[Message], outputs: Iterable[Message]) -> list[MessageView]:
    """Show what a model was sent, then what it answered."""
    before, after = list(inputs), answered(list(inputs), list(outputs))
    names = {
        part.id: part.name
        for message in (*before, *after)
        for part in message.parts
        if part.type == "tool_call" and part.id and part.name
    }
    views = [_view(message, names, is_output=False) for message in before]
    is_answer = len(after) == 1
    return _join_results(views) + [
        _view(message, names, is_output=True, is_answer=is_answer) for message in after
    ]


def answered(before: list[Message], after: list[Message]) -> list[Message]:
    """Return what was added: a graph's state gives back the messages that it was given, too."""
    given = len(before)
    repeats = 0 < given <= len(after) and all(
        (one.role, _text_of(one)) == (other.role, _text_of(other))
        for one, other in zip(before, after, strict=False)
    )
    return after[given:] if repeats else after


def _text_of(message: Message) -> list[tuple[str, object]]:
    return [(part.type, part.content) for part in message.parts]


def _join_results(views: list[MessageView]) -> list[MessageView]:
    """Join the results that one tool returned in a row."""
    joined: list[MessageView] = []
    for view in views:
        last = joined[-1] if joined else None
        if last and view.role == last.role == "tool" and view.name == last.name:
            joined[-1] = replace(last, parts=[*last.parts, *view.parts])
        else:
            joined.append(view)
    return joined


def view_arguments(arguments: Any) -> list[Argument]:
    """Write a call's arguments as `name=value`; what is no object is one nameless argument."""
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return [Argument(name="", value=arguments)] if arguments else []
    if isinstance(arguments, dict):
        return [
            Argument(name=str(name), value=_argument(value)) for name, value in arguments.items()
        ]
    return [] if arguments is None else [Argument(name="", value=_argument(arguments))]


def _argument(value: Any) -> str:
    line = msgspec.json.encode(value, enc_hook=str).decode("utf-8", "replace")
    return line if len(line) <= _ONE_LINE else view_text(json_text(value)).text


def _view(
    message: Message, names: dict[str, str], *, is_output: bool, is_answer: bool = False
) -> MessageView:
    label = _ROLES.get(message.role.lower(), message.role or "Message")
    parts = [_part(part, names) for part in message.parts]
    finish = (message.finish_reason or "").lower().replace("-", "_")
    name = message.name or next((part.name for part in parts if part.kind == "result"), "")
    return MessageView(
        role={"System": "system", "User": "user", "Assistant": "assistant", "Tool": "tool"}.get(
            label, "other"
        ),
        label=_say_who(label, name, is_answer=is_answer),
        name=label if _is_speaker(label, name) else name,
        is_output=is_output,
        cut_short="" if finish in _DONE else (message.finish_reason or ""),
        parts=parts,
    )


def _is_speaker(label: str, name: str) -> bool:
    """Tell whether a message's name says more than its role: one assistant of several."""
    return label in {"Assistant", "User"} and bool(name)


def _say_who(label: str, name: str, *, is_answer: bool) -> str:
    if _is_speaker(label, name):
        return name
    return "Output" if is_answer and label == "Assistant" else label


def _part(part: Part, names: dict[str, str]) -> PartView:
    if part.type == "text":
        return PartView(kind="text", text=view_text(part.content or ""))
    if part.type == "reasoning":
        return PartView(kind="reasoning", text=view_text(part.content or ""))
    if part.type == "tool_call":
        return PartView(
            kind="call",
            call_id=part.id or "",
            name=part.name or "tool",
            arguments=view_arguments(part.arguments),
        )
    if part.type == "tool_call_response":
        return PartView(
            kind="result",
            call_id=part.id or "",
            name=part.name or names.get(part.id or "", ""),
            text=view_text(_result(part.response)),
        )
    if part.type in _MEDIA and (part.uri or part.media_type):
        label = part.name or part.media_type or part.type
        return PartView(
            kind="media", media=view_media(_MEDIA[part.type], part.uri, part.media_type, label)
        )
    if part.content:
        return PartView(kind="text", text=view_text(part.content))
    return PartView(kind="other", name=part.type, text=view_text(json_text(part)))


def _result(response: Any) -> str:
    line = json_line(response)
    return line if isinstance(response, str) or len(line) <= _ONE_LINE else json_text(response)
