"""The order of a trace's spans: depth first, siblings by (start, span id)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

NO_PARENT = -1


class Placed(Protocol):
    """What an order needs of a span."""

    @property
    def span_id(self) -> bytes: ...  # noqa: D102
    @property
    def parent_id(self) -> bytes | None: ...  # noqa: D102
    @property
    def start_ns(self) -> int: ...  # noqa: D102


class Place(NamedTuple):
    """Where a span stands: where it stood in what was given, its parent's row or -1, its depth."""

    at: int
    parent: int
    depth: int


def depth_first(spans: Sequence[Placed]) -> list[Place]:
    """Order spans parents first; a span whose parent is not there stands at the top.

    Where parents run in a circle, the least of the circle stands at the top.
    """
    order = sorted(range(len(spans)), key=lambda i: (spans[i].start_ns, spans[i].span_id))
    index_of = {spans[i].span_id: i for i in order}
    children: dict[int, list[int]] = {}
    tops: list[int] = []
    for i in order:
        parent_id = spans[i].parent_id
        parent = index_of.get(parent_id) if parent_id is not None else None
        if parent is None:
            tops.append(i)
        else:
            children.setdefault(parent, []).append(i)
    places: list[Place] = []
    rows: dict[int, int] = {}
    _walk(tops, children, places, rows)
    for i in order if len(rows) < len(spans) else ():
        if i not in rows:
            _walk([_least_of_circle(i, spans, index_of)], children, places, rows)
    return places


def _walk(
    tops: list[int], children: dict[int, list[int]], places: list[Place], rows: dict[int, int]
) -> None:
    stack = [(top, NO_PARENT, 0) for top in reversed(tops)]
    while stack:
        index, parent, depth = stack.pop()
        if index in rows:
            continue
        row = rows[index] = len(places)
        places.append(Place(index, parent, depth))
        stack.extend((child, row, depth + 1) for child in reversed(children.get(index, ())))


def _least_of_circle(start: int, spans: Sequence[Placed], index_of: dict[bytes, int]) -> int:
    path: list[int] = []
    seen: set[int] = set()
    at = start
    while at not in seen:
        seen.add(at)
        path.append(at)
        parent_id = spans[at].parent_id
        assert parent_id is not None, "only circles are left"
        at = index_of[parent_id]
    circle = path[path.index(at) :]
    return min(circle, key=lambda i: (spans[i].start_ns, spans[i].span_id))
