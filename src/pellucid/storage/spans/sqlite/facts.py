"""Facts: what traces are found by, other than by words and by their own columns."""

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from pellucid.core.query.tree import fold
from pellucid.core.span import Attributes, Span

WHOLE: Final = 128
"""Characters of a folded text that are kept; of a longer one the index knows that it is there."""
LONG: Final = "\x00"
"""Stands for every longer text, so that these lie side by side and cost no page each."""
OTHER: Final = b""
"""The value of what is there and is no text, number or bool; it sorts after these."""

SHOWN: Final = frozenset({"name", "model", "provider", "tool", "session", "user", "prompt"})
"""Fields, with tags, whose values are kept as they were, too, for lists of them."""


Value = str | int | float | bytes


Fact = tuple[str, Value]
"""A field and a value, not folded yet; a text that is too long is `LONG`."""
# A bare tuple, as there are dozens a span.


def facts_of_all(spans: Iterable[tuple[Attributes, Span]]) -> set[Fact]:
    """Return the facts of several spans, from their raw attributes and canonical forms."""
    found: set[Fact] = set()
    before: Attributes = {}
    resource: Attributes = {}
    for raw, span in spans:
        _add_span(span, found)
        add_attributes(raw, before, found)
        before = raw
        if span.resource is not resource:
            add_attributes(span.resource, resource, found)
            resource = span.resource
    return found


def add_attributes(raw: Attributes, before: Attributes, found: set[Fact]) -> None:
    """Add the facts of attributes; those that `before` holds are known, and mostly the same."""
    fields = _fields
    known = before.get
    for name, value in raw.items():
        # The very same object and not only an equal one: True is no 1 here.
        if known(name, before) is value:
            continue
        field = fields.get(name) or _field(name)
        kind = type(value)
        if kind is int and -(2**63) <= value < 2**63:
            found.add((field, value))
        elif kind is str:
            # Folding never makes a text shorter.
            found.add((field, value if len(value) <= WHOLE else LONG))
        elif kind is float and math.isfinite(value):
            found.add((field, value))
        elif isinstance(value, list):
            found.update((field, one) for item in value for one in _of_scalar(item))
            if value:
                found.add((field, OTHER))
        else:
            found.update((field, one) for one in _of_scalar(value))


_MAX_REMEMBERED = 4096
_fields: dict[str, str] = {}


def _field(name: str) -> str:
    """Return the field of an attribute: one text for all spans, whose hash is known."""
    field = f"attr.{name}"
    if len(_fields) < _MAX_REMEMBERED and len(name) < 200:
        _fields[name] = field
    return field


def indexed_value(value: Value) -> Value:
    """Return what the index has for a value: a text is folded, and `LONG` if it is too long."""
    if not isinstance(value, str):
        return value
    folded = fold(value)
    return folded if len(folded) <= WHOLE else LONG


class IndexedFact(NamedTuple):
    """A field, its value as the index has it, and as lists show it if that differs, else ""."""

    field: str
    value: Any
    shown: str


def indexed_facts(facts: Iterable[Fact]) -> list[bytes]:
    """Return facts as the index has them, each encoded (`decode_fact`)."""
    remembered = _indexed
    return [remembered.get(fact) or _index(fact) for fact in facts]


_indexed: dict[Fact, bytes] = {}
_encode = msgspec.msgpack.Encoder().encode
decode_fact = msgspec.msgpack.Decoder(IndexedFact).decode


def _index(fact: Fact) -> bytes:
    """Return a fact as the index has it; what comes again and again is remembered."""
    field, value = fact
    encoded = _encode((field, indexed_value(value), shown_value(fact)))
    if len(_indexed) >= _MAX_REMEMBERED:
        _indexed.clear()
    _indexed[fact] = encoded
    return encoded


def shown_value(fact: Fact) -> str:
    """Return a text as it was, where lists show it and folding changed it; else ""."""
    field, value = fact
    if field.startswith("attr.") or not isinstance(value, str) or value == LONG:
        return ""
    is_shown = field in SHOWN or field.startswith("tag.")
    return value if is_shown and value != fold(value) else ""


def _add_span(span: Span, found: set[Fact]) -> None:
    """Add the facts of a span's own fields."""
    add = found.add
    add(("name", _short(span.name)))
    add(("kind", span.kind.value))
    call, prompt = span.tool_call, span.prompt
    for field, text in (
        ("model", span.model),
        ("provider", span.provider),
        ("tool", call.name if call is not None else None),
        ("prompt", prompt.name if prompt is not None else None),
        ("finish", span.finish_reason),
        ("session", span.session_id),
        ("user", span.user_id),
        ("run", span.run_id),
    ):
        if text is not None:
            add((field, text if len(text) <= WHOLE else LONG))
    if span.ttft_ns is not None:
        add(("ttft", number_value(span.ttft_ns)))
    for document in span.documents:
        if document.id is not None:
            add(("document", _short(document.id)))
    for name, text in span.tags.items():
        add((f"tag.{name}", _short(text)))


def _short(text: str) -> str:
    return text if len(text) <= WHOLE else LONG


def _of_scalar(value: Any) -> Iterable[Value]:
    if isinstance(value, str):
        return (_short(value),)
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, float) and not math.isfinite(value):
        return (str(value),)
    if isinstance(value, int | float):
        return (number_value(value),)
    if value is None or value in ({}, []):
        return ()
    return (OTHER,)


def number_value(number: int | float) -> int | float:
    """Return a number that a column holds."""
    return number if isinstance(number, float) or -(2**63) <= number < 2**63 else float(number)
