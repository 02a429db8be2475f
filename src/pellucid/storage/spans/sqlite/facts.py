"""Facts: what traces are found by, other than by words and by their own columns."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from pellucid.core.query.tree import fold
from pellucid.core.span import Attributes, Span

WHOLE: Final = 128
"""Characters of a folded text that are kept whole; of a longer one `BEGINNING` are."""
BEGINNING: Final = 24
CUT: Final = "\x00"
"""Ends a text that was cut."""
OTHER: Final = b""
"""The value of what is there and is no text, number or bool; it sorts after these."""

SHOWN: Final = frozenset({"name", "model", "provider", "tool", "session", "user", "prompt"})
"""Fields whose values are kept as they were, too, for lists of them."""


class Fact(NamedTuple):
    """A field's value, as the index has it."""

    field: str
    value: str | int | float | bytes
    shown: str | None = None


def text_value(text: str) -> str:
    """Return what the index has for a text."""
    folded = fold(text)
    return folded if len(folded) <= WHOLE else folded[:BEGINNING] + CUT


def facts_of(raw: Attributes, span: Span) -> set[Fact]:
    """Return a span's facts."""
    return {
        *_texts(span),
        *(fact for name, value in raw.items() for fact in _of_attribute(f"attr.{name}", value)),
    }


def _texts(span: Span) -> Iterator[Fact]:
    call, prompt = span.tool_call, span.prompt
    for field, text in (
        ("name", span.name),
        ("kind", span.kind.value),
        ("model", span.model),
        ("provider", span.provider),
        ("tool", call.name if call is not None else None),
        ("prompt", prompt.name if prompt is not None else None),
        ("finish", span.finish_reason),
        ("session", span.session_id),
        ("user", span.user_id),
        ("run", span.run_id),
        *(("document", document.id) for document in span.documents),
        *((f"tag.{name}", value) for name, value in span.tags.items()),
    ):
        if text is not None:
            value = text_value(text)
            shown = text if field in SHOWN or field.startswith("tag.") else None
            short = shown is not None and shown != value and len(shown) <= WHOLE
            yield Fact(field, value, shown if short else None)
    if span.ttft_ns is not None:
        yield Fact("ttft", number_value(span.ttft_ns))


def _of_attribute(field: str, value: Any) -> Iterable[Fact]:
    if isinstance(value, list):
        items = [one for item in value for one in _of_scalar(field, item)]
        return [*items, *([Fact(field, OTHER)] if value else [])]
    return _of_scalar(field, value)


def _of_scalar(field: str, value: Any) -> Iterable[Fact]:
    if isinstance(value, str):
        return (Fact(field, text_value(value)),)
    if isinstance(value, bool):
        return (Fact(field, "true" if value else "false"),)
    if isinstance(value, float) and not math.isfinite(value):
        return (Fact(field, str(value)),)
    if isinstance(value, int | float):
        return (Fact(field, number_value(value)),)
    if value is None or value == {}:
        return ()
    return (Fact(field, OTHER),)


def number_value(number: int | float) -> int | float:
    """Return a number that a column holds."""
    return number if isinstance(number, float) or -(2**63) <= number < 2**63 else float(number)
