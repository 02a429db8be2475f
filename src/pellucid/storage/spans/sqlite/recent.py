"""Spans that were just written, kept for the indexer: it need not unpack what is still here."""

import threading
from typing import Final

from pellucid.core.span import Arrival

MAX_SPANS: Final = 4096
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of packed bodies; those beyond it are read from the file."""


class RecentSpans:
    """Takes in spans as they are written, and gives out those that are next to be indexed.

    A row that was rolled back must be dropped with `clear`, as its number is given again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by `_lock`; rows come in rising order.
        self._kept: dict[int, tuple[Arrival, int]] = {}
        self._bytes = 0

    def keep(self, span: int, arrival: Arrival, size: int) -> None:
        """Keep the span of a row, `size` bytes packed, if there is room."""
        with self._lock:
            if len(self._kept) < MAX_SPANS and self._bytes + size <= MAX_BYTES:
                self._kept[span] = (arrival, size)
                self._bytes += size

    def take(self, last: int) -> dict[int, Arrival]:
        """Give out, and let go of, all up to a row."""
        taken: dict[int, Arrival] = {}
        with self._lock:
            for span, (arrival, size) in self._kept.items():
                if span > last:
                    break
                taken[span] = arrival
                self._bytes -= size
            for span in taken:
                del self._kept[span]
        return taken

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
