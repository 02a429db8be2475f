"""Spans for tests: made in one line, with a reading of them that needs no vocabulary."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from pellucid.core.span import (
    Arrival,
    Attributes,
    DecodedSpan,
    LogRecord,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
    Status,
    Tokens,
)

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
"""Where the time of made spans begins."""


def trace_id(number: int) -> str:
    """Return the trace id of a number."""
    return f"{number:032x}"


def span_id(number: int) -> str:
    """Return the span id of a number; 0 is no span."""
    return f"{number:016x}" if number else ""


def make_span(
    trace: int = 1, number: int = 1, parent: int = 0, *, at: int = 0, took: int = 1, **fields: Any
) -> Span:
    """Make a canonical span that starts `at` seconds after START and `took` seconds.

    Other fields are those of `Span`; `pending=True` makes it a running one.
    """
    if fields.get("pending"):
        fields.setdefault("status", Status.RUNNING)
        took = 0
    fields.setdefault("name", f"span-{number}")
    fields.setdefault("kind", SpanKind.CHAIN)
    return Span(
        trace_id=trace_id(trace),
        span_id=span_id(number),
        parent_id=span_id(parent),
        start_ns=START + at * SECOND,
        duration_ns=took * SECOND,
        **fields,
    )


def make_arrival(
    trace: int = 1,
    number: int = 1,
    parent: int = 0,
    *,
    seen: int = 0,
    attributes: Attributes | None = None,
    resource: Attributes | None = None,
    **fields: Any,
) -> Arrival:
    """Make a span on its way into a store, seen `seen` seconds after START."""
    span = make_span(trace, number, parent, **fields)
    return arrival_of(span, seen=seen, attributes=attributes, resource=resource)


def arrival_of(
    span: Span,
    *,
    seen: int = 0,
    attributes: Attributes | None = None,
    resource: Attributes | None = None,
) -> Arrival:
    """Wrap a canonical span so that `toy_normalise` reads it back from its raw attributes."""
    extra = attributes or {}
    span = replace(span, resource=resource or {}, scope=Scope(name="test"), attributes=extra)
    text = msgspec.json.encode(span).decode()
    decoded = DecodedSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        start_ns=span.start_ns,
        end_ns=span.start_ns + span.duration_ns,
        status_code=2 if span.status is Status.ERROR else 0,
        attributes={"span": text, **extra},
        events=span.events,
        links=span.links,
        resource=span.resource,
        scope=span.scope,
        experiment=span.experiment,
    )
    return Arrival(
        decoded=decoded,
        span=span,
        digest=toy_digest(decoded),
        attribute_count=len(decoded.attributes),
        seen_ns=START + seen * SECOND,
        normaliser=1,
    )


def toy_digest(decoded: DecodedSpan) -> bytes:
    """Return a digest of a decoded span that does not depend on the order of keys."""
    data = msgspec.msgpack.encode(decoded, order="deterministic")
    return hashlib.blake2b(data, digest_size=16).digest()


def toy_normalise(decoded: DecodedSpan, logs: Sequence[LogRecord] = ()) -> Span:
    """Read back what `arrival_of` wrapped, with log records as events after its own."""
    span = msgspec.json.decode(decoded.attributes["span"], type=Span)
    joined = [
        SpanEvent(
            name=record.event_name or "log",
            time_ns=record.time_ns,
            attributes={**record.attributes, "body": record.body},
        )
        for record in sorted(logs, key=lambda record: (record.time_ns, record.digest))
    ]
    extra = {name: value for name, value in decoded.attributes.items() if name != "span"}
    return replace(span, attributes=extra, events=[*decoded.events, *joined])


def make_log(
    trace: int, number: int, name: str = "log", *, at: int = 0, body: Any = None
) -> LogRecord:
    """Make a log record of a span."""
    key = f"{trace}/{number}/{name}/{at}/{body!r}"
    return LogRecord(
        trace_id=trace_id(trace),
        span_id=span_id(number),
        digest=hashlib.blake2b(key.encode(), digest_size=16).digest(),
        time_ns=START + at * SECOND,
        event_name=name,
        body=body,
    )


def usage(input: int = 10, output: int = 5) -> Tokens:
    """Make token counts."""
    return Tokens(input=input, output=output)
