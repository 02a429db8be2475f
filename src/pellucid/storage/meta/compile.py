"""Queries about runs → conditions on the `runs` table (contracts.md §3)."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from pellucid.core.errors import InvalidInput
from pellucid.core.query.fields import RUNS
from pellucid.core.query.parser import parse
from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    Field,
    Has,
    Node,
    Not,
    Op,
    Or,
    Unresolved,
    Value,
)
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.run_reads import status_expression
from pellucid.storage.meta.values import fold

Condition = sa.ColumnElement[bool]

_ORDERED: dict[Op, Callable[[Any, Any], Condition]] = {
    Op.LESS: lambda column, value: column < value,
    Op.LESS_EQUAL: lambda column, value: column <= value,
    Op.GREATER: lambda column, value: column > value,
    Op.GREATER_EQUAL: lambda column, value: column >= value,
}
_UNRESOLVED = ("param", "metric", "score", "tag")


def compile_query(query: str, *, now_ns: int) -> Condition:
    """Return the condition that a query is. Raises QuerySyntaxError."""
    return _Compiler(now_ns).compile(parse(query, RUNS).root)


def compile_node(node: Node, *, now_ns: int) -> Condition:
    """Return the condition that one node of a parsed query is."""
    return _Compiler(now_ns).compile(node)


class _Compiler:
    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def compile(self, node: Node) -> Condition:
        match node:
            case Everything():
                return sa.true()
            case And(items):
                return sa.and_(*(self.compile(item) for item in items))
            case Or(items):
                return sa.or_(*(self.compile(item) for item in items))
            case Not(item):
                return sa.not_(self.compile(item))
            case Has(field):
                return self._has(field)
            case Compare(field, op, values):
                return sa.or_(sa.false(), *(self._compare(field, op, value) for value in values))
            case _:
                raise InvalidInput("Runs have no full text and no spans: ask for a field.")

    def _has(self, field: Field | Unresolved) -> Condition:
        if isinstance(field, Unresolved):
            return sa.or_(*(_exists(name, field.name, None) for name in _UNRESOLVED))
        if field.name in _FAMILIES:
            return _exists(field.name, field.key, None)
        column = self._column(field.name)
        return sa.and_(column.is_not(None), sa.cast(column, sa.Text) != "")

    def _compare(self, field: Field | Unresolved, op: Op, value: Value) -> Condition:
        if isinstance(field, Unresolved):
            return sa.or_(*(_exists(name, field.name, _dynamic(op, value)) for name in _UNRESOLVED))
        if field.name == "metric":
            return _exists("metric", field.key, _numeric(op, value))
        if field.name in _FAMILIES:
            return _exists(field.name, field.key, _dynamic(op, value))
        if field.name in {"since", "until"}:
            return self._bound(field.name, value)
        column = self._column(field.name)
        if field.name == "number":
            return _present(_numeric(op, value)(_Columns(column, column, column, column)))
        is_name = field.name == "name"
        folded = sa.func.coalesce(t.runs.c.name_folded, "") if is_name else column
        return _present(_text(op, value)(_Columns(column, folded, None, None)))

    def _bound(self, name: str, value: Value) -> Condition:
        limit = value.number if value.age_ns is None else self._now_ns - value.age_ns
        start = t.runs.c.start_ns
        return start >= limit if name == "since" else start < limit

    def _column(self, name: str) -> Any:
        columns = {
            "status": status_expression(self._now_ns),
            "name": sa.func.coalesce(t.runs.c.name, ""),
            "number": t.runs.c.number,
            "since": t.runs.c.start_ns,
            "until": t.runs.c.start_ns,
        }
        return columns[name]


class _Columns:
    """Where one value's readings stand: as text, folded, as a number, and as JSON."""

    def __init__(self, text: Any, folded: Any, number: Any, value: Any) -> None:
        self.text = text
        self.folded = folded
        self.number = number
        self.value = value


Test = Callable[[_Columns], Condition]


