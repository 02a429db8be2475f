"""Indexes spans behind the writes: a thread that reads beside them and writes between them."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from pellucid.core.clock import Clock
from pellucid.core.errors import PellucidError
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import INT64_MAX, INTERRUPTED_AFTER_NS, PENDING
from pellucid.storage.spans.sqlite.connection import Readers, rows
from pellucid.storage.spans.sqlite.entries import contents_of_bodies, decode_contents
from pellucid.storage.spans.sqlite.index import Entry, SearchIndex
from pellucid.storage.spans.sqlite.recent import Kept, RecentContents
from pellucid.storage.spans.sqlite.statements import statements

ROUND: Final = 500
"""Spans a transaction: a write waits for one round at most."""
LARGE_ROUND: Final = 1000
"""The same while much is waiting: more of what it adds then shares a page."""
_STALE_TRACES: Final = 20
_LINGER_S: Final = 0.25
_FAR_BEHIND: Final = 5000

_SQL = statements("index")
_log = logging.getLogger(__name__)

Transaction = Callable[[], AbstractContextManager[Any]]


class _Found(NamedTuple):
    """What a round is to do, as a snapshot had it."""

    watermark: int
    last: int
    entries: list[Entry]
    deferred: list[int]
    stale: list["_Stale"]


class _Stale(NamedTuple):
    trace: int
    spans: list[int]
    entries: list[Entry]
    rowids: list[int]
    bodies: list[bytes]


class Indexer:
    """Keeps the search index close behind the writes."""

    def __init__(
        self,
        readers: Readers,
        transaction: Transaction,
        index: SearchIndex,
        recent: RecentContents,
        clock: Clock,
    ) -> None:
        self._readers = readers
        self._transaction = transaction
        self._index = index
        self._recent = recent
        self._clock = clock
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._written = 0
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._rounds = threading.Lock()  # one round at a time

    def start(self) -> None:
        """Index in the background from now on."""
        self._thread = threading.Thread(target=self._run, name="span-indexer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the round that runs end, and no other begin."""
        self._stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def notify(self, spans: int) -> None:
        """Say that so many spans were written."""
        self._written += spans  # of the writing thread alone; a rough figure will do
        self._news.set()

    def catch_up(self) -> None:
        """Index all that there is, now."""
        while self.work():
            pass

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._news.wait(timeout=30.0):
                # What comes in a moment is indexed in the same round.
                self._stopping.wait(_LINGER_S)
            self._news.clear()
            try:
                while not self._stopping.is_set():
                    began = time.monotonic()
                    if not self.work():
                        break
                    written, self._written = self._written, 0
                    if written > ROUND:
                        # Writes are faster than indexing. Leave them most of the time, but not so
                        # much that contents must be read from the file again.
                        share = 4 if self._waiting < _FAR_BEHIND else 1
                        self._stopping.wait(min(share * (time.monotonic() - began), 1.0))
            except PellucidError as error:
                _log.warning("Indexing waits: %s", error)
                self._stopping.wait(5.0)
            except Exception:
                _log.exception("Indexing failed; it is tried again")
                self._stopping.wait(5.0)

    def work(self) -> bool:
        """Do one round; tell whether there may be more to do."""
        with self._rounds:
            found = self._find()
            if found is None:
                return False
            with self._transaction():
                self._write(found)
            return True

    def _find(self) -> _Found | None:
        with self._readers.snapshot() as db:
            watermark: int = db.execute(_SQL["watermark"]).get
            self._waiting = int(db.execute(_SQL["last_span"]).get) - watermark
            size = LARGE_ROUND if self._waiting > 2 * LARGE_ROUND else ROUND
            fresh = rows(db, _SQL["unindexed"], (watermark, INT64_MAX, size))
            if fresh:
                # What shares its contents comes with it.
                end = fresh[-1][0]
                fresh += rows(db, _SQL["unindexed"], (end, self._recent.last_beside(end), size))
            heard_before = self._clock() - INTERRUPTED_AFTER_NS
            ripe = rows(db, _SQL["ripe"], (heard_before, ROUND))
            now = [row for row in fresh if row[2] != PENDING]
            kept = self._recent.take(fresh[-1][0]) if fresh else []
            entries = _entries(db, [*now, *ripe], kept)
            traces = rows(db, _SQL["stale_traces"])[:_STALE_TRACES]
            stale = [_stale(db, trace, watermark) for (trace,) in traces]
        if not fresh and not ripe and not stale:
            return None
        last = fresh[-1][0] if fresh else watermark
        deferred = [row[0] for row in fresh if row[2] == PENDING]
        return _Found(watermark, last, entries, deferred, stale)

    def _write(self, found: _Found) -> None:
        index, db = self._index, self._index.connection
        # First, as it makes all documents of its traces anew from what was indexed before.
        for stale in found.stale:
            self._renew(stale, found.watermark)
        # What changed since the snapshot is seen here, as nobody else writes now.
        spans = [*found.deferred, *(span for entry in found.entries for span in entry.spans)]
        alive = {span for (span,) in rows(db, _SQL["alive"], (_json(spans),))}
        if any(
            len(entry.spans) > 1 and not alive.issuperset(entry.spans) for entry in found.entries
        ):
            return  # The next round has what is there by then.
        entries = [entry for entry in found.entries if entry.spans[0] in alive]
        ripe = [(one,) for entry in entries for one in entry.spans if one <= found.watermark]
        db.executemany(_SQL["undefer"], ripe)
        index.add(entries)
        db.executemany(_SQL["defer"], [(span,) for span in found.deferred if span in alive])
        if found.last != found.watermark:
            index.set_watermark(found.last)

    def _renew(self, stale: _Stale, watermark: int) -> None:
        db = self._index.connection
        rowids = [rowid for rowid, _ in rows(db, _SQL["stale_bodies"], (stale.trace,))]
        found = rows(db, _SQL["indexed_spans"], (stale.trace, watermark))
        # If more came meanwhile, the next round has it.
        if rowids == stale.rowids and [row[0] for row in found] == stale.spans:
            self._index.renew(stale.trace, stale.entries, stale.bodies)


def _stale(db: apsw.Connection, trace: int, watermark: int) -> _Stale:
    found = rows(db, _SQL["indexed_spans"], (trace, watermark))
    old = rows(db, _SQL["stale_bodies"], (trace,))
    return _Stale(
        trace,
        [row[0] for row in found],
        _entries(db, found, []),
        [rowid for rowid, _ in old],
        [body for _, body in old],
    )


def _entries(db: apsw.Connection, found: list[Any], recent: list[Kept]) -> list[Entry]:
    """Read rows' entries: from what is kept, if all rows of it are there, else from the file."""
    numbers = {row[0] for row in found}
    entries = []
    for kept in recent:
        spans = range(kept.first, kept.last + 1)
        if numbers.issuperset(spans):
            numbers.difference_update(spans)
            entries.append(Entry(kept.trace, list(spans), decode_contents(kept.contents)))
    blocks: dict[int, list[msgspec.Raw]] = {}
    for (trace, block), several in groupby(
        (row for row in found if row[0] in numbers), key=lambda row: (row[1], row[3])
    ):
        if block not in blocks:
            blocks[block] = bodies.open_block(db.execute(_SQL["block"], (block,)).get)
        group = list(several)
        contents = contents_of_bodies([blocks[block][row[4]] for row in group])
        entries.append(Entry(trace, [row[0] for row in group], contents))
    return entries


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()
