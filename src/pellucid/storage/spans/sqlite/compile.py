"""From a query's tree to SQL over a row `t` of traces.

The predicate is exact. What columns and the index cannot decide is left to the functions of
`search.Search`, which read bodies: `pellucid_whole(n, key)` asks node n of all spans of a trace,
`pellucid_late(n, key)` of those that the index does not have yet, `pellucid_stale(key)` whether
the index is in doubt, `pellucid_among(n, key)` whether a trace is in the n-th set of keys.

With `KeySets` the predicate is for looking at very many traces: what the index tells is asked as
`t.key IN (…)`, of which SQLite makes a set once, and not trace by trace.

Drivers are necessary conditions, as queries that give keys of traces: one of them with few keys
saves looking at all traces. They leave out what the index does not have yet.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    Field,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Or,
    Scope,
    Text,
)
from pellucid.core.query.words import is_id, words_of
from pellucid.core.span import Status
from pellucid.storage.spans.sqlite.codes import ERROR
from pellucid.storage.spans.sqlite.columns import (
    DRIVEN_NUMBERS,
    OF_SOME_SPAN,
    SPAN_TEXTS,
    TRACE_NUMBERS,
    TRACE_TEXTS,
    are_words,
    asks_only,
    folded_value,
    has_kind,
    has_model,
    id_drivers,
    id_of,
    is_floor,
    keys_where,
    kind_codes,
    kind_is,
    resolved,
    some_span,
    status_is,
    tag_of,
)
from pellucid.storage.spans.sqlite.lookups import Ask, Lookup, fact_lookup, has_lookup, text_lookup
from pellucid.storage.spans.sqlite.one_span import span_is, span_may_be, trace_of_span
from pellucid.storage.spans.sqlite.predicate import (
    FALSE,
    TRUE,
    Sql,
    all_of,
    any_of,
    negate,
    number_is,
    only_if,
    start_is,
    text_is,
    time_bound,
)

_CHOICES: Final = 400
"""Alternatives that make up one driver at most."""
_LISTED: Final = "(SELECT value FROM json_each(?))"


class Bounds(NamedTuple):
    """Starts that all matches lie within: `since_ns` ≤ start < `until_ns`."""

    since_ns: int
    until_ns: int


class Compiled(NamedTuple):
    """A query in SQL."""

    predicate: Sql
    drivers: list[Sql]
    bounds: Bounds
    reads_bodies: bool
    """Whether the predicate may have to read the bodies of any trace."""
    asks_index: bool
    """Whether it depends on what is indexed so far."""


class KeySets(NamedTuple):
    """Traces that the index does not know well, as JSON lists of their keys."""

    late: str
    """With spans that it does not have."""
    stale: str
    """Of which it is in doubt."""


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
        sets: KeySets | None = None,
        word_sets: bool = False,
        is_few: Callable[[Sql], bool] = lambda _: False,
    ) -> None:
        self._now = now
        self._has_late = has_late
        self._has_stale = has_stale
        self._ask = ask
        self._keys = keys
        self._sets = sets
        self._word_sets = word_sets
        self._is_few = is_few
        self._reads_bodies = False
        self._asks_index = False

    def compile(self, root: Node) -> Compiled:
        """Compile a whole query. Raises InvalidInput for what is still to be resolved."""
        predicate = self._trace(root)
        return Compiled(
            predicate,
            self._drivers(root),
            self._bounds(root),
            self._reads_bodies,
            self._asks_index,
        )

    # -- of a trace ----------------------------------------------------------------------------

    def _trace(self, node: Node) -> Sql:
        match node:
            case Everything():
                return TRUE
            case And(items):
                return all_of([self._trace(item) for item in items])
            case Or(items):
                texts = [item for item in items if isinstance(item, Text)]
                others = [self._trace(item) for item in items if not isinstance(item, Text)]
                return any_of([*others, *([self._any_text(texts)] if texts else [])])
            case Not(item):
                return negate(self._trace(item))
            case InSpan(item):
                return self._in_span(node, item)
            case Text():
                return self._text(node)
            case Has(field):
                return self._trace_has(node, resolved(field))
            case Compare(field):
                return self._trace_compare(node, resolved(field))

    def _trace_compare(self, node: Compare, field: Field) -> Sql:
        op, values, name = node.op, node.values, field.name
        if name == "kind":
            return has_kind(kind_codes(node, self._now))
        if name == "root":
            return kind_is("t.root_kind", kind_codes(node, self._now))
        if name == "model":
            return has_model(text_is("m.value", op, values))
        if name == "span":
            return some_span(text_is(SPAN_TEXTS[name], op, values))
        if field.scope is Scope.SPAN:
            return self._indexed(node, fact_lookup(field, op, values))
        if name in TRACE_NUMBERS:
            return number_is(TRACE_NUMBERS[name], op, values)
        if name in TRACE_TEXTS:
            return text_is(TRACE_TEXTS[name], op, values)
        if name in ("since", "until"):
            return start_is("t.start_ns", name, values, self._now)
        if name == "status":
            return status_is("t", "t.pending_seen_ns", node, self._now)
        if name == "experiment":
            names = text_is("e.name", op, values)
            return Sql(
                f"t.experiment IN (SELECT e.id FROM experiments e WHERE {names.text})",
                names.values,
            )
        if name == "tag":
            return self._tag(field.key or "", node)
        return self._score(node, field)

    def _trace_has(self, node: Has, field: Field) -> Sql:
        if field.name in ("kind", "span"):
            return TRUE
        if field.name == "model":
            return has_model(Sql("m.value <> ''"))
        if field.scope is Scope.SPAN:
            return self._indexed(node, has_lookup(field))
        if field.name in TRACE_TEXTS:
            return Sql(f"coalesce({TRACE_TEXTS[field.name]}, '') <> ''")
        if field.name == "cost":
            return Sql("t.cost IS NOT NULL")
        if field.name == "tag":
            if field.key is None:
                return Sql("t.tags <> '{}'")
            value = tag_of(field.key)
            return Sql(f"{value.text} IS NOT NULL", value.values)
        if field.name == "score":
            return self._score(node, field)
        return TRUE

    def _tag(self, key: str, node: Compare) -> Sql:
        inner = text_is("tag.value", node.op, node.values)
        value = tag_of(key)
        return Sql(
            f"EXISTS (SELECT 1 FROM (SELECT {value.text} AS value) tag WHERE {inner.text})",
            value.values + inner.values,
        )

    def _score(self, node: Compare | Has, field: Field) -> Sql:
        parts = [Sql("s.latest")]
        if field.key is not None:
            parts.append(Sql("s.name = ?", (field.key,)))
        figure, word = self._score_values(node)
        if self._sets is None:
            where = all_of([*parts, any_of([figure, word])])
            return Sql(
                "EXISTS (SELECT 1 FROM scores s INDEXED BY scores_by_trace "
                f"WHERE s.trace_id = t.trace_id AND {where.text})",
                where.values,
            )
        found = [
            all_of([*parts, Sql(f"s.trace_id IS NOT NULL AND s.{column} IS NOT NULL"), value])
            for column, value in (("figure", figure), ("word", word))
            if value != FALSE
        ]
        return any_of(
            [
                Sql(f"t.trace_id IN (SELECT s.trace_id FROM scores s WHERE {w.text})", w.values)
                for w in found
            ]
        )

    def _score_values(self, node: Compare | Has) -> tuple[Sql, Sql]:
        """Return what must hold of the figure, or else of the word."""
        if isinstance(node, Has):
            return Sql("s.figure IS NOT NULL"), Sql("s.word <> ''")
        figure = number_is("s.figure", node.op, [v for v in node.values if not v.prefix])
        if node.op.is_ordered:
            return figure, FALSE
        # Words are kept folded.
        word = text_is("s.word", Op.EQUAL, [folded_value(value) for value in node.values])
        if node.op is Op.EQUAL:
            word = all_of([word, Sql("pellucid_score(?, s.content)", (self._ask(node),))])
        return figure, word

    # -- what the index answers ------------------------------------------------------------------

    def _indexed(self, node: Node, lookup: Lookup | None) -> Sql:
        """Tell whether some span of the trace meets a node, by the index as far as it goes."""
        self._asks_index = True
        number = self._ask(node)
        whole = Sql("pellucid_whole(?, t.key)", (number,))
        if lookup is None:
            self._reads_bodies = True
            return whole
        parts = [self._asked(ask) for ask in lookup.sure]
        if lookup.maybe:
            if self._sets is not None and not all(map(self._has_few, lookup.maybe)):
                self._reads_bodies = True
            maybe = any_of([self._asked(ask) for ask in lookup.maybe])
            parts.append(only_if(maybe, whole))
        found = any_of(parts)
        if self._has_late:
            late = Sql("pellucid_late(?, t.key)", (number,))
            if self._sets is not None:
                late = all_of([Sql(f"t.key IN {_LISTED}", (self._sets.late,)), late])
            found = any_of([found, late])
        if self._has_stale:
            stale = Sql("pellucid_stale(t.key)")
            if self._sets is not None:
                stale = Sql(f"t.key IN {_LISTED}", (self._sets.stale,))
            text = f"CASE WHEN {stale.text} THEN {whole.text} ELSE {found.text} END"
            found = Sql(text, (*stale.values, *whole.values, *found.values))
        return found

    def _has_few(self, ask: Ask) -> bool:
        return ask.keys is not None and self._is_few(ask.keys)

    def _asked(self, ask: Ask) -> Sql:
        if ask.keys is None:
            assert ask.row is not None, "an ask has one form at least"
            return ask.row
        if self._sets is not None:
            return Sql(f"t.key IN ({ask.keys.text})", ask.keys.values)
        if ask.row is not None and not (ask.is_slow and self._word_sets):
            return ask.row
        return Sql("pellucid_among(?, t.key)", (self._keys(ask.keys),))

    def _any_text(self, texts: list[Text]) -> Sql:
        """Ask for any of several texts in one look-up."""
        if len(texts) == 1 or not are_words(texts):
            return any_of([self._text(text) for text in texts])
        sought = [(words_of(text.text), text.prefix) for text in texts]
        return self._indexed(Or(tuple(texts)), text_lookup(sought))

    def _text(self, node: Text) -> Sql:
        found = self._indexed(node, self._text_lookup(node))
        named = id_of(node)
        return found if named is None else any_of([self._trace(named), found])

    def _text_lookup(self, node: Text) -> Lookup | None:
        words = words_of(node.text)
        return text_lookup([(words, node.prefix)]) if words else None

    # -- of one span -----------------------------------------------------------------------------

    def _in_span(self, node: InSpan, item: Node) -> Sql:
        if isinstance(item, Text) or (
            isinstance(item, Compare | Has) and resolved(item.field).name in OF_SOME_SPAN
        ):
            return self._trace(item)  # the same, said of some span
        trace = trace_of_span(item, self._now)
        columns = span_is(item, self._now)
        if columns is not None:
            self._reads_bodies = True  # not quite, but rows are many, too
            return only_if(trace, some_span(columns))
        # No need of one span is a need of the trace to have it indexed: late ones are asked, too.
        needs = self._span_needs(item)
        has = [any_of([self._asked(ask) for ask in (*n.sure, *n.maybe)]) for n in needs]
        columns = span_may_be(item, self._now)
        if columns is not None:
            has.append(some_span(columns))
        lookup = Lookup(FALSE, [], [Ask(None, all_of(has))]) if has else None
        return only_if(trace, self._indexed(node, lookup))

    def _span_needs(self, node: Node) -> list[Lookup]:
        """Return what the index must have of a trace, some span of which meets a node."""
        match node:
            case And(items):
                return [need for item in items for need in self._span_needs(item)]
            case InSpan(item):
                return self._span_needs(item)
            case Text():
                lookup = None if is_id(node.text) else self._text_lookup(node)
            case Compare(field):
                lookup = fact_lookup(resolved(field), node.op, node.values)
            case _:
                lookup = None
        return [lookup] if lookup is not None else []

    # -- necessary conditions --------------------------------------------------------------------

    def _drivers(self, node: Node, in_span: bool = False) -> list[Sql]:
        match node:
            case And(items):
                return [driver for item in items for driver in self._drivers(item, in_span)]
            case Or(items):
                texts = [item for item in items if isinstance(item, Text)]
                sought = [(words_of(text.text), text.prefix) for text in texts]
                if len(texts) > 1 and are_words(texts):
                    items = tuple(item for item in items if not isinstance(item, Text))
                    choices = [[text_lookup(sought).keys]]
                else:
                    choices = []
                choices += [self._drivers(item, in_span) for item in items]
                if not all(choices) or len(choices) > _CHOICES:
                    return []
                parts = [choice[0] for choice in choices]
                text = " UNION ALL ".join(part.text for part in parts)
                return [Sql(text, tuple(value for part in parts for value in part.values))]
            case InSpan(item):
                return self._drivers(item, in_span=True)
            case Text():
                return self._text_drivers(node)
            case Compare(field):
                return self._compare_drivers(node, resolved(field), in_span)
            case _:
                return []

    def _text_drivers(self, node: Text) -> list[Sql]:
        lookup, named = self._text_lookup(node), id_of(node)
        if lookup is None or named is None:
            return [] if lookup is None else [lookup.keys]
        [ids] = id_drivers(named)
        text = f"{lookup.keys.text} UNION ALL {ids.text}"
        return [Sql(text, lookup.keys.values + ids.values)]

    def _compare_drivers(self, node: Compare, field: Field, in_span: bool) -> list[Sql]:
        if field.name == "status":
            failed = Sql("t.error_count > 0" if in_span else f"t.status = {ERROR}")
            return [keys_where(failed)] if asks_only(node, Status.ERROR, self._now) else []
        if field.name == "score":
            return self._score_drivers(node, field)
        if field.name in ("trace", "span"):
            return id_drivers(node)
        if in_span and field.name == "duration":
            longer = trace_of_span(node, self._now)
            return [] if longer == TRUE else [keys_where(longer)]
        if field.name in DRIVEN_NUMBERS and not in_span:
            if any(is_floor(node.op, value.number) for value in node.values):
                return []
            where = number_is(TRACE_NUMBERS[field.name], node.op, node.values)
            hint = " AND t.error_count > 0" if field.name == "errors" else ""
            return [keys_where(Sql(f"({where.text}){hint}", where.values))]
        lookup = fact_lookup(field, node.op, node.values)
        return [lookup.keys] if lookup is not None else []

    def _score_drivers(self, node: Compare, field: Field) -> list[Sql]:
        where = all_of([Sql("s.name = ?", (field.key,)), any_of(self._score_values(node))])
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
