"""A span's row, and the span that it stands for."""

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pellucid.core.span import Status, StoredSpan
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import (
    COST_COUNTED,
    ERROR,
    INTERRUPTED_AFTER_NS,
    OK,
    TOKENS_COUNTED,
)


class Outline(NamedTuple):
    """Where a span's body lies and what its trace says about it."""

    id: int
    span_id: bytes
    parent_id: bytes | None
    start_ns: int
    status: int
    counted: int
    last_seen_ns: int
    block: int
    slot: int


def status_at(code: int, last_seen_ns: int, now: int) -> Status:
    """Return the status of a row: a pending one is interrupted once nothing is heard of it."""
    if code == OK:
        return Status.OK
    if code == ERROR:
        return Status.ERROR
    return Status.INTERRUPTED if now - last_seen_ns > INTERRUPTED_AFTER_NS else Status.RUNNING


def stored_span(row: Outline, packed: msgspec.Raw, now: int) -> StoredSpan:
    """Return the span of a row, given its packed body."""
    body = bodies.unpack(packed)
    span = body.span
    status = status_at(row.status, row.last_seen_ns, now)
    if span.status is not status:
        span = replace(span, status=status)
    return StoredSpan(
        span=span,
        raw=body.decoded.attributes,
        counted=bool(row.counted & TOKENS_COUNTED),
        cost_counted=bool(row.counted & COST_COUNTED),
        last_seen_ns=row.last_seen_ns,
    )
