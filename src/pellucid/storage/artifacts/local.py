"""Artifacts in a local folder: `ab/cd/abcd…`, one immutable file a digest."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

from pellucid.core.digest import Hasher, digest_bytes, is_digest
from pellucid.core.errors import InvalidInput, NotFound, StorageUnavailable

CHUNK_BYTES = 1 << 20
_ABANDONED_S = 7 * 24 * 3600.0
_ASIDE = "aside-"


class LocalArtifactStore:
    """A content-addressed folder. A file is complete or absent, and durable when a put returns.

    Several threads and processes may share the folder: two writers of the same bytes rename the
    same content over each other.
    """

    def __init__(self, path: Path) -> None:
        self._root = path
        self._parts = path / "parts"
        self._parts.mkdir(parents=True, exist_ok=True)
        self._put_back()
        _remove_abandoned(self._parts)

    def put(self, data: bytes) -> str:
        """Store bytes, durable on return, and return their digest."""
        digest = digest_bytes(data)
        if self._is_stored(digest, len(data)):
            return digest
        return self.put_stream([data])

    def put_stream(self, chunks: Iterable[bytes], *, expected: str | None = None) -> str:
        """Store bytes that come in pieces, never all in memory, and return their digest.

        Raises InvalidInput if they do not have the `expected` digest; nothing is then stored.
        """
        hasher = Hasher()
        with self._temporary() as temporary:
            with _disk_errors():
                file = open(temporary, "wb", buffering=0)
            with file:
                for chunk in chunks:
                    hasher.update(chunk)
                    _write_all(file.fileno(), chunk)
                _sync(file.fileno())
            digest = hasher.hexdigest()
            _check_expected(digest, expected)
            self._publish(temporary, digest)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes, their digest verified.

        Raises NotFound, and StorageUnavailable if the file no longer has its digest.
        """
        return b"".join(self.iter_bytes(digest))

    def iter_bytes(self, digest: str, *, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from `offset` in pieces; the last one only once the digest is verified.

        Raises NotFound before the first piece, StorageUnavailable instead of the last.
        """
        path = self._path(digest)
        try:
            file = open(path, "rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"There is no artifact {digest}.") from None
        return _verified(file, digest, offset)

    def find_size(self, digest: str) -> int | None:
        """Return the size in bytes, or None if there is no such artifact."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def confirm(self, digest: str) -> int | None:
        """Return the size like `find_size`, and note that somebody is about to name the bytes."""
        path = self._path(digest)
        try:
            os.utime(path)
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def discard(self, digest: str, *, before_ns: int) -> int | None:
        """Delete an artifact and return its bytes, 0 if it is not there.

        None, and it stays, if it was put or confirmed at `before_ns` or later.
        """
        path, aside = self._path(digest), self._parts / f"{_ASIDE}{digest}"
        with _disk_errors():
            # Out of the way first: a `confirm` from now on finds nothing, an earlier one is seen.
            try:
                os.replace(path, aside)
            except FileNotFoundError:
                return 0
            status = aside.stat()
            if status.st_mtime_ns >= before_ns:
                os.replace(aside, path)
                return None
            aside.unlink()
        return status.st_size

    def iter_old(self, *, before_ns: int) -> Iterator[str]:
        """Yield, in order, the digests that were neither put nor confirmed since `before_ns`."""
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):
                    if is_digest(path.name) and path.stat().st_mtime_ns < before_ns:
                        yield path.name

    def delete(self, digest: str) -> None:
        """Delete an artifact; one that is not there is gone all the same."""
        with _disk_errors():
            self._path(digest).unlink(missing_ok=True)

    def find_part_size(self, digest: str) -> int:
        """Return how many bytes of an unfinished upload are here; 0 if there is none."""
        try:
            return self._part(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def append_part(self, digest: str, offset: int, chunks: Iterable[bytes]) -> int:
        """Continue an upload at `offset`, durable on return, and return its new size.

        Raises InvalidInput unless `offset` is the size so far. What was written before a failure
        in `chunks` stays, so that the sender can go on from `find_part_size`.
        """
        part = self._part(digest)
        with _disk_errors():
            file = open(part, "ab", buffering=0)
        with file:
            size = file.tell()
            if offset != size:
                raise InvalidInput(
                    f"The upload of {digest} goes on at byte {size}, not {offset}. "
                    "Ask for its size and send the rest."
                )
            try:
                for chunk in chunks:
                    _write_all(file.fileno(), chunk)
            finally:
                _sync(file.fileno())
            return file.tell()

    def finish_part(self, digest: str) -> int:
        """Turn a complete upload into an artifact and return its size.

        Raises NotFound without one, and InvalidInput if the bytes have another digest; they are
        then thrown away.
        """
        part = self._part(digest)
        hasher = Hasher()
        try:
            for chunk in _read_chunks(part):
                hasher.update(chunk)
        except FileNotFoundError:
            raise NotFound(f"There is no upload of {digest}.") from None
        if hasher.hexdigest() != digest:
            part.unlink(missing_ok=True)
            _check_expected(hasher.hexdigest(), digest)
        self._publish(part, digest)
        return hasher.size_bytes

    def _is_stored(self, digest: str, size_bytes: int) -> bool:
        # A file of the wrong size was damaged from outside; writing it again heals it.
        return self.confirm(digest) == size_bytes

    def _put_back(self) -> None:
        """Put back what a crash left out of the way."""
        for aside in self._parts.glob(f"{_ASIDE}*"):
            digest = aside.name.removeprefix(_ASIDE)
            if is_digest(digest) and not self._path(digest).exists():
                self._publish(aside, digest)

    def _path(self, digest: str) -> Path:
        _check_form(digest)
        return self._root / digest[:2] / digest[2:4] / digest

    def _part(self, digest: str) -> Path:
        _check_form(digest)
        return self._parts / digest

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        with _disk_errors():
            handle, name = tempfile.mkstemp(prefix="new-", dir=self._parts)
            os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _publish(self, source: Path, digest: str) -> None:
        target = self._path(digest)
        with _disk_errors():
            _make_folder(target.parent, self._root)
            os.utime(source)
            os.replace(source, target)
            _sync_folder(target.parent)


def _verified(file: FileIO, digest: str, offset: int) -> Iterator[bytes]:
    hasher = Hasher()
    held = b""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            if held:
                yield held
            start = max(0, offset - hasher.size_bytes)
            hasher.update(chunk)
            held = chunk[start:]
    if hasher.hexdigest() != digest:
        raise StorageUnavailable(
            f"The artifact {digest} is damaged on disk: its bytes have another digest. "
            "Restore the artifacts folder from a backup, or log the artifact again."
        )
    if held:
        yield held


def _remove_abandoned(parts: Path) -> None:
    """Remove uploads that nobody has continued for a week."""
    for path in parts.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()


def _read_chunks(path: Path) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    with _disk_errors():
        while view:
            view = view[os.write(handle, view) :]


def _sync(handle: int) -> None:
    with _disk_errors():
        os.fsync(handle)


def _make_folder(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    # A new folder's name is durable only once its parent is synced.
    _sync_folder(folder.parent)
    _sync_folder(root)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_form(digest: str) -> None:
    if not is_digest(digest):
        raise InvalidInput(f"{digest[:80]!r} is not a digest (64 lowercase hex digits).")


def _check_expected(digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise InvalidInput(
            f"The bytes were announced as {expected}, but have the digest {digest}. "
            "Send them again."
        )


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"The artifacts folder cannot be written: {error.strerror or error}."
        ) from error
