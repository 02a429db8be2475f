"""Snapshots: objects in, verified; manifests, files and differences out."""

from collections.abc import Iterable, Sequence

from pellucid.client.snapshots.packing import pack, unpack
from pellucid.core.digest import digest_bytes, is_digest
from pellucid.core.errors import Conflict, InvalidInput, NotFound
from pellucid.core.run_diff import FileDiff, Tree, diff_trees
from pellucid.core.run_ports import SnapshotStore
from pellucid.core.run_views import SnapshotView
from pellucid.core.snapshot import (
    EntryKind,
    Manifest,
    SnapshotObject,
    TreeFile,
    decode_manifest,
    decode_tree,
    iter_files,
    manifest_blobs,
    manifest_trees,
    read_parts,
)
from pellucid.core.snapshot_facts import manifest_facts, part_facts
from pellucid.server.services.threads import Threads

MAX_DIGESTS = 20_000
MAX_ANSWER_BYTES = 32 << 20


class SnapshotService:
    """What clients and pages ask about snapshots; a snapshot's id is its manifest's digest."""

    def __init__(self, store: SnapshotStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def find_missing(self, digests: Sequence[str]) -> list[str]:
        """Return those that the server lacks, in the order asked."""
        _check_digests(digests)
        return await self._threads.run(self._store.find_missing, digests)

    async def put_objects(self, objects: Sequence[SnapshotObject]) -> None:
        """Store objects, durable on return. Raises InvalidInput for one that is not its digest."""
        await self._threads.run(self._put_objects, objects)

    async def fetch(self, digests: Sequence[str]) -> list[SnapshotObject]:
        """Return objects from the front of `digests`, as many as fit into one answer."""
        _check_digests(digests)
        return await self._threads.run(self._fetch, digests)

    async def put_manifest(self, data: bytes, snapshot_id: str | None = None) -> str:
        """Store a snapshot and return its id.

        Raises Conflict, naming some, if objects that it needs are not here, and InvalidInput.
        """
        return await self._threads.run(self._put_manifest, data, snapshot_id)

    async def get(self, snapshot_id: str) -> SnapshotView:
        """Return a snapshot with its small parts. Raises NotFound."""
        return await self._threads.run(self._view, snapshot_id)

    async def list_files(self, snapshot_id: str) -> list[TreeFile]:
        """List a snapshot's files in order of their paths' parts."""
        return await self._threads.run(self._files, snapshot_id)

    async def read_file(self, snapshot_id: str, path: str) -> bytes:
        """Return the bytes of one file of a snapshot. Raises NotFound."""
        return await self._threads.run(self._read_file, snapshot_id, path)

    async def diff_to_commit(self, snapshot_id: str) -> list[FileDiff]:
        """Return what a snapshot's code has beyond its commit; nothing where it was clean."""
        return await self._threads.run(self._diff_to_commit, snapshot_id)

    def _diff_to_commit(self, snapshot_id: str) -> list[FileDiff]:
        manifest = self._manifest(snapshot_id)
        head = manifest.git.head_tree if manifest.git else None
        if head is None:
            return []
        get = self.read_object
        return list(diff_trees(Tree(head, get), Tree(manifest.tree, get)))

    def read_object(self, digest: str) -> bytes:
        """Return an object's plain bytes, verified; blocking. Raises NotFound."""
        if not is_digest(digest):
            raise InvalidInput(f"{digest[:80]!r} is not a digest (64 lowercase hex digits).")
        return unpack(self._store.get_objects([digest])[0])

    def _put_objects(self, objects: Sequence[SnapshotObject]) -> None:
        _check_digests([item.digest for item in objects])
        for item in objects:
            unpack(item)
        self._store.put_objects(objects)

    def _fetch(self, digests: Sequence[str]) -> list[SnapshotObject]:
        objects: list[SnapshotObject] = []
        size = 0
        for start in range(0, len(digests), 200):
            for item in self._store.get_objects(digests[start : start + 200]):
                if objects and size + len(item.data) > MAX_ANSWER_BYTES:
                    return objects
                objects.append(item)
                size += len(item.data)
        return objects

    def _put_manifest(self, data: bytes, snapshot_id: str | None) -> str:
        digest = digest_bytes(data)
        if snapshot_id is not None and snapshot_id != digest:
            raise InvalidInput(f"The manifest was announced as {snapshot_id}, but is {digest}.")
        if not self._store.find_missing([digest]):
            return digest
        manifest = decode_manifest(data)
        missing = self._missing_below(manifest)
        if missing:
            raise Conflict(
                f"The snapshot {digest} needs {len(missing)} objects that are not here, such as "
                f"{missing[0]}. Put them first."
            )
        parts = read_parts(manifest, self.read_object)
        for part, facts in part_facts(manifest, parts).items():
            self._store.put_facts(part, facts)
        self._store.put_facts(digest, manifest_facts(digest, manifest))
        # Last: a manifest that is here is complete.
        self._store.put_objects([pack(data)])
        return digest

    def _missing_below(self, manifest: Manifest) -> list[str]:
        """Return what is missing, level by level: a few statements however many files."""
        blobs = set(manifest_blobs(manifest))
        level = set(manifest_trees(manifest))
        seen: set[str] = set()
        while level:
            missing = self._store.find_missing(sorted(level))
            if missing:
                return missing
            seen |= level
            found = self._store.get_objects(sorted(level))
            entries = [entry for item in found for entry in decode_tree(unpack(item))]
            blobs |= {e.digest for e in entries if e.kind is not EntryKind.TREE}
            level = {e.digest for e in entries if e.kind is EntryKind.TREE} - seen
        return self._store.find_missing(sorted(blobs))

    def _manifest(self, snapshot_id: str) -> Manifest:
        try:
            return decode_manifest(self.read_object(snapshot_id))
        except NotFound:
            raise NotFound(f"There is no snapshot {snapshot_id}.") from None

    def _view(self, snapshot_id: str) -> SnapshotView:
        manifest = self._manifest(snapshot_id)
        parts = read_parts(manifest, self.read_object)
        return SnapshotView(
            snapshot_id=snapshot_id,
            manifest=manifest,
            packages=parts.packages,
            config=parts.config,
            environment=parts.environment,
            observed=parts.observed,
        )

    def _files(self, snapshot_id: str) -> list[TreeFile]:
        return list(iter_files(self._manifest(snapshot_id).tree, self.read_object))

    def _read_file(self, snapshot_id: str, path: str) -> bytes:
        tree = self._manifest(snapshot_id).tree
        parts = path.split("/")
        for depth, part in enumerate(parts, 1):
            entries = {entry.name: entry for entry in decode_tree(self.read_object(tree))}
            entry = entries.get(part)
            if entry is None or (entry.kind is EntryKind.TREE) is (depth == len(parts)):
                raise NotFound(f"The snapshot {snapshot_id[:12]} has no file {path[:200]!r}.")
            tree = entry.digest
        return self.read_object(tree)


def _check_digests(digests: Iterable[str]) -> None:
    count = 0
    for digest in digests:
        count += 1
        if not is_digest(digest):
            raise InvalidInput(f"{digest[:80]!r} is not a digest (64 lowercase hex digits).")
    if count > MAX_DIGESTS:
        raise InvalidInput(f"{count} digests at once; at most {MAX_DIGESTS} are answered.")
