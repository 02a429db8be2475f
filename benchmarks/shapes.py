"""Shapes of load that servers stumble over: bursts, huge traces, huge payloads, repeats.

    python -m benchmarks.shapes [--only large,reverse] [--senders 4]

Prints a table: each shape goes to a fresh server, and the first line is the usual load. `settled`
is how long after the last acknowledgement the server was still busy indexing, `read` how long the
largest trace then takes to open whole. Compare the CPU a span and a kilobyte, not the seconds.
"""

import argparse
import json
import multiprocessing
import random
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.ingest import cpu_s, make_span, processes, send, text_of
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pellucid.testing.live import LiveServer

BATCH = 256
LARGE = 10_000


class Load(NamedTuple):
    """Requests, how many spans they carry, and the trace to read."""

    bodies: list[bytes]
    spans: int
    trace_id: str


def usual() -> Load:
    """Traces of ten spans in requests of 256."""
    return _load(_traces(1000, 10))


def single() -> Load:
    """A request for each span, as agents that flush at once send them."""
    return _load(_traces(150, 10), batch=1)


def small_traces() -> Load:
    """Traces of one span."""
    return _load(_traces(10_000, 1))


def sessions() -> Load:
    """A thousand sessions and users, one for each trace."""

    def spans() -> Iterator[Span]:
        for number, span in enumerate(_traces(1000, 10)):
            for attribute in span.attributes:
                if attribute.key in ("gen_ai.conversation.id", "user.id"):
                    attribute.value.string_value = f"{attribute.key}-{number // 10}"
            yield span

    return _load(spans())


def large() -> Load:
    """One trace of 10,000 spans, parents first."""
    return _load(_large())


def reverse() -> Load:
    """The same, the last span first."""
    return _load(reversed(_large()))


def shuffled() -> Load:
    """The same in any order."""
    return _load(random.Random(3).sample(_large(), LARGE))


def chain() -> Load:
    """10,000 spans, each the child of the one before, in any order."""
    return _load(random.Random(3).sample(_large(arity=1), LARGE))


def wide() -> Load:
    """10,000 children of one span that comes last."""
    return _load(reversed(_large(arity=LARGE)))


def costs() -> Load:
    """The large trace with a reported cost on every other span."""
    spans = _large()
    for span in spans[::2]:
        span.attributes.add(key="gen_ai.usage.cost").value.double_value = 0.01
    return _load(spans)


def circle() -> Load:
    """The large trace with a parent that is its own descendant."""
    spans = _large(arity=2)
    spans[1].parent_span_id = spans[3].span_id
    return _load(spans)


def duplicates() -> Load:
    """Everything three times."""
    load = _load(_traces(400, 10))
    return load._replace(bodies=load.bodies * 3, spans=load.spans * 3)


def pending() -> Load:
    """Each span first while it runs, then when it has ended."""
    spans = list(_traces(500, 10))

    def running() -> Iterator[Span]:
        for span in spans:
            copy = Span()
            copy.CopyFrom(span)
            copy.attributes.add(key="pellucid.pending").value.bool_value = True
            copy.end_time_unix_nano = 0
            yield copy

    first, second = _load(running()), _load(spans)
    return Load(first.bodies + second.bodies, first.spans + second.spans, first.trace_id)


def attributes() -> Load:
    """500 attributes a span, whose names never come again."""

    def spans() -> Iterator[Span]:
        for number, span in enumerate(_traces(20, 10)):
            for one in range(500):
                span.attributes.append(text_of(f"key.{number}.{one}", f"value {number}"))
            yield span

    return _load(spans())


def payloads() -> Load:
    """Spans of 5 MB each, a request each."""
    rnd = random.Random(5)
    words = [f"word{number}" for number in range(5000)]

    def spans() -> Iterator[Span]:
        for span in _traces(2, 10):
            span.attributes.append(text_of("input.value", " ".join(rnd.choices(words, k=600_000))))
            yield span

    return _load(spans(), batch=1)


def conversation() -> Load:
    """Calls of one conversation: each repeats all that was said before."""
    rnd = random.Random(6)
    said: list[dict[str, object]] = []

    def spans() -> Iterator[Span]:
        for span in _traces(1, 300):
            words = " ".join(rnd.choices("disc layer image search result answer".split(), k=60))
            said.append({"role": "user", "parts": [{"type": "text", "content": words}]})
            for attribute in span.attributes:
                if attribute.key == "gen_ai.input.messages":
                    attribute.value.string_value = json.dumps(said)
            yield span

    return _load(spans(), batch=20)


