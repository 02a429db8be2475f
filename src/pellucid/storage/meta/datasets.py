"""Datasets in the metadata database."""

from collections.abc import Iterator, Sequence

from pellucid.core.clock import Clock
from pellucid.core.clock import now_ns as system_clock
from pellucid.core.dataset import Example
from pellucid.core.dataset_versions import (
    DatasetDeletion,
    DatasetPage,
    DatasetSummary,
    DatasetVersion,
    DatasetWrite,
    DiffPage,
    ExamplePage,
    VersionPage,
    check_ids,
    check_write,
)
from pellucid.core.query import Query
from pellucid.storage.meta import (
    dataset_chunks,
    dataset_diff,
    dataset_orphans,
    dataset_reads,
    dataset_writes,
)
from pellucid.storage.meta.engine import MetaDatabase


class SqlDatasetStore:
    """`core.dataset_ports.DatasetStore` on SQLite and PostgreSQL."""

    def __init__(self, database: MetaDatabase, *, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock

    def put_examples(self, examples: Sequence[Example]) -> list[str]:
        """Store examples without a dataset; returns their digests."""
        check_ids(examples)
        return [digest.hex() for digest in dataset_writes.put_examples(self._database, examples)]

    def write(self, write: DatasetWrite) -> DatasetVersion:
        """Make a version and return it when it is durable."""
        check_write(write)
        stored = dataset_writes.put_examples(self._database, write.examples or write.put)
        with self._database.write() as connection:
            return dataset_writes.write_version(self._database, connection, write, stored)

    def free_orphans(self, *, before_ns: int) -> int:
        """Free examples that had no version before a moment, nor since; return how many."""
        return dataset_orphans.free(self._database, before_ns=before_ns, now_ns=self._clock())

    def list_datasets(self, *, text: str, limit: int, cursor: str | None) -> DatasetPage:
        """List datasets whose names have a text, the last changed first."""
        with self._database.read() as connection:
            return dataset_reads.list_datasets(connection, text=text, limit=limit, cursor=cursor)

    def get_dataset(self, name: str) -> DatasetSummary:
        """Return one dataset. Raises NotFound."""
        with self._database.read() as connection:
            return dataset_reads.get_dataset(connection, name)

    def list_versions(self, name: str, *, limit: int, cursor: str | None) -> VersionPage:
        """List a dataset's versions, the newest first."""
        with self._database.read() as connection:
            return dataset_reads.list_versions(connection, name, limit=limit, cursor=cursor)

    def get_version(self, name: str, number: int | None = None) -> DatasetVersion:
        """Return a version, or the newest. Raises NotFound."""
        with self._database.read() as connection:
            return dataset_reads.get_version(connection, name, number).version

    def find_version(self, name: str, version: str) -> DatasetVersion | None:
        """Return the newest version of a dataset with this content, if any."""
        with self._database.read() as connection:
            return dataset_reads.find_version(connection, name, version)

    def list_examples(
        self, name: str, number: int, *, query: Query | None, limit: int, cursor: str | None
    ) -> ExamplePage:
        """List examples of a version, in its order, that meet a query."""
        with self._database.read() as connection:
            return dataset_reads.list_examples(
                connection, name, number, query=query, limit=limit, cursor=cursor
            )

    def find_examples(self, name: str, number: int, ids: Sequence[str]) -> list[Example]:
        """Return those examples of a version that have these ids, by id."""
        with self._database.read() as connection:
            held = dataset_reads.get_version(connection, name, number).chunks
            among = dataset_chunks.load_all(connection, held)
            found = dataset_reads.find_ids(connection, ids, among)
            return dataset_reads.load_examples(connection, [found[one] for one in sorted(found)])

    def iter_examples(
        self, name: str, number: int, *, split: str | None = None
    ) -> Iterator[Example]:
        """Yield a version's examples, or one split's, in order.

        Each chunk is read for itself: a version never changes, and a slow reader holds nothing.
        """
        with self._database.read() as connection:
            held = dataset_reads.get_version(connection, name, number).chunks
        for digest in dataset_chunks.split(held):
            with self._database.read() as connection:
                examples = dataset_reads.load_chunk(connection, digest)
            for example in examples:
                if split is None or example.split == split:
                    yield example

    def diff(
        self, name: str, before: int, after: int, *, limit: int, cursor: str | None
    ) -> DiffPage:
        """Say what changed between two versions."""
        with self._database.read() as connection:
            return dataset_diff.diff(connection, name, before, after, limit=limit, cursor=cursor)

    def delete(self, name: str, *, dry_run: bool = False) -> DatasetDeletion:
        """Delete a dataset with what only it holds, or say what that would be."""
        with self._database.write() as connection:
            return dataset_writes.delete(connection, name, now_ns=self._clock(), dry_run=dry_run)
