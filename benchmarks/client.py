"""What tracing a call costs: Pellucid against the bare OpenTelemetry SDK, in one run.

Both record the same attributes with a 1.5 kB payload and export them to the same loopback
collector, in rounds that alternate; each side runs in processes of its own. Prints, per call and
as a ratio: CPU time of the caller's thread, and of the whole process (export included). Then what
an import costs, and what becomes of a burst of 10,000 calls whose server is away.

    python benchmarks/client.py [--calls 4000] [--rounds 5]
"""

import argparse
import json
import resource
import socket
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAYLOAD = "What would it take to store all of it on discs? " * 32
PARTS = ("caller", "process", "wall")
STEP = 500  # calls between flushes: below any queue's limit, so that neither side drops one


class Sink(socketserver.StreamRequestHandler):
    """Reads OTLP requests and answers 200 to each."""

    def handle(self) -> None:
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def answer(question: str) -> str:
    return question


def bare(url: str) -> tuple[Callable[[str], Any], Callable[[], Any]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("bench")

    def call(payload: str) -> str:
        with tracer.start_as_current_span("answer") as span:
            span.set_attribute("pellucid.experiment", "bench")
            span.set_attribute("pellucid.kind", "CHAIN")
            span.set_attribute("pellucid.input", payload)
            result = answer(payload)
            span.set_attribute("pellucid.output", result)
            return result

    return call, provider.force_flush


def ours(url: str) -> tuple[Callable[[str], Any], Callable[[], Any]]:
    import pellucid

    pellucid.init(experiment="bench", url=url)
    return pellucid.trace(answer), lambda: pellucid.flush(30)


def measure(side: str, url: str, calls: int) -> None:
    call, flush = {"bare": bare, "ours": ours}[side](url)
    for _ in range(300):
        call(PAYLOAD)
    flush()
    process, thread, wall = time.process_time(), 0.0, time.perf_counter()
    for _ in range(calls // STEP):
        start = time.thread_time()
        for _ in range(STEP):
            call(PAYLOAD)
        thread += time.thread_time() - start
        flush()
    figures = {
        "caller": thread / calls,
        "process": (time.process_time() - process) / calls,
        "wall": (time.perf_counter() - wall) / calls,
    }
    print(json.dumps({name: value * 1e6 for name, value in figures.items()}))


def compare(calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of both sides, in µs a call."""
    server = Server(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    results: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        for side, found in results.items():
            command = [sys.executable, __file__, "--side", side, "--url", url]
            command += ["--calls", str(calls)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append(json.loads(out))
    server.shutdown()
    return {
        side: {name: statistics.median(row[name] for row in found) for name in PARTS}
        for side, found in results.items()
    }


def start_up(code: str) -> tuple[float, float]:
    """Return the least CPU and wall seconds of an interpreter that runs some code."""
    rows = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall))
    return min(row[0] for row in rows), min(row[1] for row in rows)


def startup() -> None:
    print(f"\n{'start-up, ms':44}{'CPU':>8}{'wall':>8}")
    for code in (
        "pass",
        "import pellucid",
        "import pellucid; pellucid.init()",
        "import opentelemetry.sdk.trace",
    ):
        cpu, wall = start_up(code)
        print(f"{code:44}{cpu * 1e3:8.0f}{wall * 1e3:8.0f}")


BURST = """
import sys, time, pellucid
pellucid.init(url=sys.argv[1], spool_dir=sys.argv[2])
call = pellucid.trace(lambda payload: payload, name="call")
start = time.perf_counter()
for _ in range(10_000): call("x" * 1500)
print(time.perf_counter() - start, time.time())
"""


def burst() -> None:
    from pellucid.client.spool import drain

    print(f"\n{'a burst of 10,000 calls, server away':44}{'calls s':>8}{'exit s':>8}{'kept':>8}")
    for state in ("dead", "hung"):
        with socket.socket() as held, tempfile.TemporaryDirectory() as folder:
            held.bind(("127.0.0.1", 0))
            if state == "hung":
                held.listen(16)
            url = f"http://127.0.0.1:{held.getsockname()[1]}"
            command = [sys.executable, "-c", BURST, url, folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            end = time.time()
            spent, stopped = map(float, done.stdout.split())
            kept = drain(Path(folder), [url], lambda path, body, headers: 200).spans
            print(f"{state:44}{spent:8.2f}{end - stopped:8.2f}{kept:8}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=["bare", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measure(options.side, options.url, options.calls)
        return
    sides = compare(options.calls, options.rounds)
    print(f"{'µs a call':12}{'bare OTel':>12}{'Pellucid':>12}{'ratio':>8}")
    for name in PARTS:
        bare, ours = sides["bare"][name], sides["ours"][name]
        print(f"{name:12}{bare:12.1f}{ours:12.1f}{ours / bare:8.2f}")
    startup()
    burst()


if __name__ == "__main__":
    main()
