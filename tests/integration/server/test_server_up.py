"""`pellucid up`: what it prints, what it takes, and what it says when it cannot."""

import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pellucid.client.spool import Delivery, Spool
from pellucid.testing.live import LiveServer
from pellucid.testing.ports import free_port

JSON = {"content-type": "application/json"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = {
    "traceId": TRACE,
    "spanId": "b7ad6b7169203331",
    "name": "spooled",
    "startTimeUnixNano": "1",
    "endTimeUnixNano": "2",
}
BODY = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}).encode()


def run_up(server: LiveServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `pellucid up` that is expected to fail."""
    return subprocess.run(
        server.command("up", *arguments),
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def holder() -> Iterator[int]:
    """A port that another program listens on."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield listener.getsockname()[1]
    listener.close()


def test_it_says_where_it_is_and_is_ready(live_server: LiveServer) -> None:
    assert live_server.lines[0] == f"Pellucid is at {live_server.url}"
    live_server.wait_for_line(f"Data folder: {live_server.data_dir}")
    with live_server.client() as client:
        assert client.get("/health").text == "ok"
        version = client.get("/version").json()
        assert version["name"] == "pellucid"


def test_a_second_one_names_the_first(live_server: LiveServer) -> None:
    second = run_up(live_server, "--port", "0", "--data-dir", str(live_server.data_dir))
    assert second.returncode == 1
    assert second.stdout == ""
    assert len(second.stderr.splitlines()) == 1
    assert str(live_server.pid) in second.stderr
    assert live_server.url in second.stderr


def test_the_folder_is_free_after_a_kill(start_server: Callable[..., LiveServer]) -> None:
    server = start_server()
    server.kill()
    server.start()
    with server.client() as client:
        assert client.get("/health").status_code == 200


def test_a_taken_port_is_named_with_its_holder_and_a_free_one(tmp_path: Path, holder: int) -> None:
    server = LiveServer(tmp_path)
    failed = run_up(server, "--port", str(holder), "--data-dir", str(tmp_path / "data"))
    assert failed.returncode == 1
    assert len(failed.stderr.splitlines()) == 1
    assert f"Port {holder} is taken by" in failed.stderr
    assert f"(process {os.getpid()})" in failed.stderr
    free = int(failed.stderr.rstrip().rpartition("--port ")[2])
    with socket.create_server(("127.0.0.1", free)):
        pass


def test_the_second_otlp_port_is_used_when_free(start_server: Callable[..., LiveServer]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = start_server("--otlp-http-port", str(port))
    server.wait_for_line(f"OTLP over HTTP also at http://127.0.0.1:{port}")
    with server.client() as client:
        url = f"http://127.0.0.1:{port}/v1/traces"
        assert client.post(url, content=BODY, headers=JSON).status_code == 200
        assert client.get(f"/api/v1/traces/{TRACE}").status_code == 200


def test_the_second_otlp_port_is_done_without_when_taken(
    start_server: Callable[..., LiveServer], holder: int
) -> None:
    server = start_server("--otlp-http-port", str(holder))
    line = server.wait_for_line(f"Port {holder} is taken")
    assert f"(process {os.getpid()})" in line
    assert server.url in line


def test_it_delivers_what_was_spooled_for_it(start_server: Callable[..., LiveServer]) -> None:
    port = str(free_port())
    server = start_server("--port", port)
    server.stop()
    spool = Spool.open(server.spool_dir, f"http://localhost:{port}")
    spool.write(Delivery(path="/v1/traces", headers=JSON, body=BODY))
    elsewhere = Spool.open(server.spool_dir, "http://127.0.0.1:1")
    elsewhere.write(Delivery(path="/v1/traces", headers=JSON, body=BODY))
    server.start()
    assert "1 request" in server.wait_for_line("From the spool")
    with server.client() as client:
        assert client.get(f"/api/v1/traces/{TRACE}").json()["spans"][0]["name"] == "spooled"
    assert spool.files() == []
    spool.write(Delivery(path="/v1/traces", headers=JSON, body=BODY))
    deadline = time.monotonic() + 90
    while spool.files() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert spool.files() == []
    assert len(elsewhere.files()) == 1


def test_it_delivers_with_a_key(start_server: Callable[..., LiveServer]) -> None:
    environment = {"PELLUCID_API_KEY": "k", "PELLUCID_PUBLIC_URL": "https://traces.example"}
    server = start_server(environment=environment)
    server.stop()
    spool = Spool.open(server.spool_dir, "https://traces.example")
    spool.write(Delivery(path="/v1/traces", headers=JSON, body=BODY))
    server.start()
    server.wait_for_line("From the spool")
    assert spool.files() == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--port", "x"], 2),
        (["--port", "99999"], 2),
        (["--bogus"], 2),
        (["--host", "no.such.host"], 1),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], code: int) -> None:
    failed = run_up(LiveServer(tmp_path), "--data-dir", str(tmp_path / "data"), *arguments)
    assert failed.returncode == code
    assert "Traceback" not in failed.stderr


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = run_up(LiveServer(tmp_path), "--port", "0", "--data-dir", str(tmp_path / "file" / "x"))
    assert failed.returncode == 1
    assert str(tmp_path / "file" / "x") in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_a_missing_extra_names_its_install_line(tmp_path: Path) -> None:
    # A folder before all others, in which the framework cannot be imported.
    (tmp_path / "litestar.py").write_text("raise ModuleNotFoundError(name='litestar')")
    server = LiveServer(tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    failed = run_up(server, "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].endswith("pip install 'pellucid[server]'")
    assert not (tmp_path / "data").exists()


def test_it_starts_fast_and_small(start_server: Callable[..., LiveServer]) -> None:
    start_server().stop()  # compiles what is not compiled yet
    server = start_server()
    clock = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    # Its own time, and generous: the promise is 1 s and 120 MB.
    assert (int(clock[11]) + int(clock[12])) / os.sysconf("SC_CLK_TCK") < 10
    with open(f"/proc/{server.pid}/status") as status:
        (resident,) = [line for line in status if line.startswith("VmRSS")]
    assert int(resident.split()[1]) < 120_000
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    assert children.strip() == ""


def test_it_ends_while_a_client_stays_connected(start_server: Callable[..., LiveServer]) -> None:
    server = start_server()
    with server.client() as client:
        assert client.get("/health").status_code == 200
        assert server.stop() == 0


def test_ctrl_c_ends_it_and_a_second_one_at_once(
    start_server: Callable[..., LiveServer],
) -> None:
    server = start_server()
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as hanging:
        # A request that never ends holds a graceful stop up.
        hanging.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n"
            b"content-type: application/x-protobuf\r\nexpect: 100-continue\r\n\r\n"
        )
        assert hanging.recv(100).startswith(b"HTTP/1.1 100")  # now it waits for the body
        assert server.process is not None
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert server.process.poll() is None
        assert server.stop(signal.SIGINT) == 0
    server.start()
    assert server.stop(signal.SIGINT) == 0


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_another_server_on_the_port_is_no_pellucid(tmp_path: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Quiet) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            port = str(other.server_address[1])
            failed = run_up(LiveServer(tmp_path), "--port", port, "--data-dir", str(tmp_path))
        finally:
            other.shutdown()
            thread.join()
    assert failed.returncode == 1
    assert f"Port {port} is taken" in failed.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_may_read_what_is_stored(
    start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    server = start_server()
    stored = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert {"spans.db", "meta.db"} <= {path.name for path in stored}
    assert [path.name for path in stored if path.stat().st_mode & 0o077] == []
