"""The span laws of contracts.md §1, slow and obvious: what every engine must agree with.

Everything is computed anew from the set of arrivals that were acknowledged, at every question.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from pellucid.core.preview import input_preview, output_preview
from pellucid.core.span import Arrival, Span, SpanKind, Status
from pellucid.core.trace import TraceSummary

INTERRUPTED_AFTER_NS: Final = 5 * 60 * 1_000_000_000


class ReferenceStore:
    """Remembers all arrivals."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.deleted: set[str] = set()

    def write(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge a batch."""
        self.arrivals += [a for a in arrivals if a.span.trace_id not in self.deleted]

    def delete_trace(self, trace_id: str) -> None:
        """Forget a trace for good."""
        self.deleted.add(trace_id)
        self.arrivals = [a for a in self.arrivals if a.span.trace_id != trace_id]

    def trace_ids(self) -> list[str]:
        """Return the ids of all traces."""
        return sorted({arrival.span.trace_id for arrival in self.arrivals})

    def trace(self, trace_id: str, now: int) -> "ReferenceTrace":
        """Return one trace as it stands."""
        return ReferenceTrace(
            [arrival for arrival in self.arrivals if arrival.span.trace_id == trace_id], now
        )

    def newest(self, now: int, experiment: str | None = None) -> list[TraceSummary]:
        """Return all traces, newest first."""
        traces = [self.trace(trace_id, now).summary() for trace_id in self.trace_ids()]
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
        # Exact, as floats in a row would depend on their order.
        cost = float(sum(map(Fraction, costs.values())))
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
