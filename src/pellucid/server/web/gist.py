"""The sentence that stands for a structured input or output: what was asked, what was answered.

Frameworks record arguments and states as objects; one of their texts is what a reader looks for.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from pellucid.core.span import Message, Span

ASKED = ("question", "query", "input", "task", "prompt", "message", "content", "text", "goal")
ANSWERED = ("answer", "output", "result", "response", "final_answer", "content", "text", "summary")
_QUESTIONS = ("question", "description", "prompt", "message", "query", "text", "action_requests")
_ASKING = frozenset({"user", "human", "system", "developer"})
"""Whose messages are no answer, where a state holds the whole conversation."""
MOST = 600
_DEPTH = 6
_PAIR = re.compile(r'"(\w+)"\s*:\s*"((?:[^"\\]|\\.)*)("?)')


def asked_of(span: Span) -> str | None:
    """Return what a span was asked, from its input or the last of its input messages."""
    return _cut(_from_value(span.input, ASKED)) or _cut(_from_messages(span.input_messages))


def answered_of(span: Span) -> str | None:
    """Return what a span answered, from its output or the last of its output messages.

    One that waits for a person answers with what it asks.
    """
    asks = _cut(_interrupt_of(span.output))
    if asks is not None:
        return f"Asks: {asks}"
    said = [message for message in span.output_messages if message.role not in _ASKING]
    return _cut(_from_value(span.output, ANSWERED)) or _cut(_from_messages(said))


def gist_of_preview(preview: str | None, keys: Sequence[str] = ASKED) -> str | None:
    """Return the telling text of a preview that is the beginning of a JSON object; else all of it.

    Of a list of messages a beginning shows only the first, which is no answer: it stays as it is.
    """
    asks = keys is ANSWERED and (preview or "").startswith('{"interrupts"')
    if asks:
        keys = (*_QUESTIONS, "value", "name")
    if not preview or preview[0] != "{" or (keys is ANSWERED and '"messages"' in preview):
        return preview
    found: dict[str, str] = {}
    for name, text, end in _PAIR.findall(preview):
        found.setdefault(name, _unescape(text) + ("" if end else " …"))
    for key in keys:
        if found.get(key):
            return f"Asks: {found[key]}" if asks else found[key]
    return preview


def _from_value(value: Any, keys: Sequence[str], depth: int = 0) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if depth > _DEPTH:
        return None
    if isinstance(value, dict):
        if keys is ANSWERED and str(value.get("role")) in _ASKING:
            return None
        for key in (*keys, "messages", "input_args", "kwargs", "args", "inputs"):
            if key in value and (found := _from_value(value[key], keys, depth + 1)):
                return found
        if len(value) == 1:
            return _from_value(next(iter(value.values())), keys, depth + 1)
    if isinstance(value, list):
        for item in reversed(value):
            if isinstance(item, dict | list) and (found := _from_value(item, keys, depth + 1)):
                return found
    return None


def _interrupt_of(output: Any) -> str | None:
    held = output.get("interrupts") if isinstance(output, dict) else None
    last = held[-1] if isinstance(held, list) and held else None
    return _from_value(last.get("value"), _QUESTIONS) if isinstance(last, dict) else None


def _from_messages(messages: Sequence[Message]) -> str | None:
    for message in reversed(messages):
        texts = [part.content for part in message.parts if part.type == "text" and part.content]
        if texts:
            return "\n".join(texts)
    return None


def _cut(text: str | None) -> str | None:
    if not text:
        return None
    line = " ".join(text.split())
    return line if len(line) <= MOST else line[:MOST].rpartition(" ")[0] + " …"


def _unescape(text: str) -> str:
    try:
        return " ".join(str(msgspec.json.decode(f'"{text}"')).split())
    except msgspec.MsgspecError:
        return text
