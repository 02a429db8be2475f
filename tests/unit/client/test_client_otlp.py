from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from pellucid.client.tracing.otlp import (
    ResourceGroup,
    encode_attributes,
    encode_request,
    encode_resource,
    encode_scope,
    encode_span,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)
names = texts.filter(bool)
scalars = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
)
values = st.one_of(scalars, st.lists(texts, max_size=4), st.lists(st.booleans(), max_size=3))
attributes = st.dictionaries(names, values, max_size=8)
times = st.integers(1, 2**63)
contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    trace_state=st.sampled_from([TraceState(), TraceState([("vendor", "x"), ("b", "y")])]),
)
statuses = st.one_of(
    st.just(Status(StatusCode.UNSET)),
    st.just(Status(StatusCode.OK)),
    st.builds(Status, st.just(StatusCode.ERROR), texts),
)
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.builds(Resource, attributes, st.sampled_from(["", "https://schema/1"])),
    attributes=attributes,
    events=st.lists(
        st.builds(Event, name=texts, attributes=attributes, timestamp=times), max_size=3
    ),
    links=st.lists(st.builds(Link, context=contexts, attributes=attributes), max_size=3),
    kind=st.sampled_from(SpanKind),
    status=statuses,
    start_time=times,
    end_time=times,
    instrumentation_scope=st.builds(InstrumentationScope, name=texts, version=st.none() | texts),
)


def _request(batch: Sequence[ReadableSpan]) -> bytes:
    groups: dict[bytes, ResourceGroup] = {}
    for span in batch:
        resource = encode_resource(span, None)
        group = groups.setdefault(resource, ResourceGroup(resource))
        group.add(encode_scope(span, None), encode_span(span))
    return encode_request(list(groups.values()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spans)
def test_a_span_reads_as_opentelemetrys_own_encoder_writes_it(span: ReadableSpan) -> None:
    theirs = encode_spans([span]).resource_spans[0]
    request = ExportTraceServiceRequest.FromString(_request([span]))
    ours = request.resource_spans[0]
    assert ours.resource == theirs.resource
    assert ours.schema_url == theirs.schema_url
    assert ours.scope_spans[0].scope == theirs.scope_spans[0].scope
    mine, other = ours.scope_spans[0].spans[0], theirs.scope_spans[0].spans[0]
    mine.flags &= ~0xFF  # They leave the W3C trace flags out.
    for link, expected in zip(mine.links, other.links, strict=True):
        expected.flags = link.flags  # They leave the remote bit of a link's own context out.
        if not expected.trace_state:
            link.ClearField("trace_state")
    if other.status.code == 0:
        other.status.Clear()
        mine.status.Clear()
    assert mine == other


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(spans, max_size=5))
def test_no_span_of_a_batch_is_lost(batch: list[ReadableSpan]) -> None:
    request = ExportTraceServiceRequest.FromString(_request(batch))
    found = [
        span.span_id
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert sorted(found) == sorted(s.context.span_id.to_bytes(8) for s in batch if s.context)


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError


def _read(value: Any) -> Any:
    body = encode_attributes(b"\x4a", {"name": value}, None)
    span = ExportTraceServiceRequest.FromString(
        b"\x0a"
        + _size(_field(b"\x12", _field(b"\x12", body)))
        + _field(b"\x12", _field(b"\x12", body))
    )
    return span.resource_spans[0].scope_spans[0].spans[0].attributes[0].value


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _size(data) + data


def _size(data: bytes) -> bytes:
    number, out = len(data), bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_values_that_protobuf_has_no_type_for() -> None:
    assert _read("a\ud800b").string_value == "a\\ud800b"
    assert _read(2**70).string_value == str(2**70)
    assert _read(None).WhichOneof("value") is None
    assert _read(b"\x00\xff").bytes_value == b"\x00\xff"
    assert _read({"a": [1, {"b": True}]}).kvlist_value.values[0].value.array_value.values[0] == (
        _read(1)
    )
    assert _read(Odd()).string_value == "<Odd>"
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    assert _read(deep).WhichOneof("value") == "array_value"


def test_what_the_hook_makes_none_of_is_dropped() -> None:
    body = encode_attributes(
        b"\x4a", {"keep": "x", "drop": "y"}, lambda n, v: v if n == "keep" else None
    )
    assert b"keep" in body
    assert b"drop" not in body


def test_an_open_span_is_pending_and_ends_now() -> None:
    span = ReadableSpan(
        "open", SpanContext(1, 2, is_remote=False), start_time=5, resource=Resource({})
    )
    encoded = encode_span(span, pending_at_ns=9)
    group = ResourceGroup(encode_resource(span, None))
    group.add(encode_scope(span, None), encoded)
    request = ExportTraceServiceRequest.FromString(encode_request([group]))
    found = request.resource_spans[0].scope_spans[0].spans[0]
    assert found.end_time_unix_nano == 9
    assert found.attributes[0].key == "pellucid.pending"
    assert found.attributes[0].value.bool_value is True
