"""A few words of a value: what lists and waterfalls show of inputs and outputs."""

from typing import Any

from pellucid.core.span import Message, Span, SpanKind
from pellucid.core.trace import PREVIEW_CHARACTERS

DETAIL_CHARACTERS = 120


def preview(value: Any, limit: int = PREVIEW_CHARACTERS) -> str | None:
    """Return at most `limit` characters of a string or JSON value, on one line; None if empty.

    Its cost is bounded by `limit`, however large the value is.
    """
    if isinstance(value, str):
        head = value[:limit]
        # Of the characters that split words only the space is printable.
        if head.isprintable() and "  " not in head and head.strip(" ") == head:
            return head or None
        text = value[: 4 * limit]
    elif value is None or value == {} or value == []:
        return None
    else:
        pieces: list[str] = []
        _write(value, pieces, 2 * limit, 0)
        text = "".join(pieces)
    return " ".join(text.split())[:limit] or None


def input_preview(span: Span, limit: int = PREVIEW_CHARACTERS) -> str | None:
    """Preview a span's input, or the last message of a person where it has messages alone."""
    if span.input is not None:
        return preview(span.input, limit)
    for message in reversed(span.input_messages):
        if message.role == "user" and (text := _text_of(message)):
            return preview(text, limit)
    return preview(_text_of(span.input_messages[-1]), limit) if span.input_messages else None


def output_preview(span: Span, limit: int = PREVIEW_CHARACTERS) -> str | None:
    """Preview a span's output, or its last output message."""
    if span.output is not None:
        return preview(span.output, limit)
    return preview(_text_of(span.output_messages[-1]), limit) if span.output_messages else None


def detail_of(span: Span) -> str:
    """Return the words beside a span's name, which may be none.

    They are a tool's arguments, what was chosen where candidates are given, else the input.
    """
    if span.kind is SpanKind.TOOL and span.tool_call is not None:
        arguments = preview(span.tool_call.arguments, DETAIL_CHARACTERS)
        if arguments:
            return arguments
    if isinstance(span.input, dict) and "candidates" in span.input:
        chosen = preview(span.output, DETAIL_CHARACTERS - 2)
        if chosen:
            return f"→ {chosen}"
    return input_preview(span, DETAIL_CHARACTERS) or ""


def _text_of(message: Message) -> str:
    for part in message.parts:
        if part.content:
            return part.content
    for part in message.parts:
        if part.name:
            return f"{part.name}({preview(part.arguments, DETAIL_CHARACTERS) or ''})"
    return ""


def _write(value: Any, pieces: list[str], budget: int, depth: int) -> int:
    """Append `value` as JSON-like text until the budget is spent; return what is left of it."""
    if isinstance(value, dict) and depth < 8:
        pieces.append("{")
        budget -= 2
        for number, (key, item) in enumerate(value.items()):
            if budget <= 0:
                break
            name = str(key)[:budget]
            pieces.append(f'{", " if number else ""}"{name}": ')
            budget = _write(item, pieces, budget - len(name) - 6, depth + 1)
        pieces.append("}")
        return budget
    if isinstance(value, list | tuple) and depth < 8:
        pieces.append("[")
        budget -= 2
        for number, item in enumerate(value):
            if budget <= 0:
                break
            pieces.append(", " if number else "")
            budget = _write(item, pieces, budget - 2, depth + 1)
        pieces.append("]")
        return budget
    text = _scalar(value, budget)
    pieces.append(text)
    return budget - len(text)


def _scalar(value: Any, budget: int) -> str:
    if isinstance(value, str):
        return f'"{value[: max(budget, 0)]}"'
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, int) and value.bit_length() > 128:
        return "…"
    if isinstance(value, dict | list | tuple):
        return "…"
    return str(value)[: max(budget, 0)]
