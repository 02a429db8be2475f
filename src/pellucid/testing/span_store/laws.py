# ruff: noqa: D102 (the names of tests are sentences)
"""The laws of contracts.md §1 for any arrivals in any order, batching and repetition."""

import pickle
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.core.ports import SpanStore
from pellucid.core.span import Arrival, LogRecord, SpanKind, Status, Tokens
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store.support import Clock, Fresh, all_traces, assert_agrees
from pellucid.testing.spans import SECOND, make_arrival, make_log, trace_id

_TOKENS = [Tokens(), Tokens(input=10, output=3), Tokens(input=1), Tokens(image=2)]
law_settings = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.differing_executors,
    ],
)


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """Draw an arrival of few traces and spans, so that versions and relatives meet often."""
    pending = draw(st.sampled_from([False, False, True]))
    fields: dict[str, Any] = {
        "at": draw(st.integers(0, 200)) if draw(st.booleans()) else 1,
        "took": draw(st.integers(0, 3)),
        "pending": pending,
        "kind": draw(st.sampled_from([SpanKind.LLM, SpanKind.CHAIN])),
        "tokens": draw(st.sampled_from(_TOKENS)),
        "cost_usd": draw(st.sampled_from([None, None, 0.0, 0.1, 0.25])),
        "estimated_cost_usd": draw(st.sampled_from([None, 0.01, 0.3])),
        "model": draw(st.sampled_from([None, "m1", "m2"])),
        "experiment": draw(st.sampled_from(["default", "other"])),
        "session_id": draw(st.sampled_from([None, None, "s1", "s2"])),
        "user_id": draw(st.sampled_from([None, "u1"])),
        "run_id": draw(st.sampled_from([None, "r1"])),
        "tags": draw(st.sampled_from([{}, {"a": "1"}, {"a": "2", "b": ""}])),
        "input": draw(st.sampled_from([None, "why", {"q": 1}])),
    }
    if not pending:
        fields["status"] = draw(st.sampled_from([Status.OK, Status.ERROR]))
    return make_arrival(
        draw(st.integers(1, 2)),
        draw(st.integers(1, 6)),
        draw(st.integers(0, 7)),
        seen=draw(st.integers(0, 400)),
        **fields,
    )


@st.composite
def logs(draw: st.DrawFn) -> LogRecord:
    """Draw a log record of one of the spans."""
    return make_log(draw(st.integers(1, 2)), draw(st.integers(1, 6)), at=draw(st.integers(0, 3)))


def steps() -> st.SearchStrategy[list[tuple[str, Any]]]:
    """Draw what happens to a store."""
    step = st.one_of(
        st.tuples(st.just("write"), st.lists(arrivals(), min_size=1, max_size=8)),
        st.tuples(st.just("write"), st.lists(arrivals(), min_size=1, max_size=3)),
        st.tuples(st.just("again"), st.integers(0, 100)),
        st.tuples(st.just("elsewhere"), st.lists(st.lists(arrivals(), max_size=4), max_size=3)),
        st.tuples(st.just("singly"), st.lists(arrivals(), max_size=4)),
        st.tuples(st.just("logs"), st.lists(logs(), min_size=1, max_size=3)),
        st.tuples(st.just("delete"), st.sampled_from([1, 2])),
        st.tuples(st.just("wait"), st.integers(1, 400)),
    )
    return st.lists(step, min_size=1, max_size=7)


class LawContract:
    """Any read equals a recomputation from the set of what was acknowledged."""

    @law_settings
    @given(steps=steps())
    def test_every_step_leaves_what_a_recomputation_gives(
        self, fresh: Fresh, steps: list[tuple[str, Any]]
    ) -> None:
        clock, reference = Clock(), ReferenceStore()
        with fresh(clock) as store:
            for verb, what in steps:
                _take_step(store, reference, clock, verb, what)
                assert_agrees(store, reference, clock.now)

    @law_settings
    @given(
        what=st.lists(arrivals(), min_size=2, max_size=14),
        data=st.data(),
    )
    def test_order_batching_and_repetition_do_not_matter(
        self, fresh: Fresh, what: list[Arrival], data: st.DataObject
    ) -> None:
        clock = Clock()
        with fresh(clock) as one, fresh(clock) as other:
            one.write(what)
            shuffled = data.draw(st.permutations(what + what[:3]))
            size = data.draw(st.integers(1, len(shuffled)))
            for first in range(0, len(shuffled), size):
                other.write(shuffled[first : first + size])
            assert all_traces(one) == all_traces(other)
            for trace in all_traces(one):
                spans = list(one.iter_spans(trace.trace_id))
                assert spans == list(other.iter_spans(trace.trace_id))
                waterfall = one.get_waterfall(trace.trace_id)
                assert waterfall == other.get_waterfall(trace.trace_id)
                assert waterfall.span_ids == [stored.span.span_id for stored in spans]


def _take_step(
    store: SpanStore, reference: ReferenceStore, clock: Clock, verb: str, what: Any
) -> None:
    if verb == "write":
        store.write(what)
        reference.write(what)
    elif verb == "elsewhere":
        # As other processes prepare requests that then share a commit.
        prepared = [pickle.dumps(store.prepare(one)) for one in what]
        store.write_prepared([parcel for one in prepared for parcel in pickle.loads(one)])
        reference.write([arrival for one in what for arrival in one])
    elif verb == "singly":
        for parcel in store.prepare(what):
            singles = parcel.split()
            assert [one.span_ids for one in singles] == [[one] for one in parcel.span_ids]
            for single in singles:
                store.write_prepared([single])
        reference.write(what)
    elif verb == "again" and reference.arrivals:
        one = reference.arrivals[what % len(reference.arrivals)]
        store.write([one, one])
    elif verb == "logs":
        store.write_logs(what)
        reference.write_logs(what)
    elif verb == "delete" and trace_id(what) in reference.trace_ids():
        store.delete_trace(trace_id(what))
        reference.delete_trace(trace_id(what))
    elif verb == "wait":
        clock.now += what * SECOND
