"""The data folder has one owner at a time: whoever holds the lock in it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from pellucid.client.locks import FileLock
from pellucid.core.errors import PellucidError

_LOCK = "owner.lock"
_OWNER = "owner.json"


class Owner(msgspec.Struct, frozen=True):
    """The process that holds a folder; `url` is None for a command that only works in it."""

    pid: int
    url: str | None = None


class FolderInUse(PellucidError):
    """Another process holds the folder."""

    status = 503

    def __init__(self, path: Path, owner: Owner | None) -> None:
        if owner is None:
            who = "another process"
        elif owner.url is None:
            who = f"process {owner.pid}"
        else:
            who = f"process {owner.pid}, which serves it at {owner.url}"
        super().__init__(
            f"The data folder {path} is in use by {who}. "
            "Use that one, stop it, or give another folder with --data-dir."
        )
        self.owner = owner


@contextmanager
def own_folder(path: Path) -> Iterator[Callable[[str], None]]:
    """Create a folder if need be and hold it; the value tells others the URL that serves it.

    Raises FolderInUse, which names the owner, and PellucidError for a folder that is not usable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise PellucidError(
            f"The data folder {path} cannot be created: {error.strerror or error}."
        ) from None
    if not os.access(path, os.W_OK):
        raise PellucidError(f"The data folder {path} cannot be written.")
    with FileLock(path / _LOCK) as locked:
        if not locked:
            raise FolderInUse(path, read_owner(path))
        _write_owner(path, Owner(os.getpid()))
        try:
            yield lambda url: _write_owner(path, Owner(os.getpid(), url))
        finally:
            with suppress(FileNotFoundError):
                (path / _OWNER).unlink()


def find_owner(path: Path) -> Owner | None:
    """Return the process that holds a folder now, or None if nobody does."""
    if not (path / _LOCK).exists():
        return None
    with FileLock(path / _LOCK) as locked:
        return None if locked else read_owner(path)


def read_owner(path: Path) -> Owner | None:
    """Return what the last owner wrote about itself, or None if that cannot be read."""
    try:
        return msgspec.json.decode((path / _OWNER).read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None


def _write_owner(path: Path, owner: Owner) -> None:
    temporary = path / f".{_OWNER}-{owner.pid}"
    temporary.write_text(json.dumps({"pid": owner.pid, "url": owner.url}), encoding="utf-8")
    temporary.replace(path / _OWNER)
