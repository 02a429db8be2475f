"""How a field's type reads the literals that it is compared with."""

import re
from dataclasses import replace
from typing import NamedTuple, NoReturn

from pellucid.core.query.fields import read_duration, read_number, read_time
from pellucid.core.query.habits import ORDER, closest, shorten, spelt_duration
from pellucid.core.query.lexis import Cursor, Fix
from pellucid.core.query.tree import Field, FieldType, Op, Unresolved, Value, fold


class Term(NamedTuple):
    """A comparison and where it stands; `choices` are all values, where they are few."""

    field: Field | Unresolved
    op: Op
    position: int
    operator_at: int
    choices: tuple[str, ...]


def read_values(cursor: Cursor, term: Term, values: list[Value]) -> tuple[Value, ...]:
    """Return the values as the field reads them; fails, pointing, at what makes no sense."""
    field, op, operator_at = term.field, term.op, term.operator_at
    kind = field.type if isinstance(field, Field) else FieldType.DYNAMIC
    name = _spell(field)
    if kind is FieldType.TEXT and op.is_ordered:
        cursor.fail(
            f"{name} is text and has no order. Use {name}:value (any case), {name}=value (exact) "
            f"or {name}:begin* (how it begins).",
            position=operator_at,
            length=len(op.value),
        )
    if kind is FieldType.TIME and op.is_ordered:
        bound = "until" if op in (Op.LESS, Op.LESS_EQUAL) else "since"
        end = values[0].position + _length(values[0])
        written = cursor.text[values[0].position : end]
        cursor.fail(
            f"{name} is a bound already: write {name}:24h or {name}:2026-01-31.",
            position=operator_at,
            length=len(op.value),
            fix=Fix(term.position, end, f"{bound}:{written}"),
        )
    return tuple(_read(cursor, name, kind, term, value) for value in values)


def _read(cursor: Cursor, name: str, kind: FieldType, term: Term, value: Value) -> Value:
    op, text, end = term.op, value.text, value.position + _length(value)
    order = ORDER.match(text) if not value.quoted else None
    if order is not None and (kind is not FieldType.TEXT or order[0] == "!="):
        said = f"{name}{text}"
        _fail(cursor, value, f"Compare without the colon: {said}", Fix(term.operator_at, end, text))
    ends = _RANGE.fullmatch(text) if not value.quoted and kind in _WITH_ORDER else None
    if ends is not None:
        terms = f"{name}>={ends[1]} {name}<={ends[2]}"
        _fail(cursor, value, f"A range is two comparisons: {terms}", Fix(term.position, end, terms))
    if value.prefix and (op.is_ordered or kind not in (FieldType.TEXT, FieldType.DYNAMIC)):
        _fail(
            cursor,
            value,
            f"{name} is no text, so a * has no meaning here. Remove it.",
            Fix(end - 1, end, ""),
        )
    if kind is FieldType.TEXT:
        return _read_text(cursor, name, term, value)
    if kind is FieldType.TIME:
        return _read_time(cursor, name, value)
    if kind is FieldType.DURATION:
        return _read_duration(cursor, name, op, value)
    number = None if value.prefix else read_number(text)
    if kind is FieldType.NUMBER and text.lower() in _NOTHING and not op.is_ordered:
        _fail(
            cursor,
            value,
            f"Whether there is a value is asked with has:{name} or -has:{name}",
            Fix(term.position, end, f"-has:{name}"),
        )
    if number is None and (kind is FieldType.NUMBER or op.is_ordered):
        other_case = text[:-1] + text[-1:].swapcase()
        _fail(
            cursor,
            value,
            f"{name} {op.value} takes a number: write 1200, 5k, 2M or $0.10."
            if op.is_ordered
            else f"{name} is a number: write 1200, 5k, 2M or $0.10.",
            None if read_number(other_case) is None else Fix(value.position, end, other_case),
        )
    return replace(value, number=number)


_RANGE = re.compile(r"(\S+?)\.\.+(\S+)")
_WITH_ORDER = (FieldType.NUMBER, FieldType.DURATION)
_NOTHING = ("null", "none", "nil")
_AGE = re.compile(r"(?:now-)?([0-9.]+)(ns|us|ms|s|m|h|d|w|y)")
_DAYS = {"w": 7, "y": 365}


def _read_text(cursor: Cursor, name: str, term: Term, value: Value) -> Value:
    text, end = value.text, value.position + _length(value)
    if not term.choices or value.prefix or fold(text) in map(fold, term.choices):
        return value
    meant = closest(text.lstrip("-!"), term.choices, term.field.name)
    said = f"{name}:{meant}"
    fix = Fix(value.position, end, meant) if meant else None
    if meant and text[0] in "-!":  # the opposite of a value
        said = f"-{name}:{meant}"
        fix = Fix(term.position, end, said)
    _fail(
        cursor,
        value,
        f"{name} is one of {', '.join(term.choices)}; {shorten(text)!r} is none."
        + (f" Did you mean {said}?" if meant else ""),
        fix,
    )


def _read_duration(cursor: Cursor, name: str, op: Op, value: Value) -> Value:
    text, end = value.text, value.position + _length(value)
    nanoseconds = read_duration(text)
    if nanoseconds is not None:
        return replace(value, number=nanoseconds)
    spelt = None if value.quoted else spelt_duration(cursor.text, value.position)
    if spelt is not None:
        said = f"A unit stands directly behind its number: {name}{op.value}{spelt[0]}"
        _fail(cursor, value, said, Fix(value.position, spelt[1], spelt[0]))
    bare = read_number(text) is not None
    _fail(
        cursor,
        value,
        f"{name} is a duration with a unit: write "
        + (f"{name}{op.value}{text}s or {text}ms." if bare else "150ms, 2s, 1.5h or 7d."),
        Fix(end, end, "s") if bare and not value.quoted else None,
    )


def _read_time(cursor: Cursor, name: str, value: Value) -> Value:
    age = read_duration(value.text)
    if age is not None:
        return replace(value, age_ns=age)
    moment = read_time(value.text)
    if moment is None:
        _fail(
            cursor,
            value,
            f"{name} is a time: write an age such as 24h or 7d, or a time (UTC) such as "
            "2026-01-31 or 2026-01-31T09:30.",
            _as_age(value),
        )
    return replace(value, number=moment)


def _as_age(value: Value) -> Fix | None:
    """Return the age that `now-1h` and `2w` say."""
    age = _AGE.fullmatch(value.text)
    text = {"yesterday": "2d", "today": "24h", "now": "1m"}.get(value.text.lower())
    if age is not None:
        amount, unit = age.groups()
        number = read_number(amount)
        days = _DAYS.get(unit)
        text = f"{amount}{unit}" if days is None else f"{(number or 0) * days:g}d"
    return Fix(value.position, value.position + _length(value), text) if text else None


def _length(value: Value) -> int:
    """Return how long a value is as it is written, but for escapes."""
    return len(value.text) + 2 * value.quoted + value.prefix


def _fail(cursor: Cursor, value: Value, message: str, fix: Fix | None = None) -> NoReturn:
    cursor.fail(message, position=value.position, length=_length(value), fix=fix)


def _spell(field: Field | Unresolved) -> str:
    key = getattr(field, "key", None)
    return field.name if key is None else f"{field.name}.{key}"
