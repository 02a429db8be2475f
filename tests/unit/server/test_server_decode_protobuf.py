"""OTLP in protobuf: what decodes, what is refused, and that a bad span leaves its neighbours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pellucid.core.errors import InvalidInput
from pellucid.core.span import DecodedSpan, Dropped, Scope, SpanEvent, SpanLink
from pellucid.server.ingest.protobuf import decode_traces
from pellucid.server.ingest.spans import TOO_DEEP

TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN = bytes.fromhex("b7ad6b7169203331")


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def span(number: int = 1, **fields: object) -> Span:
    values: dict[str, object] = {
        "trace_id": TRACE,
        "span_id": number.to_bytes(8),
        "name": f"span {number}",
        "start_time_unix_nano": 1_000,
        "end_time_unix_nano": 2_000,
    }
    return Span(**(values | fields))  # type: ignore[arg-type]


def request(*spans: Span) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.append(text("service.name", "agent"))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "lib"
    scope_spans.scope.version = "1.0"
    scope_spans.spans.extend(spans)
    return message


def framed(tag: int, content: bytes) -> bytes:
    """Return one field with its tag and length."""
    length = len(content)
    size = bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
    return bytes([tag]) + size + content


def spoil(body: bytes, text: str) -> bytes:
    """Turn a text inside an encoded body into something that is not UTF-8, of the same length."""
    assert body.count(text.encode()) == 1
    return body.replace(text.encode(), b"\xff" * len(text))


def test_every_field_arrives() -> None:
    full = span(
        parent_span_id=SPAN,
        kind=3,
        trace_state="a=b",
        flags=257,
        status={"code": 2, "message": "boom"},
        attributes=[
            text("text", "x"),
            text("empty", ""),
            KeyValue(key="yes", value=AnyValue(bool_value=True)),
            KeyValue(key="no", value=AnyValue(bool_value=False)),
            KeyValue(key="int", value=AnyValue(int_value=-5)),
            KeyValue(key="zero", value=AnyValue(int_value=0)),
            KeyValue(key="float", value=AnyValue(double_value=0.5)),
            KeyValue(key="bytes", value=AnyValue(bytes_value=b"\xff")),
            KeyValue(key="none", value=AnyValue()),
            KeyValue(
                key="list",
                value=AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])),
            ),
            KeyValue(key="map", value=AnyValue(kvlist_value=KeyValueList(values=[text("a", "b")]))),
        ],
        events=[{"name": "e", "time_unix_nano": 7, "attributes": [text("k", "v")]}],
        links=[{"trace_id": TRACE, "span_id": SPAN, "trace_state": "c=d"}],
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    batch = decode_traces(request(full).SerializeToString(), None)
    assert batch.faults == []
    assert batch.spans == [
        DecodedSpan(
            trace_id=TRACE.hex(),
            span_id="0000000000000001",
            parent_id=SPAN.hex(),
            name="span 1",
            otel_kind=3,
            start_ns=1_000,
            end_ns=2_000,
            status_code=2,
            status_message="boom",
            trace_state="a=b",
            flags=257,
            attributes={
                "text": "x",
                "empty": "",
                "yes": True,
                "no": False,
                "int": -5,
                "zero": 0,
                "float": 0.5,
                "bytes": b"\xff",
                "none": None,
                "list": [1, None],
                "map": {"a": "b"},
            },
            events=[SpanEvent(name="e", time_ns=7, attributes={"k": "v"})],
            links=[SpanLink(trace_id=TRACE.hex(), span_id=SPAN.hex(), trace_state="c=d")],
            dropped=Dropped(attributes=1, events=2, links=3),
            resource={"service.name": "agent"},
            scope=Scope(name="lib", version="1.0"),
        )
    ]


def test_an_empty_body_is_an_empty_request() -> None:
    assert decode_traces(b"", None).spans == []


@pytest.mark.parametrize(
    ("on_span", "on_resource", "header", "expected"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "c", "c"),
        (None, None, None, "default"),
        ("", "", "", "default"),
        ("with\ncontrol\x7f", None, None, "with-control-"),
        ("é 漢字", None, None, "é 漢字"),
        ("x" * 300, None, None, "x" * 200),
    ],
)
def test_experiment(
    on_span: str | None, on_resource: str | None, header: str | None, expected: str
) -> None:
    message = request(span())
    outer = message.resource_spans[0]
    if on_span is not None:
        outer.scope_spans[0].spans[0].attributes.append(text("pellucid.experiment", on_span))
    if on_resource is not None:
        outer.resource.attributes.append(text("pellucid.experiment", on_resource))
    batch = decode_traces(message.SerializeToString(), header)
    assert [span.experiment for span in batch.spans] == [expected]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b"short"}, "trace_id has 5 bytes instead of 16"),
        ({"trace_id": b""}, "trace_id has 0 bytes instead of 16"),
        ({"trace_id": bytes(16)}, "trace_id is all zeros"),
        ({"span_id": b"longer than 8"}, "span_id has 13 bytes instead of 8"),
        ({"span_id": bytes(8)}, "span_id is all zeros"),
        ({"end_time_unix_nano": 2**63}, "end_time_unix_nano is 9223372036854775808"),
    ],
)
def test_a_span_that_breaks_a_rule_is_named_and_its_neighbours_are_kept(
    fields: dict[str, object], reason: str
) -> None:
    body = request(span(1), span(2, **fields), span(3)).SerializeToString()
    batch = decode_traces(body, None)
    assert [span.name for span in batch.spans] == ["span 1", "span 3"]
    assert len(batch.faults) == 1
    assert "'span 2'" in batch.faults[0].subject
    assert "spans[1]" in batch.faults[0].subject
    assert reason in batch.faults[0].reason


def test_zeros_as_parent_are_no_parent() -> None:
    batch = decode_traces(request(span(parent_span_id=bytes(8))).SerializeToString(), None)
    assert [span.parent_id for span in batch.spans] == [""]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "SPOILED"}, "name is not valid UTF-8"),
        ({"trace_state": "SPOILED"}, "trace_state is not valid UTF-8"),
        ({"attributes": [text("a", "b"), text("key", "SPOILED")]}, "'key' is not valid UTF-8"),
        ({"attributes": [text("SPOILED", "v")]}, "is not valid UTF-8"),
        ({"events": [{"name": "SPOILED"}]}, "an event is not valid UTF-8"),
        ({"links": [{"trace_state": "SPOILED"}]}, "a link is not valid UTF-8"),
        ({"status": {"message": "SPOILED"}}, "status is not valid UTF-8"),
    ],
)
def test_one_invalid_string_loses_only_its_span(fields: dict[str, object], reason: str) -> None:
    body = request(span(1), span(2, **fields), span(3)).SerializeToString()
    batch = decode_traces(spoil(body, "SPOILED"), None)
    assert [span.name for span in batch.spans] == ["span 1", "span 3"]
    assert batch.spans[0].resource == {"service.name": "agent"}
    assert batch.spans[0].scope == Scope(name="lib", version="1.0")
    assert len(batch.faults) == 1
    assert "span_id 0000000000000002" in batch.faults[0].subject
    assert reason in batch.faults[0].reason


def test_an_invalid_resource_or_scope_string_loses_no_span() -> None:
    message = request(span(1))
    message.resource_spans[0].resource.attributes.append(text("host", "SPOILED"))
    body = spoil(message.SerializeToString(), "SPOILED")
    body = body.replace(b"1.0", b"1\xff0")
    batch = decode_traces(body, None)
    assert batch.faults == []
    assert [span.resource for span in batch.spans] == [{"service.name": "agent"}]
    assert [span.scope.name for span in batch.spans] == ["lib"]
    assert any("'host' is not valid UTF-8" in warning for warning in batch.warnings)


def test_a_parent_that_cannot_be_leaves_a_root() -> None:
    batch = decode_traces(request(span(2, parent_span_id=b"1")).SerializeToString(), None)
    assert (batch.faults, batch.spans[0].parent_id) == ([], "")
    assert "'span 2'" in batch.warnings[0]
    assert "parent_span_id has 1 bytes instead of 8" in batch.warnings[0]


def test_values_nested_too_deeply_lose_only_themselves() -> None:
    # By hand, because the library does not build what it does not read.
    value = AnyValue(string_value="x").SerializeToString()
    for _ in range(60):
        value = framed(0x2A, framed(0x0A, value))
    attribute = framed(0x0A, b"deep") + framed(0x12, value)
    deep = span(2).SerializeToString() + framed(0x4A, attribute)
    spans = framed(0x12, span(1).SerializeToString()) + framed(0x12, deep)
    batch = decode_traces(framed(0x0A, framed(0x12, spans)), None)
    assert batch.faults == []
    assert [span.name for span in batch.spans] == ["span 1", "span 2"]
    kept = span(2).attributes
    assert batch.spans[1].attributes["deep"] == TOO_DEEP
    assert len(batch.spans[1].attributes) == len(kept) + 1
    assert "'span 2'" in batch.warnings[0]
    assert "attribute 'deep' is nested too deeply" in batch.warnings[0]


def test_a_body_cut_anywhere_is_refused_or_whole() -> None:
    body = request(span(1), span(2)).SerializeToString()
    for length in range(1, len(body)):
        with pytest.raises(InvalidInput, match="cut short"):
            decode_traces(body[:length], None)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        decode_traces(body, None)
    except InvalidInput:
        pass


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    body = bytearray(
        request(span(1, attributes=[text("a", "b" * 20)]), span(2), span(3)).SerializeToString()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    try:
        batch = decode_traces(bytes(body), None)
    except InvalidInput:
        return
    assert all(len(span.trace_id) == 32 and len(span.span_id) == 16 for span in batch.spans)
