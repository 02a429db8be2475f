"""Rollups: what dashboards read instead of spans (contracts.md §1).

Durations are counted in buckets whose edges are whole numbers, the same in every engine: each
power of two is cut into 16 equal parts, so that a bucket is at most 6.25 % wide.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from pellucid.core.span import SpanKind, Tokens

ATTO = 10**18
_PARTS = 16
_PART_BITS = 4


class Bounds(NamedTuple):
    """The durations that a bucket holds: `low_ns` ≤ duration < `high_ns`."""

    low_ns: int
    high_ns: int


def latency_bucket(duration_ns: int) -> int:
    """Return the bucket of a duration; below 16 ns each has its own."""
    if duration_ns < _PARTS:
        return max(duration_ns, 0)
    octave = duration_ns.bit_length() - 1 - _PART_BITS
    return (octave << _PART_BITS) + (duration_ns >> octave)


def bucket_bounds(bucket: int) -> Bounds:
    """Return the durations of a bucket."""
    if bucket < _PARTS:
        return Bounds(bucket, bucket + 1)
    octave = (bucket >> _PART_BITS) - 1
    low = (bucket - (octave << _PART_BITS)) << octave
    return Bounds(low, low + (1 << octave))


def percentile_ns(latency: Mapping[int, int], share: float) -> int | None:
    """Return the duration that `share` (0 to 1) of those counted do not exceed; None of none.

    It lies in the true one's bucket, at the place that even spreading gives it.
    """
    total = sum(latency.values())
    if not total:
        return None
    rank = min(max(share, 0.0), 1.0) * total
    below = 0
    for bucket in sorted(latency):
        count = latency[bucket]
        if below + count >= rank and count:
            low, high = bucket_bounds(bucket)
            return int(low + (high - 1 - low) * max(rank - below, 0) / count)
        below += count
    return bucket_bounds(max(latency)).high_ns - 1


def attodollars(cost_usd: float) -> int:
    """Return a cost in whole 10⁻¹⁸ dollars.

    Costs are summed as these in every engine: exactly, so that no order of arrival shows.
    """
    return int(cost_usd * ATTO)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over final spans; tokens and cost over counted ones."""

    count: int
    error_count: int
    tokens: Tokens
    cost_usd: float | None
    """None where no span had a counted cost."""
    latency: dict[int, int]
    """Spans by `latency_bucket`."""


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one cell: spans of a kind and model that started within a step of time."""

    experiment: str
    time_ns: int
    """Start of the step; 0 where there is one step for all time."""
    kind: SpanKind
    model: str | None
    figures: Figures
