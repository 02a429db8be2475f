"""What the index is to have of spans that were just written: it need not unpack their bodies."""

import threading
from typing import Final, NamedTuple

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of contents; those beyond it are read from the file."""


class Kept(NamedTuple):
    """The contents of spans of one trace in rows that follow each other."""

    trace: int
    first: int
    last: int
    contents: bytes
    """`entries.decode_contents` reads them."""


class RecentContents:
    """Takes in contents as spans are written, and gives out those that are next to be indexed.

    What was rolled back must be dropped with `clear`, as its rows' numbers are given again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, Kept] = {}  # by first row, rising; guarded by `_lock`
        self._bytes = 0

    def keep(self, kept: Kept) -> None:
        """Keep contents if there is room."""
        size = len(kept.contents)
        with self._lock:
            if self._bytes + size <= MAX_BYTES:
                self._kept[kept.first] = kept
                self._bytes += size

    def last_beside(self, row: int) -> int:
        """Return the last row of those that share their contents with a row."""
        with self._lock:
            for kept in self._kept.values():
                if kept.last >= row:
                    return kept.last if kept.first <= row else row
        return row

    def take(self, last: int) -> list[Kept]:
        """Give out, and let go of, all that ends at or before a row."""
        taken: list[Kept] = []
        with self._lock:
            for kept in self._kept.values():
                if kept.last > last:
                    break
                taken.append(kept)
                self._bytes -= len(kept.contents)
            for kept in taken:
                del self._kept[kept.first]
        return taken

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
