"""What full text finds of a span: its name, its inputs and its outputs, as separate pieces.

A phrase lies within one piece. Inputs and outputs are those of every form that a span has them in:
values, messages, a tool call's arguments and result, documents.
"""

from typing import Any, Final

from pellucid.core.span import Document, Message, Span

MAX_PIECE: Final = 1_000_000
"""Characters of a piece that are looked at; what is beyond is not found."""

_MAX_DEPTH = 64


def texts_of(span: Span) -> list[str]:
    """Return the pieces of a span, each once, in order: name, inputs, outputs.

    Of JSON values these are the strings and numbers, without the names of fields.
    """
    pieces = [span.name]
    _of_value(span.input, pieces)
    _of_messages(span.input_messages, pieces)
    call = span.tool_call
    if call is not None:
        _of_value(call.arguments, pieces)
    _of_documents(span.input_documents, pieces)
    _of_value(span.output, pieces)
    _of_messages(span.output_messages, pieces)
    if call is not None:
        _of_value(call.result, pieces)
    _of_documents(span.documents, pieces)
    return list(dict.fromkeys(piece[:MAX_PIECE] for piece in pieces if piece))


# They append to one list: a generator for each value would cost more than the values.


def _of_messages(messages: list[Message], pieces: list[str]) -> None:
    for message in messages:
        for part in message.parts:
            if part.content:
                pieces.append(part.content)
            if part.name:
                pieces.append(part.name)
            if part.arguments is not None:
                _of_value(part.arguments, pieces)
            if part.response is not None:
                _of_value(part.response, pieces)


def _of_documents(documents: list[Document], pieces: list[str]) -> None:
    pieces.extend(document.text for document in documents if document.text)


def _of_value(value: Any, pieces: list[str], depth: int = 0) -> None:
    if value is None:
        return
    if isinstance(value, str):
        pieces.append(value)
    elif isinstance(value, dict):
        if depth < _MAX_DEPTH:
            for item in value.values():
                _of_value(item, pieces, depth + 1)
    elif isinstance(value, list | tuple):
        if depth < _MAX_DEPTH:
            for item in value:
                _of_value(item, pieces, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        pieces.append(str(value))
