"""Whatever is sent to the OTLP door: never a 5xx, never a dead server."""

import gzip
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pellucid.testing.live import LiveServer

TYPES = st.sampled_from(["application/x-protobuf", "application/json", "text/html", ""])
ENCODINGS = st.sampled_from(["", "gzip", "deflate", "zstd", "br"])
PATHS = st.sampled_from(["/v1/traces", "/v1/logs", "/v1/metrics"])


def _valid() -> bytes:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number in range(1, 4):
        spans.add(trace_id=b"\1" * 16, span_id=number.to_bytes(8), name=f"span {number}")
    body: bytes = message.SerializeToString()
    return body


VALID = _valid()
BODIES = st.one_of(
    st.binary(max_size=100),
    st.builds(
        lambda at, byte: VALID[:at] + bytes([byte]) + VALID[at + 1 :],
        st.integers(0, len(VALID) - 1),
        st.integers(0, 255),
    ),
    st.builds(lambda size: VALID[:size], st.integers(0, len(VALID))),
    st.builds(lambda size: gzip.compress(VALID)[:size], st.integers(0, 60)),
)


@pytest.fixture(scope="module")
def client(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


@given(path=PATHS, body=BODIES, media_type=TYPES, encoding=ENCODINGS)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_nothing_sent_is_a_fault_of_the_server(
    client: httpx.Client, path: str, body: bytes, media_type: str, encoding: str
) -> None:
    headers = {"content-type": media_type, "content-encoding": encoding}
    response = client.post(path, content=body, headers=headers)
    assert response.status_code in {200, 400, 413, 415}
