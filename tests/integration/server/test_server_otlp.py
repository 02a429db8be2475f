"""The OTLP door of a real server: what it takes, what it refuses, and how it says so."""

import base64
import gzip
import json
import secrets
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import zstandard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from pellucid.testing.live import LiveServer

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def client(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


def request(trace_id: bytes, names: list[str], **fields: Any) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number, name in enumerate(names, 1):
        spans.add(
            trace_id=trace_id,
            span_id=number.to_bytes(8),
            name=name,
            start_time_unix_nano=number * 1_000,
            end_time_unix_nano=number * 1_000 + 500,
            **fields,
        )
    return message


def rpc_status(response: httpx.Response) -> tuple[int, str]:
    """Read a google.rpc.Status from its two fields, in either encoding."""
    if response.headers["content-type"] == "application/json":
        document = response.json()
        return document["code"], document["message"]
    assert response.headers["content-type"] == "application/x-protobuf"
    body = response.content
    assert body[0] == 0x08
    assert body[2] == 0x12
    start = 4 if body[3] < 0x80 else 5
    return body[1], body[start:].decode()


def names_of(client: httpx.Client, trace_id: bytes) -> list[str]:
    response = client.get(f"/api/v1/traces/{trace_id.hex()}")
    return (
        [span["name"] for span in response.json()["spans"]] if response.status_code == 200 else []
    )


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd", "identity"])
def test_protobuf_in_every_encoding_can_be_read_at_once(
    client: httpx.Client, encoding: str
) -> None:
    trace_id = secrets.token_bytes(16)
    body = request(trace_id, ["one", "two"]).SerializeToString()
    pack: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.compress,
    }
    packed = pack.get(encoding, bytes)(body)
    headers = PROTOBUF | ({"content-encoding": encoding} if encoding else {})
    response = client.post("/v1/traces", content=packed, headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-protobuf"
    assert names_of(client, trace_id) == ["one", "two"]


def test_json_can_be_read_at_once(client: httpx.Client) -> None:
    trace_id = secrets.token_bytes(16)
    span = {
        "traceId": trace_id.hex(),
        "spanId": "00000000000000aa",
        "name": "json",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "9",
        "attributes": [{"key": "tenant", "value": {"intValue": "42"}}],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    headers = JSON | {"x-pellucid-experiment": "from header"}
    response = client.post("/v1/traces", content=json.dumps(body), headers=headers)
    assert (response.status_code, response.json()) == (200, {})
    detail = client.get(f"/api/v1/traces/{trace_id.hex()}").json()
    assert detail["trace"]["experiment"] == "from header"
    assert detail["spans"][0]["attributes"] == {"tenant": 42}


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_empty_requests_are_fine(client: httpx.Client, path: str) -> None:
    assert client.post(path, headers=PROTOBUF).status_code == 200
    assert client.post(path, content=b"{}", headers=JSON).status_code == 200


def test_metrics_are_answered_and_said_not_to_be_kept(client: httpx.Client) -> None:
    response = client.post("/v1/metrics", content=b"{}", headers=JSON)
    assert "not kept" in response.json()["partialSuccess"]["errorMessage"]


def test_the_good_spans_of_a_batch_with_bad_ones_are_kept(client: httpx.Client) -> None:
    trace_id = secrets.token_bytes(16)
    message = request(trace_id, ["good", "short", "SPOILED", "also good"])
    message.resource_spans[0].scope_spans[0].spans[1].trace_id = b"1234"
    body = message.SerializeToString().replace(b"SPOILED", b"\xff\xff\xff\xff\xff\xff\xff")
    response = client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == 2
    assert "'short'" in partial.error_message
    assert "4 bytes instead of 16" in partial.error_message
    assert "name is not valid UTF-8" in partial.error_message
    assert names_of(client, trace_id) == ["good", "also good"]


def test_a_batch_without_a_good_span_is_refused(client: httpx.Client) -> None:
    body = request(b"1234", ["bad"]).SerializeToString()
    response = client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert response.status_code == 400
    code, message = rpc_status(response)
    assert code == 3
    assert "Nothing was stored" in message
    assert "'bad'" in message


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"junk", PROTOBUF, 400, "cut short"),
        (request(bytes(15) + b"1", ["x"]).SerializeToString()[:-3], PROTOBUF, 400, "cut short"),
        (b"[" * 100_000, JSON, 400, "nested too deeply"),
        (b"{", JSON, 400, "not JSON"),
        (b"[]", JSON, 400, "not an object"),
        (b"x", {"content-type": "text/plain"}, 415, "'text/plain' is not supported"),
        (b"x", {}, 415, "'' is not supported"),
        (b"x", PROTOBUF | {"content-encoding": "br"}, 415, "'br' is not supported"),
        (b"x", PROTOBUF | {"content-encoding": "gzip"}, 400, "is not gzip"),
        (gzip.compress(b"x" * 99)[:20], PROTOBUF | {"content-encoding": "gzip"}, 400, "cut short"),
    ],
    ids="junk cut deep brace list text untyped brotli no-gzip cut-gzip".split(),
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    client: httpx.Client, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    for path in ("/v1/traces", "/v1/logs"):
        response = client.post(path, content=body, headers=headers)
        assert response.status_code == status
        assert message in rpc_status(response)[1]
        assert "Traceback" not in response.text
    assert client.get("/health").status_code == 200


