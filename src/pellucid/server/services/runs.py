"""Runs: writes share commits, reads run on the reader threads.

For pages: `search`, `get`, `list_series`, `list_metrics`, `list_artifacts`, `list_images`,
`list_children`, `list_lineage`, `list_columns`, `list_counts`; `core.run` describes what they
return.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import NamedTuple

from pellucid.core.clock import Clock
from pellucid.core.clock import now_ns as system_clock
from pellucid.core.errors import InvalidInput, Unavailable
from pellucid.core.run import (
    Artifact,
    ArtifactPage,
    Direction,
    LineagePoint,
    MeasureWrite,
    MetricSeries,
    MetricSummary,
    Run,
    RunColumns,
    RunCount,
    RunPage,
    RunReceipt,
    RunWrite,
    Stamped,
    TagWrite,
)
from pellucid.core.run_limits import check_name, check_write
from pellucid.core.run_ports import RunStore
from pellucid.core.score import Score
from pellucid.server.services.threads import Threads

MAX_LIMIT = 1000
MAX_SERIES_POINTS = 2000
MAX_LINEAGE = 20_000
MAX_GROUP = 256


class _Waiting(NamedTuple):
    writes: Sequence[RunWrite]
    heard_ns: list[int]
    done: asyncio.Future[list[RunReceipt]]


_Outcome = list[RunReceipt] | Exception


def _resolve(group: list[_Waiting], outcomes: list[_Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.done.done():
            continue
        if isinstance(outcome, Exception):
            waiting.done.set_exception(outcome)
        else:
            waiting.done.set_result(outcome)


class RunService:
    """What pages and the API ask about runs; RUN is an id, a prefix, or experiment@number."""

    def __init__(self, store: RunStore, readers: Threads, *, clock: Clock = system_clock) -> None:
        self._store = store
        self._readers = readers
        self._writer = Threads("run-writer", 1)
        self._clock = clock
        self._lock = threading.Lock()  # guards the two below
        self._waiting: list[_Waiting] = []
        self._committing = False

    async def write(
        self, writes: Sequence[RunWrite], *, sent_ns: int | None = None
    ) -> list[RunReceipt]:
        """Merge writes, durable on return; one receipt a run, in order of first mention.

        `sent_ns` is the sender's clock at sending. What was written earlier by that clock was
        kept in a spool: that long ago it was a sign of life, by the server's own clock.
        Raises InvalidInput for what no store can take; nothing of the call is then stored.
        """
        for write in writes:
            check_write(write)
        now_ns = self._clock()
        heard = [
            now_ns if sent_ns is None else max(0, now_ns - max(0, sent_ns - write.time_ns))
            for write in writes
        ]
        loop = asyncio.get_running_loop()
        waiting = _Waiting(writes, heard, loop.create_future())
        with self._lock:
            self._waiting.append(waiting)
            is_idle, self._committing = not self._committing, True
        if is_idle:
            self._writer.start(self._commit, loop)
        return await waiting.done

    def _commit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what waits until nothing does; requests that came meanwhile share a commit.

        Runs in the writer's thread: going back to the loop in between would cost as much as the
        statements of a small request.
        """
        while True:
            with self._lock:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                if not group:
                    self._committing = False
                    return
            outcomes = self._commit_group(group)
            loop.call_soon_threadsafe(_resolve, group, outcomes)

    def _commit_group(self, group: list[_Waiting]) -> list[_Outcome]:
        writes = [write for waiting in group for write in waiting.writes]
        heard = [time_ns for waiting in group for time_ns in waiting.heard_ns]
        try:
            receipts = self._store.write(writes, heard_ns=heard)
            by_run = {receipt.run_id: receipt for receipt in receipts}
            return [
                [by_run[run_id] for run_id in dict.fromkeys(w.run_id for w in waiting.writes)]
                for waiting in group
            ]
        except Exception as error:
            if len(group) == 1 or isinstance(error, Unavailable):
                return [error] * len(group)
            # One request must not fail for what stands in another.
            return [outcome for waiting in group for outcome in self._commit_group([waiting])]

    async def get(self, run: str) -> Run:
        """Return one run. Raises NotFound, and InvalidInput for an ambiguous prefix."""
        return await self._readers.run(lambda: self._store.get_run(self._store.resolve(run)))

    async def resolve(self, run: str) -> str:
        """Return the id that RUN stands for."""
        return await self._readers.run(self._store.resolve, run)

    async def search(
        self,
        *,
        experiment: str | None = None,
        query: str = "",
        order: str = "",
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """List the runs that match a query (contracts.md §3); newest first without an order.

        `order` is fields with asc or desc between commas: `metric.accuracy desc, number`.
        """
        _check_limit(limit)
        return await self._readers.run(
            self._store.search,
            experiment=experiment,
            query=query,
            order=order,
            limit=limit,
            cursor=cursor or None,
        )

    async def count(self, *, experiment: str | None = None, query: str = "") -> int:
        """Count the runs that match a query."""
        return await self._readers.run(self._store.count, experiment=experiment, query=query)

    async def list_counts(self) -> list[RunCount]:
        """List the experiments that have runs, the most recently used first."""
        return await self._readers.run(self._store.list_counts)

    async def list_columns(self, experiment: str | None = None) -> RunColumns:
        """Return the names of params, metrics, tags and scores of the newest 1,000 runs."""
        return await self._readers.run(self._store.list_columns, experiment)

    async def declare_measure(self, experiment: str, name: str, direction: Direction) -> None:
        """Say which way a metric or score is better in an experiment. Raises NotFound."""
        check_name(name, "metric")
        measure = MeasureWrite(name=name, direction=direction, time_ns=self._clock())
        await self._writer.run(self._store.declare_measure, experiment, measure)

    async def list_measures(self, experiment: str) -> dict[str, Direction]:
        """Return which way was declared better, by the name of the metric or score."""
        return await self._readers.run(self._store.list_measures, experiment)

    async def list_children(self, run_id: str) -> list[str]:
        """List the ids of a run's children, oldest first."""
        return await self._readers.run(self._store.list_children, run_id)

    async def list_lineage(
        self, experiment: str, *, value: str = "", goal: str = "max", limit: int = 1000
    ) -> list[LineagePoint]:
        """List an experiment's newest runs, oldest first, with parents and the best so far.

        `value` is `metric.NAME` or `score.NAME`; `goal` is `max` or `min`.
        """
        if not 1 <= limit <= MAX_LINEAGE:
            raise InvalidInput(f"limit={limit} is not allowed; ask for 1 to {MAX_LINEAGE}.")
        return await self._readers.run(
            self._store.list_lineage, experiment, value=value, goal=goal, limit=limit
        )

    async def list_metrics(self, run_id: str) -> dict[str, MetricSummary]:
        """Return a run's metric summaries by name."""
        return await self._readers.run(self._store.list_metrics, run_id)

    async def list_series(
        self,
        run_ids: Sequence[str],
        names: Sequence[str] | None = None,
        *,
        limit: int = MAX_SERIES_POINTS,
    ) -> list[MetricSeries]:
        """Return metrics of several runs in columns, thinned to `limit` points each."""
        if not 2 <= limit <= 100_000:
            raise InvalidInput(f"limit={limit} is not allowed; ask for 2 to 100,000 points.")
        return await self._readers.run(self._store.list_series, run_ids, names, limit=limit)

    async def list_artifacts(self, run_id: str) -> list[Artifact]:
        """List a run's artifacts by path."""
        return await self._readers.run(self._store.list_artifacts, run_id)

    async def get_artifact(self, run_id: str, path: str) -> Artifact:
        """Return what is known of one artifact. Raises NotFound."""
        return await self._readers.run(self._store.get_artifact, run_id, path)

    async def list_images(
        self,
        *,
        experiment: str | None = None,
        run_id: str | None = None,
        text: str = "",
        model: str | None = None,
        key: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ArtifactPage:
        """List images newest first whose prompt has all the words of `text`, case folded."""
        _check_limit(limit)
        return await self._readers.run(
            self._store.list_images,
            experiment=experiment,
            run_id=run_id,
            text=text,
            model=model,
            key=key,
            limit=limit,
            cursor=cursor or None,
        )

    async def edit(
        self,
        run_id: str,
        *,
        name: str | None = None,
        notes: str | None = None,
        tags: dict[str, str | None] | None = None,
    ) -> Run:
        """Change a run's name, notes or tags (None removes one), as a page does."""
        run = await self.get(run_id)
        # A run whose machine's clock is ahead must not win over who edits it now.
        latest_ns = await self._readers.run(self._store.latest_stamp, run.id)
        now_ns = max(self._clock(), latest_ns + 1)
        write = RunWrite(
            run_id=run.id,
            experiment=run.experiment,
            time_ns=run.start_ns,
            name=None if name is None else Stamped(value=name, time_ns=now_ns),
            notes=None if notes is None else Stamped(value=notes, time_ns=now_ns),
            tags=[
                TagWrite(name=tag, value=value, time_ns=now_ns)
                for tag, value in (tags or {}).items()
            ],
        )
        check_write(write)
        # An edit is no sign of life: the run was heard of when it was.
        await self._writer.run(self._store.write, [write], heard_ns=[run.heard_ns])
        return await self.get(run.id)

    async def write_scores(self, scores: Sequence[Score]) -> None:
        """Store scores on runs, durable on return. Raises Conflict and NotFound."""
        await self._writer.run(self._store.write_scores, scores)

    async def list_scores(self, run_id: str, *, history: bool = False) -> list[Score]:
        """List a run's latest scores per (name, source, author), or all, oldest first."""
        return await self._readers.run(lambda: self._store.list_scores(run_id, history=history))

    async def delete(self, run: str) -> None:
        """Delete a run and what hangs on it; a write that arrives later revives nothing."""
        run_id = await self.resolve(run)
        await self._writer.run(self._store.delete_run, run_id)

    def close(self) -> None:
        """Finish the commit that runs."""
        self._writer.close()


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(
            f"limit={limit} is not allowed; ask for 1 to {MAX_LIMIT} and use the cursor for more."
        )