SHAPES: tuple[Callable[[], Load], ...] = (
    usual,
    single,
    small_traces,
    sessions,
    large,
    reverse,
    shuffled,
    chain,
    wide,
    costs,
    circle,
    duplicates,
    pending,
    attributes,
    payloads,
    conversation,
)


def _traces(count: int, size: int) -> Iterator[Span]:
    rnd = random.Random(7)
    start = time.time_ns()
    for number in range(count * size):
        if number % size == 0:
            trace_id, root = rnd.randbytes(16), rnd.randbytes(8)
        span_id, parent = (root, b"") if number % size == 0 else (rnd.randbytes(8), root)
        yield make_span(rnd, trace_id, span_id, parent, start + number * 1_000_000)


def _large(arity: int = 7) -> list[Span]:
    rnd = random.Random(8)
    trace_id, start = rnd.randbytes(16), time.time_ns()
    ids = [rnd.randbytes(8) for _ in range(LARGE)]
    return [
        make_span(rnd, trace_id, ids[n], ids[(n - 1) // arity] if n else b"", start + n * 1_000_000)
        for n in range(LARGE)
    ]


def _load(spans: Iterable[Span], batch: int = BATCH) -> Load:
    bodies: list[bytes] = []
    count, waiting, trace_id = 0, iter(spans), ""
    while group := list(islice(waiting, batch)):
        message = ExportTraceServiceRequest()
        message.resource_spans.add().scope_spans.add().spans.extend(group)
        bodies.append(message.SerializeToString())
        count += len(group)
        trace_id = trace_id or group[0].trace_id.hex()
    return Load(bodies, count, trace_id)


def measure(shape: Callable[[], Load], senders: int) -> None:
    """Send one shape to a fresh server and print its line."""
    load = shape()
    size = sum(map(len, load.bodies))
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder)).start()
        try:
            host, _, port = server.url.removeprefix("http://").partition(":")
            shares = [((host, int(port)), load.bodies[n::senders], False) for n in range(senders)]
            with multiprocessing.get_context("fork").Pool(senders) as pool:
                before, began = cpu_s(server.pid), time.perf_counter()
                waits = sorted(wait for share in pool.starmap(send, shares) for wait in share)
                wall = time.perf_counter() - began
                acknowledged = cpu_s(server.pid) - before
            settled = _settle(server.pid)
            cpu = cpu_s(server.pid) - before
            began = time.perf_counter()
            url = f"{server.url}/api/v1/traces/{load.trace_id}"
            with urllib.request.urlopen(url, timeout=120) as response:
                response.read()
            read = time.perf_counter() - began
            workers = len(processes(server.pid)) - 1
            server.stop()
            disk = sum(file.stat().st_size for file in server.data_dir.glob("spans.db*"))
        finally:
            server.stop()
    print(
        f"{shape.__name__:13}{load.spans:>8,}{size / load.spans:>10,.0f}{load.spans / wall:>9,.0f}"
        f"{size / wall / 2**20:>7.1f}{acknowledged / load.spans * 1e6:>10,.0f}"
        f"{cpu / load.spans * 1e6:>9,.0f}{cpu / size * 1e9:>9,.0f}"
        f"{waits[len(waits) // 2] * 1e3:>8,.0f}{waits[int(len(waits) * 0.95)] * 1e3:>8,.0f}"
        f"{settled:>9.1f}{disk / load.spans:>11,.0f}{read * 1e3:>9,.0f}{workers:>5}",
        flush=True,
    )


def _settle(pid: int) -> float:
    """Wait until the server has nothing more to do; return the seconds that it took."""
    began = quiet = time.perf_counter()
    last = cpu_s(pid)
    while time.perf_counter() - quiet < 1.0 and time.perf_counter() - began < 120:
        time.sleep(0.1)
        now = cpu_s(pid)
        if now - last > 0.02:
            quiet = time.perf_counter()
        last = now
    return quiet - began


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--senders", type=int, default=4)
    given = parser.parse_args()
    chosen = [one for one in SHAPES if not given.only or one.__name__ in given.only.split(",")]
    print(
        f"{'':13}{'spans':>8}{'bytes':>10}{'spans/s':>9}{'MB/s':>7}{'CPU µs/sp':>10}"
        f"{'settled':>9}{'ms/MB':>9}{'p50 ms':>8}{'p95':>8}{'settled s':>9}{'disk/span':>11}"
        f"{'read ms':>9}{'wrk':>5}"
    )
    for shape in chosen:
        measure(shape, given.senders)


if __name__ == "__main__":
    main()
