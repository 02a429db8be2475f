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
from pellucid.server.services.batch import Batch
from pellucid.server.services.normaliser import Normaliser
from pellucid.server.services.preparing import Prepared, Preparer
from pellucid.server.services.workers import Workers
from pellucid.storage.spans.sqlite.entries import decode_contents
from pellucid.storage.spans.sqlite.parcels import Parcel, prepare

LARGE = module.SMALL_BYTES
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


def decoding(data: bytes) -> Callable[[], Batch]:
    return partial(decode_traces, data, None)


def content(prepared: Prepared) -> object:
    parcels = [cast(Parcel, parcel) for parcel in prepared.parcels]
    return (
        [pickle.dumps(replace(parcel, contents=b"")) for parcel in parcels],
        [sorted(map(str, decode_contents(parcel.contents).facts)) for parcel in parcels],
        [decode_contents(parcel.contents).pieces for parcel in parcels],
        prepared.attachments,
        prepared.batch.faults,
        prepared.batch.warnings,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
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
        thread.join(20)
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
