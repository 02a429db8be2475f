"""What full text finds of a span: its name, its inputs and its outputs, as separate pieces.

A phrase lies within one piece. Inputs and outputs are those of every form that a span has them in:
values, messages, a tool call's arguments and result, documents.
"""

from collections.abc import Iterator
from typing import Any, Final

from pellucid.core.span import Document, Message, Span

MAX_PIECE: Final = 1_000_000
"""Characters of a piece that are looked at; what is beyond is not found."""

_MAX_DEPTH = 64


def texts_of(span: Span) -> list[str]:
    """Return the pieces of a span, each once, in order: name, inputs, outputs.

    Of JSON values these are the strings and numbers, without the names of fields.
    """
    return list(dict.fromkeys(piece[:MAX_PIECE] for piece in _pieces(span) if piece))


def _pieces(span: Span) -> Iterator[str]:
    yield span.name
    yield from _of_value(span.input)
    yield from _of_messages(span.input_messages)
    if span.tool_call is not None:
        yield from _of_value(span.tool_call.arguments)
    yield from _of_documents(span.input_documents)
    yield from _of_value(span.output)
    yield from _of_messages(span.output_messages)
    if span.tool_call is not None:
        yield from _of_value(span.tool_call.result)
    yield from _of_documents(span.documents)


def _of_messages(messages: list[Message]) -> Iterator[str]:
    for message in messages:
        for part in message.parts:
            if part.content:
                yield part.content
            if part.name:
                yield part.name
            yield from _of_value(part.arguments)
            yield from _of_value(part.response)


def _of_documents(documents: list[Document]) -> Iterator[str]:
    for document in documents:
        if document.text:
            yield document.text


def _of_value(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        if depth < _MAX_DEPTH:
            for item in value.values():
                yield from _of_value(item, depth + 1)
    elif isinstance(value, list | tuple):
        if depth < _MAX_DEPTH:
            for item in value:
                yield from _of_value(item, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
