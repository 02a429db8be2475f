"""The write path: merge a batch into the traces it touches, in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec
from msgspec.structs import replace

from pellucid.core.preview import detail_of, input_preview, output_preview
from pellucid.core.slug import slug_of
from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import ERROR, INT64_MAX, PENDING
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.index import SearchIndex
from pellucid.storage.spans.sqlite.logs import decode_log, encode_log
from pellucid.storage.spans.sqlite.nodes import Labels, Node, Rank, node_of, rank_of, within
from pellucid.storage.spans.sqlite.open_traces import OpenTrace, OpenTraces
from pellucid.storage.spans.sqlite.recent import RecentSpans
from pellucid.storage.spans.sqlite.rollups import RollupWriter
from pellucid.storage.spans.sqlite.state import Flip
from pellucid.storage.spans.sqlite.statements import statements

Normalise = Callable[[DecodedSpan, Sequence[LogRecord]], Span]
"""Reads a span, with the log records that joined it; pure."""

Row = tuple[Any, ...]
"""The values of a statement, such as `insert_span`."""

_SQL = statements("write")
_json = msgspec.json.Encoder()


class _Change(NamedTuple):
    """A span's new version on its way into the file."""

    node: Node
    arrival: Arrival
    body: bytes
    replaced: Node | None
    """What the file has now."""


