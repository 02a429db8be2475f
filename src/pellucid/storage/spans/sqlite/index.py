"""The search index in the file: documents of words, facts, and which of them are in doubt."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, NamedTuple

import apsw
import msgspec

from pellucid.storage.spans.sqlite.connection import insert_many, rows
from pellucid.storage.spans.sqlite.entries import Contents, facts_of_bodies
from pellucid.storage.spans.sqlite.facts import Fact, decode_fact
from pellucid.storage.spans.sqlite.statements import statements

BOUNDARY = " \ue000 "
"""Stands between pieces, so that no phrase reaches from one into the next: it is no word's."""

_MERGED_PAGES = 500
_MAX_FIELDS = 10_000
"""Fields whose rows are remembered."""

Row = tuple[Any, ...]

_Facts = dict[int, dict[bytes, int]]
"""By segment and encoded fact: the bits of the traces that have it."""

_SQL = statements("index")


class Entry(NamedTuple):
    """What the index is to have of a span, or of several of one trace in rows on end."""

    trace: int
    spans: list[int]
    contents: Contents


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

    def add(self, entries: Iterable[Entry]) -> None:
        """Put spans into the index."""
        by_trace: dict[int, list[Contents]] = {}
        for entry in entries:
            by_trace.setdefault(entry.trace, []).append(entry.contents)
        number: int = self._db.execute(_SQL["last_document"]).get
        documents: list[Row] = []
        texts: list[Row] = []
        facts: _Facts = {}
        for trace, several in by_trace.items():
            pieces: dict[str, None] = {}
            for contents in several:
                pieces.update(dict.fromkeys(contents.pieces))
            number += 1
            documents.append((number, trace))
            texts.append((number, BOUNDARY.join(pieces)))
            bits_of, bit = facts.setdefault(trace >> 5, {}), 1 << (trace & 31)
            for contents in several:
                for fact in contents.facts:
                    bits_of[fact] = bits_of.get(fact, 0) | bit
        insert_many(self._db, _SQL["add_document"], documents)
        insert_many(self._db, _SQL["add_text"], texts)
        insert_many(self._db, _SQL["add_facts"], self._rows_of(facts))

    def _rows_of(self, facts: _Facts) -> list[Row]:
        decoded = {fact: decode_fact(fact) for bits_of in facts.values() for fact in bits_of}
        numbers = self._numbers_of({fact.field for fact in decoded.values()})
        found: list[Row] = []
        for segment, bits_of in facts.items():
            for encoded, bits in bits_of.items():
                field, value, shown = decoded[encoded]
                found.append((numbers[field], value, segment, shown, bits))
        # Neighbours in the table share a page, which is then looked up once for all of them.
        found.sort(key=itemgetter(0))
        return found

    def _numbers_of(self, names: set[str]) -> dict[str, int]:
        """Return the rows of fields, made if need be; a span may bring hundreds of new ones."""
        known = self._fields
        unknown = sorted(name for name in names if name not in known)
        if unknown:
            if len(known) + len(unknown) > _MAX_FIELDS:
                known = self._fields = {name: known[name] for name in names if name in known}
            listed = msgspec.json.encode(unknown).decode()
            known.update(rows(self._db, _SQL["find_fields"], (listed,)))
            last: int = self._db.execute(_SQL["last_field"]).get
            fresh = [name for name in unknown if name not in known]
            made = {name: last + number for number, name in enumerate(fresh, 1)}
            insert_many(self._db, _SQL["add_fields"], [(n, name) for name, n in made.items()])
            known.update(made)
        return known

    def replaced(self, trace: int, span: int, packed: bytes | msgspec.Raw) -> None:
        """Take note that an indexed span has another version; `packed` was its body."""
        self._db.execute(_SQL["undefer"], (span,))
        if not self._db.changes():
            self._db.execute(_SQL["mark_stale"], (trace, bytes(packed)))

    def renew(self, trace: int, entries: list[Entry], stale: Iterable[bytes]) -> None:
        """Make the index of a trace anew: from all its indexed spans, less what is stale."""
        # Also what is still true: it may have been spelled in another way.
        self._delete_facts(trace, facts_of_bodies(stale))
        self._delete_documents(trace)
        self._db.execute(_SQL["clear_stale"], (trace,))
        if entries:
            self.add(entries)

    def delete(self, trace: int, spans: Iterable[tuple[int, bytes | msgspec.Raw]]) -> None:
        """Take a trace out; `spans` are the rows and packed bodies of those it may have of it."""
        stale = rows(self._db, _SQL["stale_bodies"], (trace,))
        held = [*spans, *stale]
        self._delete_facts(trace, facts_of_bodies(packed for _, packed in held))
        self._db.executemany(_SQL["undefer"], [(number,) for number, _ in held])
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

    def _delete_facts(self, trace: int, indexed: Iterable[Fact]) -> None:
        taken = list(indexed)
        numbers = self._numbers_of({field for field, _ in taken})
        values = [(numbers[field], value, trace) for field, value in taken]
        self._db.executemany(_SQL["delete_fact"], values)
        self._db.executemany(_SQL["delete_empty_facts"], values)

    def _delete_documents(self, trace: int) -> None:
        documents = rows(self._db, _SQL["documents_of"], (trace,))
        self._db.executemany(_SQL["delete_text"], documents)
        self._db.execute(_SQL["delete_documents"], (trace,))
