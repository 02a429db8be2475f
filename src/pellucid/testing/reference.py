"""The span laws of contracts.md §1, slow and obvious: what every engine must agree with.

Everything is computed anew from the set of arrivals that were acknowledged, at every question.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from pellucid.core.preview import input_preview, output_preview
from pellucid.core.rollup import ATTO, Figures, attodollars, latency_bucket
from pellucid.core.score import Score
from pellucid.core.span import Arrival, DecodedSpan, LogRecord, Span, SpanKind, Status, Tokens
from pellucid.core.trace import TraceSummary
from pellucid.testing.spans import toy_normalise

MINUTE_NS: Final = 60 * 1_000_000_000
INTERRUPTED_AFTER_NS: Final = 5 * 60 * 1_000_000_000


class CellKey(NamedTuple):
    """A cell of the rollups by minute."""

    experiment: str
    minute: int
    kind: SpanKind
    model: str | None


Normalise = Callable[[DecodedSpan, Sequence[LogRecord]], Span]


class ReferenceStore:
    """Remembers all arrivals, log records and scores."""

    def __init__(self, normalise: Normalise = toy_normalise) -> None:
        self.arrivals: list[Arrival] = []
        self.logs: dict[bytes, LogRecord] = {}
        self.scores: dict[str, Score] = {}
        self.deleted: set[str] = set()
        self._normalise = normalise

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge a batch."""
        self.arrivals += [a for a in arrivals if a.span.trace_id not in self.deleted]

    def write_logs(self, records: Sequence[LogRecord]) -> None:
        """Acknowledge log records."""
        for record in records:
            if record.trace_id not in self.deleted:
                self.logs.setdefault(record.digest, record)

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Acknowledge scores on traces and spans."""
        for score in scores:
            if score.trace_id not in self.deleted:
                self.scores.setdefault(score.id, score)

    def delete_trace(self, trace_id: str) -> None:
        """Forget a trace for good."""
        self.deleted.add(trace_id)
        self.arrivals = [a for a in self.arrivals if a.span.trace_id != trace_id]
        self.logs = {d: r for d, r in self.logs.items() if r.trace_id != trace_id}
        self.scores = {i: s for i, s in self.scores.items() if s.trace_id != trace_id}

    def latest_scores(self, trace_id: str) -> list[Score]:
        """Return the latest scores of a trace and its spans by name."""
        latest: dict[tuple[object, ...], Score] = {}
        for score in self.scores.values():
            if score.trace_id == trace_id:
                key = (score.span_id, score.name, score.source, score.author)
                rival = latest.get(key, score)
                latest[key] = max(score, rival, key=lambda one: (one.time_ns, one.id))
        return sorted(latest.values(), key=lambda one: (one.name, one.time_ns, one.id))

    def rollups(self, now: int) -> dict[CellKey, Figures]:
        """Return what every cell of a minute holds."""
        cells: dict[CellKey, list[tuple[Span, bool, float | None]]] = {}
        for trace_id in self.trace_ids():
            trace = self.trace(trace_id, now)
            counted, costs, experiment = trace.counted(), trace.costs(), trace.root().experiment
            for span in trace.spans.values():
                if not span.pending:
                    minute = span.start_ns // MINUTE_NS
                    key = CellKey(experiment, minute, span.kind, span.model)
                    entry = (span, span.span_id in counted, costs.get(span.span_id))
                    cells.setdefault(key, []).append(entry)
        return {key: _figures(entries) for key, entries in cells.items()}

    def trace_ids(self) -> list[str]:
        """Return the ids of all traces."""
        return sorted({arrival.span.trace_id for arrival in self.arrivals})

    def trace(self, trace_id: str, now: int) -> "ReferenceTrace":
        """Return one trace as it stands."""
        return ReferenceTrace(
            [self._read(a) for a in self.arrivals if a.span.trace_id == trace_id], now
        )

    def _read(self, arrival: Arrival) -> Arrival:
        target = (arrival.span.trace_id, arrival.span.span_id)
        logs = [r for r in self.logs.values() if (r.trace_id, r.span_id) == target]
        if not logs:
            return arrival
        return replace(arrival, span=self._normalise(arrival.decoded, logs))

    def newest(self, now: int, experiment: str | None = None) -> list[TraceSummary]:
        """Return all traces, newest first."""
        traces = [
            replace(self.trace(trace_id, now).summary(), scores=self.latest_scores(trace_id))
            for trace_id in self.trace_ids()
        ]
        return sorted(
            (t for t in traces if experiment is None or t.experiment == experiment),
            key=lambda trace: (trace.start_ns, trace.trace_id),
            reverse=True,
        )


class ReferenceTrace:
    """One trace, from all that arrived of it."""

    def __init__(self, arrivals: Iterable[Arrival], now: int) -> None:
        best: dict[str, Arrival] = {}
        self.last_seen: dict[str, int] = {}
        for arrival in arrivals:
            span_id = arrival.span.span_id
            if span_id not in best or _rank(arrival) > _rank(best[span_id]):
                best[span_id] = arrival
            self.last_seen[span_id] = max(self.last_seen.get(span_id, 0), arrival.seen_ns)
        self.arrivals = best
        self.spans: dict[str, Span] = {
            span_id: replace(
                arrival.span, status=self._status(arrival.span, self.last_seen[span_id], now)
            )
            for span_id, arrival in best.items()
        }

    @staticmethod
    def _status(span: Span, last_seen: int, now: int) -> Status:
        if not span.pending:
            return span.status
        return Status.INTERRUPTED if now - last_seen > INTERRUPTED_AFTER_NS else Status.RUNNING

    def in_order(self) -> list[Span]:
        """Return the merged spans by (start, span id)."""
        return sorted(self.spans.values(), key=lambda span: (span.start_ns, span.span_id))

    def root(self) -> Span:
        """Return the least parentless span, else the least of all."""
        order = self.in_order()
        return next((span for span in order if not span.parent_id), order[0])

    def _ancestors(self, span: Span) -> list[Span]:
        """Return a span's ancestors, nearest first, up to where parents run in a circle."""
        found: list[Span] = []
        at = self.spans.get(span.parent_id)
        while at is not None and not self._in_circle(at):
            found.append(at)
            at = self.spans.get(at.parent_id)
        return found

    def _in_circle(self, span: Span) -> bool:
        at = self.spans.get(span.parent_id)
        for _ in self.spans:
            if at is None:
                return False
            if at.span_id == span.span_id:
                return True
            at = self.spans.get(at.parent_id)
        return False

    def counted(self) -> set[str]:
        """Return the spans whose tokens are in the totals."""
        carriers = [s for s in self.spans.values() if not s.pending and s.tokens.has_usage]
        above = {ancestor.span_id for span in carriers for ancestor in self._ancestors(span)}
        return {span.span_id for span in carriers} - above

    def costs(self) -> dict[str, float]:
        """Return the counted cost of each span that has one."""
        carriers = [
            s for s in self.spans.values() if not s.pending and s.cost_usd and s.cost_usd > 0
        ]
        above = {ancestor.span_id for span in carriers for ancestor in self._ancestors(span)}
        reported = {s.span_id: s.cost_usd for s in carriers if s.span_id not in above}
        costs = {span_id: cost for span_id, cost in reported.items() if cost is not None}
        for span_id in self.counted():
            span = self.spans[span_id]
            if span.cost_usd is not None or span.estimated_cost_usd is None or span_id in above:
                continue
            if any(ancestor.span_id in reported for ancestor in self._ancestors(span)):
                continue
            costs[span_id] = span.estimated_cost_usd
        return costs

    def status(self) -> Status:
        """Return the trace's status."""
        statuses = {span.status for span in self.spans.values()}
        for status in (Status.RUNNING, Status.INTERRUPTED):
            if status in statuses:
                return status
        return self.root().status

    def summary(self) -> TraceSummary:
        """Return the trace's fields; scores are left out."""
        order, root, counted, costs = self.in_order(), self.root(), self.counted(), self.costs()
        tags: dict[str, str] = {}
        for span in order:
            tags = {**span.tags, **tags}
        start = min(span.start_ns for span in order)
        cost = sum(map(attodollars, costs.values())) / ATTO
        return TraceSummary(
            trace_id=root.trace_id,
            experiment=root.experiment,
            run_id=root.run_id,
            name=root.name,
            root_kind=SpanKind(root.kind),
            status=self.status(),
            start_ns=start,
            duration_ns=max(span.start_ns + span.duration_ns for span in order) - start,
            span_count=len(order),
            error_count=sum(not s.pending and s.status is Status.ERROR for s in order),
            models=sorted({span.model for span in order if span.model is not None}),
            tokens_in=sum(self.spans[span_id].tokens.input for span_id in counted),
            tokens_out=sum(self.spans[span_id].tokens.output for span_id in counted),
            cost_usd=cost if costs else None,
            input_preview=input_preview(root),
            output_preview=output_preview(root),
            session_id=next((s.session_id for s in (root, *order) if s.session_id), None),
            user_id=next((s.user_id for s in (root, *order) if s.user_id), None),
            tags=tags,
            scores=[],
        )


def _rank(arrival: Arrival) -> tuple[bool, int, int, bytes]:
    return (
        not arrival.span.pending,
        arrival.decoded.end_ns,
        arrival.attribute_count,
        arrival.digest,
    )


def _figures(entries: list[tuple[Span, bool, float | None]]) -> Figures:
    costs = [cost for _, _, cost in entries if cost is not None]
    tokens = [span.tokens for span, counted, _ in entries if counted]
    return Figures(
        count=len(entries),
        error_count=sum(span.status is Status.ERROR for span, _, _ in entries),
        tokens=Tokens(
            **{name: sum(getattr(one, name) for one in tokens) for name in Tokens.__struct_fields__}
        ),
        cost_usd=sum(map(attodollars, costs)) / ATTO if costs else None,
        latency=dict(Counter(latency_bucket(span.duration_ns) for span, _, _ in entries)),
    )
