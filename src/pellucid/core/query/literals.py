"""How a field's type reads the literals that it is compared with."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from pellucid.core.query.fields import read_duration, read_number, read_time
from pellucid.core.query.lexis import Cursor
from pellucid.core.query.tree import Field, FieldType, Op, Unresolved, Value, fold


def read_values(
    cursor: Cursor,
    field: Field | Unresolved,
    op: Op,
    operator_at: int,
    values: list[Value],
    choices_of: Callable[[str], tuple[str, ...]],
) -> tuple[Value, ...]:
    """Return the values as the field reads them; fails, pointing, at what makes no sense."""
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
        cursor.fail(
            f"{name} is a bound already: write {name}:24h or {name}:2026-01-31.",
            position=operator_at,
            length=len(op.value),
        )
    choices = choices_of(field.name)
    return tuple(_read(cursor, name, kind, op, value, choices) for value in values)


def _read(
    cursor: Cursor, name: str, kind: FieldType, op: Op, value: Value, choices: tuple[str, ...]
) -> Value:
    if not value.quoted and value.text[:1] in _ORDERS and kind is not FieldType.TEXT:
        _fail(cursor, value, f"Compare without the colon: {name}{value.text}")
    if value.prefix and (op.is_ordered or kind not in (FieldType.TEXT, FieldType.DYNAMIC)):
        _fail(cursor, value, f"{name} is no text, so a * has no meaning here. Remove it.")
    if kind is FieldType.TEXT:
        if choices and not value.prefix and fold(value.text) not in map(fold, choices):
            _fail(cursor, value, f"{name} is one of {', '.join(choices)}; {value.text!r} is none.")
        return value
    if kind is FieldType.TIME:
        return _read_time(cursor, name, value)
    if kind is FieldType.DURATION:
        nanoseconds = read_duration(value.text)
        if nanoseconds is None:
            _fail(cursor, value, f"{name} is a duration: write 150ms, 2s, 1.5h or 7d.")
        return replace(value, number=nanoseconds)
    number = None if value.prefix else read_number(value.text)
    if number is None and (kind is FieldType.NUMBER or op.is_ordered):
        _fail(
            cursor,
            value,
            f"{name} {op.value} takes a number: write 1200, 5k, 2M or $0.10."
            if op.is_ordered
            else f"{name} is a number: write 1200, 5k, 2M or $0.10.",
        )
    return replace(value, number=number)


_ORDERS = ("<", ">")


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
        )
    return replace(value, number=moment)


def _fail(cursor: Cursor, value: Value, message: str) -> NoReturn:
    written = len(value.text) + 2 * value.quoted + value.prefix
    cursor.fail(message, position=value.position, length=written)


def _spell(field: Field | Unresolved) -> str:
    key = getattr(field, "key", None)
    return field.name if key is None else f"{field.name}.{key}"
