"""The embedded span store: one SQLite file, one writing connection, a pool that reads."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from pellucid.core.clock import Clock, now_ns
from pellucid.core.errors import StorageUnavailable
from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span, StoredSpan
from pellucid.core.trace import ExperimentSummary, TracePage, TraceSummary, Waterfall
from pellucid.storage.spans.sqlite.connection import Readers, open_writer, storage_errors
from pellucid.storage.spans.sqlite.read import TraceReader
from pellucid.storage.spans.sqlite.write import SpanWriter

Normalise = Callable[[DecodedSpan, Sequence[LogRecord]], Span]
"""Reads a span again with the log records that joined it."""


class SqliteSpanStore:
    """`core.ports.SpanStore` on one file. One process at a time writes; others may read."""

    def __init__(self, path: Path, *, normalise: Normalise, clock: Clock = now_ns) -> None:
        self._path = path
        self._normalise = normalise
        self._lock = threading.Lock()  # guards the writing connection and all that hangs on it
        self._db: apsw.Connection | None = open_writer(path)
        self._writer = SpanWriter(self._db, clock)
        self._readers = Readers(path)
        self._traces = TraceReader(self._readers, clock)

    @contextmanager
    def _transaction(self) -> Iterator[SpanWriter]:
        """Hold the write lock; commit at the end, or leave the store as it was."""
        with self._lock, storage_errors(self._path):
            db = self._db
            if db is None:
                raise StorageUnavailable(f"The span store {self._path} is closed.")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                db.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself when the disk is full.
                if not db.get_autocommit():
                    db.execute("ROLLBACK")
                self._writer.forget()
                raise

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Merge a batch and return when it is durable; one batch is one commit."""
        if arrivals:
            with self._transaction() as writer:
                writer.write(arrivals)

    def list_experiments(self) -> list[ExperimentSummary]:
        """List all experiments that hold a trace, the most recently used first."""
        return self._traces.list_experiments()

    def list_traces(
        self, *, experiment: str | None, query: str, limit: int, cursor: str | None
    ) -> TracePage:
        """List traces newest first."""
        return self._traces.list_traces(
            experiment=experiment, query=query, limit=limit, cursor=cursor
        )

    def get_trace(self, trace_id: str) -> TraceSummary:
        """Return one trace's fields."""
        return self._traces.get_trace(trace_id)

    def iter_spans(self, trace_id: str) -> Iterator[StoredSpan]:
        """Yield one trace's spans, parents before children."""
        return self._traces.iter_spans(trace_id)

    def get_span(self, trace_id: str, span_id: str) -> StoredSpan:
        """Return one span."""
        return self._traces.get_span(trace_id, span_id)

    def get_waterfall(self, trace_id: str) -> Waterfall:
        """Return one trace in columns."""
        return self._traces.get_waterfall(trace_id)

    def close(self) -> None:
        """Finish what was accepted and close; calling it twice is harmless."""
        with self._lock:
            db, self._db = self._db, None
            if db is None:
                return
            self._readers.close()
            with storage_errors(self._path):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                db.close()
