"""Reading datasets: their names, versions and examples, and what versions differ in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from pellucid.core.dataset import Example
from pellucid.core.dataset_query import meets, sieve
from pellucid.core.dataset_versions import (
    DatasetPage,
    DatasetSummary,
    DatasetVersion,
    ExamplePage,
    PlacedExample,
    VersionPage,
)
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.query import Query
from pellucid.storage.meta import dataset_chunks as chunks
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import in_chunks

_examples = t.dataset_examples.c
_versions = t.dataset_versions.c
_datasets = t.datasets.c
_decoder = msgspec.json.Decoder(Example)
_live = _datasets.deleted_ns.is_(None)


class Newest(NamedTuple):
    """A version and its chunks' digests."""

    version: DatasetVersion
    chunks: bytes


def read_version(body: str) -> DatasetVersion:
    """Return a version as it was stored."""
    return msgspec.json.decode(body, type=DatasetVersion)


def write_version_body(version: DatasetVersion) -> str:
    """Return what is stored of a version."""
    return msgspec.json.encode(version).decode()


def dataset_key(connection: sa.Connection, name: str) -> int:
    """Return a dataset's key. Raises NotFound."""
    statement = sa.select(_datasets.key).where(_datasets.name == name, _live)
    key: int | None = connection.scalar(statement)
    if key is None:
        raise NotFound(
            f"There is no dataset {name[:200]!r}. List them with: pellucid datasets list"
        )
    return key


