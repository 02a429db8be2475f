"""What services ask of a metadata engine about datasets.

Stores are synchronous and safe to call from several threads. The port has one contract suite in
`pellucid.testing`; every engine passes all of it.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

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
)
from pellucid.core.query import Query


class DatasetStore(Protocol):
    """Datasets by name. Examples are kept once, by content, and shared by all versions."""

    def put_examples(self, examples: Sequence[Example]) -> list[str]:
        """Store examples without a dataset, durable on return; returns their digests.

        Raises InvalidInput for values that JSON has not, and TooLarge.
        """
        ...

    def free_orphans(self, *, before_ns: int) -> int:
        """Free examples that were put but named by no version; return how many.

        Such ones are noted by one call and freed by a later one, if they were noted before the
        moment and nobody has put or named them again.
        """
        ...

    def write(self, write: DatasetWrite) -> DatasetVersion:
        """Make a version and return it when it is durable; a new name makes a dataset.

        Content that equals the newest version's makes none: that version is returned, as is the
        one that a write of the same id made. Raises Conflict where the newest version is not the
        write's base, where `existing` refuses an example, and for a write's id that made another
        dataset's version; NotFound for digests and removed ids that are not there; InvalidInput.
        """
        ...

    def list_datasets(self, *, text: str, limit: int, cursor: str | None) -> DatasetPage:
        """List datasets whose names have a text, case folded, the last changed first.

        Raises InvalidInput for a foreign cursor.
        """
        ...

    def get_dataset(self, name: str) -> DatasetSummary:
        """Return one dataset. Raises NotFound."""
        ...

    def list_versions(self, name: str, *, limit: int, cursor: str | None) -> VersionPage:
        """List a dataset's versions, the newest first. Raises NotFound, InvalidInput."""
        ...

    def get_version(self, name: str, number: int | None = None) -> DatasetVersion:
        """Return a version, or the newest. Raises NotFound."""
        ...

    def find_version(self, name: str, version: str) -> DatasetVersion | None:
        """Return the newest version of a dataset with this content, if any."""
        ...

    def list_examples(
        self, name: str, number: int, *, query: Query | None, limit: int, cursor: str | None
    ) -> ExamplePage:
        """List examples of a version, in its order, that meet a query of `core.dataset_query`.

        Raises NotFound, and InvalidInput for a foreign cursor.
        """
        ...

    def find_examples(self, name: str, number: int, ids: Sequence[str]) -> list[Example]:
        """Return those examples of a version that have these ids, by id. Raises NotFound."""
        ...

    def iter_examples(
        self, name: str, number: int, *, split: str | None = None
    ) -> Iterator[Example]:
        """Yield a version's examples, or one split's, in order. Raises NotFound."""
        ...

    def diff(
        self, name: str, before: int, after: int, *, limit: int, cursor: str | None
    ) -> DiffPage:
        """Say what changed between two versions; order does not count.

        Raises NotFound, and InvalidInput for a foreign cursor.
        """
        ...

    def delete(self, name: str, *, dry_run: bool = False) -> DatasetDeletion:
        """Delete a dataset with what only it holds, or say what that would be. Raises NotFound.

        Its numbers stay taken: a dataset of the same name goes on after them.
        """
        ...
