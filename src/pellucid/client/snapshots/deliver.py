"""Bring a snapshot to the server: only what it lacks; with none there, into the spool."""

from collections.abc import Iterable, Iterator

import msgspec

from pellucid.client.snapshots.cache import save_cache
from pellucid.client.snapshots.capture import Captured, read_blob
from pellucid.client.snapshots.packing import encode_objects, pack
from pellucid.client.spool import Delivery, spool_key
from pellucid.client.tracking.connection import Server, api_client
from pellucid.client.tracking.outbox import Outbox
from pellucid.core.errors import Conflict, PellucidError, Unavailable
from pellucid.core.run_paths import SNAPSHOTS_PATH
from pellucid.core.run_views import MSGPACK, DigestList, MissingView
from pellucid.core.snapshot import (
    EntryKind,
    SnapshotObject,
    decode_tree,
    manifest_blobs,
    manifest_trees,
)

BATCH_BYTES = 4 << 20
_TIMEOUT_S = 4.0
"""A server that takes longer for one step gets the snapshot by way of the spool."""
_JSON = {"content-type": "application/json"}


class Incomplete(PellucidError):
    """A file changed between being captured and being sent; take the snapshot again."""


def deliver(captured: Captured, outbox: Outbox) -> None:
    """Send a snapshot, or leave it to the outbox while no server answers.

    Raises Incomplete.
    """
    key = spool_key(outbox.deliverer.url)
    spooled: list[str] | None = None
    client = api_client(outbox.deliverer, timeout_s=_TIMEOUT_S)
    try:
        if outbox.deliverer.is_away:
            raise Unavailable("The server did not answer a moment ago.")
        _send(captured, client)
    except Unavailable:
        # What the server had it may have freed since, with the runs that were deleted there. So
        # the spool holds a snapshot whole, and of the ones after it what they have besides.
        waits = bool(outbox.deliverer.spool.files())
        held = captured.cache.spooled.get(key, []) if waits else []
        known = set(held)
        for batch in _batches(captured, [d for d in _all(captured) if d not in known]):
            outbox.submit(_objects_delivery(batch))
        outbox.submit(_manifest_delivery(captured))
        spooled = list(dict.fromkeys([*held, *_all(captured)]))
    finally:
        client.close()
    if spooled != captured.cache.spooled.get(key):
        if spooled is None:
            captured.cache.spooled.pop(key, None)
        else:
            captured.cache.spooled[key] = spooled
        save_cache(captured.root, captured.cache)


def _send(captured: Captured, server: Server) -> None:
    missing = _missing(captured, server)
    for batch in _batches(captured, missing):
        delivery = _objects_delivery(batch)
        server.post(delivery.path, delivery.body, delivery.headers)
    manifest = _manifest_delivery(captured)
    try:
        server.post(manifest.path, manifest.body, manifest.headers)
    except Conflict:
        # Something below a tree that is there is not: ask for everything, and send it.
        for batch in _batches(captured, _ask(server, _all(captured))):
            delivery = _objects_delivery(batch)
            server.post(delivery.path, delivery.body, delivery.headers)
        server.post(manifest.path, manifest.body, manifest.headers)


def _missing(captured: Captured, server: Server) -> list[str]:
    """Return what the server lacks, going down only where a folder is missing.

    Children come before their folders, so that a folder that is there is complete.
    """
    manifest = captured.manifest
    level = _ask(server, [*manifest_trees(manifest), *manifest_blobs(manifest)])
    found: list[str] = []
    while level:
        found = level + found
        below = {
            entry.digest
            for digest in level
            if digest in captured.trees
            for entry in decode_tree(captured.trees[digest])
        }
        level = _ask(server, sorted(below - set(found)))
    return list(dict.fromkeys(found))


def _ask(server: Server, digests: list[str]) -> list[str]:
    missing: list[str] = []
    for start in range(0, len(digests), 10_000):
        body = msgspec.json.encode(DigestList(digests=digests[start : start + 10_000]))
        answer = server.post(f"{SNAPSHOTS_PATH}/missing", body, _JSON)
        missing += msgspec.json.decode(answer, type=MissingView).missing
    return missing


def _all(captured: Captured) -> list[str]:
    """Return every digest of a snapshot but the manifest's, children before their folders."""
    blobs = [*captured.parts, *captured.head_blobs]
    for data in captured.trees.values():
        blobs += [e.digest for e in decode_tree(data) if e.kind is not EntryKind.TREE]
    return list(dict.fromkeys([*blobs, *captured.trees]))


def _batches(captured: Captured, digests: Iterable[str]) -> Iterator[list[SnapshotObject]]:
    batch: list[SnapshotObject] = []
    size = 0
    for digest in digests:
        data = read_blob(captured, digest)
        if data is None:
            raise Incomplete("A file of the project changed while its snapshot was sent.")
        item = pack(data)
        if batch and size + len(item.data) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.data)
    if batch:
        yield batch


def _objects_delivery(batch: list[SnapshotObject]) -> Delivery:
    return Delivery(
        path=f"{SNAPSHOTS_PATH}/objects",
        headers={"content-type": MSGPACK},
        body=encode_objects(batch),
    )


def _manifest_delivery(captured: Captured) -> Delivery:
    path = f"{SNAPSHOTS_PATH}?snapshot_id={captured.snapshot_id}"
    return Delivery(path=path, headers=_JSON, body=captured.manifest_bytes)
