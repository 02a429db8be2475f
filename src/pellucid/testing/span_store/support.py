"""What the contract's files share."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from msgspec.structs import replace

from pellucid.core.ports import SpanStore
from pellucid.core.rollup import Figures
from pellucid.core.span import StoredSpan
from pellucid.core.trace import TraceSummary
from pellucid.testing.reference import MINUTE_NS, CellKey, ReferenceStore
from pellucid.testing.spans import START


class Clock:
    """A clock that tests set; it starts at `spans.START`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        """Return the time."""
        return self.now


Reopen = Callable[[], Any]
"""Closes the store that was opened last and opens its data again."""

Fresh = Callable[[Clock], AbstractContextManager[SpanStore]]
"""Opens an empty store that reads a clock, and closes it in the end."""


def all_traces(
    store: SpanStore, query: str = "", experiment: str | None = None
) -> list[TraceSummary]:
    """Return all pages of a list."""
    found: list[TraceSummary] = []
    cursor = None
    while True:
        page = store.list_traces(experiment=experiment, query=query, limit=1000, cursor=cursor)
        found += page.traces
        cursor = page.next
        if cursor is None:
            return found


def assert_agrees(store: SpanStore, reference: ReferenceStore, now: int) -> None:
    """Compare all that a store says with a recomputation from what was acknowledged."""
    assert all_traces(store) == reference.newest(now)
    for trace_id in reference.trace_ids():
        trace = reference.trace(trace_id, now)
        counted, costs = trace.counted(), trace.costs()
        stored = {one.span.span_id: one for one in store.iter_spans(trace_id)}
        assert stored == {
            span_id: StoredSpan(
                span=span,
                raw=trace.arrivals[span_id].decoded.attributes,
                counted=span_id in counted,
                cost_counted=span_id in costs,
                last_seen_ns=trace.last_seen[span_id],
            )
            for span_id, span in trace.spans.items()
        }
    assert minute_cells(store) == reference.rollups(now)
    assert_totals(store)


def minute_cells(store: SpanStore) -> dict[CellKey, Figures]:
    """Return the rollups by minute as the reference gives them."""
    return {
        CellKey(cell.experiment, cell.time_ns // MINUTE_NS, cell.kind, cell.model): cell.figures
        for cell in store.read_rollups(step_minutes=1)
    }


def assert_totals(store: SpanStore) -> None:
    """Compare the totals of experiments with the traces that they list."""
    for experiment in store.list_experiments():
        traces = all_traces(store, experiment=experiment.name)
        costs = [trace.cost_usd for trace in traces if trace.cost_usd is not None]
        total = 0.0 if experiment.cost_usd is None else experiment.cost_usd
        assert abs(total - sum(costs)) <= 1e-9 * max(total, 1)
        assert replace(experiment, slug="", cost_usd=None) == replace(
            experiment,
            slug="",
            cost_usd=None,
            trace_count=len(traces),
            error_count=sum(trace.status.value == "error" for trace in traces),
            tokens_in=sum(trace.tokens_in for trace in traces),
            tokens_out=sum(trace.tokens_out for trace in traces),
            first_ns=min(trace.start_ns for trace in traces),
            last_ns=max(trace.start_ns for trace in traces),
        )
    for step in (60, 0):
        wide = sum(cell.figures.count for cell in store.read_rollups(step_minutes=step))
        assert wide == sum(cell.figures.count for cell in store.read_rollups(step_minutes=1))
