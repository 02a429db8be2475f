"""Requests that could not be delivered, kept on disk until a server takes them.

One folder per destination (contracts.md §6, the spool key), one file per request. Files are
complete or absent: written under a hidden name, synced, renamed. Any process may deliver them;
a lock on the folder keeps two from doing it at once. What a server refuses for good moves to
the folder's `rejected` and is not sent again.

    SPOOL_DIR/http_localhost_4380/01790000000000000000-4242-000001.req
"""

import itertools
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from pellucid.client.locks import FileLock
from pellucid.core.errors import InvalidInput

DEFAULT_LIMIT_BYTES = 512 * 1024 * 1024
REJECTED_LIMIT_BYTES = 64 * 1024 * 1024
SPAN_COUNT_HEADER = "x-pellucid-span-count"
"""How many spans a body holds; for reports only."""

_MAGIC = b"pellucid-spool 1\n"
_SUFFIX = ".req"
_WORTH_COMPRESSING = 1024
_STALE_TEMPORARY_S = 3600.0
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|0\.0\.0\.0|::1|::")
_NOT_A_URL = "{!r} is not an http(s) address. Give one such as http://127.0.0.1:4380"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REFUSED_FOR_GOOD = frozenset({400, 409, 410, 411, 413, 414, 415, 422, 431})
"""Statuses that say the request itself is wrong: sending it again cannot help."""

_sequence = itertools.count(1)

Post = Callable[[str, bytes, dict[str, str]], int]
"""Sends (path, body, headers) and returns the HTTP status; raises OSError if nobody answers."""


@dataclass(frozen=True)
class Delivery:
    """One POST request: a path of the destination, its headers (never a key) and its body."""

    path: str
    headers: dict[str, str]
    body: bytes
    keep: bool = True
    """Whether it goes to the spool when the server is away."""


@dataclass(frozen=True)
class DrainReport:
    """What one draining did; `kept` files stay for a later try."""

    files: int = 0
    spans: int = 0
    size_bytes: int = 0
    failed: int = 0
    """Files that the server refused for good, moved to `rejected`."""
    kept: int = 0
    busy: bool = False
    """Whether another process was delivering a folder, which was left to it."""

    def __add__(self, other: "DrainReport") -> "DrainReport":
        """Return the sums."""
        return DrainReport(
            files=self.files + other.files,
            spans=self.spans + other.spans,
            size_bytes=self.size_bytes + other.size_bytes,
            failed=self.failed + other.failed,
            kept=self.kept + other.kept,
            busy=self.busy or other.busy,
        )


def compress(body: bytes) -> bytes:
    """Return a body in gzip form, at the speed that costs least."""
    packer = zlib.compressobj(level=1, wbits=31)
    return packer.compress(body) + packer.flush()


def drain(spool_dir: Path, urls: Iterable[str], post: Post) -> DrainReport:
    """Deliver what is spooled for any of these addresses, the oldest of each first.

    Addresses with one spool key are one. A folder that another process is delivering is left to
    it. Stops at the first request of a folder that cannot be delivered now.
    """
    total = DrainReport()
    for key in dict.fromkeys(spool_key(url) for url in urls):
        folder = spool_dir / _folder_name(key)
        if folder.is_dir():
            total += Spool(folder).drain(post)
    return total


