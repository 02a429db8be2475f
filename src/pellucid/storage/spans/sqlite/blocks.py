"""Blocks in the file: written, opened, and emptied of what is not current any more.

A block of one trace goes when no current span is in it. A shared one holds bodies of several small
traces: those that go are taken out of it, so that nothing is left of a trace that was deleted.
"""

from collections.abc import Iterable
from typing import Any

import apsw
import msgspec

from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.connection import insert_many
from pellucid.storage.spans.sqlite.statements import statements

_SQL = statements("write")


class _Shared(msgspec.Struct):
    number: int
    content: bytes
    claimed: set[int]
    """Places that hold a current span."""


class BlockWriter:
    """Writes blocks, inside the caller's transaction; rows are gathered until `flush`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._rows: list[tuple[int, bytes]] = []
        self._shared: dict[int, _Shared] = {}
        """By the identity of their contents, which the transaction's parcels keep alive."""
        self._by_number: dict[int, _Shared] = {}
        self._taken: dict[int, set[int]] = {}
        """By block of the file: the places to be emptied."""
        self._last = 0
        self.forget()

    def forget(self) -> None:
        """Drop everything in memory, as after a transaction that was rolled back."""
        self._rows.clear()
        self._shared.clear()
        self._by_number.clear()
        self._taken.clear()
        self._last = self._db.execute(_SQL["last_block"]).get

    def add(self, content: bytes, slots: Iterable[int]) -> int:
        """Take in a block and return its number; `slots` are the places that are of use in it."""
        if not bodies.is_shared(content):
            self._last += 1
            self._rows.append((self._last, content))
            return self._last
        shared = self._shared.get(id(content))
        if shared is None:
            self._last += 1
            shared = self._shared[id(content)] = _Shared(self._last, content, set())
            self._by_number[self._last] = shared
        shared.claimed.update(slots)
        return shared.number

    def flush(self) -> None:
        """Put everything into the file; of shared blocks only what somebody has claimed."""
        for shared in self._shared.values():
            content = bodies.keep_only(shared.content, shared.claimed)
            if content is not None:
                self._rows.append((shared.number, content))
        self._shared.clear()
        self._by_number.clear()
        insert_many(self._db, _SQL["insert_block"], self._rows)
        self._rows.clear()
        self._flush_taken()

    def open(self, number: int) -> list[msgspec.Raw]:
        """Return a block's packed bodies."""
        if number in self._by_number:
            return bodies.open_block(self._by_number[number].content)
        insert_many(self._db, _SQL["insert_block"], self._rows)  # it may be one of these
        self._rows.clear()
        return bodies.open_block(self._db.execute(_SQL["load_block"], (number,)).get)

    def take_out(self, number: int, slots: Iterable[int], *, last: bool) -> None:
        """Take bodies out of a block; `last` tells whether they are the last of their trace."""
        head = self._db.execute(_SQL["head_of_block"], (number,)).get
        if head is None or not bodies.is_shared(head):
            if last:
                self._db.execute(_SQL["delete_block"], (number,))
            return
        # Of the traces that go together many share a block, which is written once for all.
        self._taken.setdefault(number, set()).update(slots)

    def _flush_taken(self) -> None:
        for number, slots in self._taken.items():
            content: Any = self._db.execute(_SQL["load_block"], (number,)).get
            left = bodies.without(content, slots)
            if left is None:
                self._db.execute(_SQL["delete_block"], (number,))
            else:
                self._db.execute(_SQL["set_block"], (left, number))
        self._taken.clear()
