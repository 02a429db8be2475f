"""OTLP over HTTP until it is durable: a real server under 1 and 4 senders, beside the ceiling.

The ceiling is what no server can beat on this machine: the same request bodies, parsed by
protobuf and inserted into one SQLite table as they are, one synced commit each, in one process.

    python benchmarks/ingest.py [--spans 40000] [--batch 256] [--senders 1,4] [--gzip]

Prints a table; compare the ratios and the CPU, not the seconds.
"""

import argparse
import gzip
import http.client
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pellucid.testing.live import LiveServer

WORDS = (
    "agent model layer disc capacity wikipedia image text search result answer question stack "
    "height article picture storage byte blu ray retrieval chunk vector index tool call number"
).split()
SPANS_A_TRACE = 10
TICKS = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """One line of the table."""

    name: str
    spans_a_second: float
    cpu_us_a_span: float
    ack_p50_ms: float
    ack_p95_ms: float
    bytes_a_span: float
    memory_mb: float


def make_bodies(spans: int, batch: int, seed: int = 7) -> list[bytes]:
    """Return encoded requests of realistic spans: 22 attributes, about 2 kB."""
    rnd = random.Random(seed)
    bodies = []
    start = time.time_ns()
    trace_id, root_id = b"", b""
    for first in range(0, spans, batch):
        message = ExportTraceServiceRequest()
        outer = message.resource_spans.add()
        outer.resource.attributes.append(text_of("service.name", "bluray-agent"))
        outer.resource.attributes.append(text_of("host.name", "worker-17.cluster.local"))
        scope = outer.scope_spans.add()
        scope.scope.name, scope.scope.version = "opentelemetry.instrumentation.openai_v2", "2.1"
        for number in range(first, min(first + batch, spans)):
            if number % SPANS_A_TRACE == 0:
                trace_id, root_id = rnd.randbytes(16), rnd.randbytes(8)
                span_id, parent_id = root_id, b""
            else:
                span_id, parent_id = rnd.randbytes(8), root_id
            begin = start + number * 1_000_000
            scope.spans.append(make_span(rnd, trace_id, span_id, parent_id, begin))
        bodies.append(message.SerializeToString())
    return bodies


def make_span(
    rnd: random.Random, trace_id: bytes, span_id: bytes, parent_id: bytes, at: int
) -> Span:
    def words(count: int) -> str:
        return " ".join(rnd.choices(WORDS, k=count))

    message = '[{{"role":"{}","parts":[{{"type":"text","content":"{}"}}]}}]'
    attributes = [
        text_of("gen_ai.operation.name", "chat"),
        text_of("gen_ai.provider.name", "openai"),
        text_of("gen_ai.request.model", "gpt-4o-mini"),
        text_of("gen_ai.response.model", "gpt-4o-mini-2024-07-18"),
        text_of("gen_ai.response.id", f"chatcmpl-{rnd.randrange(10**12)}"),
        text_of("gen_ai.input.messages", message.format("user", words(120))),
        text_of("gen_ai.output.messages", message.format("assistant", words(100))),
        text_of("gen_ai.conversation.id", f"session-{rnd.randrange(100)}"),
        text_of("gen_ai.output.type", "text"),
        text_of("server.address", "api.openai.com"),
        text_of("user.id", f"user-{rnd.randrange(50)}"),
        text_of("deployment.environment", "prod"),
        text_of("thread.name", "MainThread"),
        text_of("code.function", "answer"),
        _integer("gen_ai.usage.input_tokens", rnd.randrange(2000)),
        _integer("gen_ai.usage.output_tokens", rnd.randrange(500)),
        _integer("gen_ai.request.max_tokens", 512),
        _integer("gen_ai.request.seed", 42),
        _integer("server.port", 443),
        _integer("thread.id", 140_000_000),
        KeyValue(key="gen_ai.request.temperature", value=AnyValue(double_value=0.2)),
        KeyValue(key="gen_ai.request.top_p", value=AnyValue(double_value=0.9)),
    ]
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        name="chat gpt-4o-mini",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=at,
        end_time_unix_nano=at + rnd.randrange(10**9),
        attributes=attributes,
    )


def text_of(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _integer(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))


