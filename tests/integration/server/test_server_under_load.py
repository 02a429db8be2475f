"""Under load the server has worker processes: nothing is lost with them, and they end with it."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pellucid.testing.live import LiveServer

PROTOBUF = {"content-type": "application/x-protobuf"}
SPANS = 300

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists() or (os.cpu_count() or 1) < 2, reason="needs Linux, 2 cores"
)


def batch(trace_id: bytes) -> bytes:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number in range(1, SPANS + 1):
        span = spans.add(trace_id=trace_id, span_id=number.to_bytes(8), name=f"span {number}")
        span.attributes.add(key="input.value").value.string_value = f"text {number} " * 60
    body: bytes = message.SerializeToString()
    return body


def workers_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_and_a_server_that_are_killed_lose_nothing(
    start_server: Callable[..., LiveServer],
) -> None:
    server = start_server()
    acknowledged: list[str] = []
    killed = 0
    with server.client() as client:
        deadline = time.monotonic() + 300
        while killed < 2 or len(acknowledged) < 30:
            assert time.monotonic() < deadline
            trace_id = secrets.token_bytes(16)
            response = client.post("/v1/traces", content=batch(trace_id), headers=PROTOBUF)
            assert response.status_code == 200
            acknowledged.append(trace_id.hex())
            workers = workers_of(server.pid)
            if workers and killed < 2:
                os.kill(workers[0], signal.SIGKILL)
                killed += 1
        for trace_id_hex in acknowledged:
            trace = client.get(f"/api/v1/traces/{trace_id_hex}").json()["trace"]
            assert trace["span_count"] == SPANS
        while not (workers := workers_of(server.pid)):
            assert time.monotonic() < deadline
            client.post("/v1/traces", content=batch(secrets.token_bytes(16)), headers=PROTOBUF)
    server.kill()
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    server.start()
    with server.client() as client:
        for trace_id_hex in acknowledged:
            trace = client.get(f"/api/v1/traces/{trace_id_hex}").json()["trace"]
            assert trace["span_count"] == SPANS
