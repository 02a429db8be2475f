"""Finding traces: newest first, with an index where one has few answers, by looking where not."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from pellucid.core.matching import compare, holds
from pellucid.core.query.tree import Compare, Everything, FieldType, Node
from pellucid.core.score import Score
from pellucid.core.span import StoredSpan
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.compile import Bounds, Compiled, Compiler
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.cursor import Position
from pellucid.storage.spans.sqlite.functions import forget_answers, register_answers
from pellucid.storage.spans.sqlite.outline import Outline, stored_span
from pellucid.storage.spans.sqlite.predicate import Sql
from pellucid.storage.spans.sqlite.scores import decode_score, scores_of_trace
from pellucid.storage.spans.sqlite.statements import statements

FEW: Final = 8_000
"""A driver with more keys than this saves nothing: matches are then frequent enough to meet."""
LONG_TAIL: Final = 20_000
"""Spans that are not indexed yet; with more, a query walks and asks each trace for its own."""
DRIVERS: Final = 12
"""Conditions of a query that are tried as drivers."""
_FIRST_CHUNK: Final = 64
_LAST_CHUNK: Final = 4096
_KEPT_SPANS: Final = 4000

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
        self._nodes: list[Node] = []
        self._key_queries: list[Sql] = []
        self._key_sets: dict[int, set[int]] = {}
        self._kept: OrderedDict[int, list[tuple[StoredSpan, list[Score]]]] = OrderedDict()
        self._late: dict[int, set[int]] = {}
        """Spans that the index does not have, by trace; not kept where the tail is long."""
        self._tail_is_long = False
        self._watermark = 0
        self._deferred: set[int] = set()
        self._stale: set[int] = set()
        self._is_plain = isinstance(root, Everything)
        if not self._is_plain:
            self._read_tail()
        compiler = Compiler(
            now=now,
            has_late=self._tail_is_long or bool(self._late),
            has_stale=bool(self._stale),
            ask=self._ask,
            keys=self._keep_keys,
        )
        self._compiled: Compiled = compiler.compile(root)

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
        """Let the connection ask this search."""
        register_answers(self._db, self)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the connection forget it."""
        forget_answers(self._db)

    def _ask(self, node: Node) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _keep_keys(self, query: Sql) -> int:
        self._key_queries.append(query)
        return len(self._key_queries) - 1

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

    def chunks(self, after: Position) -> Iterator[Chunk]:
        """Yield all traces that come after a place and may match, chunk by chunk."""
        size = _FIRST_CHUNK
        chunk: list[Candidate] = []
        for candidate in self._candidates(after):
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
        predicate = self._compiled.predicate
        if self._is_plain:
            return Chunk(chunk, chunk)
        sql = _SQL["filter"].format(predicate=predicate.text)
        keys = _json([candidate.key for candidate in chunk])
        found = {key for (key,) in rows(self._db, sql, (keys, *predicate.values))}
        return Chunk(chunk, [candidate for candidate in chunk if candidate.key in found])

    def _candidates(self, after: Position) -> Iterator[Candidate]:
        bounds = self._compiled.bounds
        values: tuple[Any, ...] = (bounds.since_ns, bounds.until_ns, *after)
        keys = self._few_keys()
        if keys is not None:
            name = "few" if self._experiment is None else "few_of"
            values = (_json(sorted(keys)), *values)
        else:
            name = "walk" if self._experiment is None else "walk_of"
        if self._experiment is not None:
            values = (*values, self._experiment)
        for row in self._db.execute(_SQL[name], values):
            yield Candidate(*row)

    def _few_keys(self) -> set[int] | None:
        """Return keys that hold all matches, if some driver has few."""
        best: set[int] | None = None
        if self._tail_is_long:
            # What matches may be anywhere in it, and is most likely new.
            return None
        for driver in self._compiled.drivers[:DRIVERS]:
            sql = f"SELECT * FROM ({driver.text}) LIMIT {FEW + 1}"
            found = rows(self._db, sql, driver.values)
            if len(found) <= FEW:
                keys = {key for (key,) in found}
                best = keys if best is None else best & keys
        if best is None:
            return None
        return best | self._late.keys() | self._stale

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
            query = self._key_queries[number]
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
        blocks: dict[int, list[msgspec.Raw]] = {}
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


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()