def send(address: tuple[str, int], bodies: Sequence[bytes], packed: bool) -> list[float]:
    """Send bodies one after the other and return the seconds until each acknowledgement."""
    connection = http.client.HTTPConnection(*address)
    headers = {"content-type": "application/x-protobuf"}
    if packed:
        headers["content-encoding"] = "gzip"
    waits = []
    for body in bodies:
        began = time.perf_counter()
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise SystemExit(f"The server answered {response.status}.")
        waits.append(time.perf_counter() - began)
    connection.close()
    return waits


def measure_server(bodies: Sequence[bytes], spans: int, senders: int, packed: bool) -> Run:
    """Send everything to a fresh server from `senders` processes."""
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder)).start()
        try:
            host, _, port = server.url.removeprefix("http://").partition(":")
            shares = [
                ((host, int(port)), bodies[number::senders], packed) for number in range(senders)
            ]
            with multiprocessing.get_context("fork").Pool(senders) as pool:
                pool.starmap(send, [(address, [], packed) for address, _, _ in shares])
                cpu, began = cpu_s(server.pid), time.perf_counter()
                waits = [wait for share in pool.starmap(send, shares) for wait in share]
                wall, cpu = time.perf_counter() - began, cpu_s(server.pid) - cpu
            memory = sum(map(memory_mb, processes(server.pid)))
            server.stop()
            size = sum(file.stat().st_size for file in server.data_dir.glob("spans.db*"))
        finally:
            server.stop()
    name = f"server, {senders} sender{'s' if senders > 1 else ''}"
    return _run(name, spans, wall, cpu, waits, size, memory)


def measure_ceiling(bodies: Sequence[bytes], spans: int, packed: bool) -> Run:
    """Parse and insert the same bodies, a synced commit each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ceiling.db"
        db = apsw.Connection(str(path))
        db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        db.execute(
            "CREATE TABLE spans (trace_id BLOB, span_id BLOB, name TEXT, start_ns INT, "
            "end_ns INT, body BLOB, PRIMARY KEY (trace_id, span_id)) WITHOUT ROWID"
        )
        waits = []
        cpu, began = time.process_time(), time.perf_counter()
        for body in bodies:
            start = time.perf_counter()
            raw = gzip.decompress(body) if packed else body
            rows = [
                (
                    span.trace_id,
                    span.span_id,
                    span.name,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.SerializeToString(),
                )
                for outer in ExportTraceServiceRequest.FromString(raw).resource_spans
                for scope in outer.scope_spans
                for span in scope.spans
            ]
            with db:
                db.executemany("INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?)", rows)
            waits.append(time.perf_counter() - start)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        db.close()
        return _run("ceiling", spans, wall, cpu, waits, path.stat().st_size, 0)


def _run(
    name: str, spans: int, wall: float, cpu: float, waits: list[float], size: int, memory: float
) -> Run:
    ordered = sorted(waits)
    return Run(
        name,
        spans / wall,
        cpu / spans * 1e6,
        statistics.median(ordered) * 1e3,
        ordered[int(len(ordered) * 0.95)] * 1e3,
        size / spans,
        memory,
    )


def processes(pid: int) -> list[int]:
    """Return a server's process and its workers'."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU time of a server, its workers, and those of them that have ended."""
    ticks = 0
    for one in processes(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--senders", default="1,4")
    parser.add_argument("--gzip", action="store_true")
    given = parser.parse_args()
    bodies = make_bodies(given.spans, given.batch)
    size = sum(map(len, bodies)) / given.spans
    print(f"{given.spans:,} spans of {size:.0f} bytes in {len(bodies)} requests")
    if given.gzip:
        bodies = [gzip.compress(body, 6) for body in bodies]
    runs = [measure_ceiling(bodies, given.spans, given.gzip)]
    for senders in map(int, given.senders.split(",")):
        runs.append(measure_server(bodies, given.spans, senders, given.gzip))
    print(
        f"{'':20}{'spans/s':>10}{'of ceiling':>12}{'CPU µs/span':>13}"
        f"{'ack p50 ms':>12}{'p95 ms':>9}{'bytes/span':>12}{'MB':>7}"
    )
    for run in runs:
        share = run.spans_a_second / runs[0].spans_a_second
        print(
            f"{run.name:20}{run.spans_a_second:>10,.0f}{share:>11.0%} {run.cpu_us_a_span:>13.1f}"
            f"{run.ack_p50_ms:>12.1f}{run.ack_p95_ms:>9.1f}{run.bytes_a_span:>12.0f}"
            f"{run.memory_mb:>7.0f}"
        )


if __name__ == "__main__":
    main()