def find_newest(connection: sa.Connection, name: str) -> Newest | None:
    """Return the newest version of a dataset, if there is one."""
    statement = (
        sa.select(_versions.body, _versions.chunks)
        .join(t.datasets, _datasets.key == _versions.dataset_key)
        .where(_datasets.name == name, _live)
        .order_by(_versions.number.desc())
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else Newest(read_version(row.body), bytes(row.chunks))


def get_version(connection: sa.Connection, name: str, number: int | None) -> Newest:
    """Return a version, or the newest. Raises NotFound."""
    key = dataset_key(connection, name)
    newest = find_newest(connection, name)
    if newest is not None and number in (None, newest.version.number):
        return newest
    statement = sa.select(_versions.body, _versions.chunks).where(
        _versions.dataset_key == key, _versions.number == number
    )
    row = connection.execute(statement).first()
    if row is None:
        latest = "none" if newest is None else newest.version.number
        raise NotFound(
            f"The dataset {name!r} has no version {number}; the newest is {latest}. "
            f"List them with: pellucid datasets show {name}"
        )
    return Newest(read_version(row.body), bytes(row.chunks))


def find_version(connection: sa.Connection, name: str, version: str) -> DatasetVersion | None:
    """Return the newest version with a content."""
    statement = (
        sa.select(_versions.body)
        .join(t.datasets, _datasets.key == _versions.dataset_key)
        .where(_datasets.name == name, _live, _versions.version == version)
        .order_by(_versions.number.desc())
        .limit(1)
    )
    body = connection.scalar(statement)
    return None if body is None else read_version(body)


def list_datasets(
    connection: sa.Connection, *, text: str, limit: int, cursor: str | None
) -> DatasetPage:
    """List datasets, the last changed first."""
    newest = sa.and_(
        _versions.dataset_key == _datasets.key, _versions.number == _datasets.last_number
    )
    statement = (
        sa.select(_datasets.key, _datasets.created_ns, _datasets.changed_ns, _versions.body)
        .join(t.dataset_versions, newest)
        .where(_live)
        .order_by(_datasets.changed_ns.desc(), _datasets.key.desc())
        .limit(limit + 1)
    )
    if text:
        statement = statement.where(_datasets.folded.contains(text.casefold(), autoescape=True))
    if cursor:
        at = read_cursor(cursor, 2)
        statement = statement.where(
            sa.tuple_(_datasets.changed_ns, _datasets.key) < sa.tuple_(*map(sa.literal, at))
        )
    rows = connection.execute(statement).all()
    counts = _count_versions(connection, [row.key for row in rows[:limit]])
    found = [
        DatasetSummary(
            name=version.name,
            created_ns=row.created_ns,
            version_count=counts[row.key],
            latest=version,
        )
        for row in rows[:limit]
        for version in [read_version(row.body)]
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    return DatasetPage(
        datasets=found, next=None if last is None else f"{last.changed_ns}-{last.key}"
    )


def get_dataset(connection: sa.Connection, name: str) -> DatasetSummary:
    """Return one dataset. Raises NotFound."""
    key = dataset_key(connection, name)
    created = connection.scalar(sa.select(_datasets.created_ns).where(_datasets.key == key))
    return DatasetSummary(
        name=name,
        created_ns=created or 0,
        version_count=_count_versions(connection, [key])[key],
        latest=get_version(connection, name, None).version,
    )


def _count_versions(connection: sa.Connection, keys: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for some in in_chunks(keys):
        statement = (
            sa.select(_versions.dataset_key, sa.func.count())
            .where(_versions.dataset_key.in_(some))
            .group_by(_versions.dataset_key)
        )
        counts.update((key, count) for key, count in connection.execute(statement))
    return counts


def list_versions(
    connection: sa.Connection, name: str, *, limit: int, cursor: str | None
) -> VersionPage:
    """List a dataset's versions, the newest first."""
    key = dataset_key(connection, name)
    statement = (
        sa.select(_versions.body, _versions.number)
        .where(_versions.dataset_key == key)
        .order_by(_versions.number.desc())
        .limit(limit + 1)
    )
    if cursor:
        statement = statement.where(_versions.number < read_cursor(cursor, 1)[0])
    rows = connection.execute(statement).all()
    return VersionPage(
        versions=[read_version(row.body) for row in rows[:limit]],
        next=str(rows[limit - 1].number) if len(rows) > limit else None,
    )


def list_examples(
    connection: sa.Connection,
    name: str,
    number: int,
    *,
    query: Query | None,
    limit: int,
    cursor: str | None,
) -> ExamplePage:
    """List examples of a version that meet a query; the cursor is the place before the next."""
    held = get_version(connection, name, number).chunks
    start = read_cursor(cursor, 1)[0] if cursor else 0
    words = sieve(query) if query is not None else []
    found: list[PlacedExample] = []
    place = 0
    for digests in chunks.iter_chunks(connection, held):
        if place + len(digests) <= start:
            place += len(digests)
            continue
        skipped = max(0, start - place)
        # A page takes no more bodies than it needs, unless it has to look for its examples.
        wanted = digests[skipped:] if query else digests[skipped : skipped + limit + 1]
        for position, body in zip(
            range(place + skipped + 1, place + len(digests) + 1),
            load_bodies(connection, wanted),
            strict=False,
        ):
            if words and _rules_out(words, body):
                continue
            example = _decoder.decode(body)
            if query is None or meets(query, example):
                if len(found) == limit:
                    return ExamplePage(examples=found, next=str(position - 1))
                found.append(PlacedExample(position=position, example=example))
        place += len(digests)
    return ExamplePage(examples=found)


def _rules_out(words: list[bytes], body: bytes) -> bool:
    folded = body.lower()
    return body.isascii() and any(word not in folded for word in words)


def load_bodies(connection: sa.Connection, digests: list[bytes]) -> list[bytes]:
    """Return the JSON of examples, in the order asked."""
    held: dict[bytes, bytes] = {}
    for some in in_chunks(digests):
        statement = sa.select(_examples.digest, _examples.body).where(_examples.digest.in_(some))
        held.update((bytes(digest), bytes(body)) for digest, body in connection.execute(statement))
    return [held[digest] for digest in digests]


def load_examples(connection: sa.Connection, digests: list[bytes]) -> list[Example]:
    """Return examples in the order asked."""
    return [_decoder.decode(body) for body in load_bodies(connection, digests)]


def find_ids(
    connection: sa.Connection, ids: Sequence[str], among: Sequence[bytes]
) -> dict[str, bytes]:
    """Return the digests that examples with these ids have in a version."""
    found = {}
    held = set(among)
    for some in in_chunks(list(dict.fromkeys(ids))):
        statement = sa.select(_examples.id, _examples.digest).where(_examples.id.in_(some))
        for name, digest in connection.execute(statement):
            if digest in held:
                found[name] = bytes(digest)
    return found


def load_chunk(connection: sa.Connection, digest: bytes) -> list[Example]:
    """Return the examples of a chunk; nothing where it was deleted meanwhile."""
    data = chunks.load(connection, [digest]).get(digest, b"")
    return load_examples(connection, chunks.split(data))


def read_cursor(cursor: str, count: int) -> list[Any]:
    """Return the numbers of a cursor. Raises InvalidInput for what is none."""
    parts = cursor.split("-")
    if len(parts) != count or not all(p.isascii() and p.isdigit() and len(p) < 20 for p in parts):
        raise InvalidInput("The cursor is not one that this list gave. Start again without it.")
    return [int(part) for part in parts]
