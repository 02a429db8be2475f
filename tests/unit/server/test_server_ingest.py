"""The ingest service over a store that fails on demand: acks, groups, full queues, the end."""

import asyncio
import base64
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from pellucid.core.digest import digest_bytes
from pellucid.core.errors import InvalidInput, NotFound, StorageUnavailable, Unavailable
from pellucid.core.ports import Parcel
from pellucid.core.span import DecodedSpan, LogRecord
from pellucid.semconv.normalise import normalise
from pellucid.server.services.attachments import AttachmentService
from pellucid.server.services.batch import Batch, Fault
from pellucid.server.services.ingest import IngestService
from pellucid.server.services.threads import Threads
from pellucid.storage.artifacts.local import LocalArtifactStore
from pellucid.storage.spans.sqlite.store import SqliteSpanStore

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Store(SqliteSpanStore):
    """A real store that can be told to wait, to be full, and to choke on a span's name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, normalise=normalise)
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_full = False
        self.groups: list[list[str]] = []

    def write_prepared(self, parcels: Sequence[Parcel]) -> None:
        self.may_write.wait()
        if self.is_full:
            raise StorageUnavailable("The disk is full.")
        names = [item.node.name for parcel in parcels for item in cast(Any, parcel).items]
        if "poison" in names:
            raise RuntimeError("cannot be stored")
        super().write_prepared(parcels)
        self.groups.append(names)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "spans.db")


class Harness:
    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        max_waiting_spans: int = 1000,
        max_body_bytes: int = 1000,
    ) -> None:
        self.store = store
        self.threads = Threads("decoder", 2)
        self.attachments = AttachmentService(
            LocalArtifactStore(folder / "attachments"), store, self.threads
        )
        self.service = IngestService(
            store,
            self.attachments,
            normalise=normalise,
            normaliser=1,
            threads=self.threads,
            max_waiting_spans=max_waiting_spans,
            max_body_bytes=max_body_bytes,
        )

    async def send(self, *names: str, faults: int = 0) -> Batch:
        spans = [
            DecodedSpan(trace_id=TRACE, span_id=name.rjust(16, "0").encode().hex()[-16:],
                        name=name, start_ns=1, end_ns=2)
            for name in names
        ]  # fmt: skip
        batch = Batch(spans=spans, faults=[Fault("a span", "is bad")] * faults)
        return await self.service.ingest(lambda: batch)

    async def close(self) -> None:
        await asyncio.to_thread(self.service.close)
        self.threads.close()
        self.store.close()

    async def waiting(self, count: int) -> None:
        """Wait until so many spans wait for their commit."""
        async with asyncio.timeout(60):
            while self.service._commits._waiting != count:
                await asyncio.sleep(0.005)

    def stored(self) -> set[str]:
        return {stored.span.name for stored in self.store.iter_spans(TRACE)}


async def test_the_answer_comes_after_the_commit(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path)
    store.may_write.clear()
    sending = asyncio.create_task(harness.send("a"))
    await asyncio.sleep(0.1)
    assert not sending.done()
    store.may_write.set()
    assert (await sending).faults == []
    assert harness.stored() == {"a"}
    await harness.close()


async def test_requests_that_wait_share_a_commit(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path)
    store.may_write.clear()
    tasks = [asyncio.create_task(harness.send(name)) for name in "abcdef"]
    await harness.waiting(6)
    store.may_write.set()
    await asyncio.gather(*tasks)
    assert len(store.groups) <= 2
    assert harness.stored() == set("abcdef")
    await harness.close()


async def test_a_full_disk_stores_nothing_and_asks_to_come_again(
    store: Store, tmp_path: Path
) -> None:
    harness = Harness(store, tmp_path)
    store.is_full = True
    for result in await asyncio.gather(
        harness.send("a"), harness.send("b"), return_exceptions=True
    ):
        assert isinstance(result, Unavailable)
    store.is_full = False
    await harness.send("a")
    assert harness.stored() == {"a"}
    await harness.close()


async def test_a_span_that_cannot_be_stored_costs_nobody_else(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path)
    store.may_write.clear()
    tasks = [
        asyncio.create_task(harness.send(*names))
        for names in (("a", "b"), ("c", "poison", "d"), ("e",))
    ]
    await asyncio.sleep(0.1)
    store.may_write.set()
    one, other, third = await asyncio.gather(*tasks)
    assert one.faults == third.faults == []
    assert len(other.faults) == 1
    assert "cannot be stored" in str(other.faults[0])
    assert harness.stored() == set("abcde")
    await harness.close()


async def test_nothing_valid_is_an_error_and_nothing_at_all_is_none(
    store: Store, tmp_path: Path
) -> None:
    harness = Harness(store, tmp_path)
    with pytest.raises(InvalidInput, match="is bad"):
        await harness.send(faults=1)
    with pytest.raises(InvalidInput, match="cannot be stored"):
        await harness.send("poison")
    assert (await harness.send()).faults == []
    assert len((await harness.send("a", faults=7)).faults) == 7
    await harness.close()


async def test_a_full_queue_refuses_before_reading_more(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path, max_waiting_spans=3, max_body_bytes=100)
    store.may_write.clear()
    tasks = [asyncio.create_task(harness.send(name)) for name in "abc"]
    await harness.waiting(3)
    with pytest.raises(Unavailable):
        harness.service.reserve(1)
    store.may_write.set()
    await asyncio.gather(*tasks)
    await harness.waiting(0)
    harness.service.reserve(90)
    with pytest.raises(Unavailable):
        harness.service.reserve(20)
    harness.service.release(90)
    harness.service.reserve(20)
    await harness.close()


async def test_closing_stores_what_was_queued(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path)
    store.may_write.clear()
    tasks = [asyncio.create_task(harness.send(name)) for name in "abc"]
    await harness.waiting(3)
    closing = asyncio.create_task(asyncio.to_thread(harness.service.close))
    await asyncio.sleep(0.05)
    store.may_write.set()
    await asyncio.gather(closing, *tasks)
    assert harness.stored() == set("abc")
    with pytest.raises(Unavailable):
        await harness.send("d")
    harness.threads.close()
    store.close()


async def test_what_decoding_raises_reaches_the_caller(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path)

    def decode() -> Batch:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput, match="no"):
        await harness.service.ingest(decode)
    await harness.send("a")
    await harness.close()


async def test_logs_are_stored_with_spans(store: Store, tmp_path: Path) -> None:
    harness = Harness(store, tmp_path)
    record = LogRecord(
        trace_id=TRACE, span_id="0" * 14 + "61", digest=b"1" * 16, time_ns=1, event_name="event"
    )
    span = DecodedSpan(trace_id=TRACE, span_id="0" * 14 + "61", name="a", start_ns=1, end_ns=2)
    await harness.service.ingest(lambda: Batch(spans=[span], logs=[record]))
    (stored,) = store.iter_spans(TRACE)
    assert [event.name for event in stored.span.events] == ["event"]
    await harness.close()


async def test_an_attachment_stays_while_its_span_is_on_its_way(
    store: Store, tmp_path: Path
) -> None:
    harness = Harness(store, tmp_path)
    image = b"\x89PNG\r\n\x1a\n" + bytes(300)
    url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    spans = [
        DecodedSpan(
            trace_id=TRACE, span_id="0" * 15 + "1", start_ns=1, end_ns=2, attributes={"i": url}
        )
    ]
    digest = digest_bytes(image)
    store.may_write.clear()
    sending = asyncio.create_task(harness.service.ingest(lambda: Batch(spans=spans)))
    await harness.waiting(1)
    harness.attachments.drop([digest])
    assert (await harness.attachments.get(digest)).data == image
    store.may_write.set()
    await sending
    harness.attachments.drop([digest])
    assert (await harness.attachments.get(digest)).data == image
    await asyncio.to_thread(store.delete_trace, TRACE)
    harness.attachments.drop([digest])
    with pytest.raises(NotFound):
        await harness.attachments.get(digest)
    await harness.close()
