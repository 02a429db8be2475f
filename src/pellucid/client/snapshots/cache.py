"""What was read of a project before: an unchanged file is not read again, only asked for its stat.

One file a project below the user's cache folder; losing it costs one slow snapshot.
"""

import os
import stat
import time
from pathlib import Path

import msgspec

from pellucid.client.snapshots import secrets
from pellucid.core.digest import digest_bytes
from pellucid.core.snapshot import FILE_BITS

FORMAT = 1
_RACY_NS = 50_000_000
"""A file changed this short before it was read may have changed within the clock's tick after."""


class CachedFile(msgspec.Struct, array_like=True):
    """One file as it was read; `left_out` as (line or 0, reason)."""

    signature: tuple[int, int, int, int, int]
    seen_ns: int
    digest: str | None
    """None for a file that is left out whole."""
    size_bytes: int
    left_out: list[tuple[int, str]] = []


class ProjectCache(msgspec.Struct):
    """The cache of one project's folder."""

    format: int = FORMAT
    rules: int = secrets.VERSION
    files: dict[str, CachedFile] = {}
    head_blobs: dict[str, str] = {}
    """Git's id of a blob of HEAD → its digest here."""
    packages_key: str = ""
    packages: dict[str, str] = {}
    spooled: dict[str, list[str]] = {}
    """Server → digests of the objects that wait for it in the spool."""
    last_snapshot: str | None = None
    """Where the code now in the folder came from, if it was restored, else the last snapshot."""


_decoder = msgspec.msgpack.Decoder(ProjectCache)


def cache_path(root: Path) -> Path:
    """Return where the cache of a folder is."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = digest_bytes(str(root.resolve()).encode())[:24]
    return Path(base).expanduser() / "pellucid" / "projects" / f"{name}.msgpack"


def load_cache(root: Path) -> ProjectCache:
    """Return a project's cache; an empty one where it is missing, damaged or of older rules."""
    try:
        cache = _decoder.decode(cache_path(root).read_bytes())
    except (OSError, msgspec.MsgspecError, ValueError):
        return ProjectCache()
    if cache.format != FORMAT or cache.rules != secrets.VERSION:
        return ProjectCache(last_snapshot=cache.last_snapshot)
    return cache


def save_cache(root: Path, cache: ProjectCache) -> None:
    """Write a cache, whole or not at all; a folder that cannot be written is no error."""
    path = cache_path(root)
    temporary = path.with_name(f".{path.name}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(msgspec.msgpack.encode(cache))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


def signature_of(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """Return what changes when a file does."""
    mode = stat.S_IFMT(status.st_mode) | (status.st_mode & FILE_BITS)
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, mode)


def is_fresh(held: CachedFile | None, signature: tuple[int, int, int, int, int]) -> bool:
    """Tell whether what is held of a file is what it is now."""
    if held is None or held.signature != signature:
        return False
    return max(signature[0], signature[1]) + _RACY_NS < held.seen_ns
