"""What columns tell of `span( … )`, whose terms must all hold of one span.

It spares the reading of bodies: a trace is looked into only where its own row, and then a row of
its spans, leaves the question open.
"""

from typing import Final

from pellucid.core.query.tree import And, Compare, Everything, Field, InSpan, Node, Not, Op, Or
from pellucid.core.span import Status
from pellucid.storage.spans.sqlite.columns import (
    SPAN_NUMBERS,
    SPAN_TEXTS,
    TRACE_NUMBERS,
    asks_only,
    has_kind,
    kind_codes,
    kind_is,
    resolved,
    status_is,
)
from pellucid.storage.spans.sqlite.predicate import (
    TRUE,
    Sql,
    all_of,
    any_of,
    negate,
    number_is,
    start_is,
    text_is,
)

_LONGER: Final = (Op.GREATER, Op.GREATER_EQUAL)


def span_is(node: Node, now: int) -> Sql | None:
    """Compile a node to SQL over a row `s` of spans; None where columns do not tell."""
    match node:
        case Everything():
            return TRUE
        case And(items) | Or(items):
            parts = [part for item in items if (part := span_is(item, now)) is not None]
            if len(parts) < len(items):
                return None
            return all_of(parts) if isinstance(node, And) else any_of(parts)
        case Not(item):
            inner = span_is(item, now)
            return negate(inner) if inner is not None else None
        case InSpan(item):
            return span_is(item, now)
        case Compare(field):
            return _compare(node, resolved(field), now)
        case _:
            return None


def span_may_be(node: Node, now: int) -> Sql | None:
    """Return what columns tell of all that must hold of a row `s` of spans; None if nothing."""
    if not isinstance(node, And):
        return None
    parts = [part for item in node.items if (part := span_is(item, now)) is not None]
    return all_of(parts) if parts else None


def trace_of_span(node: Node, now: int) -> Sql:
    """Return what must hold of a row `t` of traces where a node holds of one of its spans."""
    match node:
        case And(items):
            parts = [part for item in items if (part := trace_of_span(item, now)) != TRUE]
            return all_of(parts)
        case Compare(Field(name="kind")):
            return has_kind(kind_codes(node, now))
        case Compare(Field(name="status")) if asks_only(node, Status.ERROR, now):
            return Sql("t.error_count > 0")
        case Compare(Field(name="duration"), op, values) if op in _LONGER:
            return number_is(TRACE_NUMBERS["duration"], op, values)  # no span is longer
        case _:
            return TRUE


def _compare(node: Compare, field: Field, now: int) -> Sql | None:
    op, values, name = node.op, node.values, field.name
    if name in SPAN_NUMBERS:
        return number_is(SPAN_NUMBERS[name], op, values)
    if name in SPAN_TEXTS:
        return text_is(SPAN_TEXTS[name], op, values)
    if name in ("since", "until"):
        return start_is("s.start_ns", name, values, now)
    if name == "status":
        return status_is("s", "s.last_seen_ns", node, now)
    if name == "kind":
        return kind_is("s.kind", kind_codes(node, now))
    return None
