"""What was acknowledged is never lost: kill -9 at random moments, and a clean end on SIGTERM."""

import random
import secrets
import signal
import threading
import time
from collections.abc import Callable

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pellucid.testing.live import LiveServer

PROTOBUF = {"content-type": "application/x-protobuf"}
SPANS_A_BATCH = 20
SENDERS = 3


def batch(trace_id: bytes) -> bytes:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number in range(1, SPANS_A_BATCH + 1):
        spans.add(
            trace_id=trace_id,
            span_id=number.to_bytes(8),
            name=f"span {number}",
            start_time_unix_nano=number,
            end_time_unix_nano=number + 1,
        )
    body: bytes = message.SerializeToString()
    return body


class Stream:
    """Senders that post one batch a trace until told to stop, and keep what was acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.acknowledged: list[str] = []
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, timeout=90.0, trust_env=False) as client:
            while not self._stop.is_set():
                trace_id = secrets.token_bytes(16)
                try:
                    response = client.post("/v1/traces", content=batch(trace_id), headers=PROTOBUF)
                except httpx.HTTPError:
                    return
                if response.status_code == 200:
                    self.acknowledged.append(trace_id.hex())

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 120
        while len(self.acknowledged) < count and time.monotonic() < deadline:
            time.sleep(0.005)

    def end(self) -> list[str]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.acknowledged


def assert_stored(server: LiveServer, trace_ids: list[str]) -> None:
    with server.client() as client:
        for trace_id in trace_ids:
            response = client.get(f"/api/v1/traces/{trace_id}")
            assert response.status_code == 200, trace_id
            ids = [span["span_id"] for span in response.json()["spans"]]
            assert len(ids) == len(set(ids)) == SPANS_A_BATCH


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_nothing_acknowledged(
    start_server: Callable[..., LiveServer],
) -> None:
    moments = random.Random(11)
    server = start_server()
    total: list[str] = []
    for _ in range(5):
        stream = Stream(server.url)
        stream.wait_for(moments.randrange(1, 60))
        time.sleep(moments.random() * 0.05)
        server.kill()
        acknowledged = stream.end()
        assert acknowledged
        total += acknowledged
        server.start()
        assert_stored(server, acknowledged)
    assert_stored(server, total)


def test_sigterm_finishes_what_was_accepted(start_server: Callable[..., LiveServer]) -> None:
    server = start_server()
    stream = Stream(server.url)
    stream.wait_for(30)
    assert server.stop(signal.SIGTERM) == 0
    acknowledged = stream.end()
    assert not list(server.data_dir.glob("spans.db-wal")), "the store was not closed"
    server.start()
    assert_stored(server, acknowledged)
    assert "Traceback" not in server.log


def test_the_same_batch_again_changes_nothing(shared_server: LiveServer) -> None:
    trace_id = secrets.token_bytes(16)
    with shared_server.client() as client:
        for _ in range(3):
            response = client.post("/v1/traces", content=batch(trace_id), headers=PROTOBUF)
            assert response.status_code == 200
    assert_stored(shared_server, [trace_id.hex()])
