"""OTLP traces in protobuf → decoded spans. The whole request at once, else span by span."""

import contextlib
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Attributes, DecodedSpan, Dropped, Scope, SpanEvent, SpanLink
from pellucid.server.ingest import frames
from pellucid.server.ingest.spans import (
    MAX_TIME_NS,
    NO_SPAN,
    NO_TRACE,
    Refused,
    check_parent_id,
    check_span_id,
    check_time,
    check_trace_id,
    choose_experiment,
    name_span,
)
from pellucid.server.services.batch import MAX_FAULTS_NAMED, Batch, Fault

_NOT_DROPPED = Dropped()


def decode_traces(body: bytes, header: str | None) -> Batch:
    """Decode an ExportTraceServiceRequest; `header` is the experiment that a header named.

    Raises InvalidInput if the bytes are no such message. A span that cannot be decoded or breaks
    a rule becomes a fault and leaves its neighbours alone.
    """
    batch = Batch(size_bytes=len(body))
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return _decode_by_frames(body, header, batch)
    for r, resource_spans in enumerate(request.resource_spans):
        resource = attributes_of(resource_spans.resource.attributes)
        for s, scope_spans in enumerate(resource_spans.scope_spans):
            scope = scope_of(scope_spans.scope)
            for i, proto in enumerate(scope_spans.spans):
                try:
                    batch.spans.append(_span(proto, resource, scope, header))
                except Refused as error:
                    batch.faults.append(Fault(_subject(proto, (r, s, i)), str(error)))
    return batch


def attributes_of(pairs: Iterable[KeyValue]) -> Attributes:
    """Return attributes as Python values; of a repeated key the last counts."""
    attributes: Attributes = {}
    for pair in pairs:
        value = pair.value
        # Most values are strings: reading the field first is cheaper than asking which is set.
        text = value.string_value
        attributes[pair.key] = text if text else value_of(value)
    return attributes


def value_of(value: Any) -> Any:
    """Return an AnyValue as a Python value; one without content is None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind)


def scope_of(proto: InstrumentationScope) -> Scope:
    """Return an instrumentation scope."""
    return Scope(name=proto.name, version=proto.version, attributes=attributes_of(proto.attributes))


def _span(proto: Any, resource: Attributes, scope: Scope, header: str | None) -> DecodedSpan:
    trace_id, span_id = proto.trace_id.hex(), proto.span_id.hex()
    parent_id = proto.parent_span_id.hex()
    start_ns, end_ns = proto.start_time_unix_nano, proto.end_time_unix_nano
    if len(trace_id) != 32 or trace_id == NO_TRACE:
        check_trace_id(trace_id)
    if len(span_id) != 16 or span_id == NO_SPAN:
        check_span_id(span_id)
    if parent_id and (len(parent_id) != 16 or parent_id == NO_SPAN):
        parent_id = check_parent_id(parent_id)
    if start_ns > MAX_TIME_NS or end_ns > MAX_TIME_NS:
        check_time("start_time_unix_nano", start_ns)
        check_time("end_time_unix_nano", end_ns)
    attributes = attributes_of(proto.attributes)
    events, links, status = proto.events, proto.links, proto.status
    return DecodedSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=proto.name,
        otel_kind=proto.kind,
        start_ns=start_ns,
        end_ns=end_ns,
        status_code=status.code,
        status_message=status.message,
        trace_state=proto.trace_state,
        flags=proto.flags,
        attributes=attributes,
        events=[_event(event) for event in events] if events else [],
        links=[_link(link) for link in links] if links else [],
        dropped=_dropped(proto),
        resource=resource,
        scope=scope,
        experiment=choose_experiment(attributes, resource, header),
    )


def _event(proto: Any) -> SpanEvent:
    return SpanEvent(
        name=proto.name,
        time_ns=check_time("the time of an event", proto.time_unix_nano),
        attributes=attributes_of(proto.attributes),
        dropped_attributes=proto.dropped_attributes_count,
    )


def _link(proto: Any) -> SpanLink:
    # A link is only shown: one with an odd id is no reason to refuse its span.
    return SpanLink(
        trace_id=proto.trace_id.hex(),
        span_id=proto.span_id.hex(),
        trace_state=proto.trace_state,
        attributes=attributes_of(proto.attributes),
    )


def _dropped(proto: Any) -> Dropped:
    attributes, events = proto.dropped_attributes_count, proto.dropped_events_count
    links = proto.dropped_links_count
    if attributes or events or links:
        return Dropped(attributes=attributes, events=events, links=links)
    return _NOT_DROPPED


def _subject(proto: Any, place: tuple[int, int, int]) -> str:
    return name_span(proto.span_id.hex(), proto.name, place)


def _decode_by_frames(body: bytes, header: str | None, batch: Batch) -> Batch:
    try:
        request = frames.parse("Request", body)
    except DecodeError:
        raise InvalidInput(
            "The body is not an OTLP ExportTraceServiceRequest in protobuf, or it is cut short "
            f"({len(body)} bytes arrived). Nothing of it was stored."
        ) from None
    for r, outer in enumerate(request.resources):
        resource = lenient_resource(outer.resource, batch)
        for s, middle in enumerate(outer.scopes):
            scope = lenient_scope(middle.scope, batch)
            for i, data in enumerate(middle.items):
                try:
                    proto = SpanProto.FromString(data)
                    batch.spans.append(_span(proto, resource, scope, header))
                except DecodeError:
                    batch.faults.append(_fault(data, (r, s, i), len(batch.faults)))
                except Refused as error:
                    batch.faults.append(Fault(_subject(proto, (r, s, i)), str(error)))
    return batch


def _fault(data: bytes, place: tuple[int, int, int], earlier: int) -> Fault:
    if earlier >= MAX_FAULTS_NAMED:
        return Fault(name_span("", "", place), "it cannot be decoded")
    span_id = name = ""
    with contextlib.suppress(DecodeError):
        span = frames.parse("Span", data)
        span_id, name = span.span_id.hex(), frames.to_text(span.name)
    return Fault(name_span(span_id, name, place), frames.find_span_fault(data))


def lenient_resource(encoded: Iterable[bytes], batch: Batch) -> Attributes:
    """Return a resource's attributes; those that do not decode become warnings."""
    attributes: Attributes = {}
    for data in encoded:
        try:
            attributes.update(attributes_of(Resource.FromString(data).attributes))
        except DecodeError:
            attributes.update(_lenient_attributes("Attributes", data, "a resource", batch))
    return attributes


def lenient_scope(encoded: Iterable[bytes], batch: Batch) -> Scope:
    """Return a scope; of its parts those that do not decode become warnings."""
    scope = Scope()
    for data in encoded:
        try:
            scope = scope_of(InstrumentationScope.FromString(data))
        except DecodeError:
            attributes = _lenient_attributes("ScopeParts", data, "a scope", batch)
            with contextlib.suppress(DecodeError):
                parts = frames.parse("ScopeParts", data)
                scope = Scope(
                    name=frames.to_text(parts.name),
                    version=frames.to_text(parts.version),
                    attributes=attributes,
                )
    return scope


def _lenient_attributes(message: str, data: bytes, owner: str, batch: Batch) -> Attributes:
    try:
        kept = frames.keep_pairs(frames.parse(message, data).pairs)
    except DecodeError as error:
        batch.warnings.append(f"{owner} {frames.explain(error)} and was left out")
        return {}
    batch.warnings.extend(f"{owner}'s {fault} and was left out" for fault in kept.faults)
    return attributes_of(kept.pairs)
