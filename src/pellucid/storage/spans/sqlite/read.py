"""Reads of traces and spans, each in one snapshot."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from pellucid.core.clock import Clock
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.query import TRACES, Query, parse, resolve
from pellucid.core.rollup import Figures, Rollup
from pellucid.core.score import Annotated, Score
from pellucid.core.span import StoredSpan
from pellucid.core.survey import SessionPage, Survey, TimeBins
from pellucid.core.trace import ExperimentSummary, TracePage, TraceSummary, Waterfall
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import (
    KINDS,
)
from pellucid.storage.spans.sqlite.connection import Readers, rows
from pellucid.storage.spans.sqlite.cursor import TOP, Position, decode_cursor, encode_cursor
from pellucid.storage.spans.sqlite.order import depth_first
from pellucid.storage.spans.sqlite.outline import Outline, status_at, stored_span
from pellucid.storage.spans.sqlite.rollups import STEPS, read_cells, total_of
from pellucid.storage.spans.sqlite.scores import (
    annotated_in,
    annotated_on,
    scores_of_run,
    scores_of_session,
    scores_of_trace,
)
from pellucid.storage.spans.sqlite.search import Candidate, Search
from pellucid.storage.spans.sqlite.statements import statements
from pellucid.storage.spans.sqlite.survey import (
    Budget,
    count_by_time,
    list_keys,
    list_sessions,
    list_values,
    survey,
)

_SQL = statements("read")
_MAX_LIMIT: Final = 1000
SEARCH_SECONDS: Final = 2.0
"""After so long a list ends early, and says so."""
COUNT_SECONDS: Final = 0.1
"""After so much work counting ends, and says how much was counted."""

_TRACE_COLUMNS = (
    "t.trace_id, e.name, t.run_id, t.name, t.root_kind, t.status, t.pending_seen_ns, t.start_ns, "
    "t.duration_ns, t.span_count, t.error_count, t.models, t.tokens_in, t.tokens_out, t.cost, "
    "t.input_preview, t.output_preview, t.session_id, t.user_id, t.tags"
)
_models = msgspec.json.Decoder(list[str])
_tags = msgspec.json.Decoder(dict[str, str])


class WaterfallRow(NamedTuple):
    """One span as `waterfall` in read.sql gives it."""

    id: int
    span_id: bytes
    parent_id: bytes | None
    start_ns: int
    duration_ns: int
    name: str
    kind: int
    status: int
    last_seen_ns: int
    model: str | None
    agent: str | None
    tokens_in: int
    tokens_out: int
    cost: float | None
    ttft_ns: int | None
    detail: str


class TraceReader:
    """Answers what is asked about traces and spans; safe in any number of threads."""

    def __init__(self, readers: Readers, clock: Clock) -> None:
        self._readers = readers
        self._clock = clock

    def list_experiments(self) -> list[ExperimentSummary]:
        """List experiments that hold a trace, the most recently used first."""
        with self._readers.snapshot() as db:
            return [_experiment(row, total_of(db, row[0])) for row in rows(db, _SQL["experiments"])]

    def read_rollups(
        self, *, experiment: str | None, since_ns: int, until_ns: int, step_minutes: int
    ) -> list[Rollup]:
        """Read cells of one experiment, or of all, by time."""
        if step_minutes not in STEPS:
            raise InvalidInput(f"Rollups have steps of {STEPS} minutes, not {step_minutes}.")
        with self._readers.snapshot() as db:
            if experiment is None:
                numbers = rows(db, _SQL["experiment_names"])
            else:
                numbers = rows(db, _SQL["experiment_named"], (experiment,))
            found = [
                cell
                for number, name in numbers
                for cell in read_cells(db, number, name, since_ns, until_ns, step_minutes)
            ]
        found.sort(key=lambda cell: (cell.time_ns, cell.experiment, cell.kind, cell.model or ""))
        return found

    def list_traces(
        self, *, experiment: str | None, query: str | Query, limit: int, cursor: str | None
    ) -> TracePage:
        """Return one page of traces, newest first."""
        _check_limit(limit)
        position = decode_cursor(cursor) if cursor else TOP
        matches: list[Candidate] = []
        stopped: Candidate | None = None
        last: Candidate | None = None
        now = self._clock()
        deadline = time.monotonic() + SEARCH_SECONDS
        with self.search(query, experiment, now) as search:
            if search is None:
                return TracePage(traces=[], next=None)
            try:
                for chunk in search.chunks(position):
                    matches += chunk.matches
                    last = chunk.seen[-1]
                    if len(matches) > limit:
                        break
                    if time.monotonic() > deadline:
                        stopped = last
                        break
            except apsw.InterruptError:
                if last is None:
                    raise
                stopped = last
            page = matches[:limit]
            traces = self._summaries(search.connection, page, now)
        if len(matches) > limit:
            following = encode_cursor(Position(page[-1].start_ns, page[-1].trace_id))
        elif stopped is not None:
            following = encode_cursor(Position(stopped.start_ns, stopped.trace_id))
        else:
            following = None
        return TracePage(traces=traces, next=following, partial=stopped is not None)

    def survey(self, *, experiment: str | None, query: str | Query, most: int) -> Survey | None:
        """Count what the newest matches have; None if there is no such experiment."""
        now = self._clock()
        with self.search(query, experiment, now) as search:
            if search is None:
                return None
            return survey(search, TOP, now=now, budget=Budget(COUNT_SECONDS), most=most)

    def count_by_time(self, *, experiment: str | None, query: str | Query, bins: int) -> TimeBins:
        """Count matches by time."""
        with self.search(query, experiment, self._clock()) as search:
            if search is None:
                return TimeBins(bins=[], partial=False)
            return count_by_time(search, bins=bins, budget=Budget(COUNT_SECONDS))

    def list_sessions(
        self, *, experiment: str | None, query: str | Query, limit: int, cursor: str | None
    ) -> SessionPage:
        """List sessions, the one with the newest match first."""
        _check_limit(limit)
        after = decode_cursor(cursor) if cursor else TOP
        with self.search(query, experiment, self._clock()) as search:
            if search is None:
                return SessionPage(sessions=[], next=None)
            deadline = time.monotonic() + SEARCH_SECONDS
            return list_sessions(search, after, limit=limit, deadline=deadline)

    def list_values(self, field: str, *, beginning: str, limit: int) -> list[str]:
        """List values of a field."""
        _check_limit(limit)
        with self._readers.snapshot() as db:
            return list_values(db, field, beginning, limit)

    def list_keys(self, family: str, *, beginning: str, limit: int) -> list[str]:
        """List keys of a family."""
        _check_limit(limit)
        with self._readers.snapshot() as db:
            return list_keys(db, family, beginning, limit)

    @contextmanager
    def search(
        self, query: str | Query, experiment: str | None, now: int
    ) -> Iterator[Search | None]:
        """Open a search; None if there is no such experiment."""
        with self._readers.snapshot() as db:
            number = None
            if experiment is not None:
                number = db.execute(_SQL["experiment_id"], (experiment,)).get
                if number is None:
                    yield None
                    return
            try:
                root = parsed(db, query).root
                with Search(db, root, experiment=number, now=now) as search:
                    yield search
            except apsw.InterruptError as error:
                raise InvalidInput(
                    "This query takes too long: look for fewer things at once, or say a time, "
                    "such as since:24h."
                ) from error
            except UnicodeEncodeError as error:
                raise InvalidInput(f"This query holds half a character: {error}.") from error
            except apsw.SQLError as error:
                raise InvalidInput(f"This query is more than can be looked up: {error}.") from error

    def _summaries(
        self, db: apsw.Connection, traces: Sequence[Candidate], now: int
    ) -> list[TraceSummary]:
        sql = _SQL["trace_by_key"].format(columns=_TRACE_COLUMNS)
        return [
            _summary(
                rows(db, sql, (trace.key,))[0],
                scores_of_trace(db, trace.trace_id),
                now,
            )
            for trace in traces
        ]

    def get_trace(self, trace_id: str) -> TraceSummary:
        """Return one trace's fields."""
        with self._readers.snapshot() as db:
            key = _trace_bytes(trace_id)
            row = db.execute(_SQL["trace"].format(columns=_TRACE_COLUMNS), (key,)).fetchone()
            scores = scores_of_trace(db, key)
        if row is None:
            raise _no_trace(trace_id)
        return _summary(row, scores, self._clock())

    def list_scores(
        self,
        *,
        trace_id: str | None,
        experiment: str | None,
        session_id: str | None,
        run_id: str | None,
        history: bool,
    ) -> list[Score]:
        """List the scores of a trace, session or run."""
        with self._readers.snapshot() as db:
            if trace_id is not None:
                return scores_of_trace(db, _trace_bytes(trace_id), history=history)
            if experiment is not None and session_id is not None:
                return scores_of_session(db, experiment, session_id, history=history)
            if run_id is not None:
                return scores_of_run(db, run_id, history=history)
        raise InvalidInput("Name a trace, a run, or an experiment with a session.")

    def list_annotated(
        self, *, experiment: str | None, trace_ids: Sequence[str] | None, limit: int
    ) -> list[Annotated]:
        """List annotations with what scorers said beside them."""
        with self._readers.snapshot() as db:
            if trace_ids is not None:
                return annotated_on(db, [_trace_bytes(one) for one in trace_ids], limit)
            if experiment is not None:
                return annotated_in(db, experiment, limit)
        raise InvalidInput("Name an experiment or traces.")

    def experiment_number(self, name: str) -> int:
        """Return an experiment's row. Raises NotFound."""
        with self._readers.snapshot() as db:
            number = db.execute(_SQL["experiment_id"], (name,)).get
        if number is None:
            raise NotFound(f"There is no experiment {name[:80]!r}.")
        return int(number)

    def find_unreferenced(self, digests: Sequence[str]) -> list[str]:
        """Return the digests that no trace names."""
        with self._readers.snapshot() as db:
            return [
                digest
                for digest in digests
                if not db.execute(_SQL["is_named"], (_hex(digest, 64),)).fetchone()
            ]

    def iter_spans(self, trace_id: str) -> Iterator[StoredSpan]:
        """Yield one trace's spans; the store may change meanwhile, what is yielded does not."""
        with self._readers.snapshot() as db:
            key = db.execute(_SQL["trace_key"], (_trace_bytes(trace_id),)).get
            outlines = [Outline(*row) for row in rows(db, _SQL["outline"], (key,))]
            blocks: dict[int, bytes | list[msgspec.Raw]] = {
                number: db.execute(_SQL["block"], (number,)).get
                for number in {row.block for row in outlines}
            }
        now = self._clock()
        for place in depth_first(outlines):
            row = outlines[place.at]
            block = blocks[row.block]
            if isinstance(block, bytes):
                block = blocks[row.block] = bodies.open_block(block)
            yield stored_span(row, block[row.slot], now)

    def get_span(self, trace_id: str, span_id: str) -> StoredSpan:
        """Return one span."""
        with self._readers.snapshot() as db:
            key = db.execute(_SQL["trace_key"], (_trace_bytes(trace_id),)).get
            found = db.execute(_SQL["outline_span"], (key, _span_bytes(span_id))).fetchone()
            if found is None:
                raise NotFound(f"Trace {trace_id} has no span {span_id}.")
            row = Outline(*found)
            block = bodies.open_block(db.execute(_SQL["block"], (row.block,)).get)
        return stored_span(row, block[row.slot], self._clock())

    def get_waterfall(self, trace_id: str) -> Waterfall:
        """Return one trace in columns."""
        with self._readers.snapshot() as db:
            key = db.execute(_SQL["trace_key"], (_trace_bytes(trace_id),)).get
            spans = [WaterfallRow(*row) for row in rows(db, _SQL["waterfall"], (key,))]
        if not spans:
            raise _no_trace(trace_id)
        return _waterfall(trace_id, spans, self._clock())


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= _MAX_LIMIT:
        raise InvalidInput(f"A limit is 1 to {_MAX_LIMIT}, not {limit}.")


