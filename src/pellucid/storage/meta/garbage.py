"""Free what deleted runs named and nothing names any more: files, and objects of snapshots."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from pellucid.core.clock import Clock
from pellucid.core.clock import now_ns as system_clock
from pellucid.core.errors import InvalidInput
from pellucid.core.garbage import Footprint, Garbage
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, in_chunks
from pellucid.storage.meta.object_marks import Closure
from pellucid.storage.meta.recent import RecentDigests
from pellucid.storage.meta.run_reads import live_runs, run_key

ARTIFACT, SNAPSHOT, OBJECT = "artifact", "snapshot", "object"
_CONDEMNED_AT_ONCE = 5_000
_c = t.garbage.c


class SqlGarbageStore:
    """`core.garbage.GarbageStore` on SQLite and PostgreSQL."""

    def __init__(
        self, database: MetaDatabase, recent: RecentDigests, *, clock: Clock = system_clock
    ) -> None:
        self._database = database
        self._recent = recent
        self._clock = clock

    def weigh_run(self, run_id: str) -> Footprint:
        """Return what deleting a run would free. Raises NotFound."""
        with self._database.read() as connection:
            key = run_key(connection, run_id)
            mine, other = t.artifacts.c, t.artifacts.alias("other").c
            shared = sa.exists().where(other.digest == mine.digest, other.run_key != key)
            own = (
                sa.select(mine.digest, sa.func.max(mine.size_bytes).label("size"))
                .where(mine.run_key == key, ~shared)
                .group_by(mine.digest)
                .subquery()
            )
            count, size = connection.execute(
                sa.select(sa.func.count(), sa.func.sum(own.c.size))
            ).one()
            runs = sa.select(t.runs.c.snapshot_id).where(t.runs.c.key == key)
            snapshot = connection.scalar(runs)
            live = _live_snapshots(connection, but=key)
            doomed = [] if snapshot is None or snapshot in live else [snapshot]
            objects = _weigh(connection, _dead(connection, doomed, live))
        return objects + Footprint(artifact_count=count, artifact_bytes=int(size or 0))

    def list_artifacts(self, limit: int, *, after: str = "") -> list[str]:
        """List the digests of files that deleted runs named, from the one after."""
        statement = (
            sa.select(_c.digest)
            .where(_c.kind == ARTIFACT, _c.digest > after)
            .order_by(_c.digest)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.execute(statement).scalars())

    def find_unnamed(self, digests: Sequence[str]) -> list[str]:
        """Return those digests of files that no run names, in the order asked."""
        with self._database.read() as connection:
            named = _named(connection, digests)
        return [digest for digest in dict.fromkeys(digests) if digest not in named]

    def note_artifacts(self, digests: Sequence[str]) -> None:
        """Note files as if a deleted run had named them."""
        if digests:
            with self._database.write() as connection:
                note(self._database, connection, ARTIFACT, digests, self._clock())

    def free_artifacts(
        self, digests: Sequence[str], discard: Callable[[str], int | None]
    ) -> Garbage:
        """Free those that no run names, in one transaction that no write can overlap."""
        waiting, sizes = 0, []
        with self._database.write() as connection:
            settled = _named(connection, digests)
            for digest in dict.fromkeys(digests):
                if digest in settled:
                    continue
                size = discard(digest)
                if size is None:
                    waiting += 1
                    continue
                settled.add(digest)
                sizes.append(size)
            _forget(connection, ARTIFACT, settled)
        freed = Footprint(artifact_count=len(sizes), artifact_bytes=sum(sizes))
        return Garbage(footprint=freed, waiting_count=waiting)

    def weigh_snapshots(self) -> Garbage:
        """Return what condemning would condemn, and how many snapshots must wait."""
        with self._database.read() as connection:
            doomed = _noted(connection, SNAPSHOT)
            live = _live_snapshots(connection)
            wanted = {digest for digest in doomed if self._recent.holds(digest)}
            dead = _dead(connection, doomed - live - wanted, live | wanted)
            found = [digest for digest in dead if not self._recent.holds(digest)]
            return Garbage(footprint=_weigh(connection, found), waiting_count=len(wanted - live))

    def condemn(self) -> int:
        """Condemn the objects that only snapshots of deleted runs name; return how many.

        The store may change while snapshots are read: each batch is checked against what came
        since, from above to below, so that what is not condemned is complete at any moment.
        """
        with self._database.read() as connection:
            noted = _noted(connection, SNAPSHOT)
            live = _live_snapshots(connection)
            doomed = {d for d in noted - live if not self._recent.holds(d)}
            dead = _dead(connection, doomed, live) if doomed else []
        count = 0
        protected: set[str] = set()
        seen = set(live)
        for batch in in_chunks(dead, _CONDEMNED_AT_ONCE):
            # The lock: nobody is told meanwhile that something is here which then is not.
            with self._recent.lock, self._database.write() as connection:
                live = _live_snapshots(connection)
                wanted = {digest for digest in doomed if self._recent.holds(digest)}
                protected |= set(_below(connection, (live | wanted) - seen))
                seen |= live | wanted
                last = [d for d in batch if d not in protected and not self._recent.holds(d)]
                note(self._database, connection, OBJECT, last, self._clock())
                count += len(last)
        done = {digest for digest in doomed if not self._recent.holds(digest)}
        if noted:
            with self._database.write() as connection:
                _forget(connection, SNAPSHOT, done | (noted & _live_snapshots(connection)))
        return count

    def weigh_condemned(self) -> Footprint:
        """Return what `free_objects` would free in the end."""
        with self._database.read() as connection:
            return _weigh(connection, sorted(_noted(connection, OBJECT)))

    def free_objects(self, limit: int) -> Footprint | None:
        """Free up to `limit` condemned objects; None when there are none left."""
        statement = sa.select(_c.digest).where(_c.kind == OBJECT).limit(limit)
        with self._database.write() as connection:
            digests = list(connection.execute(statement).scalars())
            if not digests:
                return None
            footprint = _weigh(connection, digests)
            for chunk in in_chunks(digests):
                keys = [bytes.fromhex(digest) for digest in chunk]
                objects, facts = t.objects, t.object_facts
                connection.execute(sa.delete(objects).where(objects.c.digest.in_(keys)))
                connection.execute(sa.delete(facts).where(facts.c.digest.in_(chunk)))
            _forget(connection, OBJECT, digests)
        return footprint

    def shrink(self, *, rebuild: bool) -> int:
        """Give freed space back to the file system, and return the bytes."""
        return self._database.shrink(rebuild=rebuild)


def note(
    database: MetaDatabase,
    connection: sa.Connection,
    kind: str,
    digests: Iterable[str],
    now_ns: int,
) -> None:
    """Note what a deleted run named, in the transaction that deletes it."""
    rows = [{"kind": kind, "digest": digest, "since_ns": now_ns} for digest in digests]
    if rows:
        upsert = database.upsert(t.garbage)
        connection.execute(upsert.on_conflict_do_nothing(index_elements=["kind", "digest"]), rows)


def condemned(keys: Any) -> Any:
    """Return the condition that a digest, in hex, is condemned."""
    return sa.and_(_c.kind == OBJECT, _c.digest.in_(keys))


def _named(connection: sa.Connection, digests: Sequence[str]) -> set[str]:
    a = t.artifacts.c
    return {
        digest
        for chunk in in_chunks(list(digests))
        for digest in connection.execute(sa.select(a.digest).where(a.digest.in_(chunk))).scalars()
    }


def _noted(connection: sa.Connection, kind: str) -> set[str]:
    return set(connection.execute(sa.select(_c.digest).where(_c.kind == kind)).scalars())


def _forget(connection: sa.Connection, kind: str, digests: Iterable[str]) -> None:
    for chunk in in_chunks(list(digests)):
        connection.execute(sa.delete(t.garbage).where(_c.kind == kind, _c.digest.in_(chunk)))


def _live_snapshots(connection: sa.Connection, *, but: int | None = None) -> set[str]:
    c = t.runs.c
    statement = sa.select(c.snapshot_id).distinct().where(live_runs, c.snapshot_id.is_not(None))
    if but is not None:
        statement = statement.where(c.key != but)
    return set(connection.execute(statement).scalars())


def _below(connection: sa.Connection, manifests: Iterable[str]) -> dict[str, None]:
    closure = Closure(connection)
    closure.add(manifests)
    return closure.digests


def _dead(connection: sa.Connection, doomed: Iterable[str], live: set[str]) -> list[str]:
    """Return what only doomed manifests name, from above to below."""
    found = Closure(connection)
    for digest in doomed:
        try:
            found.add([digest])
        except InvalidInput:
            continue
    if not found.digests:
        return []
    kept = _below(connection, live)
    return [digest for digest in found.digests if digest not in kept]


def _weigh(connection: sa.Connection, digests: Sequence[str]) -> Footprint:
    total = Footprint()
    c = t.objects.c
    for chunk in _keys(digests):
        statement = sa.select(sa.func.count(), sa.func.sum(sa.func.length(c.data)))
        count, size = connection.execute(statement.where(c.digest.in_(chunk))).one()
        total += Footprint(object_count=count, object_bytes=int(size or 0))
    return total


def _keys(digests: Sequence[str]) -> Iterator[list[bytes]]:
    return in_chunks([bytes.fromhex(digest) for digest in digests])
