"""A loopback OTLP collector that can be slow, hung, full or gone."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received:
    """One span as it arrived."""

    def __init__(self, span: Span, resource: dict[str, Any], scope: str) -> None:
        self.name = span.name
        self.trace_id = span.trace_id.hex()
        self.span_id = span.span_id.hex()
        self.parent_id = span.parent_span_id.hex()
        self.attributes = read_attributes(span.attributes)
        self.pending = bool(self.attributes.get("pellucid.pending"))
        self.events = [(event.name, read_attributes(event.attributes)) for event in span.events]
        self.status = span.status.code
        self.message = span.status.message
        self.duration_ns = span.end_time_unix_nano - span.start_time_unix_nano
        self.resource = resource
        self.scope = scope

    def __repr__(self) -> str:
        return f"<{self.name} {self.span_id}>"


class Collector:
    """Counts every span it acknowledged; its other fields say how it answers."""

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.delay_s = 0.0
        self.answers = threading.Event()
        """Cleared, every request waits for its answer until this is set again."""
        self.answers.set()
        self.headers: dict[str, str] = {}
        self.body = b""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.refused = 0
        self.times: list[float] = []
        self._lock = threading.Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                collector.answers.wait()
                if collector.delay_s:
                    collector.stopped.wait(collector.delay_s)
                if collector.stopped.is_set():
                    self.close_connection = True
                    return
                collector.take(self.path, dict(self.headers), body)
                self.send_response(collector.status)
                for name, value in collector.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(collector.body)))
                self.end_headers()
                self.wfile.write(collector.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self.stopped = threading.Event()
        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keep one request, or count it as refused."""
        with self._lock:
            self.times.append(time.monotonic())
            if self.status == 200:
                self.requests.append((path, headers, body))
            else:
                self.refused += 1

    def spans(self, *, pending: bool = False) -> list[Received]:
        """Return the spans acknowledged so far, final ones unless `pending`."""
        with self._lock:
            requests = list(self.requests)
        found = []
        for path, headers, body in requests:
            if path == "/v1/traces":
                found += decode(headers, body)
        return [span for span in found if span.pending == pending]

    def wait(self, count: int, *, pending: bool = False, timeout_s: float = 60) -> list[Received]:
        """Wait until so many spans have come."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = self.spans(pending=pending)
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{len(self.spans(pending=pending))} of {count} spans came")

    def stop(self) -> None:
        """Close the door in mid-sentence."""
        self.stopped.set()
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """Run a collector for the length of a `with` block."""
    collector = Collector(port)
    try:
        yield collector
    finally:
        collector.stop()


def decode(headers: dict[str, str], body: bytes) -> list[Received]:
    """Return the spans of one request."""
    if {name.lower(): value for name, value in headers.items()}.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Received(span, read_attributes(group.resource.attributes), scoped.scope.name)
        for group in request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]


def read_attributes(pairs: Any) -> dict[str, Any]:
    """Return OTLP attributes as a dict."""
    return {pair.key: read_value(pair.value) for pair in pairs}


def read_value(value: AnyValue) -> Any:
    """Return the Python value of an AnyValue."""
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [read_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return read_attributes(value.kvlist_value.values)
    return getattr(value, which)
