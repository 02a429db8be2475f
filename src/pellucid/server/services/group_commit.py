"""One writer thread: requests that wait at the same time share a commit and its fsync."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

import msgspec

from pellucid.core.errors import PellucidError, Unavailable
from pellucid.core.ports import Parcel, SpanStore
from pellucid.core.span import LogRecord
from pellucid.server.services.batch import Fault

MAX_GROUP = 4096
MAX_LINGER_S = 0.010

_log = logging.getLogger(__name__)


class Write(msgspec.Struct, kw_only=True, eq=False):
    """What one request wants stored; `done` is set on the event loop once it is durable."""

    parcels: Sequence[Parcel]
    logs: list[LogRecord]
    done: asyncio.Future[None]
    faults: list[Fault] = []
    """What the store refused although it was well-formed."""

    def __len__(self) -> int:
        return sum(map(len, self.parcels)) + len(self.logs)


def new_future() -> asyncio.Future[None]:
    """Return a future of the running loop."""
    return asyncio.get_running_loop().create_future()


class GroupCommit:
    """A bounded queue before a store's only writer.

    `announce` and `withdraw` count the requests that are still being prepared: while there are
    some, the writer lingers up to `MAX_LINGER_S` for them, and no longer than that.
    """

    def __init__(self, store: SpanStore, *, capacity: int) -> None:
        self._store = store
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        # Guarded by `_changed`.
        self._queue: deque[Write] = deque()
        self._waiting = 0
        self._announced = 0
        self._closing = False
        # A daemon, so that a second Ctrl-C ends the process; nothing unwritten is acknowledged.
        self._thread = threading.Thread(target=self._run, name="pellucid-span-writer", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether as many spans wait as may wait."""
        return self._waiting >= self._capacity

    def announce(self) -> None:
        """Tell that a request is on its way."""
        with self._changed:
            self._announced += 1

    def withdraw(self) -> None:
        """Tell that an announced request is queued, or will not come."""
        with self._changed:
            self._announced -= 1
            self._changed.notify()

    def put(self, write: Write) -> None:
        """Queue a write. Raises Unavailable when closing."""
        with self._changed:
            if self._closing:
                raise Unavailable("The server is stopping; send this again in a moment.")
            self._queue.append(write)
            self._waiting += len(write)
            self._changed.notify()

    def close(self) -> None:
        """Write what is queued and stop; blocks until that is durable."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._take():
            failures = self._commit_group(group)
            with self._changed:
                self._waiting -= sum(len(write) for write in group)
            self._resolve(group, failures)

    def _take(self) -> list[Write]:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            deadline = time.monotonic() + MAX_LINGER_S
            while self._announced and self._waiting < MAX_GROUP and not self._closing:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    break
            group: list[Write] = []
            size = 0
            while self._queue and (not group or size + len(self._queue[0]) <= MAX_GROUP):
                write = self._queue.popleft()
                size += len(write)
                group.append(write)
            return group

    def _commit_group(self, group: list[Write]) -> list[PellucidError | None]:
        try:
            self._write(
                [parcel for write in group for parcel in write.parcels],
                [record for write in group for record in write.logs],
            )
        except Unavailable as error:
            return [error] * len(group)
        except Exception:
            if len(group) == 1:
                _log.exception("A commit of one request failed; trying its spans one by one")
                return [self._commit_singly(group[0])]
            # One request must not fail for what stands in another.
            _log.exception("A commit of %d requests failed; trying them one by one", len(group))
            return [failure for write in group for failure in self._commit_group([write])]
        return [None] * len(group)

    def _commit_singly(self, write: Write) -> PellucidError | None:
        singles: list[tuple[str, list[Parcel], list[LogRecord]]] = [
            (f"span {single.span_ids[0]}", [single], [])
            for parcel in write.parcels
            for single in parcel.split()
        ]
        singles += [(f"a log record of span {log.span_id}", [], [log]) for log in write.logs]
        for subject, parcels, logs in singles:
            try:
                self._write(parcels, logs)
            except Unavailable as error:
                return error
            except Exception as error:
                _log.exception("%s cannot be stored", subject)
                write.faults.append(Fault(subject, f"it cannot be stored ({type(error).__name__})"))
        return None

    def _write(self, parcels: Sequence[Parcel], logs: Sequence[LogRecord]) -> None:
        if parcels:
            self._store.write_prepared(parcels)
        if logs:
            self._store.write_logs(logs)

    def _resolve(self, group: list[Write], failures: list[PellucidError | None]) -> None:
        def resolve() -> None:
            for write, failure in zip(group, failures, strict=True):
                if write.done.done():
                    continue
                if failure is None:
                    write.done.set_result(None)
                else:
                    write.done.set_exception(failure)

        self._loop.call_soon_threadsafe(resolve)
