import gzip
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.client.locks import FileLock
from pellucid.client.spool import SPAN_COUNT_HEADER, Delivery, DrainReport, Spool, drain, spool_key

URL = "http://127.0.0.1:4380"


def _delivery(body: bytes = b"spans", spans: int = 2) -> Delivery:
    return Delivery("/v1/traces", {SPAN_COUNT_HEADER: str(spans)}, body)


class Server:
    """Answers every post with the next status, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        self.bodies.append(body)
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://127.0.0.1:4380", "http://localhost:4380"),
        ("HTTP://LocalHost:4380/", "http://localhost:4380"),
        ("http://127.1.2.3:4380/base", "http://localhost:4380"),
        ("http://[::1]:4380", "http://localhost:4380"),
        ("https://Pellucid.Example", "https://pellucid.example:443"),
        ("http://example", "http://example:80"),
        ("http://127.example.com:1", "http://127.example.com:1"),
    ],
)
def test_spool_key_makes_loopback_names_one(url: str, key: str) -> None:
    assert spool_key(url) == key


def test_what_is_written_is_drained_once_in_order(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    assert spool.files() == []
    bodies = [f"body {n}\nwith a line".encode() for n in range(5)]
    for body in bodies:
        spool.write(_delivery(body))
    server = Server(200)
    report = drain(tmp_path, ["http://localhost:4380", "http://[::1]:4380"], server.post)
    assert report == DrainReport(files=5, spans=10, size_bytes=sum(map(len, bodies)))
    assert server.bodies == bodies
    assert spool.files() == []
    assert drain(tmp_path, [URL], server.post) == DrainReport()


def test_other_destinations_are_left_alone(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, "http://127.0.0.1:9999")
    spool.write(_delivery())
    assert drain(tmp_path, [URL], Server(200).post) == DrainReport()
    assert len(spool.files()) == 1


def test_a_full_server_stops_the_draining_and_loses_nothing(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    for _ in range(4):
        spool.write(_delivery())
    report = spool.drain(Server(200, 503).post)
    assert (report.files, report.kept) == (1, 3)
    assert len(spool.files()) == 3


def test_nobody_answering_keeps_the_files(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    spool.write(_delivery())

    def refuse(path: str, body: bytes, headers: dict[str, str]) -> int:
        raise ConnectionRefusedError

    assert spool.drain(refuse) == DrainReport(kept=1)
    assert len(spool.files()) == 1


def test_what_is_refused_for_good_is_set_aside(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    for _ in range(3):
        spool.write(_delivery())
    report = spool.drain(Server(200, 400, 200).post)
    assert (report.files, report.failed, report.kept) == (2, 1, 0)
    assert spool.files() == []
    assert len(list(spool.rejected_folder.iterdir())) == 1


def test_a_file_that_is_not_ours_is_set_aside(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    spool.write(_delivery())
    (spool.folder / "00000000000000000001-1-000001.req").write_bytes(b"pellucid-spool 1\n[]\n")
    (spool.folder / "00000000000000000000-1-000001.req").write_bytes(b"\x00" * 10)
    report = spool.drain(Server(200).post)
    assert (report.files, report.failed) == (1, 2)


def test_the_oldest_make_room(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL, limit_bytes=10_000)
    for number in range(30):
        spool.write(_delivery(os.urandom(999) + bytes([number])))
    server = Server(200)
    spool.drain(server.post)
    kept = [body[-1] for body in server.bodies]
    assert kept == list(range(30 - len(kept), 30))
    assert 5 <= len(kept) <= 10
    assert spool.dropped_files == 30 - len(kept)
    assert spool.dropped_spans == 2 * spool.dropped_files


def test_a_locked_folder_is_left_to_its_holder(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    spool.write(_delivery())
    with FileLock(spool.folder / ".lock") as locked:
        assert locked
        assert spool.drain(Server(200).post) == DrainReport(busy=True)
    assert spool.drain(Server(200).post).files == 1


def test_leftovers_of_a_killed_writer_go_after_an_hour(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    spool.write(_delivery())
    fresh, stale = spool.folder / ".a.req.tmp", spool.folder / ".b.req.tmp"
    for path in (fresh, stale):
        path.write_bytes(b"half")
    os.utime(stale, (time.time() - 7200,) * 2)
    assert spool.drain(Server(200).post).files == 1
    assert fresh.exists()
    assert not stale.exists()


def test_only_the_owner_may_read_what_is_spooled(tmp_path: Path) -> None:
    path = Spool.open(tmp_path, URL).write(_delivery())
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_disk_that_takes_nothing_raises_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file"):
        Spool.open(tmp_path / "file", URL).write(_delivery())


def test_stop_keeps_the_rest(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)
    for _ in range(3):
        spool.write(_delivery())
    answers = iter([False, True])
    assert spool.drain(Server(200).post, stop=lambda: next(answers)) == DrainReport(
        files=1, spans=2, size_bytes=5, kept=2
    )


def test_two_drains_at_once_deliver_each_file_once(tmp_path: Path) -> None:
    spools = [Spool.open(tmp_path, URL) for _ in range(2)]
    for number in range(100):
        spools[0].write(_delivery(str(number).encode()))
    server = Server(200)
    reports: list[DrainReport] = []

    def work(spool: Spool) -> None:
        while spool.files():
            reports.append(spool.drain(server.post))

    threads = [threading.Thread(target=work, args=(spool,)) for spool in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, server.bodies)) == list(range(100))
    assert sum(report.files for report in reports) == 100


def test_writers_in_many_threads_lose_nothing(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, URL)

    def work(start: int) -> None:
        for number in range(start, start + 25):
            spool.write(_delivery(str(number).encode()))

    threads = [threading.Thread(target=work, args=(n * 25,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server = Server(200)
    assert spool.drain(server.post).files == 100
    assert sorted(map(int, server.bodies)) == list(range(100))


@pytest.mark.skipif(os.name == "nt", reason="no such limit on Windows")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    import resource

    spool = Spool.open(tmp_path, URL)
    spool.write(_delivery())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="large"):
            spool.write(_delivery(os.urandom(50_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(spool.folder.iterdir())) == 1
    assert spool.drain(Server(200).post).files == 1


@given(st.binary(max_size=3000), st.dictionaries(st.text(min_size=1), st.text(), max_size=3))
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_request_comes_out_as_it_went_in(
    tmp_path: Path, body: bytes, headers: dict[str, str]
) -> None:
    spool = Spool.open(tmp_path, URL)
    given_delivery = Delivery("/v1/traces", headers, body)
    spool.write(given_delivery)
    found: list[Delivery] = []

    def post(path: str, body: bytes, headers: dict[str, str]) -> int:
        if headers.get("content-encoding") == "gzip" and len(body) != len(given_delivery.body):
            headers = {k: v for k, v in headers.items() if k != "content-encoding"}
            body = gzip.decompress(body)
        found.append(Delivery(path, headers, body))
        return 200

    assert spool.drain(post).files == 1
    assert found == [given_delivery]
