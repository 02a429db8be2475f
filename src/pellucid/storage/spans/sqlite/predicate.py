"""SQL with its values, and ways to put pieces together. Every predicate is 0 or 1, never null."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pellucid.core.query.tree import Op, Value, fold


class Sql(NamedTuple):
    """A piece of SQL and the values of its question marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


LAST = "\U0010ffff"
"""Follows, behind a text, all that begins with the text."""
TRUE = Sql("1")
FALSE = Sql("0")


def all_of(parts: Sequence[Sql]) -> Sql:
    """Join predicates with AND."""
    return _join(" AND ", parts) if parts else TRUE


def any_of(parts: Sequence[Sql]) -> Sql:
    """Join predicates with OR."""
    return _join(" OR ", parts) if parts else FALSE


def negate(part: Sql) -> Sql:
    """Return the opposite of a predicate."""
    return Sql(f"NOT ({part.text})", part.values)


def only_if(condition: Sql, part: Sql) -> Sql:
    """Return `part` where a condition holds, which is looked at first; else 0."""
    if condition == TRUE:
        return part
    # A CASE, as of an AND SQLite may look at either side first.
    text = f"CASE WHEN {condition.text} THEN {part.text} ELSE 0 END"
    return Sql(text, condition.values + part.values)


def _join(word: str, parts: Sequence[Sql]) -> Sql:
    if len(parts) == 1:
        return parts[0]
    # By halves, as SQLite bounds the depth of an expression and a chain is as deep as it is long.
    middle = len(parts) // 2
    left, right = _join(word, parts[:middle]), _join(word, parts[middle:])
    return Sql(f"({left.text}){word}({right.text})", left.values + right.values)


def number_is(column: str, op: Op, values: Sequence[Value]) -> Sql:
    """Compare a column of numbers; null compares with nothing."""
    sign = "=" if op is Op.FOLD else op.value
    return any_of(
        [
            Sql(f"({column}) IS NOT NULL AND ({column}) {sign} ?", (bindable(value.number),))
            for value in values
            if value.number is not None
        ]
    )


def text_is(column: str, op: Op, values: Sequence[Value]) -> Sql:
    """Compare a column of texts; null compares with nothing."""
    at = folded(column) if op is Op.FOLD else column
    whole: list[str] = []
    parts = []
    for value in values:
        wanted = fold(value.text) if op is Op.FOLD else value.text
        if value.prefix:
            parts.append(Sql(f"{column} IS NOT NULL AND instr({at}, ?) = 1", (wanted,)))
        else:
            whole.append(wanted)
    if whole:
        marks = ", ".join("?" * len(whole))
        parts.append(Sql(f"{column} IS NOT NULL AND {at} IN ({marks})", tuple(whole)))
    return any_of(parts)


def folded(column: str) -> str:
    """Return the folded text of a column; SQLite folds what is ASCII, which is ten times faster."""
    ascii_only = f"length({column}) = octet_length({column})"
    return f"CASE WHEN {ascii_only} THEN lower({column}) ELSE pellucid_fold({column}) END"


def time_bound(value: Value, now: int) -> int:
    """Return the moment that a `since` or `until` names."""
    if value.age_ns is not None:
        return now - value.age_ns
    assert value.number is not None, "a time was read"
    return int(value.number)


def start_is(column: str, field: str, values: Sequence[Value], now: int) -> Sql:
    """Compare a start with `since` or `until`."""
    sign = ">=" if field == "since" else "<"
    return any_of([Sql(f"{column} {sign} ?", (bindable(time_bound(v, now)),)) for v in values])


def bindable(number: float | int | None) -> float | int | None:
    """Return a number that SQLite takes: an integer beyond 64 bits as a real."""
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        return float(number) if number.bit_length() < 1000 else float("inf")
    return number
