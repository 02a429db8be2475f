"""Worker processes: they give what this process gives, and nothing is lost with them."""

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pellucid.core.errors import InvalidInput
from pellucid.semconv.cost import PriceTable
from pellucid.server.ingest.protobuf import decode_traces
from pellucid.server.services import workers as module
from pellucid.server.services.batch import Batch, Part
from pellucid.server.services.normaliser import Normaliser
from pellucid.server.services.preparing import Prepared, Preparer
from pellucid.server.services.workers import Workers
from pellucid.storage.spans.sqlite.entries import decode_contents
from pellucid.storage.spans.sqlite.parcels import Parcel, prepare

LARGE = module.SMALL_BYTES
DIVIDED = module.DIVIDED_BYTES
PREPARER = Preparer(Normaliser(PriceTable.load()), 1, prepare)


def body(spans: int = 3) -> bytes:
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for number in range(1, spans + 1):
        span = scope.spans.add(
            trace_id=b"t" * 16, span_id=number.to_bytes(8), name=f"span {number}"
        )
        span.attributes.add(key="gen_ai.request.model").value.string_value = "gpt-4o"
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 7
        span.attributes.add(key="picture").value.string_value = (
            "data:image/png;base64,iVBORw0KGgo" + "A" * 200
        )
    scope.spans.add(trace_id=b"short", span_id=b"s" * 8, name="refused")
    data: bytes = message.SerializeToString()
    return data


def mixed(spans: int) -> bytes:
    """Return a request of many traces, a faulty span and a resource that cannot be read whole."""
    message = ExportTraceServiceRequest()
    outer = message.resource_spans.add()
    outer.resource.attributes.add(key="bad").value.string_value = "@@@@"
    scope = outer.scope_spans.add()
    for number in range(spans):
        trace_id = bytes([number % 30 + 1]) * 16
        scope.spans.add(
            trace_id=b"short" if number == 7 else trace_id,
            span_id=(number + 1).to_bytes(8),
            name=f"span {number}",
        )
    data: bytes = message.SerializeToString()
    return data.replace(b"@@@@", b"@\xff@@")


def decoding(data: bytes) -> Callable[[], Batch]:
    return partial(decode_traces, data, None)


def plain(prepared: Prepared) -> list[Parcel]:
    return [replace(cast(Parcel, parcel), contents=b"") for parcel in prepared.parcels]


def content(prepared: Prepared) -> object:
    parcels = [cast(Parcel, parcel) for parcel in prepared.parcels]
    return (
        [pickle.dumps(parcel) for parcel in plain(prepared)],
        [sorted(map(str, decode_contents(parcel.contents).facts)) for parcel in parcels],
        [decode_contents(parcel.contents).pieces for parcel in parcels],
        prepared.attachments,
        prepared.batch.faults,
        prepared.batch.warnings,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def busy(workers: Workers, count: int = 1) -> None:
    """Have the workers started, as much work would."""
    workers._note(1.0)
    wait_until(lambda: workers.count == count)


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(PREPARER, most=1)
    yield found
    found.close()
    assert found.count == 0


def pid_of(workers: Workers) -> int:
    return workers._idle[0]._process.pid


def test_a_worker_gives_what_this_process_gives(workers: Workers) -> None:
    here = workers.prepare(decoding(body()), 5, LARGE)
    assert workers.count == 0
    busy(workers)
    there = workers.prepare(decoding(body()), 5, LARGE)
    assert content(there) == content(here)
    assert len(here.parcels[0]) == 3
    assert len(here.attachments) == 3
    assert len(here.batch.faults) == 1


def test_two_workers_share_a_large_request() -> None:
    data = mixed(300)
    workers = Workers(PREPARER, most=2)
    try:
        here = workers.prepare(decoding(data), 5, DIVIDED)
        busy(workers, 2)
        there = workers.prepare(decoding(data), 5, DIVIDED)
        assert sorted(map(pickle.dumps, plain(there))) == sorted(map(pickle.dumps, plain(here)))
        assert len(there.parcels) == 30
        assert sorted(map(str, there.batch.faults)) == sorted(map(str, here.batch.faults))
        assert there.batch.warnings == here.batch.warnings != []
        with pytest.raises(InvalidInput, match="cut short"):
            workers.prepare(decoding(data[:-3]), 5, DIVIDED)
        os.kill(workers._idle[1]._process.pid, signal.SIGKILL)
        again = workers.prepare(decoding(data), 5, DIVIDED)
        assert sorted(map(pickle.dumps, plain(again))) == sorted(map(pickle.dumps, plain(here)))
        assert workers.count == 1
    finally:
        workers.close()


@pytest.mark.parametrize("cut", [0, 5])
def test_the_parts_of_a_request_are_the_request(cut: int) -> None:
    data = mixed(50)
    if cut:  # one span's bytes are malformed
        at = data.index(b"span 20")
        data = data[: at - 1] + b"\xff" + data[at:]
    whole = decode_traces(data, None)
    parts = [decode_traces(data, None, Part(number, 3)) for number in range(3)]
    assert sum(len(part.spans) for part in parts) == len(whole.spans) > 0
    ids = [span.span_id for part in parts for span in part.spans]
    assert sorted(ids) == sorted(span.span_id for span in whole.spans)
    faults = [str(fault) for part in parts for fault in part.faults]
    assert sorted(faults) == sorted(map(str, whole.faults))
    assert [one for part in parts for one in part.warnings] == whole.warnings


def test_what_cannot_be_decoded_raises_as_here(workers: Workers) -> None:
    busy(workers)
    pid = pid_of(workers)
    with pytest.raises(InvalidInput, match="cut short"):
        workers.prepare(decoding(body()[:-3]), 5, LARGE)
    assert pid_of(workers) == pid, "it goes on"


def test_a_worker_that_was_killed_is_replaced_by_this_process(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    busy(workers)
    os.kill(pid_of(workers), signal.SIGKILL)
    assert len(workers.prepare(decoding(body()), 5, LARGE).parcels) == 1
    assert workers.count == 0
    assert "ended early" in caplog.text
    wait_until(lambda: workers._keeper is None)
    busy(workers)
    assert len(workers.prepare(decoding(body()), 5, LARGE).parcels) == 1
    assert workers.count == 1


def test_workers_end_when_they_have_nothing_to_do(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy(workers)
    process = workers._idle[0]._process
    monkeypatch.setattr(module, "IDLE_S", 0.0)
    wait_until(lambda: workers.count == 0)
    wait_until(lambda: process.returncode == 0)


def test_those_who_wait_for_a_worker_are_all_served(workers: Workers) -> None:
    busy(workers)
    data = body(200)
    done: list[int] = []

    def ask() -> None:
        done.append(len(workers.prepare(decoding(data), 5, LARGE).parcels[0]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [200] * 6


def test_little_work_starts_nothing(workers: Workers) -> None:
    for _ in range(20):
        workers.prepare(decoding(body()), 5, LARGE)
    assert workers.count == 0
    assert workers._keeper is None


def test_without_a_worker_all_goes_on(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for _ in range(10):
        workers._note(1.0)
        wait_until(lambda: workers._keeper is None)
    assert len(workers.prepare(decoding(body()), 5, LARGE).parcels) == 1
    assert caplog.text.count("No worker process can be started") == 3, "it gives up"
