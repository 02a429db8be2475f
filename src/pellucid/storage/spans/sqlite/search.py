"""Finding traces: newest first, with an index where one has few answers, by looking where not.

A list is mostly full after the first few hundred traces, so these are looked at one by one. What is
rarer is looked up by a driver with few keys, or asked of all traces in one statement that knows
the index as sets. Only where bodies must be read are all traces looked at one by one, for as long
as the caller has time.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from pellucid.core.matching import compare, holds
from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    FieldType,
    InSpan,
    Node,
    Not,
    Or,
    Text,
)
from pellucid.core.query.words import words_of
from pellucid.core.score import Score
from pellucid.core.span import StoredSpan
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.compile import Bounds, Compiled, Compiler, KeySets
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.cursor import TOP, Position
from pellucid.storage.spans.sqlite.functions import forget_answers, register_answers
from pellucid.storage.spans.sqlite.outline import Outline, stored_span
from pellucid.storage.spans.sqlite.predicate import Sql
from pellucid.storage.spans.sqlite.scores import decode_score, scores_of_trace
from pellucid.storage.spans.sqlite.simplify import simplify
from pellucid.storage.spans.sqlite.statements import statements

TINY: Final = 300
"""A driver with so few keys is used at once."""
FEW: Final = 8_000
"""A driver with more keys than this saves nothing: matches are then frequent enough to meet."""
FIRST: Final = 512
"""Traces that are looked at one by one before anything is looked up for all."""
_FIRST_SECONDS: Final = 0.02
"""Time that this may take."""
_RARE_AND_SLOW: Final = 8
"""The same once looking at them one by one has taken that long."""
_FIRST_OF_PHRASES: Final = 8
"""Traces of the first chunk where words in a row are looked for, which takes long one by one."""
_RARE: Final = 80
"""Matches that are further apart than so many traces are looked up."""
WINDOW: Final = 250_000
"""Traces that one statement looks at; between two the caller may stop."""
LONGEST_SECONDS: Final = 5.0
"""Time of the processor that a query may take in all; it is refused when it takes more."""
_STEPS: Final = 100_000
"""Steps of SQLite's machine between two looks at the time."""
LONG_TAIL: Final = 20_000
"""Spans that are not indexed yet; with more, a query walks and asks each trace for its own."""
DRIVERS: Final = 12
"""Conditions of a query that are tried as drivers."""
_FIRST_CHUNK: Final = 64
_LAST_CHUNK: Final = 4096
_PIECE: Final = 1024
_KEPT_SPANS: Final = 4000
_KEPT_BLOCKS: Final = 4

_INDEX = statements("index")
_SQL = statements("search")


class Candidate(NamedTuple):
    """A trace that may match, where it stands in the order."""

    start_ns: int
    trace_id: bytes
    key: int


class Chunk(NamedTuple):
    """Traces that were looked at, newest first, and which of them match."""

    seen: list[Candidate]
    matches: list[Candidate]


