import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid.client import delivery
from pellucid.client.delivery import Deliverer
from pellucid.client.locks import FileLock
from pellucid.client.spool import Delivery, Spool
from pellucid.testing.collector import Collector
from pellucid.testing.live import LiveServer


def _delivery(number: int) -> Delivery:
    return Delivery("/api/v1/things", {}, str(number).encode())


def _arrived(collector: Collector) -> list[int]:
    return [int(body) for _, _, body in collector.requests]


@pytest.fixture
def spool(tmp_path: Path, collector: Collector) -> Spool:
    return Spool.open(tmp_path, collector.url)


@pytest.fixture
def deliverer(collector: Collector, spool: Spool) -> Iterator[Deliverer]:
    made = Deliverer(collector.url, spool, ordered=True)
    yield made
    made.close(0.2)


def test_order_holds_through_an_outage(
    deliverer: Deliverer, collector: Collector, spool: Spool
) -> None:
    for number in range(5):
        deliverer.submit(_delivery(number))
    assert deliverer.flush(60)
    collector.status = 503
    for number in range(5, 15):
        deliverer.submit(_delivery(number))
        time.sleep(0.005)
    assert not deliverer.flush(60)
    assert len(spool.files()) == 10
    collector.status = 200
    for number in range(15, 20):
        deliverer.submit(_delivery(number))
    assert deliverer.flush(60)
    assert _arrived(collector) == list(range(20))
    assert spool.files() == []


@pytest.mark.parametrize("ordered", [True, False])
def test_a_moody_server_gets_everything(
    collector: Collector, spool: Spool, *, ordered: bool
) -> None:
    chance = random.Random(7)
    deliverer = Deliverer(collector.url, spool, ordered=ordered)
    for number in range(150):
        collector.status = chance.choice([200, 200, 503, 502, 500, 401, 404])
        deliverer.submit(_delivery(number))
        if chance.random() < 0.1:
            deliverer.flush(0.2)
    collector.status = 200
    deadline = time.monotonic() + 120
    while not deliverer.flush(1) and time.monotonic() < deadline:
        pass
    arrived = list(dict.fromkeys(_arrived(collector)))
    aside = len(list(spool.rejected_folder.glob("*"))) if spool.rejected_folder.is_dir() else 0
    assert len(arrived) + aside == 150
    if ordered:
        assert arrived == sorted(arrived)
    deliverer.close()


def test_one_request_that_a_server_fails_on_does_not_hold_up_the_rest(
    collector: Collector, spool: Spool
) -> None:
    class Picky(Collector):
        def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
            self.status = 500 if body == b"3" else 200
            super().take(path, headers, body)

    picky = Picky()
    deliverer = Deliverer(picky.url, spool, ordered=True)
    for number in range(6):
        deliverer.submit(_delivery(number))
    for _ in range(8):
        deliverer.flush(60)
    assert _arrived(picky) == [0, 1, 2, 4, 5]
    assert len(list(spool.rejected_folder.iterdir())) == 1
    deliverer.close()
    picky.stop()


def test_a_door_that_a_pellucid_server_does_not_have_holds_up_nothing(
    live_server: LiveServer, tmp_path: Path
) -> None:
    spool = Spool.open(tmp_path, live_server.url)
    deliverer = Deliverer(live_server.url, spool, ordered=True)
    deliverer.submit(Delivery("/api/v1/no-such-door", {}, b"{}"))
    deliverer.submit(Delivery("/v1/traces", {"content-type": "application/x-protobuf"}, b""))
    assert deliverer.flush(60)
    assert len(list(spool.rejected_folder.iterdir())) == 1
    deliverer.close()


def test_another_program_on_the_port_gets_nothing_for_good(
    collector: Collector, spool: Spool
) -> None:
    collector.status = 404
    deliverer = Deliverer(collector.url, spool)
    for number in range(3):
        deliverer.submit(_delivery(number))
        assert not deliverer.flush(60)
    assert len(spool.files()) == 3
    assert not spool.rejected_folder.exists()
    deliverer.close()


def test_a_page_that_answers_in_the_place_of_a_server_takes_nothing(
    collector: Collector, spool: Spool
) -> None:
    collector.headers, collector.body = {"content-type": "text/html"}, b"<html>Log in</html>"
    deliverer = Deliverer(collector.url, spool)
    deliverer.submit(_delivery(1))
    assert not deliverer.flush(60)
    assert len(spool.files()) == 1
    collector.headers, collector.body = {"content-type": "application/json"}, b"{}"
    assert deliverer.flush(60)
    assert spool.files() == []
    deliverer.close()


def test_a_folder_that_another_process_empties_is_waited_for(
    deliverer: Deliverer, collector: Collector, spool: Spool
) -> None:
    spool.write(_delivery(1))
    with FileLock(spool.folder / ".lock") as locked:
        assert locked
        deliverer.submit(_delivery(2), durable=True)
        assert not deliverer.flush(0.3)
        assert _arrived(collector) == []
    assert deliverer.flush(60)
    assert _arrived(collector) == [1, 2]


def test_what_does_not_fit_in_memory_waits_on_disk(collector: Collector, spool: Spool) -> None:
    collector.answers.clear()
    deliverer = Deliverer(collector.url, spool, memory_limit_bytes=10)
    for number in range(50):
        deliverer.submit(_delivery(number))
    assert len(spool.files()) > 30
    collector.answers.set()
    assert deliverer.flush(60)
    assert sorted(_arrived(collector)) == list(range(50))
    deliverer.close()


def test_many_threads_submit(deliverer: Deliverer, collector: Collector) -> None:
    def submit(start: int) -> None:
        for number in range(start, start + 100):
            deliverer.submit(_delivery(number))

    threads = [threading.Thread(target=submit, args=(n * 100,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert deliverer.flush(60)
    assert sorted(_arrived(collector)) == list(range(800))


def test_close_gives_a_working_server_the_time_it_needs(
    collector: Collector, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in ("_PROGRESS_S", "_LONGEST_CLOSE_S"):  # a busy machine answers late
        monkeypatch.setattr(delivery, patience, 60)
    collector.delay_s = 0.1
    deliverer = Deliverer(collector.url, spool)
    for number in range(20):
        deliverer.submit(_delivery(number))
    deliverer.close(1.5)
    assert _arrived(collector) == list(range(20))
    assert spool.files() == []


def test_close_does_not_wait_long_for_a_slow_server(collector: Collector, spool: Spool) -> None:
    collector.answers.clear()
    deliverer = Deliverer(collector.url, spool)
    for number in range(20):
        deliverer.submit(_delivery(number))
    deliverer.close(0.5)
    assert collector.requests == [], "it waited for the answer"
    assert len(spool.files()) == 20


def test_after_close_requests_go_to_the_spool(deliverer: Deliverer, spool: Spool) -> None:
    deliverer.close()
    deliverer.submit(_delivery(1))
    assert len(spool.files()) == 1
