"""Digests that somebody has lately sent or asked for, and may be about to name."""

import threading
import time
from collections.abc import Callable, Iterable

GRACE_S = 300.0
"""Between the bytes and the write that names them lie seconds, or a restart of the server."""


class RecentDigests:
    """Remembers each for `grace_s` to twice as long; in the first `grace_s` counts all as recent.

    Before a restart others may have been told that what they want is here.
    """

    def __init__(
        self, *, grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lock = threading.RLock()
        """Held from noting digests to reading whether they are here, and while condemning some."""
        self._grace_s = grace_s
        self._clock = clock
        self._start = self._turned = clock()
        self._new: set[str] = set()
        self._old: set[str] = set()

    @property
    def knows_all(self) -> bool:
        """Whether the server has run long enough to know what is wanted."""
        return self._clock() - self._start >= self._grace_s

    def note(self, digests: Iterable[str]) -> None:
        """Note digests that are wanted now."""
        with self.lock:
            self._turn()
            self._new.update(digests)

    def holds(self, digest: str) -> bool:
        """Tell whether a digest is wanted."""
        with self.lock:
            self._turn()
            return not self.knows_all or digest in self._new or digest in self._old

    def _turn(self) -> None:
        now = self._clock()
        if now - self._turned >= self._grace_s:
            is_long_ago = now - self._turned >= 2 * self._grace_s
            self._old = set() if is_long_ago else self._new
            self._new = set()
            self._turned = now
