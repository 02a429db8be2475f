"""Every benchmark, one after the other, as one table: ours, our goals, and the peers on record.

    python benchmarks/run.py [--large] [--peers] [--only client,ingest,reads,…]

Takes a few minutes. Nothing depends on the figures: compare ratios and CPU, not seconds, and run it
on a machine that does nothing else. `--large` reads from 100,000 traces instead of 10,000;
`--peers` also sends the same requests to MLflow and Phoenix, where their commands are on the path.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import client
import ingest
import peers
import store
import tracking
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.live import LiveServer
from pellucid.testing.spans import toy_normalise

HERE = Path(__file__).parent


class Figure(NamedTuple):
    """One line of the table; `record` names the peers' figures."""

    name: str
    ours: float
    goal: str = ""
    record: str = ""


Figures = Iterator[Figure]


def client_figures(options: argparse.Namespace) -> Figures:
    results = client.compare(calls=2000, rounds=3)
    for part, goal in (("caller", "≤ 1.5"), ("process", "≤ 1.5")):
        ratio = results["ours"][part] / results["bare"][part]
        yield Figure(f"traced call, {part}'s CPU ÷ bare OpenTelemetry's", ratio, goal)
    yield Figure("traced call, caller's CPU, µs", results["ours"]["caller"])
    nothing = client.start_up("pass")[0]
    took = client.start_up("import pellucid")[0] - nothing
    yield Figure("import pellucid, CPU, ms", took * 1e3, "≤ 150", "client.import")


def ingest_figures(options: argparse.Namespace) -> Figures:
    spans = options.spans
    bodies = ingest.make_bodies(spans, 256)
    ceiling = ingest.measure_ceiling(bodies, spans, packed=False)
    yield Figure("ingest ceiling (parse + insert), spans/s", ceiling.spans_a_second)
    yield Figure("ingest ceiling, CPU µs a span", ceiling.cpu_us_a_span)
    for senders, goal in ((1, "≥ 12,000"), (4, "≥ 15,000")):
        run = ingest.measure_server(bodies, spans, senders, packed=False)
        name = f"ingest, {senders} sender{'s' * (senders > 1)}"
        yield Figure(f"{name}, durable spans/s", run.spans_a_second, goal, f"ingest.{senders}")
        share = ceiling.spans_a_second / run.spans_a_second
        yield Figure(f"{name}, ceiling ÷ ours", share, "≤ 2")
        yield Figure(f"{name}, ack p50, ms", run.ack_p50_ms)
        yield Figure(f"{name}, ack p95, ms", run.ack_p95_ms, "≤ 150", "ingest.p95")
        yield Figure(f"{name}, server CPU µs a span", run.cpu_us_a_span, "≤ 60", "ingest.cpu")
        yield Figure(f"{name}, server memory, MB", run.memory_mb)
    yield Figure("disk, bytes a span of 2 kB", run.bytes_a_span, "≤ 800", "disk")


def read_figures(options: argparse.Namespace) -> Figures:
    traces = 100_000 if options.large else 10_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.db"
        spans = SqliteSpanStore(path, normalise=toy_normalise, index_in_background=False)
        for batch in store.batches(store.Maker(), traces, 256):
            spans.write(batch)
        spans.index()
        at = f" of {traces:,}"

        def newest(query: str) -> Callable[[], object]:
            return lambda: spans.list_traces(experiment=None, query=query, limit=50, cursor=None)

        middle = f"{traces // 2:032x}"
        yield Figure(
            f"trace by id, all spans,{at} traces, ms",
            median_ms(lambda: (spans.get_trace(middle), list(spans.iter_spans(middle)))),
            "≤ 3",
            "trace",
        )
        for name, query, goal, record in (
            ("newest 50", "", "≤ 10", "newest"),
            ("filter on status", "status:error", "≤ 20", "status"),
            ("filter on an attribute", "attr.tenant:42", "≤ 100", "attribute"),
            ("filter within one span", "span(kind:TOOL attr.tenant:42)", "≤ 100", ""),
            ("text, a common word", "disc", "≤ 100", "common"),
            ("text, a rare word", "zyzzyva", "≤ 100", ""),
            ("text, an absent word", "absentword", "≤ 100", "absent"),
        ):
            yield Figure(f"{name},{at} traces, ms", median_ms(newest(query)), goal, record)
        totals = median_ms(spans.list_experiments)
        yield Figure(f"totals of all experiments,{at} traces, ms", totals, "≤ 50", "totals")
        spans.close()