class Search:
    """One query on one snapshot. Use it as a context manager, on one thread."""

    def __init__(
        self, db: apsw.Connection, root: Node, *, experiment: int | None, now: int
    ) -> None:
        self._db = db
        self._experiment = experiment
        self._now = now
        self._end = time.thread_time() + LONGEST_SECONDS
        self._nodes: list[Node] = []
        self._key_queries: dict[Sql, int] = {}
        self._key_sets: dict[int, set[int]] = {}
        self._kept: OrderedDict[int, list[tuple[StoredSpan, list[Score]]]] = OrderedDict()
        self._opened: dict[int, list[msgspec.Raw]] = {}
        self._late: dict[int, set[int]] = {}
        """Spans that the index does not have, by trace; not kept where the tail is long."""
        self._tail_is_long = False
        self._watermark = 0
        self._deferred: set[int] = set()
        self._stale: set[int] = set()
        self._is_plain = isinstance(root, Everything)
        if not self._is_plain:
            self._read_tail()
        self._root = root = simplify(root)
        self._first_chunk = _FIRST_OF_PHRASES if _has_phrase(root) else _FIRST_CHUNK
        self._compiled: Compiled = self._compile(None)
        self._predicate = self._compiled.predicate
        self._scan: Compiled | None = None

    def _compile(self, sets: KeySets | None, *, word_sets: bool = False) -> Compiled:
        compiler = Compiler(
            now=self._now,
            has_late=self._tail_is_long or bool(self._late),
            has_stale=bool(self._stale),
            ask=self._ask,
            keys=self._keep_keys,
            sets=sets,
            word_sets=word_sets,
            is_few=self._is_few,
        )
        return compiler.compile(self._root)

    def predicate_of_all(self) -> Sql | None:
        """Return what tells for many traces at once whether they match; None if bodies must."""
        if self._tail_is_long and self._compiled.asks_index:
            return None
        if self._scan is None:
            sets = KeySets(late=_json(sorted(self._late)), stale=_json(sorted(self._stale)))
            self._scan = self._compile(sets)
        return None if self._scan.reads_bodies else self._scan.predicate

    @property
    def connection(self) -> apsw.Connection:
        """The connection it reads."""
        return self._db

    @property
    def experiment(self) -> int | None:
        """The row of the experiment that it looks in."""
        return self._experiment

    @property
    def bounds(self) -> Bounds:
        """Starts that all matches lie within."""
        return self._compiled.bounds

    @property
    def is_plain(self) -> bool:
        """Whether everything matches."""
        return self._is_plain

    def any_matches(self, keys: list[int]) -> bool:
        """Tell whether one of some traces matches."""
        if self._is_plain or not keys:
            return bool(keys)
        predicate = self._compiled.predicate
        sql = _SQL["filter"].format(predicate=predicate.text) + " LIMIT 1"
        return bool(rows(self._db, sql, (_json(keys), *predicate.values)))

    def __enter__(self) -> "Search":
        """Let the connection ask this search, and no statement run for very long."""
        register_answers(self._db, self)
        self._db.set_progress_handler(self._is_too_long, _STEPS)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the connection forget it."""
        self._db.set_progress_handler(None)
        forget_answers(self._db)

    def _is_too_long(self) -> bool:
        return time.thread_time() > self._end

    def _ask(self, node: Node) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _keep_keys(self, query: Sql) -> int:
        return self._key_queries.setdefault(query, len(self._key_queries))

    def _read_tail(self) -> None:
        self._watermark = self._db.execute(_INDEX["watermark"]).get
        last = self._db.execute(_INDEX["last_span"]).get
        self._tail_is_long = last - self._watermark > LONG_TAIL
        if self._tail_is_long:
            self._deferred = {span for (span,) in rows(self._db, _INDEX["deferred_spans"])}
        else:
            for trace, span in rows(self._db, _INDEX["late_spans"], (self._watermark,)):
                self._late.setdefault(trace, set()).add(span)
        self._stale = {trace for (trace,) in rows(self._db, _INDEX["stale_traces"])}

    # -- walking -----------------------------------------------------------------------------------

    def chunks(self, after: Position, *, many: bool = False) -> Iterator[Chunk]:
        """Yield the traces that come after a place, chunk by chunk; only matches need be there.

        With `many`, so many matches are wanted that no time is saved by looking at a few first.
        """
        if self._is_plain:
            yield from self._filtered(self._walk(after))
            return
        if not many:
            keys = self._few_keys(TINY)
            if keys is not None:
                yield from self._filtered(self._few(keys, after))
                return
            walked = found = 0
            began = time.thread_time()
            for chunk in self._filtered(self._walk(after), self._first_chunk):
                yield chunk
                walked += len(chunk.seen)
                found += len(chunk.matches)
                is_slow = time.thread_time() - began > _FIRST_SECONDS
                if found * (_RARE_AND_SLOW if is_slow else _RARE) < walked >= self._first_chunk:
                    break
            else:
                return
            after = Position(chunk.seen[-1].start_ns, chunk.seen[-1].trace_id)
        keys = self.few_keys()
        if keys is not None:
            self._predicate = self._predicate_of_few(keys)
            yield from self._filtered(self._few(keys, after))
        elif (predicate := self.predicate_of_all()) is not None:
            yield from self._windows(predicate, after)
        else:
            yield from self._filtered(self._walk(after))

    def matches_among(self, keys: set[int]) -> Iterator[list[Candidate]]:
        """Yield those of some traces that match, newest first, piece by piece."""
        self._predicate = self._predicate_of_few(keys)
        for chunk in self._filtered(self._few(keys, TOP)):
            yield chunk.matches

    def _predicate_of_few(self, keys: set[int]) -> Sql:
        """Return what tells of some traces whether they match: words as sets if there are many."""
        if len(keys) <= TINY:
            return self._compiled.predicate
        return self._compile(None, word_sets=True).predicate

    def _windows(self, predicate: Sql, after: Position) -> Iterator[Chunk]:
        """Yield what one statement for many traces finds."""
        bounds, experiment = self._compiled.bounds, self._experiment
        of = "" if experiment is None else "_of"
        asked = () if experiment is None else (experiment,)
        while True:
            place = (bounds.since_ns, bounds.until_ns, *after, *asked)
            last = rows(self._db, _SQL[f"window{of}"], (*place, WINDOW))
            low = (last[0][0], last[0][1]) if last else (0, b"")
            sql = _SQL[f"matches{of}"].format(predicate=predicate.text)
            found: list[Candidate] = []
            for row in self._db.execute(sql, (*place, *low, *predicate.values)):
                found.append(Candidate(*row))
                if len(found) == _PIECE:
                    yield Chunk(found, found)
                    found = []
            if not last:
                if found:
                    yield Chunk(found, found)
                return
            end = Candidate(*last[0])
            yield Chunk([*found, end], found)
            after = Position(end.start_ns, end.trace_id)

    def _filtered(
        self, candidates: Iterator[Candidate], size: int = _FIRST_CHUNK
    ) -> Iterator[Chunk]:
        chunk: list[Candidate] = []
        for candidate in candidates:
            chunk.append(candidate)
            if len(chunk) >= size:
                began = time.monotonic()
                yield self._filter(chunk)
                chunk = []
                # Few bodies at a time where these must be read, many rows where not.
                size = max(size // 2, 8) if time.monotonic() - began > 0.05 else size * 2
                size = min(size, _LAST_CHUNK)
        if chunk:
            yield self._filter(chunk)

    def _filter(self, chunk: list[Candidate]) -> Chunk:
        if self._is_plain:
            return Chunk(chunk, chunk)
        predicate = self._predicate
        sql = _SQL["filter"].format(predicate=predicate.text)
        keys = _json([candidate.key for candidate in chunk])
        found = {key for (key,) in rows(self._db, sql, (keys, *predicate.values))}
        return Chunk(chunk, [candidate for candidate in chunk if candidate.key in found])

    def _walk(self, after: Position) -> Iterator[Candidate]:
        return self._candidates("walk", (), after)

    def _few(self, keys: set[int], after: Position) -> Iterator[Candidate]:
        return self._candidates("few", (_json(sorted(keys)),), after)

    def _candidates(
        self, name: str, first: tuple[Any, ...], after: Position
    ) -> Iterator[Candidate]:
        bounds = self._compiled.bounds
        values: tuple[Any, ...] = (*first, bounds.since_ns, bounds.until_ns, *after)
        if self._experiment is not None:
            name, values = f"{name}_of", (*values, self._experiment)
        for row in self._db.execute(_SQL[name], values):
            yield Candidate(*row)

    def few_keys(self) -> set[int] | None:
        """Return keys that hold all matches, if some driver has few."""
        return self._few_keys(FEW)

    def _few_keys(self, most: int) -> set[int] | None:
        best: set[int] | None = None
        if self._tail_is_long:
            # What matches may be anywhere in it, and is most likely new.
            return None
        for driver in self._compiled.drivers[:DRIVERS]:
            sql = f"SELECT * FROM ({driver.text}) LIMIT {most + 1}"
            found = rows(self._db, sql, driver.values)
            if len(found) <= most:
                keys = {key for (key,) in found}
                self._key_sets[self._keep_keys(driver)] = keys
                best = keys if best is None else best & keys
                if len(best) <= TINY:
                    break
        if best is None:
            return None
        return best | self._late.keys() | self._stale

    def _is_few(self, query: Sql) -> bool:
        sql = f"SELECT * FROM ({query.text}) LIMIT {TINY + 1}"
        return len(rows(self._db, sql, query.values)) <= TINY

    # -- what SQL asks -----------------------------------------------------------------------------

    def whole(self, number: int, key: int) -> bool:
        """Tell whether some span of a trace meets a node."""
        node = self._nodes[number]
        return any(holds(node, stored, scores, self._now) for stored, scores in self._spans(key))

    def late(self, number: int, key: int) -> bool:
        """Tell whether some span that the index does not have meets a node."""
        if not self._tail_is_long and key not in self._late:
            return False
        node = self._nodes[number]
        return any(
            holds(node, stored, scores, self._now)
            for stored, scores in self._spans(key, late_only=True)
        )

    def _is_late(self, key: int, span: int) -> bool:
        if self._tail_is_long:
            return span > self._watermark or span in self._deferred
        return span in self._late[key]

    def stale(self, key: int) -> bool:
        """Tell whether the index is in doubt about a trace."""
        return key in self._stale

    def among(self, number: int, key: int) -> bool:
        """Tell whether a trace is among the keys that a query gives; it is run once."""
        found = self._key_sets.get(number)
        if found is None:
            query = next(one for one, at in self._key_queries.items() if at == number)
            found = {one for (one,) in rows(self._db, query.text, query.values)}
            self._key_sets[number] = found
        return key in found

    def score(self, number: int, content: bytes) -> bool:
        """Tell whether a score's value is one of those that a node names."""
        node = self._nodes[number]
        assert isinstance(node, Compare), "only comparisons ask for scores"
        value = decode_score(content).value
        return any(
            compare(FieldType.DYNAMIC, node.op, wanted, value, self._now) for wanted in node.values
        )

    def _spans(self, key: int, *, late_only: bool = False) -> list[tuple[StoredSpan, list[Score]]]:
        """Return a trace's spans (or those the index lacks) with their own latest scores."""
        kept = None if late_only else self._kept.get(key)
        if kept is not None:
            return kept
        found = [Outline(*row) for row in rows(self._db, _SQL["outline"], (key,))]
        if late_only:
            found = [row for row in found if self._is_late(key, row.id)]
            if not found:
                return []
        scores: dict[str | None, list[Score]] = {}
        trace_id = self._db.execute(_SQL["trace_id"], (key,)).get
        for score in scores_of_trace(self._db, trace_id):
            scores.setdefault(score.span_id, []).append(score)
        if len(self._opened) > _KEPT_BLOCKS:
            self._opened.clear()
        blocks = self._opened  # small traces share them with their neighbours
        spans = []
        for row in found:
            if row.block not in blocks:
                content = self._db.execute(_INDEX["block"], (row.block,)).get
                blocks[row.block] = bodies.open_block(content)
            stored = stored_span(row, blocks[row.block][row.slot], self._now)
            spans.append((stored, scores.get(row.span_id.hex(), [])))
        if not late_only:
            self._kept[key] = spans
            while sum(map(len, self._kept.values())) > _KEPT_SPANS and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return spans


def _has_phrase(node: Node) -> bool:
    match node:
        case And(items) | Or(items):
            return any(map(_has_phrase, items))
        case Not(item) | InSpan(item):
            return _has_phrase(item)
        case Text():
            return len(words_of(node.text)) > 1
    return False


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()
