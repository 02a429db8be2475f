"""OTLP traces in protobuf → decoded spans."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Attributes, DecodedSpan, Dropped, Scope, SpanEvent, SpanLink
from pellucid.server.ingest import frames
from pellucid.server.ingest.frames import Damaged, TooDeep, attributes_of, explain, read_text
from pellucid.server.ingest.spans import (
    MAX_TIME_NS,
    NO_SPAN,
    NO_TRACE,
    Refused,
    check_span_id,
    check_time,
    check_trace_id,
    choose_experiment,
    keep_parent_id,
    name_span,
)
from pellucid.server.services.batch import WHOLE, Batch, Fault, Part

_NOT_DROPPED = Dropped()
_UNSET = Status()
Place = tuple[int, int, int]
"""Where an item stands: the number of its resource, of its scope in it, and its own in that."""


def decode_traces(body: bytes, header: str | None, part: Part = WHOLE) -> Batch:
    """Decode an ExportTraceServiceRequest; `header` is the experiment that a header named.

    Of several parts the first has what is no trace's: warnings, and all of a damaged request.
    Raises InvalidInput if the bytes are no such message. A span that cannot be decoded or breaks
    a rule becomes a fault and leaves its neighbours alone.
    """
    batch = Batch()
    is_damaged = False
    try:
        request = frames.parse("Traces", body)
    except DecodeError:
        # Some span's frames do not fit: split at the spans, and look into each.
        request, is_damaged = parse_damaged(body, "ExportTraceServiceRequest"), True
        if part.number:
            return batch
        part = WHOLE
    common = Batch() if part.number else batch
    for r, outer in enumerate(request.resources):
        resource = read_resource(outer.resource, common)
        for s, middle in enumerate(outer.scopes):
            scope = read_scope(middle.scope, common)
            for i, item in enumerate(middle.items):
                span = _open(item, (r, s, i), batch) if is_damaged else item
                if span is None or not part.has(span.trace_id):
                    continue
                try:
                    batch.spans.append(_span(span, resource, scope, header, (r, s, i), batch))
                except (Refused, Damaged) as error:
                    batch.faults.append(Fault(_subject(span, (r, s, i)), str(error)))
    return batch


def parse_damaged(body: bytes, name: str) -> Any:
    """Return the frames of a request without looking into its items. Raises InvalidInput."""
    try:
        return frames.parse("Request", body)
    except DecodeError:
        raise InvalidInput(
            f"The body is not an OTLP {name} in protobuf, or it is cut short "
            f"({len(body)} bytes arrived). Nothing of it was stored."
        ) from None


def _open(data: bytes, place: Place, batch: Batch) -> Any:
    try:
        return frames.parse("Span", data)
    except DecodeError:
        batch.faults.append(Fault(name_span("", "", place), "its bytes are malformed"))
        return None


def read_resource(encoded: Iterable[bytes], batch: Batch) -> Attributes:
    """Return a resource's attributes; those that do not decode become warnings."""
    attributes: Attributes = {}
    for data in encoded:
        try:
            parts = frames.parse("ResourceParts", data)
        except DecodeError as error:
            batch.warnings.append(f"a resource {explain(error)} and was left out")
            continue
        attributes |= frames.keep_attributes(parts.attributes, "a resource", batch.warnings)
    return attributes


def read_scope(encoded: Iterable[bytes], batch: Batch) -> Scope:
    """Return a scope; of its parts those that do not decode become warnings."""
    scope = Scope()
    for data in encoded:
        try:
            parts = frames.parse("ScopeParts", data)
        except DecodeError as error:
            batch.warnings.append(f"a scope {explain(error)} and was left out")
            continue
        scope = Scope(
            name=frames.show(parts.name),
            version=frames.show(parts.version),
            attributes=frames.keep_attributes(parts.attributes, "a scope", batch.warnings),
        )
    return scope


def _span(
    span: Any,
    resource: Attributes,
    scope: Scope,
    header: str | None,
    place: Place,
    batch: Batch,
) -> DecodedSpan:
    trace_id, span_id, parent_id = (
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
    )
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    if len(trace_id) != 32 or trace_id == NO_TRACE:
        check_trace_id(trace_id)
    if len(span_id) != 16 or span_id == NO_SPAN:
        check_span_id(span_id)
    if parent_id and (len(parent_id) != 16 or parent_id == NO_SPAN):
        parent_id = keep_parent_id(parent_id, _subject(span, place), batch.warnings)
    if start_ns > MAX_TIME_NS or end_ns > MAX_TIME_NS:
        check_time("start_time_unix_nano", start_ns)
        check_time("end_time_unix_nano", end_ns)
    try:
        attributes = frames.read_attributes(span.attributes)
    except TooDeep:
        subject = _subject(span, place)
        attributes = frames.replace_deep(span.attributes, subject, batch.warnings)
    events, links = span.events, span.links
    status = _status(span.status) if span.status else _UNSET
    return DecodedSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=read_text(span.name, "name"),
        otel_kind=span.kind,
        start_ns=start_ns,
        end_ns=end_ns,
        status_code=status.code,
        status_message=status.message,
        trace_state=read_text(span.trace_state, "trace_state"),
        flags=span.flags,
        attributes=attributes,
        events=[_event(event) for event in events] if events else [],
        links=[_link(link) for link in links] if links else [],
        dropped=_dropped(span),
        resource=resource,
        scope=scope,
        experiment=choose_experiment(attributes, resource, header),
    )


def _subject(span: Any, place: Place) -> str:
    return name_span(span.span_id.hex(), frames.show(span.name), place)


def _status(data: bytes) -> Status:
    try:
        status: Status = Status.FromString(data)
    except DecodeError as error:
        raise Damaged(f"status {explain(error)}") from None
    return status


def _event(data: bytes) -> SpanEvent:
    try:
        event = SpanProto.Event.FromString(data)
    except DecodeError as error:
        raise Damaged(f"an event {explain(error)}") from None
    return SpanEvent(
        name=event.name,
        time_ns=check_time("the time of an event", event.time_unix_nano),
        attributes=attributes_of(event.attributes),
        dropped_attributes=event.dropped_attributes_count,
    )


def _link(data: bytes) -> SpanLink:
    try:
        link = SpanProto.Link.FromString(data)
    except DecodeError as error:
        raise Damaged(f"a link {explain(error)}") from None
    # A link is only shown: one with an odd id is no reason to refuse its span.
    return SpanLink(
        trace_id=link.trace_id.hex(),
        span_id=link.span_id.hex(),
        trace_state=link.trace_state,
        attributes=attributes_of(link.attributes),
    )


def _dropped(span: Any) -> Dropped:
    attributes, events = span.dropped_attributes_count, span.dropped_events_count
    links = span.dropped_links_count
    if attributes or events or links:
        return Dropped(attributes=attributes, events=events, links=links)
    return _NOT_DROPPED