def _text(op: Op, value: Value) -> Test:
    def test(columns: _Columns) -> Condition:
        if op.is_ordered:
            return _ORDERED[op](columns.text, value.text)
        if op is Op.EQUAL:
            if value.prefix:
                return _starts(columns.text, value.text)
            return columns.text == value.text  # type: ignore[no-any-return]
        wanted = fold(value.text)
        if value.prefix:
            return _starts(columns.folded, wanted)
        return columns.folded == wanted  # type: ignore[no-any-return]

    return test


def _numeric(op: Op, value: Value) -> Test:
    def test(columns: _Columns) -> Condition:
        if value.number is None:
            return sa.false()
        if op.is_ordered:
            return _ORDERED[op](columns.number, value.number)
        return columns.number == value.number  # type: ignore[no-any-return]

    return test


def _dynamic(op: Op, value: Value) -> Test:
    """As a number where both are numbers, else as text."""

    def test(columns: _Columns) -> Condition:
        as_text = _text(op, value)(columns)
        if value.number is None:
            if op.is_ordered:
                return sa.and_(columns.number.is_(None), as_text)
            return as_text
        as_number = sa.and_(columns.number.is_not(None), _numeric(op, value)(columns))
        if op.is_ordered:
            return as_number
        return sa.or_(as_number, as_text)

    return test


def _exists(family: str, key: str | None, test: Test | None) -> Condition:
    source, name, columns, present = _FAMILIES[family]()
    if key is not None:
        source = source.where(name == key)
    return sa.exists(source.where(present if test is None else test(columns)))


def _param() -> tuple[Any, Any, _Columns, Condition]:
    c = t.params.c
    present = c.value.not_in(("null", '""', "[]", "{}"))
    return _own(c), c.name, _Columns(c.text, c.folded, c.number, c.value), present


def _tag() -> tuple[Any, Any, _Columns, Condition]:
    c = t.tags.c
    columns = _Columns(c.value, c.folded, c.number, c.value)
    return _own(c), c.name, columns, sa.and_(c.value.is_not(None), c.value != "")


def _metric() -> tuple[Any, Any, _Columns, Condition]:
    c, names = t.metrics.c, t.metric_names.c
    source = _own(c).where(names.key == c.name_key)
    text = sa.cast(c.value, sa.Text)
    return source, names.name, _Columns(text, text, c.value, c.value), sa.true()


def _score() -> tuple[Any, Any, _Columns, Condition]:
    c = t.run_scores.c
    source = sa.select(sa.literal(1)).where(c.run_id == t.runs.c.id, c.latest).correlate(t.runs)
    return source, c.name, _Columns(c.text, c.folded, c.number, c.text), c.text != ""


def _snapshot() -> tuple[Any, Any, _Columns, Condition]:
    facts, parts = t.object_facts.alias("fact"), t.object_facts.alias("part")
    part_digests = sa.select(parts.c.text).where(
        parts.c.digest == t.runs.c.snapshot_id, parts.c.name == "part"
    )
    source = (
        sa.select(sa.literal(1))
        .select_from(facts)
        .where(
            sa.or_(
                facts.c.digest == t.runs.c.snapshot_id,
                facts.c.digest.in_(part_digests.correlate(t.runs)),
            )
        )
        .correlate(t.runs)
    )
    c = facts.c
    return source, c.name, _Columns(c.text, c.folded, c.number, c.text), c.text != ""


_FAMILIES: dict[str, Callable[[], tuple[Any, Any, _Columns, Condition]]] = {
    "param": _param,
    "tag": _tag,
    "metric": _metric,
    "score": _score,
    "snapshot": _snapshot,
}


def _own(columns: Any) -> Any:
    return sa.select(sa.literal(1)).where(columns.run_key == t.runs.c.key).correlate(t.runs)


def _present(condition: Condition) -> Condition:
    """A comparison with a missing value is false, also under NOT."""
    return sa.func.coalesce(condition, sa.false())


def _starts(column: Any, prefix: str) -> Condition:
    # LIKE folds case on SQLite and not on PostgreSQL; a substring is one thing on both.
    return sa.func.substr(column, 1, len(prefix)) == prefix
