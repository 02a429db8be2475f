"""Bring a run's code back: every byte verified before anything is visible in the target."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.client.snapshots.cache import load_cache, save_cache
from pellucid.client.snapshots.packing import decode_objects, unpack
from pellucid.client.tracking.connection import Server, api_client
from pellucid.client.tracking.run import ActiveRun
from pellucid.core.digest import digest_bytes
from pellucid.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from pellucid.core.run import Run
from pellucid.core.run_paths import SNAPSHOTS_PATH
from pellucid.core.run_views import DigestList
from pellucid.core.snapshot import (
    EntryKind,
    Manifest,
    TreeFile,
    TreeFolder,
    decode_manifest,
    decode_tree,
    iter_files,
    iter_folders,
    manifest_blobs,
    usual_mode,
)

_JSON = {"content-type": "application/json"}
_ASK = 2_000
MAX_TREES = 100_000


class Restored(NamedTuple):
    """What was written: where, what the run was started with, and what was left out then."""

    path: Path
    snapshot_id: str
    manifest: Manifest
    python: Path | None
    """The environment's interpreter, if one was made."""

    @property
    def command(self) -> list[str]:
        """The command that ran, as it was given."""
        return self.manifest.command


class Snapshot:
    """A snapshot on a server, its objects fetched as needed and verified."""

    def __init__(self, server: Server, snapshot_id: str) -> None:
        self._server = server
        self.id = snapshot_id
        self._held: dict[str, bytes] = {}
        self.manifest = decode_manifest(self.fetch([snapshot_id])[snapshot_id])

    def fetch(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of objects by digest. Raises NotFound."""
        found: dict[str, bytes] = {}
        waiting = list(dict.fromkeys(digests))
        while waiting:
            body = msgspec.json.encode(DigestList(digests=waiting[:_ASK]))
            answer = self._server.post(f"{SNAPSHOTS_PATH}/fetch", body, _JSON)
            objects = decode_objects(answer)
            if not objects:
                raise Unavailable("The server sent none of a snapshot's objects. Ask again.")
            for item in objects:
                data = unpack(item)
                if digest_bytes(data) != item.digest or item.digest not in waiting:
                    raise InvalidInput(f"The server sent other bytes than {item.digest}.")
                found[item.digest] = data
            waiting = [digest for digest in waiting if digest not in found]
        return found

    def get(self, digest: str) -> bytes:
        """Return one object's bytes."""
        if digest not in self._held:
            self._held.update(self.fetch([digest]))
        return self._held[digest]

    def load_trees(self) -> None:
        """Fetch all folders, level by level."""
        level = [self.manifest.tree]
        while level:
            found = self.fetch(level)
            self._held.update(found)
            if len(self._held) > MAX_TREES:
                raise InvalidInput(f"The snapshot has more than {MAX_TREES} folders.")
            entries = [entry for digest in level for entry in decode_tree(found[digest])]
            level = [
                digest
                for digest in dict.fromkeys(
                    entry.digest for entry in entries if entry.kind is EntryKind.TREE
                )
                if digest not in self._held
            ]

    def list_files(self) -> list[TreeFile]:
        """List the files in order of their paths' parts."""
        self.load_trees()
        return list(iter_files(self.manifest.tree, self.get))

    def list_folders(self) -> list[TreeFolder]:
        """List the folders with their modes, those inside before the one that holds them."""
        self.load_trees()
        return list(iter_folders(self.manifest.tree, self.get))

    def read_part(self, digest: str | None, default: object) -> object:
        """Return one of the manifest's own blobs, read as JSON."""
        if digest is None or digest not in manifest_blobs(self.manifest):
            return default
        return msgspec.json.decode(self.get(digest))


def restore(
    run: "str | Run | ActiveRun", to: str | Path, *, env: bool = False, server: Server | None = None
) -> Restored:
    """Write a run's code into a folder that is empty or not there yet.

    Files come back byte for byte, with modes and links. With `env`, a virtual environment with
    the run's exact packages is made in `.venv` there. RUN is a run, an id, a unique prefix of
    one, or experiment@number.

    Raises Conflict for a folder that holds anything, NotFound for a run without a snapshot, and
    InvalidInput for a snapshot that would leave the folder; nothing is then written.
    """
    target = Path(to)
    check_target(target)
    with _connected(server) as connection:
        snapshot = open_snapshot(connection, run)
        _write(snapshot, target)
    note_origin(target, snapshot.id)
    python = None
    if env:
        from pellucid.client.snapshots.venv import make_environment

        with _connected(server) as connection:
            parts = Snapshot(connection, snapshot.id)
            packages: Any = parts.read_part(snapshot.manifest.packages, {})
            facts: Any = parts.read_part(snapshot.manifest.environment, {})
        python = make_environment(target / ".venv", packages, str(facts.get("python", "")))
    return Restored(target, snapshot.id, snapshot.manifest, python)


def open_snapshot(server: Server, run: "str | Run | ActiveRun") -> Snapshot:
    """Return the snapshot of a run. Raises NotFound if it has none."""
    from pellucid.client.tracking.reads import read_run

    found = read_run(server, run if isinstance(run, str) else run.id)
    if found.snapshot_id is None:
        raise NotFound(
            f"The run {found.spec} has no snapshot: it was made with snapshots turned off, or its "
            "snapshot has not arrived yet."
        )
    try:
        return Snapshot(server, found.snapshot_id)
    except NotFound:
        raise NotFound(
            f"The snapshot {found.snapshot_id[:12]} of {found.spec} has not arrived at the server."
        ) from None


def check_target(target: Path) -> None:
    """Raise Conflict unless a folder is empty or not there."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise Conflict(f"{target} is no folder. Name one that is empty or does not exist.")
    if target.is_dir() and any(target.iterdir()):
        raise Conflict(f"{target} is not empty. Name a folder that is empty or does not exist.")


def note_origin(folder: Path, snapshot_id: str) -> None:
    """Remember what a folder was restored from: its next run names it as the parent."""
    cache = load_cache(folder.resolve())
    cache.last_snapshot = snapshot_id
    save_cache(folder.resolve(), cache)


def _write(snapshot: Snapshot, target: Path) -> None:
    files = snapshot.list_files()
    parent = target.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
    try:
        for start in range(0, len(files), _ASK):
            batch = files[start : start + _ASK]
            blobs = snapshot.fetch([file.digest for file in batch])
            for file in batch:
                _write_file(place, file, blobs[file.digest])
        # Links last: nothing is ever written through one.
        for file in files:
            if file.kind is EntryKind.LINK:
                _write_link(place, file, snapshot.get(file.digest))
        _apply_umask(place)
        check_target(target)
        with contextlib.suppress(FileNotFoundError):
            target.resolve().rmdir()
        place.rename(target.resolve())
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    # A folder may be one that nobody can write into: last of all, those inside first.
    for folder in snapshot.list_folders():
        (target / folder.path).chmod(folder.mode)


def _write_file(place: Path, file: TreeFile, data: bytes) -> None:
    path = place / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.kind is EntryKind.LINK:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags, 0o600), "wb") as opened:
        opened.write(data)
    path.chmod(usual_mode(file.kind) if file.mode is None else file.mode)


def _write_link(place: Path, file: TreeFile, data: bytes) -> None:
    link = os.fsdecode(data)
    inside = os.path.normpath(os.path.join(os.path.dirname(file.path), link))
    if os.path.isabs(link) or inside == ".." or inside.startswith("../"):
        raise InvalidInput(f"The link {file.path!r} leads outside the folder, to {link!r}.")
    (place / file.path).symlink_to(link)


def _apply_umask(place: Path) -> None:
    # mkdtemp makes a private folder; the target is to be like any other.
    umask = os.umask(0)
    os.umask(umask)
    place.chmod(0o777 & ~umask)


@contextlib.contextmanager
def _connected(server: Server | None) -> Iterator[Server]:
    if server is not None:
        yield server
        return
    from pellucid.client.tracking.lifecycle import LONG_SETTLE_S, flush

    flush(LONG_SETTLE_S)
    client = api_client()
    try:
        yield client
    finally:
        client.close()
