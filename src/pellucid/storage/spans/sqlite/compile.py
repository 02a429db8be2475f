"""From a query's tree to SQL over a row `t` of traces.

The predicate is exact. What columns and the index cannot decide is left to the functions of
`search.Search`, which read bodies: `pellucid_whole(n, key)` asks node n of all spans of a trace,
`pellucid_late(n, key)` of those that the index does not have yet, `pellucid_stale(key)` whether
the index is in doubt, `pellucid_among(n, key)` whether a trace is in the n-th set of keys.

Drivers are necessary conditions, as queries that give keys of traces: one of them with few keys
saves looking at all traces. They leave out what the index does not have yet.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from pellucid.core.errors import InvalidInput
from pellucid.core.matching import compare
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
)
from pellucid.core.query.words import words_of
from pellucid.core.span import Status
from pellucid.storage.spans.sqlite.codes import (
    ERROR,
    INTERRUPTED_AFTER_NS,
    KINDS,
    OK,
    PENDING,
)
from pellucid.storage.spans.sqlite.lookups import Ask, Lookup, fact_lookup, has_lookup, text_lookup
from pellucid.storage.spans.sqlite.predicate import (
    FALSE,
    TRUE,
    Sql,
    all_of,
    any_of,
    negate,
    number_is,
    start_is,
    text_is,
    time_bound,
)

_CHOICES: Final = 100
"""Alternatives that make up one driver at most."""
_TRACE_NUMBERS: Final = {
    "duration": "t.duration_ns",
    "tokens": "t.tokens_in + t.tokens_out",
    "tokens_in": "t.tokens_in",
    "tokens_out": "t.tokens_out",
    "cost": "t.cost",
    "spans": "t.span_count",
    "errors": "t.error_count",
}
_TRACE_TEXTS: Final = {
    "name": "t.name",
    "trace": "lower(hex(t.trace_id))",
    "run": "t.run_id",
    "session": "t.session_id",
    "user": "t.user_id",
}
_DRIVEN_NUMBERS: Final = frozenset({"duration", "tokens", "cost", "errors"})
_SPAN_NUMBERS: Final = {
    "duration": "s.duration_ns",
    "tokens": "s.tokens_in + s.tokens_out",
    "tokens_in": "s.tokens_in",
    "tokens_out": "s.tokens_out",
    "cost": (
        "CASE WHEN s.cost <> 0 THEN s.cost WHEN s.estimate <> 0 THEN s.estimate ELSE s.cost END"
    ),
    "ttft": "s.ttft_ns",
}
_SPAN_TEXTS: Final = {"name": "s.name", "model": "s.model", "provider": "s.provider"}


class Bounds(NamedTuple):
    """Starts that all matches lie within: `since_ns` ≤ start < `until_ns`."""

    since_ns: int
    until_ns: int


class Compiled(NamedTuple):
    """A query in SQL."""

    predicate: Sql
    drivers: list[Sql]
    bounds: Bounds


class Compiler:
    """Compiles one query for one snapshot.

    `ask` keeps a node for `pellucid_whole` and `pellucid_late` and returns its number; `keys`
    does so with a query of keys for `pellucid_among`.
    """

    def __init__(
        self,
        *,
        now: int,
        has_late: bool,
        has_stale: bool,
        ask: Callable[[Node], int],
        keys: Callable[[Sql], int],
    ) -> None:
        self._now = now
        self._has_late = has_late
        self._has_stale = has_stale
        self._ask = ask
        self._keys = keys

    def compile(self, root: Node) -> Compiled:
        """Compile a whole query. Raises InvalidInput for what is still to be resolved."""
        return Compiled(self._trace(root), self._drivers(root), self._bounds(root))

    # -- of a trace ----------------------------------------------------------------------------

    def _trace(self, node: Node) -> Sql:
        match node:
            case Everything():
                return TRUE
            case And(items):
                return all_of([self._trace(item) for item in items])
            case Or(items):
                return any_of([self._trace(item) for item in items])
            case Not(item):
                return negate(self._trace(item))
            case InSpan(item):
                return self._in_span(node, item)
            case Text():
                return self._indexed(node, self._text_lookup(node))
            case Has(field):
                return self._trace_has(node, resolved(field))
            case Compare(field):
                return self._trace_compare(node, resolved(field))

    def _trace_compare(self, node: Compare, field: Field) -> Sql:
        if field.scope is Scope.SPAN:
            return self._indexed(node, fact_lookup(field, node.op, node.values))
        op, values, name = node.op, node.values, field.name
        if name in _TRACE_NUMBERS:
            return number_is(_TRACE_NUMBERS[name], op, values)
        if name in _TRACE_TEXTS:
            return text_is(_TRACE_TEXTS[name], op, values)
        if name in ("since", "until"):
            return start_is("t.start_ns", name, values, self._now)
        if name == "status":
            return self._status("t", "t.pending_seen_ns", node)
        if name == "experiment":
            names = text_is("e.name", op, values)
            return Sql(
                f"t.experiment IN (SELECT e.id FROM experiments e WHERE {names.text})",
                names.values,
            )
        if name == "tag":
            return self._tag(field.key or "", node)
        return self._score("s.trace_id = t.trace_id", node, field)

    def _trace_has(self, node: Has, field: Field) -> Sql:
        if field.scope is Scope.SPAN:
            return self._indexed(node, has_lookup(field))
        if field.name in _TRACE_TEXTS:
            return Sql(f"coalesce({_TRACE_TEXTS[field.name]}, '') <> ''")
        if field.name == "cost":
            return Sql("t.cost IS NOT NULL")
        if field.name == "tag":
            if field.key is None:
                return Sql("t.tags <> '{}'")
            return Sql("pellucid_tag(t.tags, ?) IS NOT NULL", (field.key,))
        if field.name == "score":
            return self._score("s.trace_id = t.trace_id", node, field)
        return TRUE

    def _tag(self, key: str, node: Compare) -> Sql:
        inner = text_is("tag.value", node.op, node.values)
        return Sql(
            "EXISTS (SELECT 1 FROM (SELECT pellucid_tag(t.tags, ?) AS value) tag "
            f"WHERE {inner.text})",
            (key, *inner.values),
        )

    def _status(self, row: str, seen: str, node: Compare) -> Sql:
        """Tell the status: that of a pending row depends on the clock."""
        wanted = {
            status
            for status in Status
            if any(
                compare(FieldType.TEXT, node.op, value, status.value, self._now)
                for value in node.values
            )
        }
        heard_after = self._now - INTERRUPTED_AFTER_NS
        pending = f"{row}.status = {PENDING} AND {seen}"
        parts = {
            Status.OK: Sql(f"{row}.status = {OK}"),
            Status.ERROR: Sql(f"{row}.status = {ERROR}"),
            Status.RUNNING: Sql(f"{pending} >= ?", (heard_after,)),
            Status.INTERRUPTED: Sql(f"{pending} < ?", (heard_after,)),
        }
        return any_of([parts[status] for status in Status if status in wanted])

    def _score(self, target: str, node: Compare | Has, field: Field) -> Sql:
        parts = [Sql(f"{target} AND s.latest")]
        if field.key is not None:
            parts.append(Sql("s.name = ?", (field.key,)))
        if isinstance(node, Compare):
            parts.append(self._score_value(node))
        else:
            parts.append(Sql("s.figure IS NOT NULL OR s.word <> ''"))
        where = all_of(parts)
        return Sql(f"EXISTS (SELECT 1 FROM scores s WHERE {where.text})", where.values)

    def _score_value(self, node: Compare) -> Sql:
        parts = [number_is("s.figure", node.op, [v for v in node.values if not v.prefix])]
        if node.op is Op.FOLD:
            parts.append(text_is("s.word", Op.FOLD, node.values))
        elif node.op is Op.EQUAL:
            exactly = Sql("pellucid_score(?, s.content)", (self._ask(node),))
            folded = text_is("s.word", Op.FOLD, node.values)
            parts.append(all_of([folded, exactly]))
        return any_of(parts)

    # -- what the index answers ------------------------------------------------------------------

    def _indexed(self, node: Node, lookup: Lookup | None) -> Sql:
        """Tell whether some span of the trace meets a node, by the index as far as it goes."""
        number = self._ask(node)
        whole = Sql("pellucid_whole(?, t.key)", (number,))
        if lookup is None:
            return whole
        parts = [self._asked(ask) for ask in lookup.sure]
        if lookup.maybe:
            maybe = any_of([self._asked(ask) for ask in lookup.maybe])
            parts.append(all_of([maybe, whole]))
        found = any_of(parts)
        if self._has_late:
            found = any_of([found, Sql("pellucid_late(?, t.key)", (number,))])
        if self._has_stale:
            text = f"CASE WHEN pellucid_stale(t.key) THEN {whole.text} ELSE {found.text} END"
            found = Sql(text, (*whole.values, *found.values))
        return found

    def _asked(self, ask: Ask) -> Sql:
        if ask.row is not None:
            return ask.row
        return Sql("pellucid_among(?, t.key)", (self._keys(ask.keys),))

    def _text_lookup(self, node: Text) -> Lookup | None:
        words = words_of(node.text)
        return text_lookup(words, node.prefix) if words else None

    # -- of one span -----------------------------------------------------------------------------

    def _in_span(self, node: InSpan, item: Node) -> Sql:
        columns = self._span(item)
        if columns is not None:
            text = f"EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.key AND ({columns.text}))"
            return Sql(text, columns.values)
        needs = self._span_needs(item)
        if not needs:
            return self._indexed(node, None)
        # No need of one span is a need of the trace to have it indexed: late ones are asked, too.
        has = [any_of([self._asked(ask) for ask in (*n.sure, *n.maybe)]) for n in needs]
        return self._indexed(node, Lookup(FALSE, [], [Ask(FALSE, all_of(has))]))

    def _span_needs(self, node: Node) -> list[Lookup]:
        """Return what the index must have of a trace, some span of which meets a node."""
        match node:
            case And(items):
                return [need for item in items for need in self._span_needs(item)]
            case InSpan(item):
                return self._span_needs(item)
            case Text():
                lookup = self._text_lookup(node)
            case Compare(field):
                lookup = fact_lookup(resolved(field), node.op, node.values)
            case _:
                lookup = None
        return [lookup] if lookup is not None else []

    def _span(self, node: Node) -> Sql | None:
        """Compile a node to SQL over a row `s` of spans; None where columns do not tell."""
        match node:
            case Everything():
                return TRUE
            case And(items) | Or(items):
                parts = [part for item in items if (part := self._span(item)) is not None]
                if len(parts) < len(items):
                    return None
                return all_of(parts) if isinstance(node, And) else any_of(parts)
            case Not(item):
                inner = self._span(item)
                return negate(inner) if inner is not None else None
            case InSpan(item):
                return self._span(item)
            case Compare(field):
                return self._span_compare(node, resolved(field))
            case _:
                return None

    def _span_compare(self, node: Compare, field: Field) -> Sql | None:
        op, values, name = node.op, node.values, field.name
        if name in _SPAN_NUMBERS:
            return number_is(_SPAN_NUMBERS[name], op, values)
        if name in _SPAN_TEXTS:
            return text_is(_SPAN_TEXTS[name], op, values)
        if name in ("since", "until"):
            return start_is("s.start_ns", name, values, self._now)
        if name == "status":
            return self._status("s", "s.last_seen_ns", node)
        if name == "kind":
            codes = [
                str(code)
                for code, kind in enumerate(KINDS)
                if any(compare(FieldType.TEXT, op, v, kind.value, self._now) for v in values)
            ]
            return Sql(f"s.kind IN ({', '.join(codes)})") if codes else FALSE
        return None

    # -- necessary conditions --------------------------------------------------------------------

    def _drivers(self, node: Node, in_span: bool = False) -> list[Sql]:
        match node:
            case And(items):
                return [driver for item in items for driver in self._drivers(item, in_span)]
            case Or(items):
                choices = [self._drivers(item, in_span) for item in items]
                if not all(choices) or len(choices) > _CHOICES:
                    return []
                parts = [choice[0] for choice in choices]
                text = " UNION ALL ".join(part.text for part in parts)
                return [Sql(text, tuple(value for part in parts for value in part.values))]
            case InSpan(item):
                return self._drivers(item, in_span=True)
            case Text():
                lookup = self._text_lookup(node)
                return [lookup.keys] if lookup is not None else []
            case Compare(field):
                return self._compare_drivers(node, resolved(field), in_span)
            case _:
                return []

    def _compare_drivers(self, node: Compare, field: Field, in_span: bool) -> list[Sql]:
        if field.name == "status":
            if in_span:
                return _if_only(node, self._now, Status.ERROR, "t.error_count > 0")
            return _if_only(node, self._now, Status.ERROR, f"t.status = {ERROR}")
        if field.name == "score":
            return self._score_drivers(node, field)
        if field.name == "trace":
            return _trace_drivers(node)
        if field.name in _DRIVEN_NUMBERS and not in_span:
            if any(_is_floor(node.op, value.number) for value in node.values):
                return []
            where = number_is(_TRACE_NUMBERS[field.name], node.op, node.values)
            hint = " AND t.error_count > 0" if field.name == "errors" else ""
            return [Sql(f"SELECT t.key FROM traces t WHERE ({where.text}){hint}", where.values)]
        lookup = fact_lookup(field, node.op, node.values)
        return [lookup.keys] if lookup is not None else []

    def _score_drivers(self, node: Compare, field: Field) -> list[Sql]:
        where = all_of([Sql("s.name = ?", (field.key,)), self._score_value(node)])
        return [
            Sql(
                "SELECT t.key FROM scores s CROSS JOIN traces t ON t.trace_id = s.trace_id "
                f"WHERE s.latest AND s.trace_id IS NOT NULL AND {where.text}",
                where.values,
            )
        ]

    def _bounds(self, root: Node) -> Bounds:
        since, until = 0, 2**63 - 1
        for item in root.items if isinstance(root, And) else (root,):
            match item:
                case Compare(Field(name="since"), _, values) if values:
                    since = max(since, min(time_bound(v, self._now) for v in values))
                case Compare(Field(name="until"), _, values) if values:
                    until = min(until, max(time_bound(v, self._now) for v in values))
        return Bounds(min(since, 2**63 - 1), max(until, 0))


def _is_floor(op: Op, number: float | int | None) -> bool:
    """Tell whether a comparison holds of a figure that is 0, so that it drives nothing."""
    if number is None:
        return True
    if op in (Op.LESS, Op.LESS_EQUAL):
        return True
    return number < 0 or (number == 0 and op is not Op.GREATER)


def _trace_drivers(node: Compare) -> list[Sql]:
    """Return a look-up of trace ids, and of what they begin with."""
    parts = []
    for value in node.values:
        try:
            low = bytes.fromhex(value.text[: len(value.text) // 2 * 2])
        except ValueError:
            continue  # no trace id begins so
        if not value.prefix:
            parts.append(Sql("t.trace_id = ?", (low,)))
        else:
            parts.append(Sql("t.trace_id >= ? AND t.trace_id <= ?", (low, low + b"\xff" * 16)))
    where = any_of(parts)
    return [Sql(f"SELECT t.key FROM traces t WHERE {where.text}", where.values)]


def _if_only(node: Compare, now: int, status: Status, where: str) -> list[Sql]:
    wanted = [
        one
        for one in Status
        if any(compare(FieldType.TEXT, node.op, value, one.value, now) for value in node.values)
    ]
    if wanted == [status]:
        return [Sql(f"SELECT t.key FROM traces t WHERE {where}")]
    return []


def resolved(field: Field | Unresolved) -> Field:
    """Return a field that a store can answer. Raises InvalidInput for the service's fields."""
    if isinstance(field, Unresolved):
        raise InvalidInput(f"{field.name} is no field of traces.")
    if field.scope is Scope.RUN:
        raise InvalidInput(f"{field.name} is a field of runs, which this list cannot look into.")
    return field
