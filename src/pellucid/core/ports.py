"""What services ask of engines. Stores are synchronous and safe to call from several threads.

Each port has one contract suite in `pellucid.testing`; every engine passes all of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

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


class Parcel(Protocol):
    """Spans made ready by a store's `prepare`, each once; opaque but for this, and pickles."""

    def __len__(self) -> int:
        """Return the number of spans."""
        ...

    @property
    def span_ids(self) -> list[str]:
        """The spans' ids, in order."""
        ...

    def split(self) -> Sequence["Parcel"]:
        """Return a parcel for each span, in order."""
        ...


class SpanStore(Protocol):
    """Spans, logs and scores of traces. Laws: contracts.md §1, at every read after a write."""

    @property
    def prepare(self) -> Callable[[Sequence[Arrival]], Sequence[Parcel]]:
        """A pure function that makes arrivals ready for `write_prepared`.

        It knows nothing of what is stored, so that it may run in any thread; it pickles, so that
        it may run in another process.
        """
        ...

    def write_prepared(self, parcels: Sequence[Parcel]) -> None:
        """Do what `write` does with what `prepare` made of arrivals, in one or several calls."""
        ...

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Merge a batch and return when it is durable; one batch is one commit.

        Raises StorageUnavailable, with nothing of the batch stored, when the disk is full.
        """
        ...

    def write_logs(self, records: Sequence[LogRecord]) -> None:
        """Join log records to their spans, before or after these arrive; durable on return."""
        ...

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Store scores, durable on return; one of the same id and content again changes nothing.

        Raises Conflict for the same id with other content; nothing of the call is then stored.
        """
        ...

    def delete_score(self, score_id: str) -> None:
        """Take a score back, durable on return; the one that it replaced is the latest again.

        A copy that comes again stays away. Raises NotFound.
        """
        ...

    def list_experiments(self) -> list[ExperimentSummary]:
        """List all experiments, the most recently used first."""
        ...

    def list_traces(
        self, *, experiment: str | None, query: str | Query, limit: int, cursor: str | None
    ) -> TracePage:
        """List traces newest first, of one experiment or all, that match a query (contracts.md §3).

        A parsed query has nothing unresolved and no field of a run left. Of a text, bare dotted
        names are scores that there are, else attributes.
        Raises QuerySyntaxError, and InvalidInput for a cursor this store did not give.
        """
        ...

    def get_trace(self, trace_id: str) -> TraceSummary:
        """Return one trace's fields. Raises NotFound."""
        ...

    def iter_spans(self, trace_id: str) -> Iterator[StoredSpan]:
        """Yield one trace's spans, parents before children, siblings by (start, span id).

        An unknown trace yields nothing.
        """
        ...

    def get_span(self, trace_id: str, span_id: str) -> StoredSpan:
        """Return one span. Raises NotFound."""
        ...

    def get_waterfall(self, trace_id: str) -> Waterfall:
        """Return one trace in columns, from hot columns alone. Raises NotFound."""
        ...

    def list_scores(
        self,
        *,
        trace_id: str | None = None,
        experiment: str | None = None,
        session_id: str | None = None,
        run_id: str | None = None,
        history: bool = False,
    ) -> list[Score]:
        """List a trace's (its spans' too), a session's or a run's latest scores, by name.

        The latest is that of its target, name, source and author; `history` gives all.
        Raises InvalidInput unless a trace, a run, or an experiment with a session is named.
        """
        ...

    def list_annotated(
        self,
        *,
        experiment: str | None = None,
        trace_ids: Sequence[str] | None = None,
        limit: int = 10_000,
    ) -> list[Annotated]:
        """List what people said of an experiment's traces, or of some traces, the newest first.

        Their spans' scores count too; beside each stand the scores of the same name on the same
        target that no person gave. Raises InvalidInput unless one of the two is named.
        """
        ...

    def renormalise(
        self, *, version: int, limit: int = 500, after: int = 0, prices: bool = False
    ) -> int:
        """Read up to `limit` spans anew that an older normaliser than `version` read.

        With `prices`, look at spans of any version, and keep what differs in its estimated cost;
        totals and rollups follow in the same commit. One call is one commit. Returns where the
        next call goes on (`after`), or 0 at the end.
        """
        ...

    def read_rollups(
        self,
        *,
        experiment: str | None = None,
        since_ns: int = 0,
        until_ns: int = 2**63 - 1,
        step_minutes: int = 60,
    ) -> list[Rollup]:
        """Read the cells whose step starts within [since, until), by time, kind and model.

        Steps are of 1 or 60 minutes, or 0: one step for all time, whatever the range.
        """
        ...

    def survey(
        self, *, experiment: str | None = None, query: str | Query = "", most: int = 20
    ) -> Survey:
        """Count what the newest traces that match have: values of fields, tags and scores.

        At most `most` values a field; no experiment of that name gives zeros.
        """
        ...

    def count_by_time(
        self, *, experiment: str | None = None, query: str | Query = "", bins: int = 60
    ) -> TimeBins:
        """Count the traces that match by time, in at most `bins` + 1 round steps without gaps."""
        ...

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
        ...

    def list_values(self, field: str, *, beginning: str = "", limit: int = 20) -> list[str]:
        """List texts that a field has (`model`, `tag.env`, `attr.tenant` …), in order.

        They begin with `beginning` in any case. What was written a moment ago may be missing.
        """
        ...

    def list_keys(self, family: str, *, beginning: str = "", limit: int = 20) -> list[str]:
        """List the keys of `tag`, `attr` or `score` that begin so, in order."""
        ...

    def run_sql(self, sql: str, *, limit: int = 1000, seconds: float = 10.0) -> SqlResult:
        """Run one SELECT over the views traces, spans and scores, read-only.

        Raises InvalidInput for anything else, for what SQLite refuses, and past the time.
        """
        ...

    def delete_trace(self, trace_id: str, *, dry_run: bool = False) -> Deletion:
        """Delete a trace with all that hangs on it and leave a tombstone. Raises NotFound.

        `dry_run` tells what would go and deletes nothing; so it does below.
        """
        ...

    def delete_session(
        self, experiment: str, session_id: str, *, dry_run: bool = False
    ) -> Deletion:
        """Delete all traces of a session and its scores. Raises NotFound: no such experiment.

        Traces go a few at a time, between writes; after a crash, ask again for the rest.
        """
        ...

    def delete_experiment(self, experiment: str, *, dry_run: bool = False) -> Deletion:
        """Delete all traces of an experiment, as `delete_session` does."""
        ...

    def find_unreferenced(self, digests: Sequence[str]) -> list[str]:
        """Return those of some attachments' digests that no trace names."""
        ...

    def close(self) -> None:
        """Finish what was accepted and close; calling it twice is harmless."""
        ...


