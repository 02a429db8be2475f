"""Bytes that deleted runs left behind: files and snapshot objects that nothing names any more."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """How many files and snapshot objects, and the bytes that they take on disk."""

    artifact_count: int = 0
    artifact_bytes: int = 0
    object_count: int = 0
    object_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Return the bytes of both together."""
        return self.artifact_bytes + self.object_bytes

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(
            artifact_count=self.artifact_count + other.artifact_count,
            artifact_bytes=self.artifact_bytes + other.artifact_bytes,
            object_count=self.object_count + other.object_count,
            object_bytes=self.object_bytes + other.object_bytes,
        )


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """What can be freed; and how much of what was deleted must still wait, or has been freed."""

    footprint: Footprint
    waiting_count: int = 0
    """Deleted files and snapshots that were sent or asked for a moment ago, and may be again."""
    returned_bytes: int = 0
    """By how much the metadata database's file became smaller."""


class GarbageStore(Protocol):
    """What deleted runs named. Law: nothing that a run names is ever freed.

    Deleting a run notes its files and its snapshot in the same commit, so that a crash forgets
    none. An object that is *condemned* counts as missing: who wants it puts it again, which
    pardons it.
    """

    def weigh_run(self, run_id: str) -> Footprint:
        """Return what deleting a run would free. Raises NotFound."""
        ...

    def list_artifacts(self, limit: int, *, after: str = "") -> list[str]:
        """List the digests of files that deleted runs named, in order, from the one after."""
        ...

    def find_unnamed(self, digests: Sequence[str]) -> list[str]:
        """Return those digests of files that no run names, in the order asked."""
        ...

    def note_artifacts(self, digests: Sequence[str]) -> None:
        """Note files as if a deleted run had named them."""
        ...

    def free_artifacts(
        self, digests: Sequence[str], discard: Callable[[str], int | None]
    ) -> Garbage:
        """Free those that no run names, in one transaction that no write can overlap.

        `discard` deletes one and returns its bytes, or None to keep it for a later try.
        """
        ...

    def weigh_snapshots(self) -> Garbage:
        """Return what `condemn` would condemn, and how many snapshots must wait."""
        ...

    def condemn(self) -> int:
        """Condemn the objects that only snapshots of deleted runs name; return how many.

        What somebody has lately sent or asked for is left alone.
        """
        ...

    def weigh_condemned(self) -> Footprint:
        """Return what `free_objects` would free in the end."""
        ...

    def free_objects(self, limit: int) -> Footprint | None:
        """Free up to `limit` condemned objects; None when there are none left."""
        ...

    def shrink(self, *, rebuild: bool) -> int:
        """Give freed space back to the file system, and return the bytes.

        Without `rebuild` only what takes no moment and no more space for the time being.
        """
        ...