def spool_key(url: str) -> str:
    """Return scheme, host and port in lower case, every loopback name as `localhost`.

    >>> spool_key("HTTP://127.0.0.1:4380/base/")
    'http://localhost:4380'

    Raises InvalidInput for what is no http(s) address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise InvalidInput(_NOT_A_URL.format(url)) from None
    if not parts.hostname:
        raise InvalidInput(_NOT_A_URL.format(url))
    host = "localhost" if _LOOPBACK.fullmatch(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    return spool_key(url).partition("://")[2].startswith("localhost:")


def is_refused_for_good(status: int) -> bool:
    """Tell whether a status means that sending the same request again cannot help."""
    return status in _REFUSED_FOR_GOOD


@dataclass
class Spool:
    """One destination's folder. Safe to use from several threads and processes."""

    folder: Path
    limit_bytes: int = DEFAULT_LIMIT_BYTES
    dropped_files: int = 0
    """Files this process removed to stay below the limit."""
    dropped_spans: int = 0
    _size_bytes: int | None = field(default=None, repr=False)
    _unseen_writes: int = field(default=0, repr=False)

    @classmethod
    def open(cls, spool_dir: Path, url: str, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> "Spool":
        """Return the spool of one destination; nothing is created before the first write."""
        return cls(spool_dir.absolute() / _folder_name(spool_key(url)), limit_bytes)

    def files(self) -> list[Path]:
        """List the complete requests, oldest first; no folder is no files."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return [
            self.folder / name
            for name in sorted(names)
            if name.endswith(_SUFFIX) and not name.startswith(".")
        ]

    def write(self, delivery: Delivery) -> Path:
        """Store one request durably; the oldest ones make room for it where the limit asks it.

        Raises OSError when the disk does not take it; nothing is then left behind.
        """
        self._create_folder()
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(_sequence):06d}{_SUFFIX}"
        path = self.folder / name
        content = _pack(_compressed(delivery))
        self._make_room(len(content))
        _write_durably(path, content)
        return path

    def drain(self, post: Post, *, stop: Callable[[], bool] = lambda: False) -> DrainReport:
        """Deliver files until none is left, one cannot be delivered now, or `stop` says so."""
        with FileLock(self.folder / ".lock") as locked:
            if not locked:
                return DrainReport(busy=self.folder.is_dir())
            self._remove_stale_temporaries()
            report = DrainReport()
            files = self.files()
            for position, path in enumerate(files):
                step = None if stop() else self._deliver(path, post)
                if step is None:
                    report += DrainReport(kept=len(files) - position)
                    break
                report += step
            self._size_bytes = None
            return report

    def reject(self, delivery: Delivery) -> None:
        """Keep aside a request that the server refused for good."""
        self._keep_aside(self.write(delivery))

    @property
    def rejected_folder(self) -> Path:
        """Where refused requests are."""
        return self.folder / "rejected"

    def _deliver(self, path: Path, post: Post) -> DrainReport | None:
        """Deliver one file; None if it has to stay."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return DrainReport()
        delivery = _unpack(content)
        if delivery is None:
            self._keep_aside(path)
            return DrainReport(failed=1)
        try:
            status = post(delivery.path, delivery.body, delivery.headers)
        except OSError:
            return None
        if 200 <= status < 300:
            path.unlink(missing_ok=True)
            return DrainReport(files=1, spans=_span_count(delivery), size_bytes=len(delivery.body))
        if is_refused_for_good(status):
            self._keep_aside(path)
            return DrainReport(failed=1)
        return None

    def _keep_aside(self, path: Path) -> None:
        self.rejected_folder.mkdir(mode=0o700, exist_ok=True)
        try:
            path.rename(self.rejected_folder / path.name)
        except FileNotFoundError:
            return
        sizes = list(_sizes(self.rejected_folder))
        excess = sum(size for _, size in sizes) - REJECTED_LIMIT_BYTES
        for old, size in sizes[:-1]:
            if excess <= 0:
                break
            old.unlink(missing_ok=True)
            excess -= size

    def _create_folder(self) -> None:
        # What is spooled holds prompts: only its owner may read it.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _make_room(self, size: int) -> None:
        """Remove the oldest files where the folder would outgrow its limit."""
        # Other processes write here too: count anew now and then, and before removing anything.
        self._unseen_writes += 1
        if self._size_bytes is None or self._unseen_writes >= 64:
            self._recount()
        if (self._size_bytes or 0) + size > self.limit_bytes:
            self._recount()
            for path in self.files():
                if (self._size_bytes or 0) + size <= self.limit_bytes:
                    break
                self._drop(path)
        self._size_bytes = (self._size_bytes or 0) + size

    def _recount(self) -> None:
        self._size_bytes = sum(size for _, size in _sizes(self.folder))
        self._unseen_writes = 0

    def _drop(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            path.unlink()
        except FileNotFoundError:
            return
        self._size_bytes = (self._size_bytes or 0) - len(content)
        self.dropped_files += 1
        delivery = _unpack(content)
        self.dropped_spans += _span_count(delivery) if delivery else 0

    def _remove_stale_temporaries(self) -> None:
        """Remove what a process that died while writing left behind."""
        for name in os.listdir(self.folder):
            path = self.folder / name
            if name.endswith(".tmp"):
                try:
                    if time.time() - path.stat().st_mtime > _STALE_TEMPORARY_S:
                        path.unlink()
                except FileNotFoundError:
                    continue


def _folder_name(key: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "_", key)


def _pack(delivery: Delivery) -> bytes:
    head = {"path": delivery.path, "headers": delivery.headers}
    return _MAGIC + json.dumps(head).encode() + b"\n" + delivery.body


def _compressed(delivery: Delivery) -> Delivery:
    if len(delivery.body) < _WORTH_COMPRESSING or "content-encoding" in delivery.headers:
        return delivery
    headers = {**delivery.headers, "content-encoding": "gzip"}
    return replace(delivery, headers=headers, body=compress(delivery.body))


def _unpack(content: bytes) -> Delivery | None:
    """Read a file's content; None if it is not one of ours."""
    if not content.startswith(_MAGIC):
        return None
    head, separator, body = content[len(_MAGIC) :].partition(b"\n")
    if not separator:
        return None
    try:
        fields = json.loads(head)
        headers = {str(name): str(value) for name, value in fields["headers"].items()}
        return Delivery(path=str(fields["path"]), headers=headers, body=body)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _span_count(delivery: Delivery) -> int:
    text = delivery.headers.get(SPAN_COUNT_HEADER, "0")
    return int(text) if text.isdecimal() else 0


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the requests of a folder with their sizes, oldest first."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(_SUFFIX))
    for name in names:
        path = folder / name
        try:
            yield path, path.stat().st_size
        except FileNotFoundError:
            continue


def _write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder to sync it.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
