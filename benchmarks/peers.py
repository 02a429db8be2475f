"""The peers beside us: figures on record, and the same requests sent to those that are installed.

The record is of November 2026: MLflow 3.17.2 and Phoenix 20.26.1 on their default SQLite, on a
2-core machine with 24 GiB that others used too; medians.
"""

import http.client
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

START_TIMEOUT_S = 120.0


class Record(NamedTuple):
    """What both peers were measured at; empty where they have no such thing."""

    mlflow: str = ""
    phoenix: str = ""


RECORDED = {
    "client.import": Record("1.44 s"),
    "client.memory": Record("170 MB"),
    "ingest.1": Record("1,100–1,250", "72–216"),
    "ingest.4": Record("1,434", "72–216"),
    "ingest.p95": Record("3 s", "acks first, drops later"),
    "ingest.cpu": Record("800", "4,800–5,800"),
    "disk": Record("2,500", "3,300"),
    "trace": Record("8–15", "26–38"),
    "newest": Record("150 (20k)", "311 (20k)"),
    "status": Record("121 (20k)"),
    "attribute": Record("> 12,000 (20k)", "1,600 (20k)"),
    "common": Record("67,000 (20k)", "5,000 (20k)"),
    "absent": Record("> 300,000 (20k)", "8,000 (20k)"),
    "totals": Record("300 (100k)", "13,900 (100k)"),
    "start": Record("10", "10–37"),
    "memory.idle": Record("2,970", "445"),
    "metrics.single": Record("19"),
    "metrics.batch": Record("6,097"),
    "evaluate": Record("22.2 ×"),
}


class Peer(NamedTuple):
    """A server that takes OTLP over HTTP."""

    name: str
    executable: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    health: str
    headers: dict[str, str]


def installed(folder: Path) -> list[Peer]:
    """Return the peers whose commands are on the path."""
    known = (
        Peer(
            "MLflow",
            "mlflow",
            ("server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--port", "{port}"),
            {},
            "/health",
            {"x-mlflow-experiment-id": "0"},
        ),
        Peer(
            "Phoenix",
            "phoenix",
            ("serve",),
            {
                "PHOENIX_PORT": "{port}",
                "PHOENIX_GRPC_PORT": "{second}",
                "PHOENIX_WORKING_DIR": str(folder / "phoenix"),
                "PHOENIX_TELEMETRY_ENABLED": "false",
            },
            "/healthz",
            {},
        ),
    )
    return [peer for peer in known if shutil.which(peer.executable)]


def measure_installed(bodies: Sequence[bytes], spans: int) -> None:
    """Print the start, the memory and the ingest of each installed peer."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        peers = installed(folder)
        if not peers:
            print("No peer is installed: neither `mlflow` nor `phoenix` is on the path.")
        for peer in peers:
            try:
                _measure(peer, folder, bodies, spans)
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                print(f"{peer.name}: not measured: {error}")


def _measure(peer: Peer, folder: Path, bodies: Sequence[bytes], spans: int) -> None:
    began = time.perf_counter()
    with _running(peer, folder) as (port, group):
        start = time.perf_counter() - began
        idle = _memory_mb(group)
        waits = []
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {"content-type": "application/x-protobuf", **peer.headers}
        for body in bodies:
            at = time.perf_counter()
            response = _post(connection, body, headers)
            text = response.read()
            if response.status != 200:
                raise RuntimeError(f"it answered {response.status}: {text[:200]!r}")
            waits.append(time.perf_counter() - at)
        wall = time.perf_counter() - began
    waits.sort()
    print(
        f"{peer.name:10} start {start:.1f} s, idle {idle:,.0f} MB; 1 sender: "
        f"{spans / wall:,.0f} spans/s acknowledged, p50 {statistics.median(waits) * 1e3:,.0f} ms, "
        f"p95 {waits[int(len(waits) * 0.95)] * 1e3:,.0f} ms"
    )


def _post(
    connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
) -> http.client.HTTPResponse:
    """Send a body, once more where the peer closed a connection that was idle for five seconds."""
    try:
        connection.request("POST", "/v1/traces", body, headers)
        return connection.getresponse()
    except (ConnectionError, http.client.RemoteDisconnected):
        connection.close()
        connection.request("POST", "/v1/traces", body, headers)
        return connection.getresponse()


@contextmanager
def _running(peer: Peer, folder: Path) -> Iterator[tuple[int, int]]:
    """Start a peer; yield its port and process group once it is healthy."""
    ports = {"port": str(_free_port()), "second": str(_free_port())}
    command = [peer.executable, *(part.format(**ports) for part in peer.arguments)]
    given = {name: value.format(**ports) for name, value in peer.environment.items()}
    with open(folder / f"{peer.executable}.log", "wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **given},
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        try:
            _await_health(process, int(ports["port"]), peer.health)
            yield int(ports["port"]), process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await_health(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with code {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError(f"it was not healthy within {START_TIMEOUT_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory_mb(group: int) -> float:
    """Return the resident memory of all processes of a group."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                status = (folder / "status").read_text()
                total += int(status.partition("VmRSS:")[2].split()[0])
        except (OSError, IndexError, ValueError):
            continue
    return total / 1024


if __name__ == "__main__":
    sys.exit("Run benchmarks/run.py --peers.")