class ArtifactStore(Protocol):
    """Bytes by digest (BLAKE2b-256, 64 hex digits); the same bytes are stored once.

    A name that is no digest raises InvalidInput everywhere.
    """

    def put(self, data: bytes) -> str:
        """Store bytes, durable on return, and return their digest."""
        ...

    def put_stream(self, chunks: Iterable[bytes], *, expected: str | None = None) -> str:
        """Store bytes that come in pieces, never all in memory, and return their digest.

        Raises InvalidInput if they do not have the `expected` digest; nothing is then stored.
        """
        ...

    def get(self, digest: str) -> bytes:
        """Return the bytes, their digest verified. Raises NotFound."""
        ...

    def iter_bytes(self, digest: str, *, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` in pieces; the last one only once the digest is verified.

        Raises NotFound before the first piece, StorageUnavailable instead of the last.
        """
        ...

    def find_size(self, digest: str) -> int | None:
        """Return the size in bytes, or None if there is no such artifact."""
        ...

    def delete(self, digest: str) -> None:
        """Delete an artifact; one that is not there is gone all the same.

        The caller knows that nothing names it, and that nobody is putting it at the moment.
        """
        ...

    def confirm(self, digest: str) -> int | None:
        """Return the size like `find_size`, and note that somebody is about to name the bytes."""
        ...

    def discard(self, digest: str, *, before_ns: int) -> int | None:
        """Delete an artifact and return its bytes, 0 if it is not there.

        None, and it stays, if it was put or confirmed at `before_ns` or later, also while this
        runs: whoever was told that it is here finds it here.
        """
        ...

    def iter_old(self, *, before_ns: int) -> Iterator[str]:
        """Yield, in order, the digests that were neither put nor confirmed since `before_ns`."""
        ...

    def find_part_size(self, digest: str) -> int:
        """Return how many bytes of an unfinished upload are here; 0 if there is none."""
        ...

    def append_part(self, digest: str, offset: int, chunks: Iterable[bytes]) -> int:
        """Continue an upload at `offset`, durable on return, and return its new size.

        Raises InvalidInput unless `offset` is the size so far. What was written before a failure
        in `chunks` stays.
        """
        ...

    def finish_part(self, digest: str) -> int:
        """Turn a complete upload into an artifact and return its size.

        Raises NotFound without one, and InvalidInput if the bytes have another digest; they are
        then thrown away.
        """
        ...
