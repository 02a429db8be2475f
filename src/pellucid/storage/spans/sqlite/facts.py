"""Facts: what traces are found by, other than by words and by their own columns."""

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeVar

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
_Key = TypeVar("_Key")

Fact = tuple[str, Value]
"""A field and a value as the index has it: a text is folded, and `LONG` if it is too long."""


class IndexedFact(NamedTuple):
    """A field, its value as the index has it, and as lists show it if that differs, else ""."""

    field: str
    value: Any
    shown: str


_encode = msgspec.msgpack.Encoder().encode
decode_fact = msgspec.msgpack.Decoder(IndexedFact).decode


def facts_of_all(spans: Iterable[tuple[Attributes, Span]]) -> set[bytes]:
    """Return the facts of several spans, from their raw attributes and canonical forms.

    Each is encoded as `decode_fact` reads it: most come again and again, and are remembered so.
    """
    found: set[bytes] = set()
    before: Attributes = {}
    resource: Attributes = {}
    for raw, span in spans:
        _add_span(span, found)
        _add_attributes(raw, before, found)
        before = raw
        if span.resource is not resource:
            _add_attributes(span.resource, resource, found)
            resource = span.resource
    return found


def _add_attributes(raw: Attributes, before: Attributes, found: set[bytes]) -> None:
    """Add the facts of attributes; those that `before` holds are known, and mostly the same."""
    texts, numbers = _attribute_texts, _attribute_numbers
    known, add = before.get, found.add
    for name, value in raw.items():
        # The very same object and not only an equal one: True is no 1 here.
        if known(name, before) is value:
            continue
        kind = type(value)
        if kind is str:
            # Folding never makes a text shorter.
            key = (name, value if len(value) <= WHOLE else LONG)
            add(texts.get(key) or _remember(texts, key, _attribute(*key)))
        elif kind is int and -(2**63) <= value < 2**63:
            number = (name, value)
            add(numbers.get(number) or _remember(numbers, number, _attribute(*number)))
        elif isinstance(value, list):
            found.update(_attribute(name, one) for item in value for one in _of_scalar(item))
            if value:
                add(_attribute(name, OTHER))
        else:
            found.update(_attribute(name, one) for one in _of_scalar(value))


_MAX_REMEMBERED = 4096
_attribute_texts: dict[tuple[str, str], bytes] = {}
_attribute_numbers: dict[tuple[str, int], bytes] = {}
"""Apart from floats, as 1 is no other key than 1.0."""
_field_texts: dict[tuple[str, str], bytes] = {}


def _remember(memory: dict[_Key, bytes], key: _Key, fact: bytes) -> bytes:
    if len(memory) >= _MAX_REMEMBERED:
        memory.clear()
    memory[key] = fact
    return fact


def _attribute(name: str, value: Value) -> bytes:
    return _encode((f"attr.{name}", indexed_value(value), ""))


def indexed_value(value: Value) -> Value:
    """Return what the index has for a value: a text is folded, and `LONG` if it is too long."""
    if not isinstance(value, str):
        return value
    folded = fold(value)
    return folded if len(folded) <= WHOLE else LONG


def _add_span(span: Span, found: set[bytes]) -> None:
    """Add the facts of a span's own fields."""
    add = found.add
    add(_field("name", span.name))
    add(_field("kind", span.kind.value))
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
            add(_field(field, text))
    if span.ttft_ns is not None:
        add(_encode(("ttft", number_value(span.ttft_ns), "")))
    for document in span.documents:
        if document.id is not None:
            add(_field("document", document.id))
    for name, text in span.tags.items():
        add(_field(f"tag.{name}", text))


def _field(field: str, text: str) -> bytes:
    key = (field, text if len(text) <= WHOLE else LONG)
    return _field_texts.get(key) or _remember(_field_texts, key, _encode_field(*key))


def _encode_field(field: str, text: str) -> bytes:
    is_shown = field in SHOWN or field.startswith("tag.")
    shown = text if is_shown and text != LONG and text != fold(text) else ""
    return _encode((field, indexed_value(text), shown))


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
