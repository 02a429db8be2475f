"""Examples that were sent ahead of a version which never came.

They are noted first, and freed later if nobody has sent or named them meanwhile: both take the
note away, in their own transaction.
"""

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from pellucid.storage.meta import dataset_chunks as chunks
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, in_chunks

EXAMPLE = "example"
_AT_ONCE = 5_000
_garbage = t.garbage.c
_examples = t.dataset_examples.c


def take_back(connection: sa.Connection, digests: Iterable[bytes]) -> None:
    """Forget that examples were without a version."""
    for some in in_chunks([digest.hex() for digest in digests]):
        connection.execute(
            sa.delete(t.garbage).where(_garbage.kind == EXAMPLE, _garbage.digest.in_(some))
        )


def free(database: MetaDatabase, *, before_ns: int, now_ns: int) -> int:
    """Free examples noted before a moment, note those that no version names; return how many."""
    with database.read() as connection:
        statement = sa.select(_garbage.digest, _garbage.since_ns).where(_garbage.kind == EXAMPLE)
        noted = {row.digest: row.since_ns for row in connection.execute(statement)}
        orphans = {digest.hex() for digest in _iter_orphans(connection)}
    count = 0
    old = sorted(digest for digest in orphans if noted.get(digest, now_ns) < before_ns)
    for some in in_chunks(old):
        with database.write() as connection:
            count += _free_noted(connection, some)
    new = sorted(orphans - noted.keys())
    for some in in_chunks(new, _AT_ONCE):
        rows = [{"kind": EXAMPLE, "digest": digest, "since_ns": now_ns} for digest in some]
        with database.write() as connection:
            connection.execute(
                database.upsert(t.garbage).on_conflict_do_nothing(
                    index_elements=["kind", "digest"]
                ),
                rows,
            )
    with database.write() as connection:
        take_back(connection, [bytes.fromhex(digest) for digest in noted.keys() - orphans])
    return count


def _free_noted(connection: sa.Connection, digests: list[str]) -> int:
    """Free those that are noted still: whoever put or named one in between has taken it back."""
    statement = (
        sa.delete(t.garbage)
        .where(_garbage.kind == EXAMPLE, _garbage.digest.in_(digests))
        .returning(_garbage.digest)
    )
    still = [bytes.fromhex(digest) for digest in connection.execute(statement).scalars()]
    if still:
        connection.execute(sa.delete(t.dataset_examples).where(_examples.digest.in_(still)))
    return len(still)


def _iter_orphans(connection: sa.Connection) -> Iterator[bytes]:
    named: set[bytes] = set()
    for data in connection.execute(sa.select(t.dataset_chunks.c.examples)).scalars():
        named.update(chunks.split(bytes(data)))
    for digest in connection.execute(sa.select(_examples.digest)).scalars():
        if (plain := bytes(digest)) not in named:
            yield plain
