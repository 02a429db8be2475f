"""The search index in the file: documents of words, facts, and which of them are in doubt."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw
import msgspec

from pellucid.core.query.words import words_of
from pellucid.core.span import Arrival
from pellucid.core.texts import texts_of
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.facts import Fact, facts_of, indexed_value, shown_value
from pellucid.storage.spans.sqlite.statements import statements

BOUNDARY = " \ue000 "
"""Stands between pieces, so that no phrase reaches from one into the next: it is no word's."""

_MERGED_PAGES = 500

_SQL = statements("index")


class Entry(NamedTuple):
    """What the index is to have of one span."""

    span: int
    trace: int
    pieces: list[str]
    facts: set[Fact]


def entry_of(span: int, trace: int, packed: bytes | msgspec.Raw) -> Entry:
    """Read what is found of a packed body."""
    body = bodies.unpack(packed)
    facts = facts_of(body.decoded.attributes, body.span)
    return Entry(span, trace, texts_of(body.span), facts)


def entry_of_arrival(span: int, trace: int, arrival: Arrival) -> Entry:
    """Read the same of a span that is still in memory."""
    facts = facts_of(arrival.decoded.attributes, arrival.span)
    return Entry(span, trace, texts_of(arrival.span), facts)


def indexed_text(piece: str) -> str:
    """Return the words of a piece, as the `ascii` tokenizer separates them."""
    # It cuts and folds what is ASCII just as `words_of` does, and leaves all else alone.
    return piece if piece.isascii() else " ".join(words_of(piece))


def _key(fact: Fact) -> tuple[str, object]:
    field, value = fact
    return field, indexed_value(value)


class SearchIndex:
    """Writes the index, inside the caller's transaction on the writing connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._fields: dict[str, int] = {}
        self.watermark = 0
        self.forget()

    @property
    def connection(self) -> apsw.Connection:
        """The connection it writes on."""
        return self._db

    def forget(self) -> None:
        """Drop what is in memory, as after a transaction that was rolled back."""
        self._fields.clear()
        self.watermark = self._db.execute(_SQL["watermark"]).get

    def set_watermark(self, span: int) -> None:
        """Say that all spans up to a row are indexed or deferred."""
        self._db.execute(_SQL["set_watermark"], (span,))
        self.watermark = span

    def add(self, trace: int, entries: Iterable[Entry]) -> None:
        """Put spans of one trace into the index."""
        pieces: dict[str, None] = {}
        facts: set[Fact] = set()
        for entry in entries:
            pieces.update(dict.fromkeys(entry.pieces))
            facts |= entry.facts
        self._db.execute(_SQL["add_document"], (trace,))
        text = BOUNDARY.join(map(indexed_text, pieces))
        self._db.execute(_SQL["add_text"], (self._db.last_insert_rowid(), text))
        self._db.executemany(_SQL["add_fact"], self._rows_of(trace, facts))

    def _rows_of(self, trace: int, facts: Iterable[Fact]) -> list[tuple[Any, ...]]:
        numbers = self._fields
        found = []
        for fact in facts:
            field, value = fact
            number = numbers.get(field) or self.field(field)
            if isinstance(value, str):
                found.append((number, indexed_value(value), trace, shown_value(fact)))
            else:
                found.append((number, value, trace, None))
        return found

    def replaced(self, trace: int, span: int, packed: bytes | msgspec.Raw) -> None:
        """Take note that an indexed span has another version; `packed` was its body."""
        self._db.execute(_SQL["undefer"], (span,))
        if not self._db.changes():
            self._db.execute(_SQL["mark_stale"], (trace, bytes(packed)))

    def renew(self, trace: int, entries: list[Entry], stale: Iterable[bytes]) -> None:
        """Make the index of a trace anew: from all its indexed spans, less what is stale."""
        current = {_key(fact) for entry in entries for fact in entry.facts}
        for packed in stale:
            facts = entry_of(0, trace, packed).facts
            self._delete_facts(trace, (f for f in facts if _key(f) not in current))
        self._delete_documents(trace)
        self._db.execute(_SQL["clear_stale"], (trace,))
        if entries:
            self.add(trace, entries)

    def delete(self, trace: int, spans: Iterable[tuple[int, bytes | msgspec.Raw]]) -> None:
        """Take a trace out; `spans` are the rows and packed bodies of those it may have of it."""
        stale = rows(self._db, _SQL["stale_bodies"], (trace,))
        numbers: list[tuple[int]] = []
        facts: set[Fact] = set()
        for number, packed in (*spans, *stale):
            body = bodies.unpack(packed)
            facts |= facts_of(body.decoded.attributes, body.span)
            numbers.append((number,))
        self._delete_facts(trace, facts)
        self._db.executemany(_SQL["undefer"], numbers)
        self._delete_documents(trace)
        self._db.execute(_SQL["clear_stale"], (trace,))

    def compact(self) -> bool:
        """Take some of what was deleted out of the word index; tell whether there may be more."""
        before = self._db.total_changes()
        self._db.execute(_SQL["merge_texts"], (-_MERGED_PAGES,))
        return self._db.total_changes() - before >= 2

    def count_documents(self) -> int:
        """Count the documents of words."""
        return int(self._db.execute(_SQL["count_documents"]).get)

    def _delete_facts(self, trace: int, facts: Iterable[Fact]) -> None:
        values = [(self.field(field), indexed_value(value), trace) for field, value in facts]
        self._db.executemany(_SQL["delete_fact"], values)

    def _delete_documents(self, trace: int) -> None:
        documents = rows(self._db, _SQL["documents_of"], (trace,))
        self._db.executemany(_SQL["delete_text"], documents)
        self._db.execute(_SQL["delete_documents"], (trace,))

    def field(self, name: str) -> int:
        """Return the row of a field, made if need be."""
        found = self._fields.get(name)
        if found is None:
            found = self._db.execute(_SQL["find_field"], (name,)).get
            if found is None:
                self._db.execute(_SQL["add_field"], (name,))
                found = self._db.last_insert_rowid()
            if len(self._fields) > 10_000:
                self._fields.clear()
            self._fields[name] = found
        return int(found)
