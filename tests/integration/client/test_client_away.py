"""What a traced program sees of a dead, slow, hung, full or refusing server: nothing."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

import pellucid
from pellucid.client.spool import Spool, drain
from pellucid.testing.collector import Collector, Received, collecting, decode
from pellucid.testing.ports import free_port

PAYLOAD = "x" * 1500
PROGRAM = """
import sys, time
import pellucid
pellucid.init(experiment="away")
@pellucid.trace
def call(n, payload): return payload
start = time.perf_counter()
for n in range({calls}):
    call(n, "{payload}")
print(time.perf_counter() - start, time.time(), flush=True)
"""


@contextmanager
def dead_port() -> Iterator[int]:
    """Hold a port that refuses connections: bound, so that no other program gets it."""
    with socket.socket() as held:
        port = free_port()
        held.bind(("127.0.0.1", port))
        yield port


@pytest.fixture
def hung_url() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def dead_url() -> Iterator[str]:
    with dead_port() as port:
        yield f"http://127.0.0.1:{port}"


def run(url: str, spool_dir: Path, calls: int = 200) -> tuple[float, float, str]:
    """Run the program; return seconds of its calls, seconds from there to its end, and stderr."""
    env = os.environ | {"PELLUCID_URL": url, "PELLUCID_SPOOL_DIR": str(spool_dir)}
    program = PROGRAM.format(calls=calls, payload=PAYLOAD)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=300
    )
    end = time.time()
    assert done.returncode == 0, done.stderr
    spent, stopped = map(float, done.stdout.split())
    return spent, end - stopped, done.stderr


def spooled(spool_dir: Path, url: str) -> list[Received]:
    found: list[Received] = []

    def post(path: str, body: bytes, headers: dict[str, str]) -> int:
        found.extend(decode(headers, body))
        return 200

    report = drain(spool_dir, [url], post)
    assert report.spans == len(found)
    return [span for span in found if not span.pending]


def numbers(spans: list[Received]) -> list[int]:
    return sorted(int(span.attributes["pellucid.input"][5:].partition(",")[0]) for span in spans)


def test_a_dead_server_costs_nothing_and_one_line_says_so(tmp_path: Path, dead_url: str) -> None:
    _, exit_s, stderr = run(dead_url, tmp_path)
    assert exit_s < 30
    assert numbers(spooled(tmp_path, dead_url)) == list(range(200))
    assert stderr.count("\n") == 1
    assert f"No server at {dead_url}; traces are kept in {tmp_path}" in stderr
    assert "run `pellucid up`" in stderr


def test_a_hung_server_holds_up_nobody(tmp_path: Path, hung_url: str) -> None:
    spent, exit_s, _ = run(hung_url, tmp_path)
    assert spent < 30
    assert exit_s < 30
    assert numbers(spooled(tmp_path, hung_url)) == list(range(200))


def test_a_burst_of_ten_thousand_calls_loses_none(tmp_path: Path, dead_url: str) -> None:
    run(dead_url, tmp_path, calls=10_000)
    assert numbers(spooled(tmp_path, dead_url)) == list(range(10_000))


def test_a_burst_reaches_a_server_whole(tmp_path: Path, collector: Collector) -> None:
    run(collector.url, tmp_path, calls=10_000)
    # A busy server may answer the last request too late: then it is in the spool as well.
    found = collector.spans() + spooled(tmp_path, collector.url)
    assert numbers(list({span.span_id: span for span in found}.values())) == list(range(10_000))


def test_a_program_of_one_call_is_seen_at_once(tmp_path: Path, collector: Collector) -> None:
    for _ in range(3):  # A busy machine may take longer to send one than the exit waits.
        run(collector.url, tmp_path, calls=1)
        if collector.spans():
            break
    assert collector.spans()


def test_a_burst_against_a_hung_server_loses_none(tmp_path: Path, hung_url: str) -> None:
    run(hung_url, tmp_path, calls=10_000)
    assert numbers(spooled(tmp_path, hung_url)) == list(range(10_000))


def test_two_programs_spool_at_once(tmp_path: Path, dead_url: str) -> None:
    env = os.environ | {"PELLUCID_URL": dead_url, "PELLUCID_SPOOL_DIR": str(tmp_path)}
    program = PROGRAM.format(calls=2_000, payload=PAYLOAD)
    processes = [subprocess.Popen([sys.executable, "-c", program], env=env) for _ in range(2)]
    assert [process.wait(300) for process in processes] == [0, 0]
    assert numbers(spooled(tmp_path, dead_url)) == sorted(list(range(2_000)) * 2)


def test_what_one_process_left_another_delivers(tmp_path: Path) -> None:
    with dead_port() as port:
        url = f"http://127.0.0.1:{port}"
        run(url, tmp_path, calls=50)
    with collecting(port) as collector:
        run(url, tmp_path, calls=1)
        deadline = time.monotonic() + 60
        pellucid.init(url=url, spool_dir=tmp_path)
        with pellucid.span("wake"):
            pass
        assert pellucid.flush(60)
        while time.monotonic() < deadline and Spool.open(tmp_path, url).files():
            time.sleep(0.05)
        names = [span.name for span in collector.spans()]
    assert names.count("call") == 51
    assert names.count("wake") == 1


def test_a_server_that_comes_up_later_gets_everything(tmp_path: Path) -> None:
    with dead_port() as port:
        pellucid.init(url=f"http://127.0.0.1:{port}", spool_dir=tmp_path)
        with pellucid.span("early"):
            pass
        assert not pellucid.flush(5)
    with collecting(port) as collector:
        with pellucid.span("late"):
            pass
        assert pellucid.flush(60)
        assert sorted(span.name for span in collector.spans()) == ["early", "late"]


def test_a_full_server_is_asked_again_when_it_said(collector: Collector) -> None:
    collector.status = 503
    collector.headers = {"Retry-After": "1"}
    pellucid.init(url=collector.url)
    with pellucid.span("once"):
        pass
    deadline = time.monotonic() + 60
    while not collector.refused and time.monotonic() < deadline:
        time.sleep(0.01)
    collector.status = 200
    assert [span.name for span in collector.wait(1)] == ["once"]
    pauses = [later - earlier for earlier, later in pairwise(collector.times)]
    assert min(pauses) >= 0.7


@pytest.mark.parametrize("status", [400, 413, 415])
def test_what_is_refused_for_good_is_set_aside(
    collector: Collector, tmp_path: Path, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.status = status
    pellucid.init(url=collector.url, spool_dir=tmp_path)
    for name in ("a", "b"):
        with pellucid.span(name):
            pass
        pellucid.flush(5)
    spool = Spool.open(tmp_path, collector.url)
    assert len(list(spool.rejected_folder.iterdir())) == 2
    assert spool.files() == []
    assert capsys.readouterr().err.count("\n") == 1
    collector.status = 200
    with pellucid.span("c"):
        pass
    assert pellucid.flush(60)
    assert [span.name for span in collector.spans()] == ["c"]


def test_a_wrong_key_keeps_the_traces(
    collector: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.status = 401
    pellucid.init(url=collector.url, spool_dir=tmp_path, api_key="wrong")
    with pellucid.span("kept"):
        pass
    assert not pellucid.flush(5)
    assert "PELLUCID_API_KEY" in capsys.readouterr().err
    assert [span.name for span in spooled(tmp_path, collector.url)] == ["kept"]


def test_the_key_is_sent_and_never_spooled(tmp_path: Path, collector: Collector) -> None:
    pellucid.init(url=collector.url, spool_dir=tmp_path, api_key="secret-key-1")
    with pellucid.span("a"):
        pass
    assert pellucid.flush(60)
    _, headers, _ = collector.requests[0]
    assert headers["Authorization"] == "Bearer secret-key-1"
    collector.status = 503
    with pellucid.span("b"):
        pass
    pellucid.flush(1)
    files = Spool.open(tmp_path, collector.url).files()
    assert files
    assert not any(b"secret-key-1" in path.read_bytes() for path in files)


def test_a_slow_server_does_not_slow_the_caller(tmp_path: Path, collector: Collector) -> None:
    collector.answers.clear()
    pellucid.init(url=collector.url, spool_dir=tmp_path)
    for _ in range(300):
        with pellucid.span("quick", input=PAYLOAD):
            pass
    assert collector.requests == [], "the caller waited"
    collector.answers.set()
    assert pellucid.flush(60)
    assert len({span.span_id for span in collector.spans()}) == 300


def test_a_program_killed_under_a_hung_server_has_spooled_what_waited(
    tmp_path: Path, hung_url: str
) -> None:
    pellucid.init(url=hung_url, spool_dir=tmp_path)
    with pellucid.span("in flight"):
        pass
    time.sleep(2.5)
    with pellucid.span("waiting"):
        pass
    deadline = time.monotonic() + 60
    names: list[str] = []
    while "waiting" not in names and time.monotonic() < deadline:
        names += [span.name for span in spooled(tmp_path, hung_url)]
        time.sleep(0.02)
    assert "waiting" in names


def test_without_a_disk_the_memory_is_the_spool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spool").write_text("in the way")
    with dead_port() as port:
        pellucid.init(url=f"http://127.0.0.1:{port}", spool_dir=tmp_path / "spool")
        for name in ("a", "b"):
            with pellucid.span(name):
                pass
            assert not pellucid.flush(2)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, "that traces are kept is not true"
    assert "PELLUCID_SPOOL_DIR" in said[0]
    with collecting(port) as collector:
        assert pellucid.flush(60)
        assert [span.name for span in collector.spans()] == ["a", "b"]
