"""The embedded span store: one SQLite file, one writing connection, a pool that reads."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import apsw

from pellucid.core.clock import Clock, now_ns
from pellucid.core.errors import StorageUnavailable
from pellucid.core.ports import Parcel
from pellucid.core.query import Query
from pellucid.core.rollup import Rollup
from pellucid.core.score import Annotated, Score
from pellucid.core.span import Arrival, LogRecord, StoredSpan
from pellucid.core.survey import SessionPage, SqlResult, Survey, TimeBins
from pellucid.core.trace import (
    Deletion,
    ExperimentSummary,
    TracePage,
    TraceSummary,
    Waterfall,
)
from pellucid.storage.spans.sqlite.connection import Readers, open_writer, storage_errors
from pellucid.storage.spans.sqlite.delete import (
    Target,
    delete,
    experiment_target,
    preview_deletion,
    session_target,
    trace_target,
)
from pellucid.storage.spans.sqlite.derive import derive
from pellucid.storage.spans.sqlite.indexer import Indexer
from pellucid.storage.spans.sqlite.parcels import Parcel as SqliteParcel
from pellucid.storage.spans.sqlite.parcels import prepare
from pellucid.storage.spans.sqlite.read import TraceReader
from pellucid.storage.spans.sqlite.scores import delete_score, write_scores
from pellucid.storage.spans.sqlite.survey import EMPTY_SURVEY
from pellucid.storage.spans.sqlite.views import run_sql
from pellucid.storage.spans.sqlite.write import Normalise, SpanWriter


class SqliteSpanStore:
    """`core.ports.SpanStore` on one file. One process at a time writes; others may read."""

    def __init__(
        self,
        path: Path,
        *,
        normalise: Normalise,
        clock: Clock = now_ns,
        index_in_background: bool = True,
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()  # guards the writing connection and all that hangs on it
        self._db: apsw.Connection | None = open_writer(path)
        self._writer = SpanWriter(self._db, normalise)
        with storage_errors(path):
            derive(self._db, self._writer)
        self._readers = Readers(path)
        self._traces = TraceReader(self._readers, clock)
        self._indexer = Indexer(
            self._readers, self._unsynced, self._writer.index, self._writer.recent, clock
        )
        if index_in_background:
            self._indexer.start()

    @contextmanager
    def _transaction(self) -> Iterator[SpanWriter]:
        """Hold the write lock; commit at the end, or leave the store as it was."""
        with self._lock, self._locked_transaction() as writer:
            yield writer

    @contextmanager
    def _locked_transaction(self) -> Iterator[SpanWriter]:
        with storage_errors(self._path):
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

    @contextmanager
    def _unsynced(self) -> Iterator[None]:
        """Hold a transaction that a power cut may undo: for what can be done again from the rest.

        Writes then need not wait for its fsync. The next synced one makes it durable, too.
        """
        with self._lock:
            if self._db is not None:
                self._db.pragma("synchronous", "NORMAL")
            try:
                with self._locked_transaction():
                    yield
            finally:
                if self._db is not None:
                    self._db.pragma("synchronous", "FULL")

    @property
    def prepare(self) -> Callable[[Sequence[Arrival]], Sequence[Parcel]]:
        """A pure function that makes arrivals ready for `write_prepared`, anywhere."""
        return prepare

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Merge a batch and return when it is durable; one batch is one commit."""
        self.write_prepared(self.prepare(arrivals))

    def write_prepared(self, parcels: Sequence[Parcel]) -> None:
        """Merge what `prepare` made, of several calls of it if need be; durable on return."""
        if parcels:
            with self._transaction() as writer:
                writer.write(cast(Sequence[SqliteParcel], parcels))
            self._indexer.notify(sum(map(len, parcels)))

    def write_logs(self, records: Sequence[LogRecord]) -> None:
        """Join log records to their spans, before or after these arrive; durable on return."""
        if records:
            with self._transaction() as writer:
                writer.write_logs(records)
            self._indexer.notify(len(records))

    def renormalise(
        self, *, version: int, limit: int = 500, after: int = 0, prices: bool = False
    ) -> int:
        """Read spans again that an older normaliser, or another price table, read."""
        with self._transaction() as writer:
            last = writer.renormalise(version, limit, after, prices)
        self._indexer.notify(limit)
        return last

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Store scores, durable on return; one of the same id and content changes nothing."""
        if scores:
            with self._transaction() as writer:
                write_scores(writer.connection, scores)

    def delete_score(self, score_id: str) -> None:
        """Take a score back, durable on return."""
        with self._transaction() as writer:
            delete_score(writer.connection, score_id)

    def list_scores(
        self,
        *,
        trace_id: str | None = None,
        experiment: str | None = None,
        session_id: str | None = None,
        run_id: str | None = None,
        history: bool = False,
    ) -> list[Score]:
        """List a trace's (its spans' too), a session's or a run's latest scores."""
        return self._traces.list_scores(
            trace_id=trace_id,
            experiment=experiment,
            session_id=session_id,
            run_id=run_id,
            history=history,
        )

    def list_annotated(
        self,
        *,
        experiment: str | None = None,
        trace_ids: Sequence[str] | None = None,
        limit: int = 10_000,
    ) -> list[Annotated]:
        """List annotations with what scorers said beside them, the newest first."""
        return self._traces.list_annotated(experiment=experiment, trace_ids=trace_ids, limit=limit)

    def list_experiments(self) -> list[ExperimentSummary]:
        """List all experiments that hold a trace, the most recently used first."""
        return self._traces.list_experiments()

    def list_traces(
        self, *, experiment: str | None, query: str | Query, limit: int, cursor: str | None
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

    def read_rollups(
        self,
        *,
        experiment: str | None = None,
        since_ns: int = 0,
        until_ns: int = 2**63 - 1,
        step_minutes: int = 60,
    ) -> list[Rollup]:
        """Read rollups by time."""
        return self._traces.read_rollups(
            experiment=experiment,
            since_ns=since_ns,
            until_ns=until_ns,
            step_minutes=step_minutes,
        )

    def survey(
        self, *, experiment: str | None = None, query: str | Query = "", most: int = 20
    ) -> Survey:
        """Count what the newest traces that match have: values of fields, tags and scores.

        At most `most` values a field; no experiment of that name gives zeros.
        """
        found = self._traces.survey(experiment=experiment, query=query, most=most)
        return found if found is not None else EMPTY_SURVEY

    def count_by_time(
        self, *, experiment: str | None = None, query: str | Query = "", bins: int = 60
    ) -> TimeBins:
        """Count the traces that match by time, in at most `bins` + 1 round steps without gaps."""
        return self._traces.count_by_time(experiment=experiment, query=query, bins=bins)

    def list_sessions(
        self,
        *,
        experiment: str | None = None,
        query: str | Query = "",
        limit: int = 50,
        cursor: str | None = None,
    ) -> SessionPage:
        """List sessions with a trace that matches, the one with the newest such trace first.

        Sums are over all of a session's traces. Raises InvalidInput for a foreign cursor.
        """
        return self._traces.list_sessions(
            experiment=experiment, query=query, limit=limit, cursor=cursor
        )

    def list_values(self, field: str, *, beginning: str = "", limit: int = 20) -> list[str]:
        """List texts that a field has (`model`, `tag.env`, `attr.tenant` …), in order.

        They begin with `beginning` in any case. What was written a moment ago may be missing.
        """
        return self._traces.list_values(field, beginning=beginning, limit=limit)

    def list_keys(self, family: str, *, beginning: str = "", limit: int = 20) -> list[str]:
        """List the keys of `tag`, `attr` or `score` that begin so, in order."""
        return self._traces.list_keys(family, beginning=beginning, limit=limit)

    def run_sql(self, sql: str, *, limit: int = 1000, seconds: float = 10.0) -> SqlResult:
        """Run one SELECT over the views traces, spans and scores, read-only.

        Raises InvalidInput for anything else, for what SQLite refuses, and past the time.
        """
        return run_sql(self._path, sql, limit=limit, seconds=seconds, now=self._clock())

    def delete_trace(self, trace_id: str, *, dry_run: bool = False) -> Deletion:
        """Delete a trace with all that hangs on it and leave a tombstone."""
        self.get_trace(trace_id)
        return self._delete(trace_target(bytes.fromhex(trace_id)), dry_run)

    def delete_session(
        self, experiment: str, session_id: str, *, dry_run: bool = False
    ) -> Deletion:
        """Delete all traces of a session, and its scores."""
        number = self._traces.experiment_number(experiment)
        return self._delete(session_target(number, experiment, session_id), dry_run)

    def delete_experiment(self, experiment: str, *, dry_run: bool = False) -> Deletion:
        """Delete all traces of an experiment, and the scores of its sessions."""
        number = self._traces.experiment_number(experiment)
        return self._delete(experiment_target(number, experiment), dry_run)

    def _delete(self, target: Target, dry_run: bool) -> Deletion:
        if dry_run:
            with self._readers.snapshot() as db:
                return preview_deletion(db, target)
        return delete(
            self._writer.connection, self._transaction, self._exclusive, target, self._clock
        )

    def find_unreferenced(self, digests: Sequence[str]) -> list[str]:
        """Return those of some attachments' digests that no trace names."""
        return self._traces.find_unreferenced(digests)

    def index(self) -> None:
        """Index all that was written, now, instead of a moment later in the background."""
        self._indexer.catch_up()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the write lock without a transaction."""
        with self._lock, storage_errors(self._path):
            if self._db is None:
                raise StorageUnavailable(f"The span store {self._path} is closed.")
            yield

    def checkpoint(self) -> None:
        """Move what is in the log into the file, so that the file alone is all."""
        with self._exclusive():
            self._writer.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Finish what was accepted and close; calling it twice is harmless."""
        self._indexer.stop()
        with self._lock:
            db, self._db = self._db, None
            if db is None:
                return
            self._readers.close()
            with storage_errors(self._path):
                db.close()
