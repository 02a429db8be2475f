"""What two versions of a dataset differ in; shared chunks are not looked into."""

from typing import NamedTuple

import sqlalchemy as sa

from pellucid.core.dataset import Example
from pellucid.core.dataset_versions import ChangeKind, DatasetChange, DiffPage
from pellucid.storage.meta import dataset_chunks as chunks
from pellucid.storage.meta import dataset_reads as reads
from pellucid.storage.meta.dataset_writes import load_known


class _Entry(NamedTuple):
    kind: ChangeKind
    before: bytes | None
    after: bytes | None


def diff(
    connection: sa.Connection, name: str, before: int, after: int, *, limit: int, cursor: str | None
) -> DiffPage:
    """Compare two versions by example id."""
    earlier = reads.get_version(connection, name, before)
    later = reads.get_version(connection, name, after)
    entries = _entries(connection, earlier.chunks, later.chunks)
    start = reads.read_cursor(cursor, 1)[0] if cursor else 0
    shown = entries[start : start + limit]
    counts = {kind: sum(entry.kind is kind for entry in entries) for kind in ChangeKind}
    added, changed = counts[ChangeKind.ADDED], counts[ChangeKind.CHANGED]
    return DiffPage(
        before=earlier.version,
        after=later.version,
        added=added,
        removed=counts[ChangeKind.REMOVED],
        changed=changed,
        unchanged=later.version.example_count - added - changed,
        changes=_load(connection, shown),
        next=str(start + limit) if start + limit < len(entries) else None,
    )


def _entries(connection: sa.Connection, before: bytes, after: bytes) -> list[_Entry]:
    old_names, new_names = chunks.split(before), chunks.split(after)
    same = set(old_names) & set(new_names)
    old = _only(connection, old_names, same)
    new = _only(connection, new_names, same)
    alike = set(old) & set(new)
    # An example may have moved between a chunk that both have and one that one has.
    known = load_known(connection, [d for d in [*old, *new] if d not in alike])
    old_ids = {known[d].id: d for d in old if d not in alike}
    new_ids = {known[d].id for d in new if d not in alike}
    removed = [
        _Entry(ChangeKind.REMOVED, digest, None)
        for name, digest in old_ids.items()
        if name not in new_ids
    ]
    others = [
        _Entry(ChangeKind.CHANGED, old_ids[known[d].id], d)
        if known[d].id in old_ids
        else _Entry(ChangeKind.ADDED, None, d)
        for d in new
        if d not in alike
    ]
    return removed + others


def _only(connection: sa.Connection, names: list[bytes], same: set[bytes]) -> list[bytes]:
    """Return the examples of the chunks that only one version has, in order."""
    wanted = [name for name in names if name not in same]
    held = chunks.load(connection, wanted)
    return [digest for name in wanted for digest in chunks.split(held[name])]


def _load(connection: sa.Connection, entries: list[_Entry]) -> list[DatasetChange]:
    wanted = [digest for entry in entries for digest in (entry.before, entry.after) if digest]
    held: dict[bytes, Example] = dict(
        zip(wanted, reads.load_examples(connection, wanted), strict=True)
    )
    return [
        DatasetChange(
            kind=entry.kind,
            before=held[entry.before] if entry.before else None,
            after=held[entry.after] if entry.after else None,
        )
        for entry in entries
    ]
