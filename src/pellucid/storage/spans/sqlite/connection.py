"""Connections to `spans.db`: one that writes, a bounded pool that reads, one tree of errors."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from pellucid.core.errors import StorageUnavailable
from pellucid.storage.spans.sqlite.functions import register_plain
from pellucid.storage.spans.sqlite.migrations import migrate

READERS = 8
_BUSY_MS = 10_000
# Blocks of 4 to 8 kB, which most are, had a page of 8192 bytes each, a third of it empty.
_PAGE_SIZE = 4096
_CHECKPOINT_PAGES = 2000
_ROWS_A_STEP = (32, 4)


def open_writer(path: Path) -> apsw.Connection:
    """Open the file for writing, made and migrated as needed. Raises StorageUnavailable."""
    with storage_errors(path):
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(_BUSY_MS)
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "FULL")
        connection.pragma("secure_delete", False)
        connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
        connection.pragma("journal_size_limit", 64 * 1024 * 1024)
        connection.pragma("cache_size", -32 * 1024)
        connection.pragma("temp_store", "memory")
        migrate(connection, path)
        return connection


def _open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("temp_store", "memory")
    connection.pragma("cache_size", -4 * 1024)
    register_plain(connection)
    return connection


class Readers:
    """Hands out read-only connections, each inside one snapshot; at most `READERS` at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._permits = threading.BoundedSemaphore(READERS)
        self._idle: list[apsw.Connection] = []  # guarded by _lock
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """Lend a connection whose reads all see one state of the store."""
        with self._permits, storage_errors(self._path):
            with self._lock:
                if self._closed:
                    raise StorageUnavailable(f"The span store {self._path} is closed.")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = _open_reader(self._path)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")
                self._take_back(connection)

    def _take_back(self, connection: apsw.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close idle connections; one that is lent out closes when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def rows(connection: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run a query to its end; each row is a tuple, typed by the SQL alone."""
    return connection.execute(sql, values).fetchall()


def insert_many(connection: apsw.Connection, sql: str, values: Sequence[tuple[Any, ...]]) -> None:
    """Run an `INSERT … VALUES (?, …)` for many rows, several of them a step.

    Each step lets go of the interpreter and waits for it again, which costs more than a row.
    """
    start = 0
    for size in _ROWS_A_STEP:
        while len(values) - start >= size:
            step = values[start : start + size]
            connection.execute(_several(sql, size), list(chain.from_iterable(step)))
            start += size
    connection.executemany(sql, values[start:])


@cache
def _several(sql: str, rows_a_step: int) -> str:
    head, _, rest = sql.rpartition("VALUES")
    row, end, tail = rest.partition(")")
    return f"{head}VALUES {', '.join([row.strip() + end] * rows_a_step)}{tail}"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the engine's failures into StorageUnavailable with what to do about them."""
    try:
        yield
    except apsw.FullError as error:
        raise StorageUnavailable(
            f"The disk of {path} is full; nothing of this was stored. Free some space.",
            retry_after_s=5.0,
        ) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StorageUnavailable(
            f"{path} is locked by another program: {error}. Is it open for writing elsewhere?"
        ) from error
    except (
        apsw.IOError,
        apsw.CantOpenError,
        apsw.ReadOnlyError,
        apsw.CorruptError,
        apsw.NotADBError,
        apsw.ConnectionClosedError,
    ) as error:
        raise StorageUnavailable(
            f"{path} cannot be read or written: {error}. Check the disk and the file's rights.",
            retry_after_s=5.0,
        ) from error
