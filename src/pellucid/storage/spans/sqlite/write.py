"""The write path: merge a batch into the traces it touches, in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from sys import intern
from typing import Any, NamedTuple

import apsw
import msgspec

from pellucid.core.slug import slug_of
from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.blocks import BlockWriter
from pellucid.storage.spans.sqlite.codes import ERROR, INT64_MAX, PENDING
from pellucid.storage.spans.sqlite.connection import insert_many, rows
from pellucid.storage.spans.sqlite.index import SearchIndex
from pellucid.storage.spans.sqlite.logs import decode_log, encode_log
from pellucid.storage.spans.sqlite.nodes import Labels, Node
from pellucid.storage.spans.sqlite.open_traces import OpenTrace, OpenTraces
from pellucid.storage.spans.sqlite.parcels import Item, Parcel, prepare, previews_of, row_of
from pellucid.storage.spans.sqlite.recent import Kept, RecentContents
from pellucid.storage.spans.sqlite.rollups import RollupWriter
from pellucid.storage.spans.sqlite.state import Flip
from pellucid.storage.spans.sqlite.statements import statements

Normalise = Callable[[DecodedSpan, Sequence[LogRecord]], Span]
"""Reads a span, with the log records that joined it; pure."""

Row = tuple[Any, ...]
"""The values of a statement, such as `insert_span`."""

_SQL = statements("write")
_GATHERED = ("insert_span", "insert_labels", "put_trace", "insert_attachment")
"""Statements whose rows are gathered over a transaction, and inserted at its end."""
_json = msgspec.json.Encoder()


class _Change(NamedTuple):
    """A span's new version on its way into the file."""

    item: Item
    parcel: Parcel
    replaced: Node | None
    """What the file has now."""


