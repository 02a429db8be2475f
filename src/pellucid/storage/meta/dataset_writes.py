"""Making versions of datasets, and deleting datasets."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from pellucid.core.dataset import Example, example_digest, version_of
from pellucid.core.dataset_versions import (
    DatasetDeletion,
    DatasetVersion,
    DatasetWrite,
    Existing,
    pack_example,
)
from pellucid.core.errors import Conflict, InvalidInput, NotFound
from pellucid.storage.meta import dataset_chunks as chunks
from pellucid.storage.meta import dataset_orphans as orphans
from pellucid.storage.meta import dataset_reads as reads
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, in_chunks

EXAMPLES_A_COMMIT = 2000
_examples = t.dataset_examples.c
_versions = t.dataset_versions.c
_datasets = t.datasets.c


class Known(NamedTuple):
    """What is known of a stored example without its body."""

    digest: bytes
    id: str
    split: str | None
    size_bytes: int


def put_examples(database: MetaDatabase, examples: Sequence[Example]) -> list[bytes]:
    """Store examples, some thousand a commit, and return their digests.

    Other writers come in between: many examples take seconds.
    """
    rows: list[dict[str, Any]] = []
    for example in examples:
        body = pack_example(example)
        # As it will be read: what JSON does not tell apart is one content.
        plain = msgspec.json.decode(body, type=Example)
        rows.append(
            {
                "digest": bytes.fromhex(example_digest(plain)),
                "id": example.id,
                "split": example.split,
                "size_bytes": len(body),
                "body": body,
            }
        )
    statement = database.upsert(t.dataset_examples).on_conflict_do_nothing(
        index_elements=["digest"]
    )
    # In one order everywhere: two servers with the same examples would wait for each other.
    for some in in_chunks(sorted(rows, key=lambda row: row["digest"]), EXAMPLES_A_COMMIT):
        with database.write() as connection:
            orphans.take_back(connection, [row["digest"] for row in some])
            connection.execute(statement, some)
    return [row["digest"] for row in rows]


def write_version(
    database: MetaDatabase, connection: sa.Connection, write: DatasetWrite, stored: list[bytes]
) -> DatasetVersion:
    """Make a version of examples that are stored; `stored` are those of `examples` or `put`."""
    # The dataset's row is held from here on: of two servers' writes one waits for the other.
    row = _take_row(database, connection, write)
    done = _find_done(connection, write)
    if done is not None:
        return done
    newest = reads.find_newest(connection, write.name)
    _check_base(write, newest)
    before = chunks.load_all(connection, newest.chunks) if newest is not None else []
    if write.digests is not None:
        after = _named(write.digests)
        orphans.take_back(connection, after)
    elif write.examples is not None:
        after = stored
    else:
        after = _edited(connection, write, before, stored)
    version = version_of(digest.hex() for digest in after)
    if newest is not None and newest.version.version == version:
        return newest.version
    return _insert(database, connection, write, row, newest, before, after)


def delete(connection: sa.Connection, name: str, *, now_ns: int, dry_run: bool) -> DatasetDeletion:
    """Delete a dataset's versions, and chunks and examples that no other dataset holds."""
    key = reads.dataset_key(connection, name)
    mine = sa.select(_versions.chunks).where(_versions.dataset_key == key)
    theirs = sa.select(_versions.chunks).where(_versions.dataset_key != key)
    lists = connection.execute(mine).scalars().all()
    held = {digest for data in lists for digest in chunks.split(data)}
    others = {
        digest for data in connection.execute(theirs).scalars() for digest in chunks.split(data)
    }
    gone = list(held - others)
    examples = {
        digest for data in chunks.load(connection, gone).values() for digest in chunks.split(data)
    }
    for some in in_chunks(list(others)):
        for data in chunks.load(connection, some).values():
            examples.difference_update(chunks.split(data))
    if not dry_run:
        connection.execute(sa.delete(t.dataset_versions).where(_versions.dataset_key == key))
        _delete_all(connection, t.dataset_chunks, gone)
        _delete_all(connection, t.dataset_examples, list(examples))
        connection.execute(
            sa.update(t.datasets).where(_datasets.key == key).values(deleted_ns=now_ns)
        )
    return DatasetDeletion(name=name, version_count=len(lists), example_count=len(examples))


def _delete_all(connection: sa.Connection, table: sa.Table, digests: list[bytes]) -> None:
    for some in in_chunks(digests):
        connection.execute(sa.delete(table).where(table.c.digest.in_(some)))


def _find_done(connection: sa.Connection, write: DatasetWrite) -> DatasetVersion | None:
    body = connection.scalar(sa.select(_versions.body).where(_versions.id == write.id))
    if body is None:
        return None
    done = reads.read_version(body)
    if done.name != write.name:
        raise Conflict(
            f"The write {write.id} made {done.spec} before; it cannot make {write.name}."
        )
    return done


def _check_base(write: DatasetWrite, newest: "reads.Newest | None") -> None:
    number = 0 if newest is None else newest.version.number
    if write.base is None or write.base == number:
        return
    if newest is None:
        raise NotFound(f"There is no dataset {write.name!r} to change.")
    by = f" by {newest.version.author}" if newest.version.author else ""
    if write.base == 0:
        raise Conflict(
            f"There is a dataset {write.name!r} already; its newest version is {number}{by}."
        )
    raise Conflict(
        f"{write.name} has a newer version: {number} was made{by} while you changed "
        f"{write.base}. Read it and make the change there."
    )


