"""What the index can tell of a leaf: which traces have a fact or words."""

from collections.abc import Sequence
from typing import NamedTuple

from pellucid.core.query.tree import Field, FieldType, Op, Value, fold
from pellucid.storage.spans.sqlite.facts import LONG, WHOLE, indexed_value
from pellucid.storage.spans.sqlite.predicate import Sql, any_of, bindable

_LAST = "\U0010ffff"
_LOOKUPS = 8
"""Values that are looked up one by one for a row; of more, all keys are read at once."""
_FIELD = "(SELECT id FROM fields WHERE name = ?)"
_IN_FACTS = frozenset(
    {
        *("name", "kind", "model", "provider", "tool", "prompt", "finish", "session", "user"),
        *("run", "document", "ttft", "tag", "attr"),
    }
)


class Ask(NamedTuple):
    """Two ways to ask the index for one thing."""

    keys: Sql
    """Gives the keys of all traces that have it."""
    row: Sql | None
    """Tells whether the trace `t` has it; None where asking so would be slow."""


class Lookup(NamedTuple):
    """What the index can tell of a leaf."""

    keys: Sql
    """Gives the keys of all traces that may meet it."""
    sure: list[Ask]
    """What has one of these meets it."""
    maybe: list[Ask]
    """What has one of these may meet it: only the bodies tell."""


class _Range(NamedTuple):
    where: Sql
    single: bool
    """Whether it is one value, so that the traces lie in order under it."""
    exact: bool


def fact_lookup(field: Field, op: Op, values: Sequence[Value]) -> Lookup | None:
    """Return how facts answer a comparison; None where they do not."""
    if field.name not in _IN_FACTS or (field.name in ("tag", "attr") and field.key is None):
        return None
    name = field.name if field.key is None else f"{field.name}.{field.key}"
    ranges = [found for value in values for found in _ranges(field.type, op, value)]
    sure = [found for found in ranges if found.exact]
    maybe = [found for found in ranges if not found.exact]
    return Lookup(
        _keys(name, ranges),
        [_ask(name, sure)] if sure else [],
        [_ask(name, maybe)] if maybe else [],
    )


def _keys(name: str, ranges: list[_Range]) -> Sql:
    where = any_of([found.where for found in ranges])
    return Sql(
        f"SELECT trace FROM facts WHERE field = {_FIELD} AND ({where.text})",
        (name, *where.values),
    )


def _ask(name: str, ranges: list[_Range]) -> Ask:
    row = None
    if len(ranges) <= _LOOKUPS and all(found.single for found in ranges):
        # One look-up a value: an OR within one EXISTS would walk all of the field.
        row = any_of(
            [
                Sql(
                    "EXISTS (SELECT 1 FROM facts WHERE field = "
                    f"{_FIELD} AND {found.where.text} AND trace = t.key)",
                    (name, *found.where.values),
                )
                for found in ranges
            ]
        )
    return Ask(_keys(name, ranges), row)


def has_lookup(field: Field) -> Lookup | None:
    """Return how facts answer `has:`; None where they do not."""
    if field.name not in _IN_FACTS or (field.name in ("tag", "attr") and field.key is None):
        return None
    name = field.name if field.key is None else f"{field.name}.{field.key}"
    some = "" if field.name == "tag" else " AND value <> ''"
    keys = Sql(f"SELECT trace FROM facts WHERE field = {_FIELD}{some}", (name,))
    return Lookup(keys, [Ask(keys, None)], [])


def text_lookup(words: Sequence[str], prefix: bool) -> Lookup:
    """Return how full text answers words that follow each other."""
    match = '"' + " ".join(words) + '"' + ("*" if prefix else "")
    keys = Sql(
        "SELECT d.trace FROM texts CROSS JOIN documents d ON d.id = texts.rowid "
        "WHERE texts MATCH ?",
        (match,),
    )
    row = Sql(
        "EXISTS (SELECT 1 FROM documents d CROSS JOIN texts ON texts.rowid = d.id "
        "WHERE d.trace = t.key AND texts MATCH ?)",
        (match,),
    )
    return Lookup(keys, [Ask(keys, row)], [])


def _ranges(kind: FieldType, op: Op, value: Value) -> list[_Range]:
    found: list[_Range] = []
    if kind is not FieldType.TEXT and value.number is not None and not value.prefix:
        number = bindable(value.number)
        if op.is_ordered:
            # Numbers sort before texts.
            where = Sql(f"value {op.value} ? AND value < ''", (number,))
            return [_Range(where, single=False, exact=True)]
        found.append(_Range(Sql("value = ?", (number,)), single=True, exact=True))
    if kind in (FieldType.NUMBER, FieldType.DURATION) or op.is_ordered:
        return found
    folded = fold(value.text)
    exact = op is Op.FOLD
    if not value.prefix:
        short = len(folded) <= WHOLE
        where = Sql("value = ?", (indexed_value(value.text),))
        return [*found, _Range(where, single=True, exact=exact and short)]
    long = _Range(Sql("value = ?", (LONG,)), single=True, exact=False)
    if len(folded) > WHOLE:
        return [*found, long]
    begins = Sql("value >= ? AND value < ?", (folded, folded + _LAST))
    return [*found, _Range(begins, single=False, exact=exact), long]
