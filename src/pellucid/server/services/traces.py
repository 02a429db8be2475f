"""Reading traces and deleting them; the store's calls run on the reader threads."""

from functools import partial

from msgspec.structs import replace

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.ids import is_span_id, is_trace_id
from pellucid.core.ports import SpanStore
from pellucid.core.rollup import Rollup
from pellucid.core.run import RunCount
from pellucid.core.slug import slug_of
from pellucid.core.span import StoredSpan
from pellucid.core.survey import SessionPage, Survey, TimeBins
from pellucid.core.trace import (
    Deletion,
    ExperimentSummary,
    Trace,
    TracePage,
    TraceSummary,
    Waterfall,
)
from pellucid.semconv.normalise import VERSION
from pellucid.server.services.attachments import AttachmentService
from pellucid.server.services.queries import QueryReader
from pellucid.server.services.threads import Threads

MAX_LIMIT = 1000
MAX_TIME_NS = 2**63 - 1


class TraceService:
    """What pages and the API ask about traces. Ids may be written in upper case."""

    def __init__(
        self,
        store: SpanStore,
        queries: QueryReader,
        attachments: AttachmentService,
        *,
        readers: Threads,
        writers: Threads,
        deleters: Threads,
    ) -> None:
        self._store = store
        self._attachments = attachments
        self._queries = queries
        self._readers = readers
        self._writers = writers
        self._deleters = deleters

    async def list_experiments(self) -> list[ExperimentSummary]:
        """List all experiments, of traces or runs, the most recently used first."""
        return await self._readers.run(self._list_experiments)

    def _list_experiments(self) -> list[ExperimentSummary]:
        counts = {one.experiment: one for one in self._queries.list_run_counts()}
        traced = self._store.list_experiments()
        known = {one.name for one in traced}
        listed = [
            _with_runs(one, counts[one.name]) if one.name in counts else one for one in traced
        ]
        listed += [_only_runs(one) for name, one in counts.items() if name not in known]
        return sorted(listed, key=lambda one: -max(one.last_ns or 0, one.last_run_ns or 0))

    async def get_experiment(self, slug: str) -> ExperimentSummary:
        """Return the experiment that an address names. Raises NotFound."""
        for experiment in await self.list_experiments():
            if experiment.slug == slug:
                return experiment
        raise NotFound(
            f"There is no experiment {slug!r}. An experiment appears with its first trace or "
            "run; all of them are on the home page."
        )

    async def list_traces(
        self,
        *,
        experiment: str | None = None,
        query: str = "",
        limit: int = 50,
        cursor: str | None = None,
    ) -> TracePage:
        """List traces newest first; `experiment` is a name, not a slug.

        Raises InvalidInput for a limit outside 1 to 1,000 or a foreign cursor, and
        QuerySyntaxError.
        """
        _check_limit(limit)
        return await self._readers.run(
            self._list_traces, experiment=experiment, text=query, limit=limit, cursor=cursor
        )

    async def get_summary(self, trace_id: str) -> TraceSummary:
        """Return one trace's fields without its spans. Raises NotFound."""
        return await self._readers.run(self._store.get_trace, _trace_id(trace_id))

    async def get_trace(self, trace_id: str) -> Trace:
        """Return one trace with all of its spans. Raises NotFound."""
        return await self._readers.run(self._read_trace, _trace_id(trace_id))

    async def get_span(self, trace_id: str, span_id: str) -> StoredSpan:
        """Return one span. Raises NotFound."""
        return await self._readers.run(self._store.get_span, _trace_id(trace_id), _span_id(span_id))

    async def get_waterfall(self, trace_id: str) -> Waterfall:
        """Return one trace in columns. Raises NotFound."""
        return await self._readers.run(self._store.get_waterfall, _trace_id(trace_id))

    async def survey(self, *, experiment: str, query: str = "", most: int = 20) -> Survey:
        """Count what the newest traces that match have. Raises QuerySyntaxError."""
        return await self._readers.run(self._survey, experiment, query, most)

    async def count_by_time(self, *, experiment: str, query: str = "", bins: int = 60) -> TimeBins:
        """Count the traces that match by time. Raises QuerySyntaxError."""
        return await self._readers.run(self._count_by_time, experiment, query, bins)

    async def list_sessions(
        self, *, experiment: str, query: str = "", limit: int = 50, cursor: str | None = None
    ) -> SessionPage:
        """List sessions with a trace that matches, the last active first.

        Raises InvalidInput for a limit outside 1 to 1,000 or a foreign cursor, and
        QuerySyntaxError.
        """
        _check_limit(limit)
        return await self._readers.run(self._list_sessions, experiment, query, limit, cursor)

    async def list_values(self, field: str, beginning: str, *, limit: int = 20) -> list[str]:
        """List texts that a field of the query language has and that begin so, in any case."""
        return await self._readers.run(
            self._store.list_values, field, beginning=beginning, limit=limit
        )

    async def list_keys(self, family: str, beginning: str, *, limit: int = 20) -> list[str]:
        """List the keys of `tag`, `attr` or `score` that begin so."""
        return await self._readers.run(
            self._store.list_keys, family, beginning=beginning, limit=limit
        )

    async def list_rollups(
        self,
        *,
        experiment: str | None = None,
        since_ns: int = 0,
        until_ns: int = MAX_TIME_NS,
        step_minutes: int = 60,
    ) -> list[Rollup]:
        """List figures by time, kind and model; a step is 1 or 60 minutes, or 0: all time.

        Raises InvalidInput for another step.
        """
        if step_minutes not in (0, 1, 60):
            raise InvalidInput(f"step_minutes={step_minutes} is not possible; ask for 0, 1 or 60.")
        return await self._readers.run(
            self._store.read_rollups,
            experiment=experiment,
            since_ns=min(max(since_ns, 0), MAX_TIME_NS),
            until_ns=min(max(until_ns, 0), MAX_TIME_NS),
            step_minutes=step_minutes,
        )

    async def renormalise(self, *, after: int, limit: int, prices: bool = False) -> int:
        """Read up to `limit` spans anew that an older normaliser read, in one commit.

        With `prices`, also those whose cost the present price table estimates otherwise.
        Returns where the next call goes on (`after`), or 0 at the end.
        """
        if not 1 <= limit <= MAX_LIMIT or after < 0:
            raise InvalidInput(f"Ask for 1 to {MAX_LIMIT} spans at a time, after 0 or more.")
        return await self._writers.run(
            self._store.renormalise, version=VERSION, limit=limit, after=after, prices=prices
        )

    async def delete_trace(self, trace_id: str, *, dry_run: bool = False) -> Deletion:
        """Delete a trace with all that hangs on it, or only tell what would go. Raises NotFound."""
        return await self._delete(
            partial(self._store.delete_trace, _trace_id(trace_id), dry_run=dry_run)
        )

    async def delete_session(
        self, experiment: str, session_id: str, *, dry_run: bool = False
    ) -> Deletion:
        """Delete all traces of a session and its scores. Raises NotFound."""
        return await self._delete(
            partial(self._store.delete_session, experiment, session_id, dry_run=dry_run)
        )

    async def delete_experiment(self, experiment: str, *, dry_run: bool = False) -> Deletion:
        """Delete all traces of an experiment, which is given by name. Raises NotFound."""
        return await self._delete(
            partial(self._store.delete_experiment, experiment, dry_run=dry_run)
        )

    async def _delete(self, delete: "partial[Deletion]") -> Deletion:
        deletion = await self._deleters.run(delete)
        # After a dry run they are still named, so that none of them is dropped.
        await self._deleters.run(self._attachments.drop, deletion.unreferenced)
        return deletion

    def _list_traces(
        self, *, experiment: str | None, text: str, limit: int, cursor: str | None
    ) -> TracePage:
        page = self._store.list_traces(
            experiment=experiment,
            query=self._queries.read(text),
            limit=limit,
            cursor=cursor or None,
        )
        if page.traces or page.partial or cursor or not text.strip():
            return page
        return replace(page, hints=self._queries.list_hints(text))

    def _survey(self, experiment: str, text: str, most: int) -> Survey:
        query = self._queries.read(text)
        return self._store.survey(experiment=experiment, query=query, most=most)

    def _count_by_time(self, experiment: str, text: str, bins: int) -> TimeBins:
        query = self._queries.read(text)
        return self._store.count_by_time(experiment=experiment, query=query, bins=bins)

    def _list_sessions(
        self, experiment: str, text: str, limit: int, cursor: str | None
    ) -> SessionPage:
        return self._store.list_sessions(
            experiment=experiment,
            query=self._queries.read(text),
            limit=limit,
            cursor=cursor or None,
        )

    def _read_trace(self, trace_id: str) -> Trace:
        summary = self._store.get_trace(trace_id)
        return Trace(trace=summary, spans=list(self._store.iter_spans(trace_id)))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(
            f"limit={limit} is not allowed; ask for 1 to {MAX_LIMIT} and use the cursor for more."
        )


def _trace_id(text: str) -> str:
    trace_id = text.lower()
    if not is_trace_id(trace_id):
        raise NotFound(f"There is no trace {text[:80]!r}: a trace id is 32 hex digits.")
    return trace_id


def _span_id(text: str) -> str:
    span_id = text.lower()
    if not is_span_id(span_id):
        raise NotFound(f"There is no span {text[:80]!r}: a span id is 16 hex digits.")
    return span_id


def _with_runs(one: ExperimentSummary, count: RunCount) -> ExperimentSummary:
    return replace(one, run_count=count.run_count, last_run_ns=count.last_ns)


def _only_runs(count: RunCount) -> ExperimentSummary:
    """Return an experiment that has runs and no trace yet."""
    return ExperimentSummary(
        name=count.experiment,
        slug=slug_of(count.experiment),
        trace_count=0,
        error_count=0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
        first_ns=None,
        last_ns=None,
        run_count=count.run_count,
        last_run_ns=count.last_ns,
    )
