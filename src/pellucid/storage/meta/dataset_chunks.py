"""Versions as lists of chunks, and chunks as lists of examples, all named by their content.

A chunk ends where an example's digest says so, and so depends on nothing around it: two versions
that differ in one example share all chunks but one or two.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, in_chunks

WIDTH = 16
"""Bytes of a digest."""
MOST = 1024
"""Examples of a chunk; 128 are usual."""
_chunks = t.dataset_chunks.c


class Chunk(NamedTuple):
    """Some consecutive examples."""

    digest: bytes
    examples: bytes
    """Their digests, one after the other."""


def cut(digests: Sequence[bytes]) -> list[Chunk]:
    """Cut the digests of a version's examples into chunks."""
    found, start = [], 0
    for number, digest in enumerate(digests, 1):
        if digest[0] < 2 or number - start >= MOST or number == len(digests):
            examples = b"".join(digests[start:number])
            found.append(Chunk(hashlib.blake2b(examples, digest_size=WIDTH).digest(), examples))
            start = number
    return found


def split(data: bytes) -> list[bytes]:
    """Return the digests that stand one after the other."""
    return [data[start : start + WIDTH] for start in range(0, len(data), WIDTH)]


def load(connection: sa.Connection, names: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the chunks of these digests."""
    found: dict[bytes, bytes] = {}
    for some in in_chunks(list(dict.fromkeys(names))):
        statement = sa.select(_chunks.digest, _chunks.examples).where(_chunks.digest.in_(some))
        found.update((bytes(digest), bytes(data)) for digest, data in connection.execute(statement))
    return found


def load_all(connection: sa.Connection, chunks: bytes) -> list[bytes]:
    """Return the digests of all examples of a version, in order."""
    names = split(chunks)
    held = load(connection, names)
    return split(b"".join(held[name] for name in names))


def iter_chunks(
    connection: sa.Connection, chunks: bytes, *, at_once: int = 100
) -> Iterator[list[bytes]]:
    """Yield the digests of a version's examples, a chunk at a time."""
    for names in in_chunks(split(chunks), at_once):
        held = load(connection, names)
        for name in names:
            yield split(held[name])


def store(database: MetaDatabase, connection: sa.Connection, chunks: Sequence[Chunk]) -> None:
    """Store chunks; those that are here already stay."""
    if not chunks:
        return
    statement = database.upsert(t.dataset_chunks).on_conflict_do_nothing(index_elements=["digest"])
    rows = [{"digest": one.digest, "examples": one.examples} for one in sorted(chunks)]
    connection.execute(statement, rows)