def parsed(db: apsw.Connection, query: str | Query) -> Query:
    """Parse a text; bare dotted names are scores that there are, else attributes."""
    if isinstance(query, Query):
        return query

    def is_score(name: str) -> bool:
        return bool(db.execute(_SQL["score_named"], (name,)).fetchone())

    def is_attribute(name: str) -> bool:
        return bool(db.execute(_SQL["field_named"], (f"attr.{name}",)).fetchone())

    return resolve(
        parse(query, TRACES),
        is_score=is_score,
        is_param=lambda _: False,
        is_attribute=is_attribute,
    )


def _waterfall(trace_id: str, spans: list[WaterfallRow], now: int) -> Waterfall:
    places = depth_first(spans)
    ordered = [spans[place.at] for place in places]
    start = min(row.start_ns for row in spans)
    return Waterfall(
        trace_id=trace_id,
        start_ns=start,
        duration_ns=max(row.start_ns + row.duration_ns for row in spans) - start,
        span_ids=[row.span_id.hex() for row in ordered],
        parents=[place.parent for place in places],
        depths=[place.depth for place in places],
        names=[row.name for row in ordered],
        kinds=[KINDS[row.kind].value for row in ordered],
        statuses=[status_at(row.status, row.last_seen_ns, now).value for row in ordered],
        starts=[row.start_ns - start for row in ordered],
        durations=[row.duration_ns for row in ordered],
        models=[row.model for row in ordered],
        agents=[row.agent for row in ordered],
        tokens_in=[row.tokens_in for row in ordered],
        tokens_out=[row.tokens_out for row in ordered],
        costs=[row.cost for row in ordered],
        ttfts=[row.ttft_ns for row in ordered],
        details=[row.detail for row in ordered],
    )


