"""A trace's state alone, against the reference: many more cases than with a file."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.span import Arrival
from pellucid.storage.spans.sqlite.codes import COST_COUNTED, KIND_CODES, TOKENS_COUNTED
from pellucid.storage.spans.sqlite.nodes import node_of, rank_of
from pellucid.storage.spans.sqlite.state import TraceState
from pellucid.testing.reference import ReferenceTrace
from pellucid.testing.span_store.laws import arrivals
from pellucid.testing.spans import START


def _take(state: TraceState, arrival: Arrival) -> None:
    span_id = bytes.fromhex(arrival.span.span_id)
    rank = rank_of(arrival)
    old = state.nodes.get(span_id)
    if old is None:
        state.add(node_of(arrival, rank, span_id))
    elif rank > old.rank:
        state.replace(old, node_of(arrival, rank, span_id))


@settings(max_examples=150, deadline=None)
@given(batches=st.lists(st.lists(arrivals(), min_size=1, max_size=8), min_size=1, max_size=5))
def test_state_agrees_with_the_reference(batches: list[list[Arrival]]) -> None:
    state = TraceState()
    known: list[Arrival] = []
    for batch in batches:
        known += batch
        for arrival in batch:
            _take(state, arrival)
        state.settle()
        trace = ReferenceTrace(known, START)
        summary, counted, costs = trace.summary(), trace.counted(), trace.costs()
        assert {
            span_id.hex(): (bool(node.counted & TOKENS_COUNTED), bool(node.counted & COST_COUNTED))
            for span_id, node in state.nodes.items()
        } == {span_id: (span_id in counted, span_id in costs) for span_id in trace.spans}
        assert state.root.key[1].hex() == trace.root().span_id
        assert (state.start_ns, state.end_ns - state.start_ns) == (
            summary.start_ns,
            summary.duration_ns,
        )
        assert (state.tokens_in, state.tokens_out, state.cost, state.error_count) == (
            summary.tokens_in,
            summary.tokens_out,
            summary.cost_usd,
            summary.error_count,
        )
        assert state.shared() == (summary.session_id, summary.user_id, summary.tags)
        kinds = {span.kind for span in trace.spans.values()}
        assert state.kind_bits == sum(1 << KIND_CODES[kind] for kind in kinds)
        assert sorted(name for name, count in state.models.items() if count) == summary.models
