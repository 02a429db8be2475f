"""OTLP in JSON: the same spans as in protobuf, and everything that JSON can get wrong."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from pellucid.core.errors import InvalidInput
from pellucid.core.span import DecodedSpan
from pellucid.server.ingest import otlp_json, protobuf
from pellucid.server.ingest.spans import TOO_DEEP

SPAN: dict[str, Any] = {
    "traceId": "0AF7651916CD43DD8448EB211C80319C",
    "spanId": "b7ad6b7169203331",
    "name": "span",
    "startTimeUnixNano": "1000",
    "endTimeUnixNano": 2000,
}


def body(*spans: Any, **envelope: Any) -> bytes:
    scope_spans = {"scope": {"name": "lib"}, "spans": list(spans)}
    return json.dumps({"resourceSpans": [{"scopeSpans": [scope_spans]}], **envelope}).encode()


def decode_one(**fields: Any) -> DecodedSpan:
    batch = otlp_json.decode_traces(body(SPAN | fields), None)
    assert batch.faults == []
    (span,) = batch.spans
    return span


def reason_of(**fields: Any) -> str:
    batch = otlp_json.decode_traces(body(SPAN, SPAN | fields, SPAN), None)
    assert len(batch.spans) == 2
    (fault,) = batch.faults
    assert "spans[1]" in fault.subject
    return fault.reason


def attribute(value: Any) -> list[Any]:
    return [{"key": "k", "value": value}]


def test_ids_fold_case_and_numbers_may_be_strings() -> None:
    span = decode_one(parentSpanId="", kind="SPAN_KIND_CLIENT", status={"code": 2}, flags=1.0)
    assert span.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert (span.start_ns, span.end_ns) == (1000, 2000)
    assert (span.parent_id, span.otel_kind, span.status_code, span.flags) == ("", 3, 2, 1)


def test_snake_case_is_read_too() -> None:
    snake = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "start_time_unix_nano": 1,
        "end_time_unix_nano": "2",
        "attributes": attribute({"string_value": "x"}),
    }
    document = {"resource_spans": [{"scope_spans": [{"spans": [snake]}]}]}
    (span,) = otlp_json.decode_traces(json.dumps(document).encode(), "header").spans
    assert (span.start_ns, span.end_ns) == (1, 2)
    assert (span.attributes, span.experiment) == ({"k": "x"}, "header")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": 7}, 7),
        ({"doubleValue": 1}, 1.0),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"bytesValue": "_w=="}, b"\xff"),
        ({"arrayValue": {"values": [{"intValue": 1}, {}]}}, [1, None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": attribute({"stringValue": "x"})}}, {"k": "x"}),
        ({}, None),
        (None, None),
        ({"unknownValue": 1}, None),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    assert decode_one(attributes=attribute(value)).attributes == {"k": expected}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"traceId": "abc"}, "trace_id has 1.5 bytes instead of 16"),
        ({"traceId": "g" * 32}, "traceId is not hexadecimal"),
        ({"traceId": 5}, "traceId is not a string"),
        ({"traceId": None}, "trace_id has 0 bytes"),
        ({"spanId": "0" * 16}, "span_id is all zeros"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano is not an integer"),
        ({"startTimeUnixNano": -1}, "startTimeUnixNano is -1"),
        ({"startTimeUnixNano": True}, "startTimeUnixNano is not an integer"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano is not an integer"),
        ({"endTimeUnixNano": str(2**63)}, "beyond the year 2262"),
        ({"name": 1}, "name is not a string"),
        ({"kind": "KIND"}, "kind is not one of"),
        ({"status": []}, "status is not an object"),
        ({"attributes": {}}, "attributes is not a list"),
        ({"attributes": ["x"]}, "an attribute is not an object"),
        ({"attributes": attribute("x")}, "attribute 'k' has a value that is no object"),
        ({"attributes": attribute({"intValue": "1e3"})}, "'k' has an intValue that is no 64-bit"),
        ({"attributes": attribute({"intValue": 2**63})}, "'k' has an intValue that is no 64-bit"),
        ({"attributes": attribute({"bytesValue": "!"})}, "bytesValue that is not base64"),
        ({"attributes": attribute({"boolValue": 1})}, "boolValue that is neither"),
        ({"attributes": attribute({"doubleValue": "x"})}, "doubleValue that is no number"),
        ({"events": "x"}, "events is not a list"),
        ({"links": [1]}, "a link is not an object"),
        ({"flags": -1}, "flags is not an unsigned"),
    ],
)
def test_a_span_that_breaks_a_rule_is_named_and_its_neighbours_are_kept(
    fields: dict[str, Any], reason: str
) -> None:
    assert reason in reason_of(**fields)


def test_values_nested_too_deeply_lose_only_themselves() -> None:
    value: Any = {"intValue": 1}
    for _ in range(100):
        value = {"arrayValue": {"values": [value]}}
    deep = dict(SPAN, attributes=[*attribute(value), {"key": "b", "value": {"intValue": 2}}])
    batch = otlp_json.decode_traces(body(deep), None)
    assert batch.faults == []
    assert batch.spans[0].attributes == {"k": TOO_DEEP, "b": 2}
    assert "attribute 'k' is nested too deeply" in batch.warnings[0]


def test_a_parent_that_cannot_be_leaves_a_root() -> None:
    batch = otlp_json.decode_traces(body(dict(SPAN, parentSpanId="12")), None)
    assert (batch.faults, batch.spans[0].parent_id) == ([], "")
    assert "parent_span_id has 1 bytes instead of 8" in batch.warnings[0]


def test_a_lone_surrogate_or_invalid_utf8_loses_only_its_span() -> None:
    good, spoiled = dict(SPAN, name="good"), dict(SPAN, name="SPOILED")
    for replacement in (b"\xff", b"\\ud800"):
        raw = body(good, spoiled, good).replace(b"SPOILED", replacement)
        batch = otlp_json.decode_traces(raw, None)
        assert [span.name for span in batch.spans] == ["good", "good"]
        assert "not valid UTF-8" in batch.faults[0].reason


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"null",
        b"5",
        b"{",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": [5]}',
        b'{"resourceSpans": [{"scopeSpans": {}}]}',
        b'{"a": NaN, "b": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"\xff" + b"]" * 100_000,
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        otlp_json.decode_traces(raw, None)


def test_an_empty_request_is_fine() -> None:
    for raw in (b"", b"{}", b'{"resourceSpans": null}', b'{"resourceSpans": [{}]}'):
        assert otlp_json.decode_traces(raw, None).spans == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "resourceSpans", "scopeSpans", "spans", "attributes", "key", "value", "traceId",
                "spanId", "arrayValue", "values", "intValue", "stringValue", "events", "status",
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON_VALUES)
@settings(max_examples=150, deadline=None)
def test_no_json_raises_anything_else(value: Any) -> None:
    spans = body(SPAN | value) if isinstance(value, dict) else body(value)
    for raw in (json.dumps(value).encode(), spans):
        try:
            otlp_json.decode_traces(raw, None)
        except InvalidInput:
            pass


ANY_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def to_proto(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[to_proto(item) for item in value]))
        case _:
            pairs = [KeyValue(key=key, value=to_proto(item)) for key, item in value.items()]
            return AnyValue(kvlist_value=KeyValueList(values=pairs))


def to_json(value: Any) -> Any:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            special = str(value).replace("inf", "Infinity")
            return {"doubleValue": special if abs(value) == float("inf") else value}
        case str():
            return {"stringValue": value}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case list():
            return {"arrayValue": {"values": [to_json(item) for item in value]}}
        case _:
            pairs = [{"key": key, "value": to_json(item)} for key, item in value.items()]
            return {"kvlistValue": {"values": pairs}}


@given(st.dictionaries(st.text(max_size=5), ANY_VALUES, max_size=4), st.text(max_size=5))
@settings(max_examples=100, deadline=None)
def test_both_encodings_say_the_same(attributes: dict[str, Any], name: str) -> None:
    message = ExportTraceServiceRequest()
    proto = message.resource_spans.add().scope_spans.add().spans.add()
    proto.trace_id, proto.span_id = bytes.fromhex(SPAN["traceId"]), bytes.fromhex(SPAN["spanId"])
    proto.name, proto.start_time_unix_nano, proto.end_time_unix_nano = name, 1000, 2000
    proto.attributes.extend(
        KeyValue(key=key, value=to_proto(value)) for key, value in attributes.items()
    )
    pairs = [{"key": key, "value": to_json(value)} for key, value in attributes.items()]
    document = SPAN | {"name": name, "attributes": pairs}
    raw = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [document]}]}]}).encode()
    one = protobuf.decode_traces(message.SerializeToString(), None)
    other = otlp_json.decode_traces(raw, None)
    assert one.faults == other.faults == []
    assert one.spans == other.spans
