import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from pellucid.demo.agent import Answer
from pellucid.demo.tour import fill
from pellucid.demo.verify import find_problems
from pellucid.testing.live import LiveServer

COMMAND = [sys.executable, "-m", "pellucid", "demo"]


def environment(home: Path) -> dict[str, str]:
    """An empty HOME, a proxy that leads nowhere, and settings of the user's that must not count."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "http_proxy": "http://127.0.0.1:9",
        "PELLUCID_URL": "http://127.0.0.1:9",
        "PELLUCID_ENABLED": "0",
    }


def test_once_checks_the_trace_and_exits(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--once", "--data-dir", "demo", "--port", str(port)],
            env=environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert f"Port {port} is taken" in done.stdout
    assert "8,568 dual-layer Blu-ray discs" in done.stdout
    assert "/traces/" in done.stdout
    assert "Checked over HTTP" in done.stdout
    assert (tmp_path / "demo" / "stack.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / ".pellucid").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--data-dir", str(tmp_path / "demo"), "--port", "0"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        page = ""
        for line in process.stdout:
            if line.startswith("Trace:"):
                page = line.split()[-1]
            if line.startswith("Open it"):
                break
        assert httpx.get(page, timeout=90, trust_env=False).status_code == 200
        process.send_signal(number)
        rest, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "Stopped." in rest
        with pytest.raises(httpx.ConnectError):
            httpx.get(page, trust_env=False)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


@pytest.mark.slow
def test_it_fills_the_other_pages_once(live_server: LiveServer, tmp_path: Path) -> None:
    first = [part.page for part in fill(live_server.url, tmp_path / "spool")]
    counts = _run_counts(live_server.url)
    assert counts == {"bluray-agent": 60, "media-qa": 11}
    again = [part.page for part in fill(live_server.url, tmp_path / "spool")]
    assert again == first
    assert _run_counts(live_server.url) == counts
    for page in first:
        assert httpx.get(live_server.url + page, timeout=90, trust_env=False).is_success


def _run_counts(url: str) -> dict[str, int]:
    answer = httpx.get(f"{url}/api/v1/experiments", timeout=90, trust_env=False)
    found = answer.json()["experiments"]
    return {one["name"]: one["run_count"] for one in found}


def test_a_trace_that_is_not_there_is_a_problem(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.demo.verify._DEADLINE_S", 0.2)
    answer = Answer(text="42", picture=None, trace_id="ab" * 16)
    [problem] = find_problems(live_server.url, answer)
    assert "is not complete" in problem
    [problem] = find_problems("http://127.0.0.1:9", answer)
    assert "does not answer" in problem


def test_its_server_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from pellucid.demo.server_process import own_server\n"
        "with own_server(Path(sys.argv[1]), 0) as server:\n"
        "    print(server.url, flush=True)\n    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "demo")],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/health", timeout=90, trust_env=False).is_success
        process.send_signal(signal.SIGKILL)
    for _ in range(900):
        try:
            httpx.get(f"{url}/health", trust_env=False)
        except httpx.TransportError:
            return
        time.sleep(0.1)
    pytest.fail("the demo's server is still there")
