"""What snapshots are made of: everything that manifests name, at any depth."""

from collections.abc import Iterable, Iterator

import msgspec
import sqlalchemy as sa
import zstandard

from pellucid.core.snapshot import (
    EntryKind,
    TreeEntry,
    decode_manifest,
    manifest_blobs,
    manifest_trees,
)
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import in_chunks

_CHUNK = 400
# Without the checks of `decode_tree`: they were made when the tree came in.
_trees = msgspec.json.Decoder(list[TreeEntry])


class Closure:
    """The digests that manifests name, in order from above; each folder is read once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._unpack = zstandard.ZstdDecompressor().decompress
        self.digests: dict[str, None] = {}

    def add(self, manifests: Iterable[str]) -> None:
        """Take in manifests with all that is below them; what is not here ends there.

        Raises InvalidInput for one that this version cannot read.
        """
        level: dict[str, None] = {}
        blobs: dict[str, None] = {}
        for digest, data in self._read(set(manifests) - self.digests.keys()):
            self.digests[digest] = None
            manifest = decode_manifest(data)
            blobs.update(dict.fromkeys(manifest_blobs(manifest)))
            level.update(dict.fromkeys(manifest_trees(manifest)))
        while new := [digest for digest in level if digest not in self.digests]:
            level = {}
            self.digests.update(dict.fromkeys(new))
            for _, data in self._read(new):
                for entry in _trees.decode(data):
                    below = level if entry.kind is EntryKind.TREE else blobs
                    below[entry.digest] = None
        self.digests.update(blobs)

    def _read(self, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        c = t.objects.c
        for keys in in_chunks([bytes.fromhex(digest) for digest in digests], _CHUNK):
            found = sa.select(c.digest, c.data, c.size_bytes).where(c.digest.in_(keys))
            for key, data, size in self._connection.execute(found):
                yield key.hex(), self._unpack(data, max_output_size=max(1, size))
