"""Runs: logging from one process, batches and single requests at the server, the runs table, and
snapshots; beside MLflow with the same loads where its interpreter is given.

    python benchmarks/tracking.py [--metrics 100000] [--runs 10000] [--mlflow PYTHON]

`PYTHON` is an interpreter that has mlflow installed. Compare the ratios, not the seconds.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pellucid.core.ids import new_id
from pellucid.core.run import RunWrite
from pellucid.core.snapshot import EntryKind, Manifest, TreeFile, build_tree, encode_json
from pellucid.testing.live import LiveServer

CALLER = """
import json, sys, time, pellucid
count = int(sys.argv[1])
with pellucid.start_run("bench", experiment="bench", snapshot=False) as run:
    times = []
    clock = time.perf_counter_ns
    begin, cpu = time.perf_counter(), time.process_time()
    for step in range(count):
        at = clock()
        pellucid.log_metric("loss", step * 0.5, step)
        times.append(clock() - at)
    called = time.perf_counter() - begin
    assert run.wait(120)
    delivered = time.perf_counter() - begin
    cpu = time.process_time() - cpu
times.sort()
print(json.dumps({
    "calls/s": count / called, "delivered/s": count / delivered, "cpu us": cpu / count * 1e6,
    "p50 us": times[count // 2] / 1e3, "p99 us": times[count * 99 // 100] / 1e3,
}))
"""
SENDER = """
import sys, time, uuid
from pellucid.client.http import Connection
from pellucid.core.run import MetricWrite, RunWrite
from pellucid.client.tracking.outbox import run_delivery
url, requests, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
http = Connection(url)
run_id = uuid.uuid4().hex
begin = time.perf_counter()
for number in range(requests):
    now = time.time_ns()
    points = [MetricWrite(f"m{k % 10}", k * 0.5, number, now + k) for k in range(size)]
    write = RunWrite(run_id=run_id, experiment="bench", time_ns=now, metrics=points)
    sent = run_delivery(write)
    assert http.request("POST", sent.path, sent.body, sent.headers).status == 200
print(requests * size / (time.perf_counter() - begin))
"""
MLFLOW_SENDER = """
import sys, time
import mlflow
from mlflow.entities import Metric
url, requests, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("bench")
eid = experiment.experiment_id if experiment else client.create_experiment("bench")
run_id = client.create_run(eid).info.run_id
begin = time.perf_counter()
for number in range(requests):
    now = int(time.time() * 1000)
    if size == 1:
        client.log_metric(run_id, "m", number * 0.5, now, number)
    else:
        points = [Metric(f"m{k % 10}", k * 0.5, now + k, number) for k in range(size)]
        client.log_batch(run_id, metrics=points)
print(requests * size / (time.perf_counter() - begin))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--mlflow", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        server = LiveServer(folder).start()
        try:
            measure_server(server, options.metrics, options.runs)
        finally:
            server.stop()
        measure_snapshots(folder, options.runs)
        if options.mlflow:
            measure_mlflow(options.mlflow, folder)


def measure_server(server: LiveServer, metrics: int, runs: int) -> None:
    environment = {
        **os.environ,
        "PELLUCID_URL": server.url,
        "PELLUCID_SPOOL_DIR": str(server.data_dir.parent / "spool"),
    }
    say("log_metric in one process", log_from_one_process(environment, metrics))
    for requests, size, counts in ((1000, 1, (1, 4, 16)), (100, 1000, (1, 4))):
        for senders in counts:
            before = processor_s(server.pid)
            total = send(sys.executable, SENDER, server.url, requests, size, senders)
            used = (processor_s(server.pid) - before) / (requests * senders * size)
            say(
                f"requests of {size} metrics, {senders} senders",
                {"metrics/s": total, "us of the server's processor each": used * 1e6},
            )
    fill(server, runs)
    with server.client() as http:
        for order in ("", "metric.m3 desc", "param.p2 desc"):
            for query in ("", "metric.m3>1000 param.p2<90000"):
                params = {"experiment": "table", "order": order, "query": query, "limit": 50}
                name = f"50 of {runs} runs by {order or 'start desc'} {query}"
                say(name, {"ms": median_ms(http, params)})
        params = {"experiment": "table", "limit": 1000}
        say(f"1,000 of {runs} runs x 50 metrics", {"ms": median_ms(http, params)})
    size = (server.data_dir / "meta.db").stat().st_size
    say("meta.db", {"MB": size / 1e6})


def processor_s(pid: int) -> float:
    """Return the seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def log_from_one_process(environment: dict[str, str], metrics: int) -> dict[str, float]:
    """Log metrics through the client; the environment names the server."""
    out = run_python(sys.executable, CALLER, str(metrics), environment=environment)
    figures: dict[str, float] = json.loads(out)
    return figures


def fill(server: LiveServer, runs: int) -> None:
    """Log runs of 50 metrics and 5 params each."""
    begin = time.perf_counter()
    with server.client() as http:
        for first in range(0, runs, 100):
            now = time.time_ns()
            writes = [
                {
                    "run_id": new_id(),
                    "experiment": "table",
                    "time_ns": now,
                    "start": {"time_ns": now + number},
                    "end": {"time_ns": now + number + 9, "status": "finished"},
                    "metrics": [[f"m{k}", number * 0.5 + k, 0, now] for k in range(50)],
                    "params": [
                        {"name": f"p{k}", "value": number * k, "time_ns": now} for k in range(5)
                    ],
                }
                for number in range(first, min(first + 100, runs))
            ]
            http.post("/api/v1/runs/writes", json={"writes": writes}).raise_for_status()
    seconds = time.perf_counter() - begin
    say(f"{runs} runs x 50 metrics written", {"s": seconds, "metrics/s": runs * 50 / seconds})


def median_ms(http: httpx.Client, params: dict[str, str | int]) -> float:
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        http.get("/api/v1/runs", params=params).raise_for_status()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def measure_snapshots(folder: Path, runs: int) -> None:
    """Time snapshots of 1,000 files, and the disk of many of a project that changes one a time."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    from pellucid.client.snapshots.capture import capture
    from pellucid.client.snapshots.packing import pack
    from pellucid.storage.meta.engine import MetaDatabase
    from pellucid.storage.meta.runs import SqlRunStore
    from pellucid.storage.meta.snapshots import SqlSnapshotStore

    project = folder / "project"
    contents = {f"d{n % 40}/f{n}.py": source(n, 0) for n in range(1000)}
    for path, text in contents.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(text)
    for command in ("init -q", "add -A", "-c user.name=n -c user.email=e commit -q -m all"):
        subprocess.run(["git", *command.split()], cwd=project, check=True)
    time.sleep(0.1)
    times = []
    for _ in range(6):
        begin = time.perf_counter()
        captured = capture(project)
        times.append((time.perf_counter() - begin) * 1e3)
    say("snapshot of 1,000 files", {"first ms": times[0], "ms": statistics.median(times[1:])})
    assert captured is not None

    database = MetaDatabase.at(folder / "snapshots" / "meta.db")
    runs_store, objects = SqlRunStore(database), SqlSnapshotStore(database)
    files = {
        path: TreeFile(path, EntryKind.FILE, pack(text).digest, len(text))
        for path, text in contents.items()
    }
    objects.put_objects([pack(text) for text in contents.values()])
    known: set[str] = set()
    paths = list(files)
    begin = time.perf_counter()
    for number in range(runs):
        path = paths[number % len(paths)]
        blob = pack(source(number, number + 1))
        files[path] = TreeFile(path, EntryKind.FILE, blob.digest, blob.size_bytes)
        tree = build_tree(list(files.values()))
        manifest = pack(encode_json(Manifest(tree=tree.digest, command=["python", "agent.py"])))
        fresh = [pack(data) for digest, data in tree.objects.items() if digest not in known]
        known |= tree.objects.keys()
        objects.put_objects([blob, *fresh, manifest])
        now = time.time_ns()
        write = RunWrite(run_id=new_id(), experiment="e", time_ns=now)
        runs_store.write([write], heard_ns=[now])
    seconds = time.perf_counter() - begin
    database.close()
    size = sum(path.stat().st_size for path in (folder / "snapshots").iterdir())
    say(
        f"{runs} snapshots of a {sum(map(len, contents.values())) / 1e6:.1f} MB project, one file "
        "changed each time",
        {"MB": size / 1e6, "s": seconds},
    )


def source(number: int, version: int) -> bytes:
    """Return about 5 kB of code that differs from all other."""
    lines = [
        f"def step_{number}_{k}(value):\n    return value * {k} + {version}\n" for k in range(95)
    ]
    return "".join(lines).encode()


def measure_mlflow(python: Path, folder: Path) -> None:
    with mlflow_server(python, folder) as url:
        for requests, size in ((30, 1), (20, 1000)):
            for senders in (1, 4):
                total = send(str(python), MLFLOW_SENDER, url, requests, size, senders)
                say(f"MLflow: requests of {size} metrics, {senders} senders", {"metrics/s": total})


@contextmanager
def mlflow_server(python: Path, folder: Path) -> Iterator[str]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = f"sqlite:///{folder}/mlflow.db"
    arguments = ["-m", "mlflow", "server", "--backend-store-uri", database, "--port", str(port)]
    log = open(folder / "mlflow.log", "wb")
    process = subprocess.Popen(
        [str(python), *arguments], stdout=log, stderr=log, cwd=folder, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    begin = time.perf_counter()
    try:
        while True:
            try:
                if httpx.get(f"{url}/health", timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if time.perf_counter() - begin > 120:
                raise RuntimeError("MLflow did not start; see its log")
            time.sleep(0.2)
        say("MLflow: start to healthy", {"s": time.perf_counter() - begin})
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def send(python: str, code: str, url: str, requests: int, size: int, senders: int) -> float:
    """Return the sum of what senders at the same time achieved, in metrics a second."""
    arguments = [python, "-c", code, url, str(requests), str(size)]
    processes = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(senders)
    ]
    return sum(float(process.communicate()[0].split()[-1]) for process in processes)


def run_python(python: str, code: str, *arguments: str, environment: dict[str, str]) -> str:
    command = [python, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def say(what: str, figures: dict[str, float]) -> None:
    shown = "  ".join(f"{value:,.1f} {name}" for name, value in figures.items())
    print(f"{what:70} {shown}", flush=True)


if __name__ == "__main__":
    main()
