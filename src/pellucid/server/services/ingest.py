"""Spans and logs on their way in: decode, normalise, queue, group commit, and only then the ack."""

from collections.abc import Sequence

from pellucid.core.clock import Clock, now_ns
from pellucid.core.errors import InvalidInput, Unavailable
from pellucid.core.ports import SpanStore
from pellucid.semconv.attachments import CutAttachment
from pellucid.server.services.attachments import AttachmentService
from pellucid.server.services.batch import Batch, describe
from pellucid.server.services.group_commit import GroupCommit, Write, new_future
from pellucid.server.services.preparing import Decode, Normalise, Prepared, Preparer
from pellucid.server.services.threads import Threads
from pellucid.server.services.workers import Workers

MAX_WAITING_SPANS = 100_000
MAX_BODY_BYTES_IN_FLIGHT = 256 * 1024 * 1024
RETRY_AFTER_S = 1.0


class IngestService:
    """Takes decoded requests; what `ingest` returned for is durable."""

    def __init__(
        self,
        store: SpanStore,
        attachments: AttachmentService,
        *,
        normalise: Normalise,
        normaliser: int,
        threads: Threads,
        workers: int | None = None,
        clock: Clock = now_ns,
        max_waiting_spans: int = MAX_WAITING_SPANS,
        max_body_bytes: int = MAX_BODY_BYTES_IN_FLIGHT,
    ) -> None:
        self._attachments = attachments
        self._workers = Workers(Preparer(normalise, normaliser, store.prepare), most=workers)
        self._threads = threads
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._body_bytes = 0
        self._commits = GroupCommit(store, capacity=max_waiting_spans)

    def reserve(self, size_bytes: int) -> None:
        """Count bytes of a body that arrive, so that bodies in flight stay within memory.

        Raises Unavailable, and counts nothing, when there are too many.
        """
        if self._body_bytes + size_bytes > self._max_body_bytes or self._commits.is_full:
            raise Unavailable(
                "The server receives more than it can store at the moment. "
                "Nothing of this request was stored; send it again.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._body_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what `reserve` counted."""
        self._body_bytes -= size_bytes

    async def ingest(self, decode: Decode, size_bytes: int = 0) -> Batch:
        """Decode a request off the event loop, store it, and return when it is durable.

        A request of many bytes may be decoded in another process; `decode` must then pickle.
        The batch that comes back names what was refused. Raises InvalidInput if nothing in it was
        valid, what `decode` raises, and Unavailable (nothing stored) if it should be sent again.
        """
        pinned: list[str] = []
        try:
            return await self._store(decode, size_bytes, pinned)
        finally:
            self._attachments.unpin(pinned)

    async def _store(self, decode: Decode, size_bytes: int, pinned: list[str]) -> Batch:
        self._commits.announce()
        try:
            prepared = await self._threads.run(self._prepare, decode, size_bytes, pinned)
            batch = prepared.batch
            write = Write(parcels=prepared.parcels, logs=prepared.logs, done=new_future())
            if len(write):
                self._commits.put(write)
        finally:
            self._commits.withdraw()
        if len(write):
            await write.done
            batch.faults.extend(write.faults)
        if batch.faults and len(write) == len(write.faults):
            raise InvalidInput(f"Nothing was stored. {describe(batch.faults, batch.warnings)}")
        return batch

    def close(self) -> None:
        """Make durable what is queued, and stop; blocks."""
        self._commits.close()
        self._workers.close()

    def _prepare(self, decode: Decode, size_bytes: int, pinned: list[str]) -> Prepared:
        prepared = self._workers.prepare(decode, self._clock(), size_bytes)
        self._keep(prepared.attachments, pinned)
        return prepared

    def _keep(self, attachments: Sequence[CutAttachment], pinned: list[str]) -> None:
        for attachment in attachments:
            pinned.append(attachment.digest)
            self._attachments.keep(attachment.digest, attachment.data)