def _experiment(row: tuple[Any, ...], total: Figures) -> ExperimentSummary:
    _, name, slug, traces, errors, first, last = row
    return ExperimentSummary(
        name=name,
        slug=slug,
        trace_count=traces,
        error_count=errors,
        tokens_in=total.tokens.input,
        tokens_out=total.tokens.output,
        cost_usd=total.cost_usd,
        first_ns=first,
        last_ns=last,
    )


def _summary(row: tuple[Any, ...], scores: list[Score], now: int) -> TraceSummary:
    return TraceSummary(
        trace_id=row[0].hex(),
        experiment=row[1],
        run_id=row[2],
        name=row[3],
        root_kind=KINDS[row[4]],
        status=status_at(row[5], row[6], now),
        start_ns=row[7],
        duration_ns=row[8],
        span_count=row[9],
        error_count=row[10],
        models=_models.decode(row[11]),
        tokens_in=row[12],
        tokens_out=row[13],
        cost_usd=row[14],
        input_preview=row[15],
        output_preview=row[16],
        session_id=row[17],
        user_id=row[18],
        tags=_tags.decode(row[19]),
        scores=scores,
    )


def _trace_bytes(trace_id: str) -> bytes:
    return _hex(trace_id, 32)


def _span_bytes(span_id: str) -> bytes:
    return _hex(span_id, 16)


def _hex(text: str, digits: int) -> bytes:
    """Return an id's bytes; what is no id names nothing, so it gives bytes that no row has."""
    try:
        return bytes.fromhex(text) if len(text) == digits else b""
    except ValueError:
        return b""


def _no_trace(trace_id: str) -> NotFound:
    return NotFound(f"There is no trace {trace_id[:80]}. It may have been deleted.")