def _named(digests: Iterable[str]) -> list[bytes]:
    try:
        found = [bytes.fromhex(digest) for digest in digests]
    except ValueError:
        found = [b""]
    if any(len(digest) != chunks.WIDTH for digest in found):
        raise InvalidInput("`digests` must be the digests of examples: 32 hex digits each.")
    return found


def _edited(
    connection: sa.Connection, write: DatasetWrite, before: list[bytes], put: list[bytes]
) -> list[bytes]:
    """Return the examples of the newest version after the edits."""
    here = reads.find_ids(connection, [e.id for e in write.put] + write.remove, before)
    for wanted in write.remove:
        if wanted not in here:
            raise NotFound(f"{write.name} has no example {wanted!r} to remove.")
    new, added = {}, []
    for example, digest in zip(write.put, put, strict=True):
        old = here.get(example.id)
        if old is None or example.id in write.remove:
            added.append(digest)
        elif write.existing is Existing.REFUSE:
            raise Conflict(
                f"{write.name} has an example {example.id!r} already. Update it instead."
            )
        elif write.existing is Existing.REPLACE:
            new[old] = digest
    gone = {here[wanted] for wanted in write.remove}
    return [new.get(digest, digest) for digest in before if digest not in gone] + added


def load_known(connection: sa.Connection, digests: Iterable[bytes]) -> dict[bytes, Known]:
    """Return what is known of examples. Raises NotFound for one that is not here."""
    wanted = list(dict.fromkeys(digests))
    found: dict[bytes, Known] = {}
    for some in in_chunks(wanted):
        statement = sa.select(
            _examples.digest, _examples.id, _examples.split, _examples.size_bytes
        ).where(_examples.digest.in_(some))
        for row in connection.execute(statement):
            found[bytes(row.digest)] = Known(bytes(row.digest), row.id, row.split, row.size_bytes)
    missing = next((digest for digest in wanted if digest not in found), None)
    if missing is not None:
        raise NotFound(f"No example has the digest {missing.hex()}. Store it first.")
    return found


def _insert(
    database: MetaDatabase,
    connection: sa.Connection,
    write: DatasetWrite,
    row: Any,
    newest: "reads.Newest | None",
    before: list[bytes],
    after: list[bytes],
) -> DatasetVersion:
    old, new = set(before), set(after)
    known = load_known(connection, [*(new - old), *(old - new)])
    if write.digests is not None:
        _check_unique(connection, after)
    came = {known[digest].id for digest in new - old}
    went = {known[digest].id for digest in old - new}
    splits = Counter(newest.version.splits if newest is not None else {})
    splits.update(s for d in new - old if (s := known[d].split) is not None)
    splits.subtract(s for d in old - new if (s := known[d].split) is not None)
    size = newest.version.size_bytes if newest is not None else 0
    size += sum(known[d].size_bytes for d in new - old)
    size -= sum(known[d].size_bytes for d in old - new)
    version = DatasetVersion(
        name=write.name,
        number=row.last_number + 1,
        version=version_of(digest.hex() for digest in after),
        id=write.id,
        base=newest.version.number if newest is not None else None,
        time_ns=write.time_ns,
        message=write.message,
        author=write.author or None,
        source=write.source,
        example_count=len(after),
        size_bytes=size,
        splits={name: count for name, count in sorted(splits.items()) if count > 0},
        added=len(came - went),
        removed=len(went - came),
        changed=len(came & went),
    )
    cut = chunks.cut(after)
    chunks.store(database, connection, cut)
    connection.execute(
        sa.insert(t.dataset_versions).values(
            id=write.id,
            dataset_key=row.key,
            number=version.number,
            version=version.version,
            chunks=b"".join(chunk.digest for chunk in cut),
            body=reads.write_version_body(version),
        )
    )
    values: dict[str, Any] = {"last_number": version.number, "changed_ns": write.time_ns}
    if row.deleted_ns is not None:
        values |= {"deleted_ns": None, "created_ns": write.time_ns}
    connection.execute(sa.update(t.datasets).where(_datasets.key == row.key).values(**values))
    return version


def _check_unique(connection: sa.Connection, digests: list[bytes]) -> None:
    ids = Counter(one.id for one in load_known(connection, digests).values())
    twice = next((name for name, count in ids.items() if count > 1), None)
    if twice is None and len(set(digests)) < len(digests):
        twice = next(d.hex() for d, count in Counter(digests).items() if count > 1)
    if twice is not None:
        raise InvalidInput(f"Two examples have the id {twice!r}.")


def _take_row(database: MetaDatabase, connection: sa.Connection, write: DatasetWrite) -> Any:
    """Return the dataset's row, new where there is none, and keep others from it."""
    made: dict[str, Any] = {
        "name": write.name,
        "folded": write.name.casefold(),
        "created_ns": write.time_ns,
        "changed_ns": write.time_ns,
        "last_number": 0,
    }
    statement = database.upsert(t.datasets).values(**made)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["name"]))
    return connection.execute(
        sa.select(_datasets.key, _datasets.last_number, _datasets.deleted_ns)
        .where(_datasets.name == write.name)
        .with_for_update()
    ).one()
