"""One span, as far as its trace depends on it."""

import math
from typing import NamedTuple

import msgspec
from msgspec.structs import astuple

from pellucid.core.span import Arrival, Span, Status
from pellucid.storage.spans.sqlite.codes import (
    COST_MAX,
    ERROR,
    INT64_MAX,
    KIND_CODES,
    OK,
    PENDING,
    TOKENS_MAX,
)

Rank = tuple[bool, int, int, bytes]
"""What decides between two arrivals of one span: final, end, number of attributes, digest."""

Key = tuple[int, bytes]
"""(start, span id): the order among spans."""


class Labels(NamedTuple):
    """What many spans of a trace share."""

    experiment: str
    run_id: str | None
    session_id: str | None
    user_id: str | None
    tags: tuple[tuple[str, str], ...]


class TokenCounts(NamedTuple):
    """`core.span.Tokens` as a row has it, in the same order."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    image: int


NO_TOKENS = TokenCounts(0, 0, 0, 0, 0, 0)


class Node(msgspec.Struct, array_like=True, kw_only=True, eq=False):
    """One merged span, as far as its trace's fields depend on it."""

    key: Key
    parent_id: bytes | None
    rank: Rank
    seen_ns: int
    duration_ns: int
    kind: int
    status: int
    name: str
    model: str | None
    tokens: TokenCounts
    usage: bool
    """Final, with any token figure above 0."""
    cost: float | None
    """As reported."""
    estimate: float | None
    labels: Labels
    usage_below: bool = False
    """Whether a final descendant carries usage."""
    cost_below: bool = False
    """Whether a final descendant carries a reported cost above 0."""
    counted: int = 0
    """The bits that the store holds for it now; `TraceState.settle` brings them up to date."""
    id: int = 0
    block: int = 0
    slot: int = 0

    @property
    def has_cost(self) -> bool:
        """Whether it is final and its producer reported a cost above 0."""
        return self.cost is not None and self.cost > 0 and self.status != PENDING

    @property
    def end_ns(self) -> int:
        """When it ended."""
        return self.key[0] + self.duration_ns


def rank_of(arrival: Arrival) -> Rank:
    """Return an arrival's place in the order of versions of one span."""
    end = within(arrival.decoded.end_ns, INT64_MAX)
    return (not arrival.span.pending, end, arrival.attribute_count, arrival.digest)


def node_of(arrival: Arrival, rank: Rank, span_id: bytes) -> Node:
    """Read from an arrival what its trace needs of it; `id`, `block`, `slot` are still to be set.

    Figures that no column could hold, or that are no figures, are brought into range.
    """
    span = arrival.span
    start = within(span.start_ns, INT64_MAX)
    tokens = _token_counts(span)
    return Node(
        key=(start, span_id),
        parent_id=bytes.fromhex(span.parent_id) if span.parent_id else None,
        rank=rank,
        seen_ns=within(arrival.seen_ns, INT64_MAX),
        duration_ns=within(span.duration_ns, INT64_MAX - start),
        kind=KIND_CODES[span.kind],
        status=PENDING if span.pending else ERROR if span.status is Status.ERROR else OK,
        name=span.name,
        model=span.model,
        tokens=tokens,
        usage=tokens is not NO_TOKENS and not span.pending,
        cost=_cost(span.cost_usd),
        estimate=_cost(span.estimated_cost_usd),
        labels=labels_of(span),
    )


def within(number: int, most: int) -> int:
    """Return a number, or the nearest that is from 0 to `most`."""
    return number if 0 <= number <= most else 0 if number < 0 else most


def labels_of(span: Span) -> Labels:
    """Return what a span shares with others of its trace."""
    tags = tuple(sorted(span.tags.items())) if span.tags else ()
    return Labels(span.experiment, span.run_id, span.session_id, span.user_id, tags)


def _token_counts(span: Span) -> TokenCounts:
    tokens = span.tokens
    if not tokens.has_usage:
        return NO_TOKENS
    figures = astuple(tokens)
    if min(figures) < 0 or max(figures) > TOKENS_MAX:
        figures = tuple(within(figure, TOKENS_MAX) for figure in figures)
    return TokenCounts._make(figures)


def _cost(value: float | None) -> float | None:
    if value is None or not math.isfinite(value) or value < 0:
        return None
    return min(float(value), COST_MAX)
