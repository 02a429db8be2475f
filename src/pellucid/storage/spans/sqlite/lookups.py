"""What the index can tell of a leaf: which traces have a fact or words."""

from collections.abc import Sequence
from typing import NamedTuple

from pellucid.core.query.tree import Field, FieldType, Op, Value, fold
from pellucid.storage.spans.sqlite.facts import LONG, SHOWN, WHOLE, indexed_value
from pellucid.storage.spans.sqlite.predicate import LAST, Sql, any_of, bindable

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

    keys: Sql | None
    """Gives the keys of all traces that have it; None where no query does."""
    row: Sql | None
    """Tells whether the trace `t` has it; None where asking so would be slow."""
    is_slow: bool = False
    """Whether asking so costs much more than looking into a set."""


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
    ranges = [found for value in values for found in _ranges(field, op, value)]
    sure = [found for found in ranges if found.exact]
    maybe = [found for found in ranges if not found.exact]
    return Lookup(
        _keys(name, ranges),
        [_ask(name, sure)] if sure else [],
        [_ask(name, maybe)] if maybe else [],
    )


def _keys(name: str, ranges: list[_Range]) -> Sql:
    # A range each: with an OR between them all of the field would be walked.
    single = [found.where for found in ranges if found.single]
    several = [found.where for found in ranges if not found.single]
    parts = ([any_of(single)] if single or not several else []) + several
    sql = f"SELECT trace FROM facts_of_traces WHERE field = {_FIELD} AND "
    return Sql(
        " UNION ALL ".join(f"{sql}({part.text})" for part in parts),
        tuple(value for part in parts for value in (name, *part.values)),
    )


def _ask(name: str, ranges: list[_Range]) -> Ask:
    row = None
    if len(ranges) <= _LOOKUPS and all(found.single for found in ranges):
        # One look-up a value: an OR within one EXISTS would walk all of the field.
        row = any_of(
            [
                Sql(
                    f"EXISTS (SELECT 1 FROM facts WHERE field = {_FIELD} AND {found.where.text} "
                    "AND segment = t.key >> 5 AND bits >> (t.key & 31) & 1)",
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
    keys = Sql(f"SELECT trace FROM facts_of_traces WHERE field = {_FIELD}{some}", (name,))
    return Lookup(keys, [Ask(keys, None)], [])


def text_lookup(sought: Sequence[tuple[Sequence[str], bool]]) -> Lookup:
    """Return how full text answers any of some texts.

    Each is words that follow each other, and whether the last of them is only a beginning.
    """
    match = " OR ".join(
        '"' + " ".join(words) + '"' + ("*" if prefix else "") for words, prefix in sought
    )
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
    return Lookup(keys, [Ask(keys, row, is_slow=True)], [])


def _ranges(field: Field, op: Op, value: Value) -> list[_Range]:
    found: list[_Range] = []
    kind = field.type
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
        indexed = indexed_value(value.text)
        if short and not exact and not _has_case(value.text):
            exact = True
        if short and not exact and (field.name in SHOWN or field.name == "tag"):
            # Of spans that came together one spelling is kept: others may have this one, too.
            spelled = "" if value.text == folded else value.text
            same = Sql("value = ? AND shown = ?", (indexed, spelled))
            other = Sql("value = ? AND shown <> ?", (indexed, spelled))
            return [
                *found,
                _Range(same, single=True, exact=True),
                _Range(other, single=True, exact=False),
            ]
        where = Sql("value = ?", (indexed,))
        return [*found, _Range(where, single=True, exact=exact and short)]
    long = _Range(Sql("value = ?", (LONG,)), single=True, exact=False)
    if len(folded) > WHOLE:
        return [*found, long]
    begins = Sql("value >= ? AND value < ?", (folded, folded + LAST))
    return [*found, _Range(begins, single=False, exact=exact), long]


def _has_case(text: str) -> bool:
    """Tell whether another text may be the same when case is folded."""
    return not text.isascii() or text.lower() != text.upper()
