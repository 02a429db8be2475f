"""The write path: merge a batch into the traces it touches, in one transaction."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from pellucid.core.clock import Clock
from pellucid.core.preview import detail_of, input_preview, output_preview
from pellucid.core.slug import slug_of
from pellucid.core.span import Arrival, DecodedSpan, Span
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import ERROR, INT64_MAX, PENDING
from pellucid.storage.spans.sqlite.state import (
    NO_TOKENS,
    Labels,
    Node,
    TokenCounts,
    TraceState,
    node_of,
    rank_of,
)
from pellucid.storage.spans.sqlite.statements import statements

CACHED_SPANS: Final = 40_000
"""Spans of traces that are kept in memory between batches."""

_SQL = statements("write")
_labels_decoder = msgspec.msgpack.Decoder(Labels)
_json = msgspec.json.Encoder()


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


class _Change:
    """A span's new version on its way into the file."""

    __slots__ = ("arrival", "body", "node", "replaced")

    def __init__(self, node: Node, arrival: Arrival, body: bytes, replaced: Node | None) -> None:
        self.node = node
        self.arrival = arrival
        self.body = body
        self.replaced = replaced


class SpanWriter:
    """Merges batches; of one thread at a time, on the store's only writing connection.

    `write` runs inside the caller's transaction. If that fails, the caller calls `forget`.
    """

    def __init__(self, connection: apsw.Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock
        self._packer = bodies.Packer()
        self._open: OrderedDict[bytes, OpenTrace] = OrderedDict()
        self._cached = 0
        self._experiments: dict[str, int] = {}
        self._load_counters()

    def _load_counters(self) -> None:
        self._last_trace, self._last_span, self._last_block = self._db.execute(
            _SQL["load_counters"]
        ).get

    def forget(self) -> None:
        """Drop everything in memory, as after a transaction that was rolled back."""
        self._open.clear()
        self._cached = 0
        self._experiments.clear()
        self._load_counters()

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Merge arrivals into their traces."""
        by_trace: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            by_trace.setdefault(arrival.span.trace_id, []).append(arrival)
        before = self._last_trace, self._last_span
        rows: list[tuple[Any, ...]] = []
        for trace_id, group in by_trace.items():
            trace = self._trace(bytes.fromhex(trace_id))
            if trace is not None:
                self._write_trace(trace, group, rows)
        if rows:
            self._db.executemany(_SQL["insert_span"], rows)
        for name, value, old in (
            ("trace", self._last_trace, before[0]),
            ("span", self._last_span, before[1]),
        ):
            if value != old:
                self._db.execute(_SQL["set_counter"], (value, name))
        self._trim()

    # -- one trace ---------------------------------------------------------------------------

    def _write_trace(
        self, trace: OpenTrace, arrivals: list[Arrival], rows: list[tuple[Any, ...]]
    ) -> None:
        changes: dict[bytes, _Change] = {}
        seen: dict[bytes, Node] = {}
        self._cached -= len(trace.state.nodes)
        for arrival in arrivals:
            self._merge(trace, arrival, changes, seen)
        self._cached += len(trace.state.nodes)
        flipped = trace.state.settle()
        if changes:
            self._store(trace, list(changes.values()), rows)
        self._db.executemany(
            _SQL["set_counted"],
            [(node.counted, node.id) for node in flipped if node.key[1] not in changes],
        )
        self._db.executemany(
            _SQL["set_seen"],
            [(node.seen_ns, node.id) for span_id, node in seen.items() if span_id not in changes],
        )
        if changes or flipped or seen:
            self._put_trace(trace, changes)

    def _merge(
        self,
        trace: OpenTrace,
        arrival: Arrival,
        changes: dict[bytes, _Change],
        seen: dict[bytes, Node],
    ) -> None:
        span_id = bytes.fromhex(arrival.span.span_id)
        rank = rank_of(arrival)
        old = trace.state.nodes.get(span_id)
        if old is not None and rank <= old.rank:
            news = min(max(arrival.seen_ns, 0), INT64_MAX)
            if news > old.seen_ns:
                old.seen_ns = news
                seen[span_id] = old
            return
        arrival, body = _encodable(arrival)
        node = node_of(arrival, rank, span_id)
        stored = old
        if old is None:
            trace.state.add(node)
        else:
            node.seen_ns = max(node.seen_ns, old.seen_ns)
            trace.state.replace(old, node)
            earlier = changes.get(span_id)
            stored = earlier.replaced if earlier is not None else old
        changes[span_id] = _Change(node, arrival, body, stored)

    def _store(self, trace: OpenTrace, changes: list[_Change], rows: list[tuple[Any, ...]]) -> None:
        self._drop_replaced(trace, [c.replaced for c in changes if c.replaced is not None])
        start = size = 0
        for number, change in enumerate(changes):
            if number > start and (
                number - start >= bodies.BLOCK_SPANS or size + len(change.body) > bodies.BLOCK_BYTES
            ):
                self._store_block(trace, changes[start:number], rows)
                start, size = number, 0
            size += len(change.body)
        self._store_block(trace, changes[start:], rows)

    def _drop_replaced(self, trace: OpenTrace, replaced: list[Node]) -> None:
        if not replaced:
            return
        self._db.executemany(_SQL["delete_span"], [(node.id,) for node in replaced])
        for node in replaced:
            trace.live[node.block] -= 1
            if not trace.live[node.block]:
                del trace.live[node.block]
                self._db.execute(_SQL["delete_block"], (node.block,))

    def _store_block(
        self, trace: OpenTrace, changes: list[_Change], rows: list[tuple[Any, ...]]
    ) -> None:
        self._last_block += 1
        block = self._last_block
        content = self._packer.block([change.body for change in changes])
        self._db.execute(_SQL["insert_block"], (block, content))
        trace.live[block] = len(changes)
        for slot, change in enumerate(changes):
            node = change.node
            self._last_span += 1
            node.id, node.block, node.slot = self._last_span, block, slot
            rows.append(_row(trace.key, node, change.arrival, self._labels(trace, node.labels)))

    def _labels(self, trace: OpenTrace, labels: Labels) -> int:
        number = trace.labels.get(labels)
        if number is None:
            number = trace.labels[labels] = len(trace.labels)
            content = msgspec.msgpack.encode(labels)
            self._db.execute(_SQL["insert_labels"], (trace.key, number, content))
        return number

    def _put_trace(self, trace: OpenTrace, changes: dict[bytes, _Change]) -> None:
        state, root = trace.state, trace.state.root
        if trace.preview_of != root.id:
            change = changes.get(root.key[1])
            span = change.arrival.span if change is not None else self._load_span(root)
            trace.previews = (input_preview(span), output_preview(span))
            trace.preview_of = root.id
        experiment = self._experiment(root.labels.experiment)
        session, user, tags = state.shared()
        status = state.status
        self._move(trace, experiment, status)
        row = (
            trace.key,
            trace.trace_id,
            experiment,
            state.start_ns,
            state.end_ns - state.start_ns,
            status,
            state.pending_seen_ns,
            root.kind,
            len(state.nodes),
            state.error_count,
            min(state.tokens_in, INT64_MAX),
            min(state.tokens_out, INT64_MAX),
            state.cost,
            root.name,
            root.labels.run_id,
            session,
            user,
            _json.encode(sorted(m for m, count in state.models.items() if count)).decode(),
            _json.encode(tags).decode(),
            *trace.previews,
        )
        self._db.execute(_SQL["put_trace"], row)

    def _move(self, trace: OpenTrace, experiment: int, status: int) -> None:
        """Count the trace where it belongs now."""
        if trace.experiment != experiment or (trace.status == ERROR) != (status == ERROR):
            add = _SQL["add_to_experiment"]
            if trace.experiment:
                self._db.execute(add, (-1, -(trace.status == ERROR), trace.experiment))
            self._db.execute(add, (1, int(status == ERROR), experiment))
        trace.experiment, trace.status = experiment, status

    def _experiment(self, name: str) -> int:
        found = self._experiments.get(name)
        if found is None:
            found = self._db.execute(_SQL["find_experiment"], (name,)).get
            if found is None:
                self._db.execute(_SQL["insert_experiment"], (name, slug_of(name)))
                found = self._db.last_insert_rowid()
            if len(self._experiments) > 1000:
                self._experiments.clear()
            self._experiments[name] = found
        return int(found)

    # -- traces in memory ----------------------------------------------------------------------

    def _trace(self, trace_id: bytes) -> OpenTrace | None:
        """Return a trace, loaded or new; None if it was deleted."""
        trace = self._open.get(trace_id)
        if trace is not None:
            self._open.move_to_end(trace_id)
            return trace
        row = self._db.execute(_SQL["find_trace"], (trace_id,)).fetchone()
        if row is not None:
            trace = self._load(trace_id, *row)
        elif self._db.execute(_SQL["is_deleted"], (trace_id,)).fetchone():
            return None
        else:
            self._last_trace += 1
            trace = OpenTrace(self._last_trace, trace_id)
        self._open[trace_id] = trace
        return trace

    def _load(self, trace_id: bytes, key: int, experiment: int, status: int) -> OpenTrace:
        trace = OpenTrace(key, trace_id)
        trace.experiment, trace.status = experiment, status
        by_number: dict[int, Labels] = {}
        for number, content in self._db.execute(_SQL["load_labels"], (key,)):
            by_number[number] = _labels_decoder.decode(content)
        trace.labels = {labels: number for number, labels in by_number.items()}
        for row in self._db.execute(_SQL["load_nodes"], (key,)):
            node = _node(row, by_number)
            trace.state.load(node)
            trace.live[node.block] = trace.live.get(node.block, 0) + 1
        trace.state.settle()
        trace.previews = self._db.execute(_SQL["load_previews"], (key,)).get
        trace.preview_of = trace.state.root.id
        self._cached += len(trace.state.nodes)
        return trace

    def _load_span(self, node: Node) -> Span:
        content = self._db.execute(_SQL["load_block"], (node.block,)).get
        return bodies.unpack(bodies.open_block(content)[node.slot]).span

    def _trim(self) -> None:
        while self._cached > CACHED_SPANS and len(self._open) > 1:
            _, trace = self._open.popitem(last=False)
            self._cached -= len(trace.state.nodes)


def _encodable(arrival: Arrival) -> tuple[Arrival, bytes]:
    """Return the arrival with its packed body; what has no encoding is replaced first."""
    try:
        return arrival, bodies.pack(arrival.decoded, arrival.span)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        decoded: DecodedSpan = bodies.plain(arrival.decoded)
        span: Span = bodies.plain(arrival.span)
        arrival = msgspec.structs.replace(arrival, decoded=decoded, span=span)
        return arrival, bodies.pack(decoded, span)


def _row(trace: int, node: Node, arrival: Arrival, labels: int) -> tuple[Any, ...]:
    span = arrival.span
    start, span_id = node.key
    return (
        node.id,
        trace,
        span_id,
        node.parent_id,
        start,
        node.duration_ns,
        node.kind,
        node.status,
        node.counted,
        node.name,
        detail_of(span),
        node.model,
        span.provider,
        span.agent,
        *node.tokens,
        node.cost,
        node.estimate,
        None if span.ttft_ns is None else min(max(span.ttft_ns, 0), INT64_MAX),
        node.seen_ns,
        labels,
        node.block,
        node.slot,
        node.rank[1],
        node.rank[2],
        node.rank[3],
        arrival.normaliser,
    )


def _node(row: tuple[Any, ...], labels: dict[int, Labels]) -> Node:
    node = Node()
    (
        node.id,
        span_id,
        node.parent_id,
        start,
        node.duration_ns,
        node.kind,
        node.status,
        node.counted,
        node.name,
        node.model,
        *tokens,
        node.cost,
        node.estimate,
        node.seen_ns,
        number,
        node.block,
        node.slot,
        end,
        count,
        digest,
    ) = row
    node.key = (start, span_id)
    node.rank = (node.status != PENDING, end, count, digest)
    node.tokens = TokenCounts(*tokens) if any(tokens) else NO_TOKENS
    node.usage = node.status != PENDING and node.tokens is not NO_TOKENS
    node.labels = labels[number]
    node.usage_below = node.cost_below = False
    return node