class SpanWriter:
    """Merges batches; of one thread at a time, on the store's only writing connection.

    Every method runs inside the caller's transaction. If that fails, the caller calls `forget`.
    """

    def __init__(self, connection: apsw.Connection, normalise: Normalise) -> None:
        self._db = connection
        self._normalise = normalise
        self._packer = bodies.Packer()
        self._traces = OpenTraces(connection)
        self._experiments: dict[str, int] = {}
        self._fresh_labels: list[Row] = []
        self._moves: dict[int, list[int]] = {}
        """Traces and failed ones to be added to experiments."""
        self.rollups = RollupWriter(connection)
        self.index = SearchIndex(connection)
        self.recent = RecentSpans()
        self._load_counters()

    def _load_counters(self) -> None:
        self._last_span: int = self._db.execute(_SQL["load_counter"], ("span",)).get
        self._last_block: int = self._db.execute(_SQL["last_block"]).get
        self._stored_counters = self._traces.last_key, self._last_span

    @property
    def connection(self) -> apsw.Connection:
        """The connection it writes on."""
        return self._db

    def forget(self) -> None:
        """Drop everything in memory, as after a transaction that was rolled back."""
        self._traces.forget()
        self._experiments.clear()
        self._fresh_labels.clear()
        self._moves.clear()
        self.rollups.forget()
        self.index.forget()
        self.recent.clear()
        self._load_counters()

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Merge arrivals into their traces."""
        by_trace: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            by_trace.setdefault(arrival.span.trace_id, []).append(arrival)
        insert: list[Row] = []
        for trace_id, group in by_trace.items():
            trace = self._traces.get(bytes.fromhex(trace_id))
            if trace is not None:
                self._write_trace(trace, group, insert)
        self._finish(insert)

    def write_logs(self, records: Sequence[LogRecord]) -> None:
        """Store log records, and read their spans again where these are here already."""
        self._traces.has_logs = True
        fresh: dict[bytes, set[bytes]] = {}
        for record in records:
            trace_id, span_id = bytes.fromhex(record.trace_id), bytes.fromhex(record.span_id)
            if self._db.execute(_SQL["is_deleted"], (trace_id,)).fetchone():
                continue
            row = (record.digest, trace_id, span_id, encode_log(record))
            self._db.execute(_SQL["insert_log"], row)
            if self._db.changes():
                fresh.setdefault(trace_id, set()).add(span_id)
        insert: list[Row] = []
        for trace_id, span_ids in fresh.items():
            trace = self._traces.find(trace_id)
            if trace is not None:
                trace.logged |= span_ids
                nodes = [n for one in span_ids if (n := trace.state.nodes.get(one)) is not None]
                self._read_again(trace, nodes, insert)
        self._finish(insert)

    def renormalise(self, version: int, limit: int, after: int, prices: bool) -> int:
        """Read up to `limit` spans again that an older normaliser read; with `prices`, any spans.

        Looks from the span row after `after` on; returns the last row it looked at, 0 at the end.
        What is written again gets a new row, so a walk meets it twice; a current span whose
        estimate stays is left where it is, and the walk ends.
        """
        below = INT64_MAX if prices else version
        found = rows(self._db, _SQL["older_spans"], (after, below, limit))
        by_trace: dict[bytes, list[bytes]] = {}
        for _, trace_id, span_id in found:
            by_trace.setdefault(trace_id, []).append(span_id)
        insert: list[Row] = []
        for trace_id, span_ids in by_trace.items():
            trace = self._traces.find(trace_id)
            assert trace is not None, "its span was just found"
            nodes = [trace.state.nodes[span_id] for span_id in span_ids]
            self._read_again(trace, nodes, insert, version)
        self._finish(insert)
        return int(found[-1][0]) if found else 0

    def _run(self, name: str, values: Sequence[Row]) -> None:
        if values:
            self._db.executemany(_SQL[name], values)

    def _finish(self, insert: list[Row]) -> None:
        self._run("insert_span", insert)
        self._run("insert_labels", self._fresh_labels)
        self._fresh_labels.clear()
        moves = [(*sums, number) for number, sums in self._moves.items() if any(sums)]
        self._run("add_to_experiment", moves)
        self._moves.clear()
        counters = self._traces.last_key, self._last_span
        if counters != self._stored_counters:
            self._db.execute(_SQL["set_counter"], (self._traces.last_key, "trace"))
            self._db.execute(_SQL["set_counter"], (self._last_span, "span"))
            self._stored_counters = counters
        self.rollups.flush()
        self._traces.trim()

    # -- one trace ---------------------------------------------------------------------------

    def _write_trace(self, trace: OpenTrace, arrivals: list[Arrival], insert: list[Row]) -> None:
        changes: dict[bytes, _Change] = {}
        seen: dict[bytes, Node] = {}
        before = len(trace.state.nodes)
        for arrival in arrivals:
            self._merge(trace, arrival, changes, seen)
        self._traces.grew(len(trace.state.nodes) - before)
        self._run(
            "set_seen",
            [(node.seen_ns, node.id) for span_id, node in seen.items() if span_id not in changes],
        )
        if changes or seen:
            self._apply(trace, changes, insert)

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
            news = within(arrival.seen_ns, INT64_MAX)
            if news > old.seen_ns:
                old.seen_ns = news
                seen[span_id] = old
            return
        if span_id in trace.logged:
            span = self._normalise(arrival.decoded, self._logs(trace.trace_id, span_id))
            arrival = replace(arrival, span=span)
        self._take(trace, arrival, rank, old, changes)

    def _read_again(
        self,
        trace: OpenTrace,
        nodes: list[Node],
        insert: list[Row],
        version: int | None = None,
    ) -> None:
        """Normalise stored spans anew, by a new normaliser or with new log records."""
        changes: dict[bytes, _Change] = {}
        for node in nodes:
            span_id = node.key[1]
            body = self._load_body(node)
            span = self._normalise(body.decoded, self._logs(trace.trace_id, span_id))
            earlier: int = self._db.execute(_SQL["normaliser_of"], (node.id,)).get
            current = version is not None and earlier >= version
            if current and span.estimated_cost_usd == body.span.estimated_cost_usd:
                continue
            arrival = Arrival(
                decoded=body.decoded,
                span=span,
                digest=node.rank[3],
                attribute_count=node.rank[2],
                seen_ns=node.seen_ns,
                normaliser=earlier if version is None else max(earlier, version),
            )
            self._take(trace, arrival, node.rank, node, changes)
        if changes:
            self._apply(trace, changes, insert)

    def _take(
        self,
        trace: OpenTrace,
        arrival: Arrival,
        rank: Rank,
        old: Node | None,
        changes: dict[bytes, _Change],
    ) -> None:
        """Put a new version of a span into the trace's state."""
        arrival, body = _encodable(arrival)
        span_id = bytes.fromhex(arrival.span.span_id)
        node = node_of(arrival, rank, span_id)
        if old is None:
            trace.state.add(node)
        else:
            node.seen_ns = max(node.seen_ns, old.seen_ns)
            trace.state.replace(old, node)
        earlier = changes.get(span_id)
        stored = old if earlier is None else earlier.replaced
        changes[span_id] = _Change(node, arrival, body, stored)

    def _apply(self, trace: OpenTrace, changes: dict[bytes, _Change], insert: list[Row]) -> None:
        """Bring the file to the trace's new state."""
        flips = [flip for flip in trace.state.settle() if flip.node.key[1] not in changes]
        self._store(trace, list(changes.values()), insert)
        self._run("set_counted", [(flip.node.counted, flip.node.id) for flip in flips])
        experiment = self._experiment(trace.state.root.labels.experiment)
        self._roll_up(trace, experiment, changes, flips)
        self._put_trace(trace, experiment, changes)

    def _roll_up(
        self, trace: OpenTrace, experiment: int, changes: dict[bytes, _Change], flips: list[Flip]
    ) -> None:
        rollups, before = self.rollups, trace.experiment
        for change in changes.values():
            if change.replaced is not None:
                rollups.add(before, change.replaced, change.replaced.counted, -1)
            rollups.add(experiment, change.node, change.node.counted, 1)
        if before in (experiment, 0):
            for flip in flips:
                rollups.flip(experiment, flip.node, flip.before)
            return
        old_bits = {flip.node.key[1]: flip.before for flip in flips}
        for span_id, node in trace.state.nodes.items():
            if span_id not in changes:
                rollups.add(before, node, old_bits.get(span_id, node.counted), -1)
                rollups.add(experiment, node, node.counted, 1)

    def _store(self, trace: OpenTrace, changes: list[_Change], insert: list[Row]) -> None:
        self._drop_replaced(trace, [c.replaced for c in changes if c.replaced is not None])
        start = size = 0
        for number, change in enumerate(changes):
            if number > start and (
                number - start >= bodies.BLOCK_SPANS or size + len(change.body) > bodies.BLOCK_BYTES
            ):
                self._store_block(trace, changes[start:number], insert)
                start, size = number, 0
            size += len(change.body)
        if changes:
            self._store_block(trace, changes[start:], insert)

    def _drop_replaced(self, trace: OpenTrace, replaced: list[Node]) -> None:
        self._run("delete_span", [(node.id,) for node in replaced])
        for node in replaced:
            if node.id <= self.index.watermark:
                self.index.replaced(trace.key, node.id, self._load_packed(node))
            trace.live[node.block] -= 1
            if not trace.live[node.block]:
                del trace.live[node.block]
                self._db.execute(_SQL["delete_block"], (node.block,))

    def _store_block(self, trace: OpenTrace, changes: list[_Change], insert: list[Row]) -> None:
        self._last_block += 1
        block = self._last_block
        content = self._packer.block([change.body for change in changes])
        self._db.execute(_SQL["insert_block"], (block, content))
        trace.live[block] = len(changes)
        for slot, change in enumerate(changes):
            node = change.node
            self._last_span += 1
            node.id, node.block, node.slot = self._last_span, block, slot
            if node.status != PENDING:
                self.recent.keep(node.id, change.arrival, len(change.body))
            insert.append(_row(trace.key, node, change.arrival, self._labels(trace, node.labels)))
            for digest in bodies.attachment_digests(change.body, change.arrival.span):
                self._db.execute(_SQL["insert_attachment"], (trace.key, digest))

    def _labels(self, trace: OpenTrace, labels: Labels) -> int:
        number = trace.labels.get(labels)
        if number is None:
            number = trace.labels[labels] = len(trace.labels)
            content = msgspec.msgpack.encode(labels)
            self._fresh_labels.append((trace.key, number, content))
        return number

    def _put_trace(self, trace: OpenTrace, experiment: int, changes: dict[bytes, _Change]) -> None:
        state, root = trace.state, trace.state.root
        if trace.preview_of != root.id:
            change = changes.get(root.key[1])
            span = change.arrival.span if change is not None else self._load_body(root).span
            trace.previews = (input_preview(span), output_preview(span))
            trace.preview_of = root.id
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
            state.kind_bits,
        )
        self._db.execute(_SQL["put_trace"], row)

    def _move(self, trace: OpenTrace, experiment: int, status: int) -> None:
        """Count the trace where it belongs now; experiment 0 is nowhere."""
        for number, status_then, sign in (
            (trace.experiment, trace.status, -1),
            (experiment, status, 1),
        ):
            if number:
                sums = self._moves.setdefault(number, [0, 0])
                sums[0] += sign
                sums[1] += sign * (status_then == ERROR)
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

    # -- taking away and deriving anew -----------------------------------------------------------

    def delete(self, trace_id: bytes, now: int) -> int:
        """Delete a trace with all that hangs on it, leave a tombstone, return its spans' number.

        `finish_deletions` ends a series of these. A trace that is not there has no spans; it is
        kept out all the same.
        """
        trace = self._traces.find(trace_id)
        self._db.execute(_SQL["insert_tombstone"], (trace_id, now))
        self._traces.has_tombstones = True
        for name in ("delete_scores", "delete_logs"):
            self._db.execute(_SQL[name], (trace_id,))
        if trace is None:
            return 0
        for node in trace.state.nodes.values():
            self.rollups.add(trace.experiment, node, node.counted, -1)
        self._move(trace, 0, 0)
        self.index.delete(trace.key, self._indexed_spans(trace))
        self._db.executemany(_SQL["delete_block"], [(block,) for block in trace.live])
        for name in ("delete_spans", "delete_labels", "delete_attachments", "delete_trace"):
            self._db.execute(_SQL[name], (trace.key,))
        self._traces.drop(trace)
        return len(trace.state.nodes)

    def _indexed_spans(self, trace: OpenTrace) -> Iterator[tuple[int, msgspec.Raw]]:
        by_block: dict[int, list[Node]] = {}
        for node in trace.state.nodes.values():
            if node.id <= self.index.watermark:
                by_block.setdefault(node.block, []).append(node)
        for block, nodes in by_block.items():
            opened = bodies.open_block(self._db.execute(_SQL["load_block"], (block,)).get)
            for node in nodes:
                yield node.id, opened[node.slot]

    def finish_deletions(self) -> None:
        """Put what `delete` took away out of the rollups."""
        self._finish([])

    def derive(self, trace_id: bytes) -> None:
        """Make what schema version 2 added for a trace that an earlier one wrote."""
        trace = self._traces.find(trace_id)
        assert trace is not None, "the caller found it"
        for node in trace.state.nodes.values():
            self.rollups.add(trace.experiment, node, node.counted, 1)
        for block in trace.live:
            for packed in bodies.open_block(self._db.execute(_SQL["load_block"], (block,)).get):
                span = bodies.unpack(packed).span
                for digest in bodies.attachment_digests(bytes(packed), span):
                    self._db.execute(_SQL["insert_attachment"], (trace.key, digest))
        self._finish([])

    def _logs(self, trace_id: bytes, span_id: bytes) -> list[LogRecord]:
        found = rows(self._db, _SQL["logs_of_span"], (trace_id, span_id))
        return [decode_log(content) for (content,) in found]

    def _load_body(self, node: Node) -> bodies.Body:
        return bodies.unpack(self._load_packed(node))

    def _load_packed(self, node: Node) -> msgspec.Raw:
        content = self._db.execute(_SQL["load_block"], (node.block,)).get
        return bodies.open_block(content)[node.slot]


def _encodable(arrival: Arrival) -> tuple[Arrival, bytes]:
    """Return the arrival with its packed body; what has no encoding is replaced first."""
    try:
        return arrival, bodies.pack(arrival.decoded, arrival.span)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        decoded: DecodedSpan = bodies.plain(arrival.decoded)
        span: Span = bodies.plain(arrival.span)
        arrival = replace(arrival, decoded=decoded, span=span)
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
        None if span.ttft_ns is None else within(span.ttft_ns, INT64_MAX),
        node.seen_ns,
        labels,
        node.block,
        node.slot,
        node.rank[1],
        node.rank[2],
        node.rank[3],
        arrival.normaliser,
    )