class SpanWriter:
    """Merges batches; of one thread at a time, on the store's only writing connection.

    Every method runs inside the caller's transaction. If that fails, the caller calls `forget`.
    """

    def __init__(self, connection: apsw.Connection, normalise: Normalise) -> None:
        self._db = connection
        self._blocks = BlockWriter(connection)
        self._normalise = normalise
        self._traces = OpenTraces(connection)
        self._experiments: dict[str, int] = {}
        self._rows: dict[str, list[Row]] = {name: [] for name in _GATHERED}
        self._moves: dict[int, list[int]] = {}
        """Traces and failed ones to be added to experiments."""
        self.rollups = RollupWriter(connection)
        self.index = SearchIndex(connection)
        self.recent = RecentContents()
        self._load_counters()

    def _load_counters(self) -> None:
        self._last_span: int = self._db.execute(_SQL["load_counter"], ("span",)).get
        self._stored_counters = self._traces.last_key, self._last_span

    @property
    def connection(self) -> apsw.Connection:
        """The connection it writes on."""
        return self._db

    def forget(self) -> None:
        """Drop everything in memory, as after a transaction that was rolled back."""
        self._traces.forget()
        self._experiments.clear()
        for gathered in self._rows.values():
            gathered.clear()
        self._moves.clear()
        self._blocks.forget()
        self.rollups.forget()
        self.index.forget()
        self.recent.clear()
        self._load_counters()

    def write(self, parcels: Sequence[Parcel]) -> None:
        """Merge parcels into their traces."""
        by_trace: dict[bytes, list[Parcel]] = {}
        for parcel in parcels:
            by_trace.setdefault(parcel.trace_id, []).append(parcel)
        for trace_id, group in by_trace.items():
            trace = self._traces.get(trace_id)
            if trace is not None:
                self._write_trace(trace, group)
        self._finish()

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
        for trace_id, span_ids in fresh.items():
            trace = self._traces.find(trace_id)
            if trace is not None:
                trace.logged |= span_ids
                nodes = [n for one in span_ids if (n := trace.state.nodes.get(one)) is not None]
                self._read_again(trace, nodes)
        self._finish()

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
        for trace_id, span_ids in by_trace.items():
            trace = self._traces.find(trace_id)
            assert trace is not None, "its span was just found"
            nodes = [trace.state.nodes[span_id] for span_id in span_ids]
            self._read_again(trace, nodes, version)
        self._finish()
        return int(found[-1][0]) if found else 0

    def _insert(self, name: str) -> None:
        insert_many(self._db, _SQL[name], self._rows[name])
        self._rows[name].clear()

    def _run(self, name: str, values: Sequence[Row]) -> None:
        if values:
            self._db.executemany(_SQL[name], values)

    def _finish(self) -> None:
        self._blocks.flush()
        for name in _GATHERED:
            self._insert(name)
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

    def _write_trace(self, trace: OpenTrace, parcels: list[Parcel]) -> None:
        if trace.logged:
            parcels = self._with_logs(trace, parcels)
        changes: dict[bytes, _Change] = {}
        seen: dict[bytes, Node] = {}
        before = len(trace.state.nodes)
        for parcel in parcels:
            for item in parcel.items:
                self._merge(trace, item, parcel, changes, seen)
        self._traces.grew(len(trace.state.nodes) - before)
        self._run(
            "set_seen",
            [(node.seen_ns, node.id) for span_id, node in seen.items() if span_id not in changes],
        )
        if changes or seen:
            self._apply(trace, changes)

    def _with_logs(self, trace: OpenTrace, parcels: list[Parcel]) -> list[Parcel]:
        """Normalise those spans again that log records are waiting for."""
        found: list[Parcel] = []
        for parcel in parcels:
            joined = [item for item in parcel.items if item.node.key[1] in trace.logged]
            if not joined:
                found.append(parcel)
                continue
            found += prepare([self._with_its_logs(trace, parcel, item) for item in joined])
            others = [item for item in parcel.items if item.node.key[1] not in trace.logged]
            if others:
                found.append(parcel.reduced_to(others))
        return found

    def _with_its_logs(self, trace: OpenTrace, parcel: Parcel, item: Item) -> Arrival:
        node = item.node
        decoded = bodies.unpack(bodies.open_block(parcel.blocks[item.block])[item.slot]).decoded
        span = self._normalise(decoded, self._logs(trace.trace_id, node.key[1]))
        return _arrival(node, decoded, span, item.normaliser)

    def _merge(
        self,
        trace: OpenTrace,
        item: Item,
        parcel: Parcel,
        changes: dict[bytes, _Change],
        seen: dict[bytes, Node],
    ) -> None:
        node = item.node
        old = trace.state.nodes.get(node.key[1])
        if old is None or node.rank > old.rank:
            self._take(trace, item, parcel, old, changes)
        elif node.seen_ns > old.seen_ns:
            old.seen_ns = node.seen_ns
            seen[node.key[1]] = old

    def _read_again(
        self,
        trace: OpenTrace,
        nodes: list[Node],
        version: int | None = None,
    ) -> None:
        """Normalise stored spans anew, by a new normaliser or with new log records."""
        arrivals: list[Arrival] = []
        for node in nodes:
            body = self._load_body(node)
            span = self._normalise(body.decoded, self._logs(trace.trace_id, node.key[1]))
            earlier: int = self._db.execute(_SQL["normaliser_of"], (node.id,)).get
            current = version is not None and earlier >= version
            if current and span.estimated_cost_usd == body.span.estimated_cost_usd:
                continue
            normaliser = earlier if version is None else max(earlier, version)
            arrivals.append(_arrival(node, body.decoded, span, normaliser))
        changes: dict[bytes, _Change] = {}
        for parcel in prepare(arrivals):
            for item in parcel.items:
                old = trace.state.nodes[item.node.key[1]]
                item.node.rank = old.rank
                self._take(trace, item, parcel, old, changes)
        if changes:
            self._apply(trace, changes)

    def _take(
        self,
        trace: OpenTrace,
        item: Item,
        parcel: Parcel,
        old: Node | None,
        changes: dict[bytes, _Change],
    ) -> None:
        """Put a new version of a span into the trace's state."""
        node = item.node
        # A transaction that failed may have had it before.
        node.counted, node.usage_below, node.cost_below = 0, False, False
        # Kept for long, in thousands, and few of them differ.
        node.name = intern(node.name)
        node.model = intern(node.model) if node.model is not None else None
        if old is None:
            trace.state.add(node)
        else:
            node.seen_ns = max(node.seen_ns, old.seen_ns)
            trace.state.replace(old, node)
        earlier = changes.get(node.key[1])
        changes[node.key[1]] = _Change(item, parcel, old if earlier is None else earlier.replaced)

    def _apply(self, trace: OpenTrace, changes: dict[bytes, _Change]) -> None:
        """Bring the file to the trace's new state."""
        flips = [flip for flip in trace.state.settle() if flip.node.key[1] not in changes]
        self._store(trace, list(changes.values()))
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
            rollups.add(experiment, change.item.node, change.item.node.counted, 1)
        if before in (experiment, 0):
            for flip in flips:
                rollups.flip(experiment, flip.node, flip.before)
            return
        old_bits = {flip.node.key[1]: flip.before for flip in flips}
        for span_id, node in trace.state.nodes.items():
            if span_id not in changes:
                rollups.add(before, node, old_bits.get(span_id, node.counted), -1)
                rollups.add(experiment, node, node.counted, 1)

    def _store(self, trace: OpenTrace, changes: list[_Change]) -> None:
        self._drop_replaced(trace, [c.replaced for c in changes if c.replaced is not None])
        by_parcel: dict[int, tuple[Parcel, list[Item]]] = {}
        for item, parcel, _ in changes:
            by_parcel.setdefault(id(parcel), (parcel, []))[1].append(item)
        for parcel, items in by_parcel.values():
            # What lost against another version takes no room.
            whole = len(items) == len(parcel)
            self._store_parcel(trace, parcel if whole else parcel.reduced_to(items))

    def _drop_replaced(self, trace: OpenTrace, replaced: list[Node]) -> None:
        self._run("delete_span", [(node.id,) for node in replaced])
        for node in replaced:
            if node.id <= self.index.watermark:
                self.index.replaced(trace.key, node.id, self._load_packed(node))
            trace.live[node.block] -= 1
            last = not trace.live[node.block]
            if last:
                del trace.live[node.block]
            if last or node.status != PENDING:  # these are in no shared block
                self._blocks.take_out(node.block, (node.slot,), last=last)

    def _store_parcel(self, trace: OpenTrace, parcel: Parcel) -> None:
        first = self._last_span + 1
        slots = [item.slot for item in parcel.items]  # a block that is shared is the only one
        numbers = [self._blocks.add(content, slots) for content in parcel.blocks]
        for item in parcel.items:
            node = item.node
            self._last_span += 1
            node.id, node.block, node.slot = self._last_span, numbers[item.block], item.slot
            trace.live[node.block] = trace.live.get(node.block, 0) + 1
            row = row_of(item, trace.key, self._labels(trace, node.labels))
            self._rows["insert_span"].append(row)
            self._rows["insert_attachment"] += [(trace.key, one) for one in item.attachments]
        if parcel.contents:
            self.recent.keep(Kept(trace.key, first, self._last_span, parcel.contents))

    def _labels(self, trace: OpenTrace, labels: Labels) -> int:
        number = trace.labels.get(labels)
        if number is None:
            number = trace.labels[labels] = len(trace.labels)
            content = msgspec.msgpack.encode(labels)
            self._rows["insert_labels"].append((trace.key, number, content))
        return number

    def _put_trace(self, trace: OpenTrace, experiment: int, changes: dict[bytes, _Change]) -> None:
        state, root = trace.state, trace.state.root
        if trace.preview_of != root.id:
            change = changes.get(root.key[1])
            previews = change.item.previews if change is not None else None
            trace.previews = previews or previews_of(self._load_body(root).span)
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
        self._rows["put_trace"].append(row)

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
        self._take_out_all(trace)
        for name in ("delete_spans", "delete_labels", "delete_attachments", "delete_trace"):
            self._db.execute(_SQL[name], (trace.key,))
        self._traces.drop(trace)
        return len(trace.state.nodes)

    def _take_out_all(self, trace: OpenTrace) -> None:
        slots: dict[int, list[int]] = {}
        for node in trace.state.nodes.values():
            slots.setdefault(node.block, []).append(node.slot)
        for block, taken in slots.items():
            self._blocks.take_out(block, taken, last=True)

    def _indexed_spans(self, trace: OpenTrace) -> Iterator[tuple[int, msgspec.Raw]]:
        by_block: dict[int, list[Node]] = {}
        for node in trace.state.nodes.values():
            if node.id <= self.index.watermark:
                by_block.setdefault(node.block, []).append(node)
        for block, nodes in by_block.items():
            opened = self._blocks.open(block)
            for node in nodes:
                yield node.id, opened[node.slot]

    def finish_deletions(self) -> None:
        """Put what `delete` took away out of the rollups."""
        self._finish()

    def derive(self, trace_id: bytes) -> None:
        """Make what schema version 2 added for a trace that an earlier one wrote."""
        trace = self._traces.find(trace_id)
        assert trace is not None, "the caller found it"
        for node in trace.state.nodes.values():
            self.rollups.add(trace.experiment, node, node.counted, 1)
        for block in trace.live:
            for packed in self._blocks.open(block):
                span = bodies.unpack(packed).span
                for digest in bodies.attachment_digests(bytes(packed), span):
                    self._db.execute(_SQL["insert_attachment"], (trace.key, digest))
        self._finish()

    def _logs(self, trace_id: bytes, span_id: bytes) -> list[LogRecord]:
        found = rows(self._db, _SQL["logs_of_span"], (trace_id, span_id))
        return [decode_log(content) for (content,) in found]

    def _load_body(self, node: Node) -> bodies.Body:
        return bodies.unpack(self._load_packed(node))

    def _load_packed(self, node: Node) -> msgspec.Raw:
        return self._blocks.open(node.block)[node.slot]


def _arrival(node: Node, decoded: DecodedSpan, span: Span, normaliser: int) -> Arrival:
    """Return a span that was read again as if it arrived so."""
    return Arrival(
        decoded=decoded,
        span=span,
        digest=node.rank[3],
        attribute_count=node.rank[2],
        seen_ns=node.seen_ns,
        normaliser=normaliser,
    )
