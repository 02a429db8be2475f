"""Traces that are being written to, kept in memory between batches."""

from collections import OrderedDict
from typing import Any, Final

import apsw
import msgspec

from pellucid.storage.spans.sqlite.codes import PENDING
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.nodes import NO_TOKENS, Labels, Node, TokenCounts
from pellucid.storage.spans.sqlite.state import TraceState
from pellucid.storage.spans.sqlite.statements import statements

CACHED_SPANS: Final = 40_000
"""Spans of all traces in memory, about 35 MB; one trace may be larger."""

_SQL = statements("write")
_decode_labels = msgspec.msgpack.Decoder(Labels).decode


class OpenTrace:
    """A trace in memory, and where it stands in the file."""

    def __init__(self, key: int, trace_id: bytes) -> None:
        self.key = key
        self.trace_id = trace_id
        self.state = TraceState()
        self.experiment = 0
        """Row id of the experiment it is counted in; 0 while it is in none."""
        self.status = 0
        self.previews: tuple[str | None, str | None] = (None, None)
        self.preview_of = 0
        """Row id of the span that `previews` came from."""
        self.labels: dict[Labels, int] = {}
        self.live: dict[int, int] = {}
        """Spans that each block still holds a current version of."""
        self.logged: set[bytes] = set()
        """Ids of spans that have log records."""


class OpenTraces:
    """Loads traces from the writing connection, inside the caller's transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._traces: OrderedDict[bytes, OpenTrace] = OrderedDict()
        self._spans = 0
        # Most stores have none of either, and need not be asked for each new trace.
        self.has_logs = True
        self.has_tombstones = True
        self._look()

    def _look(self) -> None:
        self.last_key: int = self._db.execute(_SQL["load_counter"], ("trace",)).get
        """The last key given to a trace."""
        self.has_logs = bool(self._db.execute(_SQL["any_log"]).fetchone())
        self.has_tombstones = bool(self._db.execute(_SQL["any_tombstone"]).fetchone())

    def forget(self) -> None:
        """Drop everything in memory, as after a transaction that was rolled back."""
        self._traces.clear()
        self._spans = 0
        self._look()

    def find(self, trace_id: bytes) -> OpenTrace | None:
        """Return a trace, loaded; None if the store has none of that id."""
        trace = self._traces.get(trace_id)
        if trace is not None:
            self._traces.move_to_end(trace_id)
            return trace
        row = self._db.execute(_SQL["find_trace"], (trace_id,)).fetchone()
        if row is None:
            return None
        trace = self._traces[trace_id] = self._load(trace_id, *row)
        return trace

    def get(self, trace_id: bytes) -> OpenTrace | None:
        """Return a trace, loaded or new; None if it was deleted."""
        trace = self.find(trace_id)
        if trace is not None:
            return trace
        if self.has_tombstones and rows(self._db, _SQL["is_deleted"], (trace_id,)):
            return None
        self.last_key += 1
        trace = self._traces[trace_id] = OpenTrace(self.last_key, trace_id)
        self._load_logged(trace)
        return trace

    def grew(self, spans: int) -> None:
        """Take note that open traces hold so many spans more."""
        self._spans += spans

    def drop(self, trace: OpenTrace) -> None:
        """Let go of a trace that was deleted."""
        del self._traces[trace.trace_id]
        self._spans -= len(trace.state.nodes)

    def trim(self) -> None:
        """Let go of the traces that were longest not written to."""
        while self._spans > CACHED_SPANS and len(self._traces) > 1:
            _, trace = self._traces.popitem(last=False)
            self._spans -= len(trace.state.nodes)

    def _load(self, trace_id: bytes, key: int, experiment: int, status: int) -> OpenTrace:
        trace = OpenTrace(key, trace_id)
        trace.experiment, trace.status = experiment, status
        by_number: dict[int, Labels] = {}
        for number, content in rows(self._db, _SQL["load_labels"], (key,)):
            by_number[number] = _decode_labels(content)
        trace.labels = {labels: number for number, labels in by_number.items()}
        for row in rows(self._db, _SQL["load_nodes"], (key,)):
            node = _node(row, by_number)
            trace.state.load(node)
            trace.live[node.block] = trace.live.get(node.block, 0) + 1
        trace.state.settle()
        self._load_logged(trace)
        trace.previews = self._db.execute(_SQL["load_previews"], (key,)).get
        trace.preview_of = trace.state.root.id
        self._spans += len(trace.state.nodes)
        return trace

    def _load_logged(self, trace: OpenTrace) -> None:
        if self.has_logs:
            found = rows(self._db, _SQL["logged_spans"], (trace.trace_id,))
            trace.logged = {span_id for (span_id,) in found}


def _node(row: tuple[Any, ...], labels: dict[int, Labels]) -> Node:
    (
        number,
        span_id,
        parent_id,
        start,
        duration,
        kind,
        status,
        counted,
        name,
        model,
        *figures,
        cost,
        estimate,
        seen,
        label,
        block,
        slot,
        end,
        count,
        digest,
    ) = row
    tokens = TokenCounts(*figures) if any(figures) else NO_TOKENS
    return Node(
        id=number,
        key=(start, span_id),
        parent_id=parent_id,
        rank=(status != PENDING, end, count, digest),
        seen_ns=seen,
        duration_ns=duration,
        kind=kind,
        status=status,
        counted=counted,
        name=name,
        model=model,
        tokens=tokens,
        usage=status != PENDING and tokens is not NO_TOKENS,
        cost=cost,
        estimate=estimate,
        labels=labels[label],
        block=block,
        slot=slot,
    )
