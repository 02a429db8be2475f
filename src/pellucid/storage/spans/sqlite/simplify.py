"""A query's tree made smaller before it is compiled: what says the same twice is asked once."""

from pellucid.core.query.parser import all_of, any_of
from pellucid.core.query.tree import And, Compare, Field, InSpan, Node, Not, Op, Or, Unresolved


def simplify(node: Node) -> Node:
    """Return a tree that holds of the same traces.

    Repeated items of an AND or OR are dropped, and `a:1 OR a:2` becomes `a:(1, 2)`.
    """
    match node:
        case And(items):
            return all_of(_once([simplify(item) for item in items]))
        case Or(items):
            return any_of(_merged(_once([simplify(item) for item in items])))
        case Not(item):
            return Not(simplify(item))
        case InSpan(item):
            return InSpan(simplify(item))
        case Compare(field, op, values):
            return Compare(field, op, tuple(dict.fromkeys(values)))
    return node


def _once(items: list[Node]) -> list[Node]:
    return list(dict.fromkeys(items))


def _merged(items: list[Node]) -> list[Node]:
    held: dict[tuple[Field | Unresolved, Op], int] = {}
    merged: list[Node] = []
    for item in items:
        if not isinstance(item, Compare) or item.op.is_ordered:
            merged.append(item)
            continue
        at = held.setdefault((item.field, item.op), len(merged))
        if at == len(merged):
            merged.append(item)
            continue
        earlier = merged[at]
        assert isinstance(earlier, Compare), "only comparisons are held"
        values = dict.fromkeys((*earlier.values, *item.values))
        merged[at] = Compare(item.field, item.op, tuple(values))
    return merged
