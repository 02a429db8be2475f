"""Spans and logs on their way in: decode, normalise, queue, group commit, and only then the ack."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pellucid.core.clock import Clock, now_ns
from pellucid.core.errors import InvalidInput, Unavailable
from pellucid.core.ports import SpanStore
from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span
from pellucid.semconv.attachments import CutAttachment, cut, cut_log
from pellucid.semconv.digest import attribute_count, digest_of
from pellucid.server.services.attachments import AttachmentService
from pellucid.server.services.batch import Batch, describe
from pellucid.server.services.group_commit import GroupCommit, Write, new_future
from pellucid.server.services.threads import Threads

MAX_WAITING_SPANS = 100_000
MAX_BODY_BYTES_IN_FLIGHT = 256 * 1024 * 1024
RETRY_AFTER_S = 1.0


class _Prepared(NamedTuple):
    batch: Batch
    arrivals: list[Arrival]
    logs: list[LogRecord]


Normalise = Callable[[DecodedSpan, Sequence[LogRecord]], Span]


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
        clock: Clock = now_ns,
        max_waiting_spans: int = MAX_WAITING_SPANS,
        max_body_bytes: int = MAX_BODY_BYTES_IN_FLIGHT,
    ) -> None:
        self._attachments = attachments
        self._normalise = normalise
        self._normaliser = normaliser
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

    async def ingest(self, decode: Callable[[], Batch]) -> Batch:
        """Decode a request off the event loop, store it, and return when it is durable.

        The batch that comes back names what was refused. Raises InvalidInput if nothing in it was
        valid, what `decode` raises, and Unavailable (nothing stored) if it should be sent again.
        """
        pinned: list[str] = []
        try:
            return await self._store(decode, pinned)
        finally:
            self._attachments.unpin(pinned)

    async def _store(self, decode: Callable[[], Batch], pinned: list[str]) -> Batch:
        self._commits.announce()
        try:
            prepared = await self._threads.run(self._prepare, decode, pinned)
            batch = prepared.batch
            write = Write(arrivals=prepared.arrivals, logs=prepared.logs, done=new_future())
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

    def _prepare(self, decode: Callable[[], Batch], pinned: list[str]) -> "_Prepared":
        batch = decode()
        seen_ns = self._clock()
        arrivals = [self._arrival(span, seen_ns, pinned) for span in batch.spans]
        return _Prepared(batch, arrivals, [self._record(log, pinned) for log in batch.logs])

    def _arrival(self, decoded: DecodedSpan, seen_ns: int, pinned: list[str]) -> Arrival:
        digest = digest_of(decoded)
        kept = cut(decoded)
        self._keep(kept.attachments, pinned)
        return Arrival(
            decoded=kept.decoded,
            span=self._normalise(kept.decoded, ()),
            digest=digest,
            attribute_count=attribute_count(decoded),
            seen_ns=seen_ns,
            normaliser=self._normaliser,
        )

    def _record(self, record: LogRecord, pinned: list[str]) -> LogRecord:
        kept = cut_log(record)
        self._keep(kept.attachments, pinned)
        return kept.record

    def _keep(self, attachments: Sequence[CutAttachment], pinned: list[str]) -> None:
        for attachment in attachments:
            pinned.append(attachment.digest)
            self._attachments.keep(attachment.digest, attachment.data)
