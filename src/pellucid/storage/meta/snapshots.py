"""Objects of snapshots in the metadata database.

They are many and small: a table keeps thousands in one commit and one file, where a folder would
need two syncs and a block of 4 kB for each.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from pellucid.core.errors import NotFound
from pellucid.core.snapshot import SnapshotObject
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, in_chunks
from pellucid.storage.meta.garbage import condemned
from pellucid.storage.meta.recent import RecentDigests
from pellucid.storage.meta.values import fold, to_number

_objects = t.objects.c


class SqlSnapshotStore:
    """`core.run_ports.SnapshotStore` on SQLite and PostgreSQL."""

    def __init__(self, database: MetaDatabase, recent: RecentDigests | None = None) -> None:
        self._database = database
        self._recent = recent or RecentDigests()

    def find_missing(self, digests: Sequence[str]) -> list[str]:
        """Return those that are not here, in the order asked."""
        here: set[bytes] = set()
        wanted = {digest: bytes.fromhex(digest) for digest in digests}
        with self._recent.lock, self._database.read() as connection:
            self._recent.note(wanted)
            for chunk in in_chunks(list(wanted.values())):
                found = sa.select(_objects.digest).where(_objects.digest.in_(chunk))
                here.update(connection.execute(found).scalars())
            for digests in in_chunks(list(wanted)):
                gone = sa.select(t.garbage.c.digest).where(condemned(digests))
                here.difference_update(map(bytes.fromhex, connection.scalars(gone)))
        return [digest for digest, key in wanted.items() if key not in here]

    def put_objects(self, objects: Sequence[SnapshotObject]) -> None:
        """Store objects in one durable commit; those that are here already stay."""
        if not objects:
            return
        rows = [
            {
                "digest": bytes.fromhex(item.digest),
                "size_bytes": item.size_bytes,
                "data": item.data,
            }
            for item in objects
        ]
        statement = self._database.upsert(t.objects).on_conflict_do_nothing(
            index_elements=["digest"]
        )
        digests = [item.digest for item in objects]
        self._recent.note(digests)
        with self._database.write() as connection:
            connection.execute(statement, rows)
            _pardon(connection, digests)

    def get_objects(self, digests: Sequence[str]) -> list[SnapshotObject]:
        """Return objects in the order asked. Raises NotFound for the first that is missing."""
        found: dict[str, SnapshotObject] = {}
        with self._database.read() as connection:
            for chunk in in_chunks([bytes.fromhex(digest) for digest in dict.fromkeys(digests)]):
                statement = sa.select(_objects.digest, _objects.data, _objects.size_bytes).where(
                    _objects.digest.in_(chunk)
                )
                for key, data, size in connection.execute(statement):
                    found[key.hex()] = SnapshotObject(key.hex(), data, size)
        for digest in digests:
            if digest not in found:
                raise NotFound(f"No snapshot here has an object {digest}.")
        return [found[digest] for digest in digests]

    def put_facts(self, digest: str, facts: Sequence[tuple[str, str]]) -> None:
        """Store what searches find an object by; durable on return."""
        rows = [
            {
                "digest": digest,
                "name": name,
                "text": text,
                "folded": fold(text),
                "number": to_number(text),
            }
            for name, text in dict.fromkeys(facts)
        ]
        if not rows:
            return
        statement = self._database.upsert(t.object_facts).on_conflict_do_nothing(
            index_elements=["digest", "name", "text"]
        )
        with self._database.write() as connection:
            connection.execute(statement, rows)
            _pardon(connection, [digest])

    def size_bytes(self) -> int:
        """Return how many bytes all objects take."""
        with self._database.read() as connection:
            total = connection.scalar(sa.select(sa.func.sum(sa.func.length(_objects.data))))
            return int(total or 0)


def _pardon(connection: sa.Connection, digests: Sequence[str]) -> None:
    for chunk in in_chunks(list(digests)):
        connection.execute(sa.delete(t.garbage).where(condemned(chunk)))
