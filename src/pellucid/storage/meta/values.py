"""How a JSON value is compared in a query: as text, as folded text and as a number."""

import math
from typing import Any, NamedTuple

import msgspec

from pellucid.storage.meta.tables import FOLDED_CHARACTERS

_encoder = msgspec.json.Encoder(order="deterministic")


class Comparable(NamedTuple):
    """A value's columns; `json` is canonical, and what makes two values the same."""

    json: str
    text: str
    folded: str
    number: float | None


def comparable(value: Any) -> Comparable:
    """Return the columns of a JSON value."""
    json = encode(value)
    text = value if isinstance(value, str) else json
    return Comparable(json, text, fold(text), to_number(value))


def encode(value: Any) -> str:
    """Return a value's canonical JSON."""
    return _encoder.encode(value).decode("utf-8", "replace")


def decode(text: str) -> Any:
    """Return the value that canonical JSON stands for."""
    return msgspec.json.decode(text)


def fold(text: str) -> str:
    """Return text as `:` compares it."""
    return text.casefold()[:FOLDED_CHARACTERS]


def to_number(value: Any) -> float | None:
    """Return a number, or a text that reads as one; None for anything else, NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
