"""Queries over what is in memory: a caller says what a field's values and the texts are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pellucid.core.query.fields import FieldInfo, Schema
from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    Field,
    FieldType,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Or,
    Scope,
    Text,
    Unresolved,
    Value,
    fold,
)
from pellucid.core.query.words import find_words, words_of

Row = tuple[str, FieldType, str]
"""A field's name and type, and what it holds in a few words."""


def make_schema(
    name: str, fields: Sequence[Row], families: Sequence[Row], aliases: Mapping[str, str]
) -> Schema:
    """Return the schema of plain fields and of families, which need a key."""
    return Schema(
        name=name,
        fields={
            field: FieldInfo(field, kind, Scope.TRACE, about, family=family)
            for rows, family in ((fields, False), (families, True))
            for field, kind, about in rows
        },
        aliases=aliases,
    )


def holds(
    node: Node,
    values: Callable[[Field | Unresolved], Iterable[Any]],
    texts: Callable[[], Iterable[str]],
) -> bool:
    """Tell whether a query's tree holds of one thing, given its values and its texts."""
    match node:
        case Everything():
            return True
        case And(items):
            return all(holds(item, values, texts) for item in items)
        case Or(items):
            return any(holds(item, values, texts) for item in items)
        case Not(item):
            return not holds(item, values, texts)
        case InSpan(item):
            return holds(item, values, texts)
        case Text(text, _, prefix):
            sought = words_of(text)
            return any(find_words(words_of(one), sought, prefix=prefix) for one in texts())
        case Has(field):
            return any(value not in (None, "", [], {}) for value in values(field))
        case Compare(field, op, literals):
            return any(compares(one, op, value) for one in values(field) for value in literals)


def list_member(values: Mapping[str, Any], key: str | None) -> list[Any]:
    """List what stands under a key, or under any for None; a list counts as its items."""
    found = list(values.values()) if key is None else [values[key]] if key in values else []
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def compares(stored: Any, op: Op, value: Value) -> bool:
    """Tell whether a JSON value compares so with a literal; what `core.query.tree` says of it."""
    if isinstance(stored, bool):
        if value.number is not None and op.is_ordered:
            return _NUMERIC[op](float(stored), value.number)
        stored = "true" if stored else "false"
    if isinstance(stored, int | float):
        return value.number is not None and _NUMERIC[op](stored, value.number)
    if not isinstance(stored, str) or op.is_ordered:
        return False
    text, sought = (fold(stored), fold(value.text)) if op is Op.FOLD else (stored, value.text)
    return text.startswith(sought) if value.prefix else text == sought


_NUMERIC: dict[Op, Callable[[float, float], bool]] = {
    Op.FOLD: lambda stored, number: stored == number,
    Op.EQUAL: lambda stored, number: stored == number,
    Op.LESS: lambda stored, number: stored < number,
    Op.LESS_EQUAL: lambda stored, number: stored <= number,
    Op.GREATER: lambda stored, number: stored > number,
    Op.GREATER_EQUAL: lambda stored, number: stored >= number,
}
