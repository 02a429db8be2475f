"""What services ask of a metadata engine about runs and snapshots.

Stores are synchronous and safe to call from several threads. Each port has one contract suite in
`pellucid.testing`; every engine passes all of it.
"""

from collections.abc import Sequence
from typing import Protocol

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
from pellucid.core.snapshot import SnapshotObject


class RunStore(Protocol):
    """Runs. Law: a run read is a pure function of the set of writes about it (core/run.py)."""

    def write(self, writes: Sequence[RunWrite], *, heard_ns: Sequence[int]) -> list[RunReceipt]:
        """Merge writes and return when they are durable; one call is one commit.

        `heard_ns[i]` is the server's time of the sign of life that write i is. A run appears with
        the first write about it. Writes about a deleted run are dropped. Returns one receipt a
        run, in order of first mention.
        """
        ...

    def get_run(self, run_id: str) -> Run:
        """Return one run. Raises NotFound."""
        ...

    def latest_stamp(self, run_id: str) -> int:
        """Return the greatest time of the run's name, notes and tags: a later one replaces them.

        Raises NotFound.
        """
        ...

    def resolve(self, text: str) -> str:
        """Return the id that an id, a unique prefix of one, or `experiment@number` stands for.

        Raises NotFound, and InvalidInput for a prefix of several runs, naming some.
        """
        ...

    def search(
        self,
        *,
        experiment: str | None,
        query: str,
        order: str,
        limit: int,
        cursor: str | None,
    ) -> RunPage:
        """List runs that match a query (contracts.md §3), in an order.

        `order` is fields with `asc` or `desc`, by commas: `metric.accuracy desc, number`; runs
        without the field come last either way, and newer runs first among equals. Empty means
        newest first. Raises QuerySyntaxError, InvalidInput for an order or a foreign cursor.
        """
        ...

    def count(self, *, experiment: str | None, query: str) -> int:
        """Count the runs that match a query."""
        ...

    def find_ids(self, leaf: Compare | Has) -> list[str]:
        """Return the ids of the runs that one comparison of a run field holds for, sorted.

        It is what `core.query.resolve.replace_run_fields` asks.
        """
        ...

    def is_param(self, name: str) -> bool:
        """Tell whether any run has a param of this name."""
        ...

    def list_counts(self) -> list[RunCount]:
        """List the experiments that have runs, the most recently used first."""
        ...

    def list_columns(self, experiment: str | None) -> RunColumns:
        """Return the names of params, metrics, tags and scores of the newest 1,000 runs."""
        ...

    def declare_measure(self, experiment: str, measure: MeasureWrite) -> None:
        """Say which way a metric or score is better, later than whatever was said before.

        Durable on return. Raises NotFound for an experiment without runs.
        """
        ...

    def list_measures(self, experiment: str) -> dict[str, Direction]:
        """Return which way was declared better, by the name of the metric or score."""
        ...

    def list_children(self, run_id: str) -> list[str]:
        """List the ids of the runs whose parent this is, oldest first."""
        ...

    def list_lineage(
        self, experiment: str, *, value: str, goal: str, limit: int
    ) -> list[LineagePoint]:
        """List an experiment's newest runs, oldest first, with parents and the best so far.

        `value` is `metric.NAME` or `score.NAME`, or empty; `goal` is `max` or `min`. The best so
        far counts all earlier runs. Raises InvalidInput for another value or goal.
        """
        ...

    def list_metrics(self, run_id: str) -> dict[str, MetricSummary]:
        """Return the summaries of a run's metrics by name."""
        ...

    def list_series(
        self, run_ids: Sequence[str], names: Sequence[str] | None, *, limit: int
    ) -> list[MetricSeries]:
        """Return metrics in columns, at most `limit` points each.

        A longer one is thinned evenly; first and last points stay. Without `names`: all.
        """
        ...

    def list_artifacts(self, run_id: str) -> list[Artifact]:
        """List a run's artifacts by path."""
        ...

    def get_artifact(self, run_id: str, path: str) -> Artifact:
        """Return one artifact. Raises NotFound."""
        ...

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
        """List images newest first whose prompt has all the words of `text`, case folded."""
        ...

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Store scores on runs, durable on return; the same id and content changes nothing.

        A score may come before its run; one on a deleted run is dropped. Raises Conflict for the
        same id with other content; nothing of the call is then stored.
        """
        ...

    def list_scores(self, run_id: str, *, history: bool = False) -> list[Score]:
        """List a run's latest scores per (name, source, author), or all, oldest first."""
        ...

    def delete_run(self, run_id: str) -> None:
        """Delete a run and what hangs on it; a write that arrives later revives nothing.

        Raises NotFound.
        """
        ...

    def close(self) -> None:
        """Close the engine; calling it twice is harmless."""
        ...


class SnapshotStore(Protocol):
    """Objects of snapshots by digest, and what is known about each manifest."""

    def find_missing(self, digests: Sequence[str]) -> list[str]:
        """Return those that are not here, in the order asked."""
        ...

    def put_objects(self, objects: Sequence[SnapshotObject]) -> None:
        """Store objects, durable on return; the caller has verified their digests."""
        ...

    def get_objects(self, digests: Sequence[str]) -> list[SnapshotObject]:
        """Return objects in the order asked. Raises NotFound for the first that is missing."""
        ...

    def put_facts(self, digest: str, facts: Sequence[tuple[str, str]]) -> None:
        """Store what searches find an object by: name and text; durable on return.

        A manifest's facts name its parts as `part`, whose own facts then count as the snapshot's.
        """
        ...

    def size_bytes(self) -> int:
        """Return how many bytes all objects take."""
        ...
