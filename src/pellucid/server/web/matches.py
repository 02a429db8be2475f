"""Which words of a query a page marks, and which spans of a trace hold them."""

from collections.abc import Iterable

from pellucid.core.clock import now_ns
from pellucid.core.errors import QuerySyntaxError
from pellucid.core.matching import holds
from pellucid.core.query import TRACES, And, InSpan, Node, Or, Text, parse, words_of
from pellucid.core.span import StoredSpan

MOST_WORDS = 20


def list_marks(query: str) -> list[str]:
    """Return what to mark for a query's full text: words apart by spaces, `*` where only begun.

    What the query rules out is not marked; a query that cannot be read marks nothing.
    """
    marks = []
    for node in _sought(query):
        if isinstance(node, Text) and (words := words_of(node.text)):
            marks.append(" ".join(words) + ("*" if node.prefix else ""))
    return marks[:MOST_WORDS]


def find_spans(query: str, spans: Iterable[StoredSpan]) -> list[str]:
    """Return the ids of the spans that hold a text of the query, or meet a `span( … )` of it."""
    sought = _sought(query)
    now = now_ns()
    return [
        stored.span.span_id
        for stored in spans
        if any(holds(node, stored, (), now) for node in sought)
    ]


def _sought(query: str) -> list[Text | InSpan]:
    if not query.strip():
        return []
    try:
        return list(_leaves(parse(query, TRACES).root))
    except QuerySyntaxError:
        return []


def _leaves(node: Node) -> Iterable[Text | InSpan]:
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _leaves(item)
        case Text() | InSpan():
            yield node
        case _:
            return
