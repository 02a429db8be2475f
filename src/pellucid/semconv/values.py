"""Reading single attribute values: every reader returns `UNREAD` for what it does not understand.

A structured value travels as JSON text (contracts.md §2). `read_value` and `write_value` are
inverse to each other over JSON values, so that text which merely looks like JSON stays text.
"""

import ast
import base64
import json
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

Reader = Callable[[Any], Any]


class _Unread:
    def __repr__(self) -> str:
        return "UNREAD"

    def __bool__(self) -> bool:
        return False


UNREAD: Final = _Unread()
"""What a reader returns for a value that it does not understand; false in a test."""

MAX_DEPTH = 64
"""Deeper JSON stays text: nobody reads it, and every later encoder would have to survive it."""
OUTER_DEPTH = 96
"""For lists of messages and the like, which may hold values of `MAX_DEPTH`."""
MAX_COUNT = 1 << 50
_MAX_LITERAL = 100_000

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode_json(text: str, depth: int = MAX_DEPTH) -> Any:
    """Return the value of a JSON text, or `UNREAD` where it is none or nested too deeply."""
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return UNREAD
    if (
        len(text) > 2 * depth
        and text.count("[") + text.count("{") > depth
        and _is_deep(value, depth)
    ):
        return UNREAD
    return value


def encode_json(value: Any) -> str:
    """Return a JSON text of a JSON value."""
    try:
        return _encode(value).decode()
    except UnicodeError:  # lone surrogates, which only the escaping encoder can write
        return json.dumps(msgspec.to_builtins(value))


def read_embedded(value: Any) -> Any:
    """Return an object or list that stands as JSON text in a JSON value, else the value."""
    if type(value) is str and value[:1] in _OPENING:
        decoded = decode_json(value)
        if decoded is not UNREAD:
            return decoded
    return value


def read_literal(value: Any) -> Any:
    """Read the text of a Python dict or list, which some producers write for JSON."""
    if type(value) is not str or value[:1] not in _OPENING or len(value) > _MAX_LITERAL:
        return UNREAD
    try:
        return json_safe(ast.literal_eval(value))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return UNREAD


def read_value(value: Any) -> Any:
    """Read an attribute that holds text or JSON text.

    Text is parsed where it is a JSON object or list. A JSON string that holds such a text (or one
    in quotes) stands for that text itself: so `write_value` keeps the difference.
    """
    if type(value) is not str:
        return UNREAD if type(value) is bytes else json_safe(value)
    first = value[:1]
    if first in _OPENING:
        decoded = decode_json(value)
        return value if decoded is UNREAD else decoded
    if first == '"':
        decoded = decode_json(value)
        if type(decoded) is str and decoded[:1] in _NEEDS_QUOTES:
            return decoded
    return value


class Later:
    """A JSON text that is parsed only where somebody asks for the value: bodies are large."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def read_later(value: Any) -> Any:
    """Read as `read_value` does, but leave the parsing of JSON texts for later."""
    if type(value) is str:
        return Later(value) if value[:1] in _NEEDS_QUOTES else value
    return read_value(value)


def write_value(value: Any) -> Any:
    """Return the attribute value that `read_value` reads back as `value`."""
    if type(value) is str:
        needs_quotes = value[:1] in _NEEDS_QUOTES and read_value(value) != value
        return encode_json(value) if needs_quotes else value
    if isinstance(value, dict | list):
        return encode_json(value)
    return value


def read_json_text(value: Any) -> Any:
    """Read an attribute whose text is always JSON (MLflow's); other text is taken as it is."""
    if type(value) is not str:
        return read_value(value)
    decoded = decode_json(value)
    return value if decoded is UNREAD else decoded


def read_structure(value: Any) -> Any:
    """Read an object or list of our own or of messages, as JSON text or native."""
    if type(value) is str:
        value = decode_json(value, OUTER_DEPTH) if value[:1] in _OPENING else UNREAD
    elif type(value) is dict or type(value) is list:
        return json_safe(value)
    return value if type(value) is dict or type(value) is list else UNREAD


def read_object(value: Any) -> Any:
    """Read a JSON object, as text or as a native map."""
    got = read_structure(value)
    return got if type(got) is dict else UNREAD


def read_text(value: Any) -> Any:
    """Read a text that is not empty."""
    return value if type(value) is str and value else UNREAD


def read_any_text(value: Any) -> Any:
    """Read a text, also an empty one."""
    return value if type(value) is str else UNREAD


def read_label(value: Any) -> Any:
    """Read an identifier that some producers send as a number."""
    if type(value) is int:
        return str(value)
    return value if type(value) is str and value else UNREAD


def read_flag(value: Any) -> Any:
    """Read a boolean."""
    return value if type(value) is bool else UNREAD


def read_count(value: Any) -> Any:
    """Read a count, also where it came as a float or as digits."""
    kind = type(value)
    if kind is int:
        return value if 0 <= value <= MAX_COUNT else UNREAD
    if kind is float:
        return int(value) if 0 <= value <= MAX_COUNT and value == int(value) else UNREAD
    if kind is str and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return UNREAD


def read_number(value: Any) -> Any:
    """Read a finite number as a float, also where it came as text."""
    kind = type(value)
    if kind is str:
        try:
            value = float(value)
        except ValueError:
            return UNREAD
    elif kind is not int and kind is not float:
        return UNREAD
    return float(value) if abs(value) < 1e300 else UNREAD


def read_reported_cost(value: Any) -> Any:
    """Read a cost in dollars; producers write 0 for a model that they have no price for."""
    got = read_number(value)
    return got if got is not UNREAD and got > 0 else UNREAD


def read_seconds(value: Any) -> Any:
    """Read seconds as nanoseconds."""
    got = read_number(value)
    return round(got * 1e9) if got is not UNREAD and 0 <= got < 1e9 else UNREAD


def read_milliseconds(value: Any) -> Any:
    """Read milliseconds as nanoseconds."""
    got = read_number(value)
    return round(got * 1e6) if got is not UNREAD and 0 <= got < 1e12 else UNREAD


def read_first_text(value: Any) -> Any:
    """Read a text, or the first text of a list (native or JSON): finish reasons."""
    if type(value) is str:
        value = read_embedded(value)
        if type(value) is str:
            return value or UNREAD
    if isinstance(value, list | tuple):
        for item in value:
            if type(item) is str and item:
                return item
    return UNREAD


def read_tags(value: Any) -> Any:
    """Read tags from an object, a list or a bare text; a list's tag has the value ""."""
    got = read_value(value)
    if type(got) is dict:
        return {key: item if type(item) is str else encode_json(item) for key, item in got.items()}
    if type(got) is list:
        return {item if type(item) is str else encode_json(item): "" for item in got}
    return {got: ""} if type(got) is str and got else UNREAD


def json_safe(value: Any) -> Any:
    """Return a copy that JSON can hold (bytes as base64, NaN as text), or `UNREAD` if too deep."""
    try:
        return _json_safe(value, MAX_DEPTH)
    except RecursionError:
        return UNREAD


_OPENING = frozenset("{[")
_NEEDS_QUOTES = frozenset('{["')


def _json_safe(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str or kind is bool or kind is int or value is None:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if depth == 0:
        raise RecursionError
    if isinstance(value, dict):
        return {str(key): _json_safe(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(item, depth - 1) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def _is_deep(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        below: list[Any] = []
        for parent in level:
            items = parent.values() if type(parent) is dict else parent
            below += [item for item in items if type(item) is dict or type(item) is list]
        if not below:
            return False
        level = below
    return True