def server_figures(options: argparse.Namespace) -> Figures:
    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            server = LiveServer(Path(folder))
            began = time.perf_counter()
            server.start()
            times.append(time.perf_counter() - began)
            memory = ingest.memory_mb(server.pid)
            server.stop()
    yield Figure("server, start to ready, s", min(times), "≤ 1", "start")
    yield Figure("server, idle memory, MB", memory, "≤ 120", "memory.idle")


def tracking_figures(options: argparse.Namespace) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder)).start()
        try:
            environment = {
                **os.environ,
                "PELLUCID_URL": server.url,
                "PELLUCID_SPOOL_DIR": str(Path(folder) / "client-spool"),
            }
            found = tracking.log_from_one_process(environment, metrics=30_000)
            name = "log_metric in one process"
            yield Figure(f"{name}, delivered a second", found["delivered/s"], "≥ 20,000")
            yield Figure(f"{name}, p99 µs", found["p99 us"], "≤ 50")
            for requests, size, goal, record in (
                (300, 1, "≥ 1,500", "metrics.single"),
                (60, 1000, "≥ 60,000", "metrics.batch"),
            ):
                sent = tracking.send(
                    sys.executable, tracking.SENDER, server.url, requests, size, senders=1
                )
                yield Figure(f"requests of {size:,} metrics, metrics/s", sent, goal, record)
        finally:
            server.stop()


def evaluate_figures(options: argparse.Namespace) -> Figures:
    out = subprocess.run(
        [sys.executable, str(HERE / "evaluate.py")], check=True, capture_output=True, text=True
    ).stdout
    for name, label in (("later", "async"), ("blocking", "blocking")):
        match = re.search(rf"^{name} .*?([\d.]+) × the ideal", out, re.MULTILINE)
        if match is not None:
            what = f"evaluate 200 {label} examples, wall ÷ ideal"
            yield Figure(what, float(match.group(1)), "≤ 1.1", "evaluate")


SECTIONS: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "client": client_figures,
    "ingest": ingest_figures,
    "reads": read_figures,
    "server": server_figures,
    "tracking": tracking_figures,
    "evaluate": evaluate_figures,
}


def median_ms(call: Callable[[], object], times: int = 11) -> float:
    """Return the median of a call, once it was called before."""
    call()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


def machine() -> str:
    """Describe the machine and how busy it is."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )


def show(figure: Figure) -> None:
    """Print a line of the table."""
    record = peers.RECORDED.get(figure.record, peers.Record())
    value = figure.ours
    ours = f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
    print(
        f"{figure.name:58}{ours:>10}  {figure.goal:>10}  {record.mlflow:>16}  {record.phoenix:>23}",
        flush=True,
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="read from 100,000 traces")
    parser.add_argument("--peers", action="store_true", help="run MLflow and Phoenix, too")
    parser.add_argument("--spans", type=int, default=40_000, help="spans to ingest")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in SECTIONS]:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    print(machine())
    print(
        f"{'':58}{'Pellucid':>10}  {'goal':>10}  {'MLflow (record)':>16}  {'Phoenix (record)':>23}"
    )
    for name in chosen:
        print(f"-- {name}")
        for figure in SECTIONS[name](options):
            show(figure)
    if options.peers:
        print("-- peers, now, on this machine")
        spans = min(options.spans, 5_120)
        peers.measure_installed(ingest.make_bodies(spans, 256), spans)


if __name__ == "__main__":
    main()
