"""Runs in the metadata database."""

from collections.abc import Sequence

import sqlalchemy as sa

from pellucid.core.clock import Clock
from pellucid.core.clock import now_ns as system_clock
from pellucid.core.query.tree import Compare, Has
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
)
from pellucid.core.score import Score
from pellucid.storage.meta import garbage, lineage, measures, run_reads, run_scores, run_search
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.compile import compile_node, compile_query
from pellucid.storage.meta.engine import MetaDatabase
from pellucid.storage.meta.run_writes import RunWriter


class SqlRunStore:
    """`core.run_ports.RunStore` on SQLite and PostgreSQL."""

    def __init__(self, database: MetaDatabase, *, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock

    def write(self, writes: Sequence[RunWrite], *, heard_ns: Sequence[int]) -> list[RunReceipt]:
        """Merge writes in one durable commit; returns one receipt a run."""
        if not writes:
            return []
        with self._database.write() as connection:
            return RunWriter(self._database, connection).apply(writes, heard_ns)

    def get_run(self, run_id: str) -> Run:
        """Return one run. Raises NotFound."""
        with self._database.read() as connection:
            key = run_reads.run_key(connection, run_id)
            return run_reads.load_runs(connection, [key], now_ns=self._clock())[0]

    def latest_stamp(self, run_id: str) -> int:
        """Return the greatest time of the run's name, notes and tags. Raises NotFound."""
        with self._database.read() as connection:
            return run_reads.latest_stamp(connection, run_id)

    def resolve(self, text: str) -> str:
        """Return the id that an id, a unique prefix, or `experiment@number` stands for."""
        with self._database.read() as connection:
            return run_reads.resolve(connection, text)

    def search(
        self, *, experiment: str | None, query: str, order: str, limit: int, cursor: str | None
    ) -> RunPage:
        """List the runs that match a query, in an order."""
        now_ns = self._clock()
        condition = compile_query(query, now_ns=now_ns)
        with self._database.read() as connection:
            return run_search.search(
                connection,
                condition=condition,
                experiment=experiment,
                order=order,
                limit=limit,
                cursor=cursor,
                now_ns=now_ns,
            )

    def count(self, *, experiment: str | None, query: str) -> int:
        """Count the runs that match a query."""
        condition = compile_query(query, now_ns=self._clock())
        with self._database.read() as connection:
            return run_search.count(connection, condition=condition, experiment=experiment)

    def find_ids(self, leaf: Compare | Has) -> list[str]:
        """Return the ids of the runs that one comparison holds for, sorted."""
        condition = compile_node(leaf, now_ns=self._clock())
        statement = sa.select(t.runs.c.id).where(run_reads.live_runs, condition)
        with self._database.read() as connection:
            return list(connection.execute(statement.order_by(t.runs.c.id)).scalars())

    def is_param(self, name: str) -> bool:
        """Tell whether any run has a param of this name."""
        statement = sa.select(t.params.c.name).where(t.params.c.name == name).limit(1)
        with self._database.read() as connection:
            return connection.scalar(statement) is not None

    def list_counts(self) -> list[RunCount]:
        """List the experiments that have runs, the most recent first."""
        with self._database.read() as connection:
            return run_reads.list_counts(connection)

    def list_columns(self, experiment: str | None) -> RunColumns:
        """Return the names of params, metrics, tags and scores of the newest 1,000 runs."""
        with self._database.read() as connection:
            return run_reads.list_columns(connection, experiment)

    def declare_measure(self, experiment: str, measure: MeasureWrite) -> None:
        """Say which way a metric or score is better, later than before. Raises NotFound."""
        with self._database.write() as connection:
            measures.declare(self._database, connection, experiment, measure)

    def list_measures(self, experiment: str) -> dict[str, Direction]:
        """Return which way was declared better, by name."""
        with self._database.read() as connection:
            return measures.list_measures(connection, experiment)

    def list_children(self, run_id: str) -> list[str]:
        """List the ids of a run's children, oldest first."""
        with self._database.read() as connection:
            return run_reads.list_children(connection, run_id)

    def list_lineage(
        self, experiment: str, *, value: str, goal: str, limit: int
    ) -> list[LineagePoint]:
        """List an experiment's newest runs, oldest first, with parents and the best so far."""
        with self._database.read() as connection:
            return lineage.list_lineage(connection, experiment, value=value, goal=goal, limit=limit)

    def list_metrics(self, run_id: str) -> dict[str, MetricSummary]:
        """Return a run's metric summaries by name."""
        with self._database.read() as connection:
            return run_reads.list_metrics(connection, run_id)

    def list_series(
        self, run_ids: Sequence[str], names: Sequence[str] | None, *, limit: int
    ) -> list[MetricSeries]:
        """Return metrics in columns, at most `limit` points each."""
        with self._database.read() as connection:
            return run_reads.list_series(connection, run_ids, names, limit)

    def list_artifacts(self, run_id: str) -> list[Artifact]:
        """List a run's artifacts by path."""
        with self._database.read() as connection:
            return run_reads.list_artifacts(connection, run_id)

    def get_artifact(self, run_id: str, path: str) -> Artifact:
        """Return one artifact. Raises NotFound."""
        with self._database.read() as connection:
            return run_reads.get_artifact(connection, run_id, path)

    def list_images(
        self,
        *,
        experiment: str | None,
        run_id: str | None,
        text: str,
        model: str | None,
        key: str | None,
        limit: int,
        cursor: str | None,
    ) -> ArtifactPage:
        """List images newest first whose prompt has all the words of `text`."""
        with self._database.read() as connection:
            return run_search.list_images(
                connection,
                experiment=experiment,
                run_id=run_id,
                text=text,
                model=model,
                key=key,
                limit=limit,
                cursor=cursor,
            )

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Store scores on runs. Raises Conflict, with nothing of the call stored."""
        with self._database.write() as connection:
            run_scores.write_scores(connection, scores)

    def list_scores(self, run_id: str, *, history: bool = False) -> list[Score]:
        """List a run's latest scores, or all, oldest first."""
        with self._database.read() as connection:
            return run_scores.list_scores(connection, run_id, history=history)

    def delete_run(self, run_id: str) -> None:
        """Delete a run and what hangs on it; later writes revive nothing. Raises NotFound."""
        with self._database.write() as connection:
            key = run_reads.run_key(connection, run_id)
            self._note_garbage(connection, key)
            for table in _OWNED:
                connection.execute(sa.delete(table).where(table.c.run_key == key))
            scores = t.run_scores
            connection.execute(sa.delete(scores).where(scores.c.run_id == run_id))
            # The row stays as a tombstone that keeps the number taken.
            connection.execute(
                sa.update(t.runs)
                .where(t.runs.c.key == key)
                .values(deleted_ns=self._clock(), name=None, notes=None, error=None, source="{}")
            )

    def _note_garbage(self, connection: sa.Connection, key: int) -> None:
        """Note what the run named, in the commit that deletes it."""
        now_ns = self._clock()
        a, c = t.artifacts.c, t.runs.c
        files = connection.execute(sa.select(a.digest).distinct().where(a.run_key == key))
        garbage.note(self._database, connection, garbage.ARTIFACT, list(files.scalars()), now_ns)
        snapshot = connection.scalar(sa.select(c.snapshot_id).where(c.key == key))
        if snapshot is not None:
            garbage.note(self._database, connection, garbage.SNAPSHOT, [snapshot], now_ns)

    def close(self) -> None:
        """Close the database; calling it twice is harmless."""
        self._database.close()


_OWNED = (
    t.params,
    t.param_conflicts,
    t.tags,
    t.metric_points,
    t.metrics,
    t.artifacts,
)