@pytest.mark.slow
def test_a_bomb_is_refused_and_costs_no_memory(shared_server: LiveServer) -> None:
    bomb = gzip.compress(bytes(1 << 30))
    with shared_server.client() as client:
        headers = PROTOBUF | {"content-encoding": "gzip"}
        response = client.post("/v1/traces", content=bomb, headers=headers)
        assert response.status_code == 413
        assert "64 MiB" in rpc_status(response)[1]
    with open(f"/proc/{shared_server.pid}/status") as status:
        (peak,) = [line for line in status if line.startswith("VmHWM")]
    assert int(peak.split()[1]) < 600_000


def test_a_declared_length_beyond_the_limit_is_refused_unread(
    shared_server: LiveServer,
) -> None:
    host, _, port = shared_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/x-protobuf\r\ncontent-length: 68157440\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_limit_is_answered_when_all_of_it_is_sent(
    client: httpx.Client, *, declared: bool
) -> None:
    size = 65 << 20
    content = bytes(size) if declared else iter([bytes(1 << 20)] * 65)
    response = client.post("/v1/traces", content=content, headers=PROTOBUF)
    assert response.status_code == 413
    assert "64 MiB" in rpc_status(response)[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_otlp(client: httpx.Client, method: str) -> None:
    response = client.request(method, "/v1/traces")
    assert response.status_code == 405
    assert "POST" in rpc_status(response)[1]


def test_other_paths_are_named(client: httpx.Client) -> None:
    response = client.post("/v1/profiles", headers=JSON)
    assert response.status_code == 404
    assert "/v1/profiles" in rpc_status(response)[1]


def test_logs_join_their_span_and_others_are_counted(client: httpx.Client) -> None:
    trace_id = secrets.token_bytes(16)
    body = request(trace_id, ["one"]).SerializeToString()
    assert client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    records.add(
        trace_id=trace_id,
        span_id=(1).to_bytes(8),
        time_unix_nano=1_200,
        event_name="remembered",
        body=AnyValue(string_value="hello"),
        attributes=[KeyValue(key="k", value=AnyValue(string_value="v"))],
    )
    records.add(body=AnyValue(string_value="belongs to no span"))
    response = client.post("/v1/logs", content=message.SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 200
    partial = ExportLogsServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_log_records == 1
    assert "without trace and span id" in partial.error_message
    (span,) = client.get(f"/api/v1/traces/{trace_id.hex()}").json()["spans"]
    assert [event["name"] for event in span["events"]] == ["remembered"]


def test_a_slow_body_does_not_hold_up_others(shared_server: LiveServer) -> None:
    trace_id = secrets.token_bytes(16)
    body = request(trace_id, ["slow"]).SerializeToString()

    def halves() -> Iterator[bytes]:
        yield body[:10]
        with shared_server.client() as other:
            assert other.post("/v1/traces", headers=PROTOBUF).status_code == 200
        yield body[10:]

    with shared_server.client() as client:
        response = client.post("/v1/traces", content=halves(), headers=PROTOBUF)
        assert response.status_code == 200
        assert names_of(client, trace_id) == ["slow"]


def test_an_image_is_cut_out_and_served_safely(client: httpx.Client) -> None:
    image = b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(300)
    page = b"<!doctype html><script>alert(1)</script>" + b" " * 300
    trace_id = secrets.token_bytes(16)
    message = request(trace_id, ["draw"])
    span = message.resource_spans[0].scope_spans[0].spans[0]
    for key, media_type, data in (("a", "image/png", image), ("b", "text/html", page)):
        url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        span.attributes.add(key=key, value=AnyValue(string_value=f"see {url}"))
    response = client.post("/v1/traces", content=message.SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 200
    (stored,) = client.get(f"/api/v1/traces/{trace_id.hex()}").json()["spans"]
    answers = {}
    for attachment in stored["attachments"]:
        assert set(attachment) == {"digest", "media_type", "size_bytes", "name"}
        answer = client.get(f"/api/v1/attachments/{attachment['digest']}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox")
        answers[answer.content] = answer.headers
    assert set(answers) == {image, page}
    assert answers[image]["content-type"] == "image/png"
    assert answers[image]["content-disposition"].startswith("inline")
    assert answers[page]["content-type"] == "application/octet-stream"
    assert answers[page]["content-disposition"].startswith("attachment")
    assert client.get("/api/v1/attachments/" + "0" * 64).status_code == 404
    assert client.delete(f"/api/v1/traces/{trace_id.hex()}").status_code == 200
    for attachment in stored["attachments"]:
        assert client.get(f"/api/v1/attachments/{attachment['digest']}").status_code == 404


def test_head_is_answered_like_get_without_a_body(client: httpx.Client) -> None:
    response = client.head("/api/v1/experiments")
    assert (response.status_code, response.content) == (200, b"")


def test_a_known_models_cost_is_estimated(client: httpx.Client) -> None:
    trace_id = secrets.token_bytes(16)
    message = request(trace_id, ["chat"])
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="gen_ai.operation.name", value=AnyValue(string_value="chat"))
    span.attributes.add(key="gen_ai.request.model", value=AnyValue(string_value="gpt-4o-mini"))
    span.attributes.add(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=1_000_000))
    span.attributes.add(key="gen_ai.usage.output_tokens", value=AnyValue(int_value=0))
    response = client.post("/v1/traces", content=message.SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 200
    detail = client.get(f"/api/v1/traces/{trace_id.hex()}").json()
    assert detail["spans"][0]["cost_usd"] > 0
    assert detail["trace"]["cost_usd"] == detail["spans"][0]["cost_usd"]
