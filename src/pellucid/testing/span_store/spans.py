# ruff: noqa: D102 (the names of tests are sentences)
"""Spans and traces: stored, merged, listed, there after reopening."""

import threading
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.ports import SpanStore
from pellucid.core.span import Arrival, SpanKind, Status, StoredSpan, ToolCall
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store.support import Clock, Reopen, assert_agrees
from pellucid.testing.spans import (
    SECOND,
    START,
    make_arrival,
    span_id,
    trace_id,
    usage,
)


class SpanContract:
    """What holds of spans and traces."""

    # -- spans -------------------------------------------------------------------------------

    def test_an_empty_store_has_nothing(self, store: SpanStore) -> None:
        assert store.list_experiments() == []
        page = store.list_traces(experiment=None, query="", limit=50, cursor=None)
        assert (page.traces, page.next) == ([], None)
        assert list(store.iter_spans(trace_id(1))) == []
        for call in (store.get_trace, store.get_waterfall):
            with pytest.raises(NotFound):
                call(trace_id(1))
        with pytest.raises(NotFound):
            store.get_span(trace_id(1), span_id(1))

    def test_a_span_comes_back_as_it_was(self, store: SpanStore) -> None:
        arrival = make_arrival(
            1,
            1,
            kind=SpanKind.TOOL,
            input={"discs": [1, 2.5, None, True]},
            output="ответ 答え 🎉",
            tool_call=ToolCall(id="c1", name="divide", arguments={"a": 1}, result=[1]),
            tokens=usage(7, 3),
            tags={"env": "prod", "bare": ""},
            metadata={"deep": {"er": [[]]}},
            attributes={"tenant": 42, "raw": b"\x00\xff", "flag": True, "one": 1, "real": 1.0},
            resource={"service.name": "agent"},
        )
        store.write([arrival])
        expected = StoredSpan(
            span=arrival.span,
            raw=arrival.decoded.attributes,
            counted=True,
            cost_counted=False,
            last_seen_ns=arrival.seen_ns,
        )
        assert store.get_span(trace_id(1), span_id(1)) == expected
        assert list(store.iter_spans(trace_id(1))) == [expected]
        raw = store.get_span(trace_id(1), span_id(1)).raw
        assert [type(raw[name]) for name in ("flag", "one", "real")] == [bool, int, float]

    def test_what_has_no_encoding_is_stored_as_the_nearest_thing(self, store: SpanStore) -> None:
        deep: list[object] = []
        for _ in range(5000):
            deep = [deep]
        store.write(
            [
                make_arrival(1, 1, name="good"),
                make_arrival(1, 2, 1, attributes={"n": float("inf")}),
            ]
        )
        bad = make_arrival(1, 3, 1)
        bad.span.attributes.update({"deep": deep, "lone": "\ud800", "huge": 10**400})
        bad.decoded.attributes.update({"lone": "\ud800"})
        store.write([bad])
        assert store.get_trace(trace_id(1)).span_count == 3
        assert len(list(store.iter_spans(trace_id(1)))) == 3
        assert store.get_span(trace_id(1), span_id(3)).raw["lone"] == "?"

    def test_hostile_figures_do_no_harm(self, store: SpanStore) -> None:
        arrivals = [
            _at(make_arrival(1, 1, cost_usd=1e300, tokens=usage(2**62, 1)), 2**64 - 1),
            make_arrival(1, 2, 1, cost_usd=float("nan"), tokens=usage(2**62, -1), ttft_ns=2**63),
        ]
        store.write(arrivals)
        trace = store.get_trace(trace_id(1))
        assert trace.span_count == 2
        assert trace.tokens_in > 0
        assert store.get_waterfall(trace_id(1)).span_ids

    def test_spans_come_parents_first(self, store: SpanStore) -> None:
        store.write(
            [
                make_arrival(1, 9, 3, at=1),
                make_arrival(1, 3, 1, at=5),
                make_arrival(1, 2, 1, at=2),
                make_arrival(1, 1, at=3),
                make_arrival(1, 8, 77, at=9),
                make_arrival(1, 5, 1, at=2),
            ]
        )
        order = [int(stored.span.span_id, 16) for stored in store.iter_spans(trace_id(1))]
        assert order == [1, 2, 5, 3, 9, 8]
        waterfall = store.get_waterfall(trace_id(1))
        assert [int(one, 16) for one in waterfall.span_ids] == order
        assert waterfall.parents == [-1, 0, 0, 0, 3, -1]
        assert waterfall.depths == [0, 1, 1, 1, 2, 0]
        assert waterfall.starts == [s * SECOND for s in (2, 1, 1, 4, 0, 8)]
        assert (waterfall.start_ns, waterfall.duration_ns) == (START + SECOND, 9 * SECOND)

    def test_parents_in_a_circle_are_shown_and_counted(self, store: SpanStore) -> None:
        store.write(
            [
                make_arrival(1, 1, 2, at=1, tokens=usage(1, 1)),
                make_arrival(1, 2, 1, at=2, tokens=usage(2, 2)),
                make_arrival(1, 3, 2, at=0, tokens=usage(4, 4)),
                make_arrival(1, 4, 4, at=7, tokens=usage(8, 8)),
            ]
        )
        assert store.get_trace(trace_id(1)).tokens_in == 15
        order = [int(stored.span.span_id, 16) for stored in store.iter_spans(trace_id(1))]
        assert order == [1, 2, 3, 4]

    def test_the_waterfall_tells_a_few_words(self, store: SpanStore) -> None:
        store.write(
            [
                make_arrival(
                    1,
                    1,
                    kind=SpanKind.TOOL,
                    input="given",
                    tool_call=ToolCall(name="divide", arguments={"a": 1}),
                ),
                make_arrival(1, 2, 1, kind=SpanKind.RETRIEVER, input="blu-ray  size", at=1),
                make_arrival(1, 3, 1, input="x" * 1000, at=2),
                make_arrival(1, 4, 1, at=3),
            ]
        )
        details = store.get_waterfall(trace_id(1)).details
        assert details == ['{"a": 1}', "blu-ray size", "x" * 120, ""]

    # -- merging -----------------------------------------------------------------------------

    def test_a_batch_sent_again_changes_nothing(self, store: SpanStore) -> None:
        batch = [make_arrival(1, n, n // 2, tokens=usage()) for n in range(1, 40)]
        store.write(batch)
        before = store.get_trace(trace_id(1)), list(store.iter_spans(trace_id(1)))
        store.write(batch + batch)
        assert (store.get_trace(trace_id(1)), list(store.iter_spans(trace_id(1)))) == before

    def test_a_final_version_wins_over_a_pending_one(self, store: SpanStore) -> None:
        pending = make_arrival(1, 1, pending=True, name="open")
        final = make_arrival(1, 1, name="done")
        for batch in ([pending], [final], [pending], [final]):
            store.write(batch)
        trace = store.get_trace(trace_id(1))
        assert (trace.name, trace.status, trace.span_count) == ("done", Status.OK, 1)

    def test_a_pending_span_runs_until_nothing_is_heard(
        self, store: SpanStore, clock: Clock
    ) -> None:
        store.write([make_arrival(1, 1, pending=True, tokens=usage(), seen=0)])
        assert store.get_trace(trace_id(1)).status is Status.RUNNING
        assert store.get_trace(trace_id(1)).tokens_in == 0
        assert store.get_waterfall(trace_id(1)).statuses == ["running"]
        clock.now = START + 301 * SECOND
        assert store.get_trace(trace_id(1)).status is Status.INTERRUPTED
        assert store.get_span(trace_id(1), span_id(1)).span.status is Status.INTERRUPTED
        assert store.get_waterfall(trace_id(1)).statuses == ["interrupted"]
        store.write([make_arrival(1, 1, pending=True, tokens=usage(), seen=300)])
        assert store.get_trace(trace_id(1)).status is Status.RUNNING
        assert store.get_span(trace_id(1), span_id(1)).last_seen_ns == START + 300 * SECOND
        store.write([make_arrival(1, 1, tokens=usage())])
        assert store.get_trace(trace_id(1)).status is Status.OK
        assert store.get_trace(trace_id(1)).tokens_in == 10

    # -- traces ------------------------------------------------------------------------------

    def test_traces_are_listed_newest_first_in_pages(self, store: SpanStore) -> None:
        for number in range(1, 26):
            experiment = "even" if number % 2 == 0 else "odd"
            store.write([make_arrival(number, 1, at=number // 3, experiment=experiment)])
        reference = sorted(range(1, 26), key=lambda n: (n // 3, n), reverse=True)
        assert _pages(store, None, 7) == reference
        assert _pages(store, "even", 4) == [n for n in reference if n % 2 == 0]
        assert _pages(store, "unknown", 4) == []

    def test_a_foreign_cursor_or_limit_is_refused(self, store: SpanStore) -> None:
        for cursor in ("x", "é", "AAAA", "!" * 32, "_" * 32):
            with pytest.raises(InvalidInput):
                store.list_traces(experiment=None, query="", limit=5, cursor=cursor)
        for limit in (0, -1, 1001):
            with pytest.raises(InvalidInput):
                store.list_traces(experiment=None, query="", limit=limit, cursor=None)

    def test_a_late_root_moves_the_trace(self, store: SpanStore) -> None:
        store.write([make_arrival(1, 2, 1, experiment="early", status=Status.ERROR)])
        assert [(e.name, e.error_count) for e in store.list_experiments()] == [("early", 1)]
        store.write([make_arrival(1, 1, experiment="a b/c", tokens=usage())])
        (experiment,) = store.list_experiments()
        assert (experiment.name, experiment.trace_count, experiment.error_count) == ("a b/c", 1, 0)
        assert experiment.slug.replace("-", "").isalnum()
        assert experiment.tokens_in == 10

    def test_experiments_have_slugs_of_their_own(self, store: SpanStore) -> None:
        names = ["a b", "a-b", "a/b", "a.b", "A-b", "ä", "…", "a" * 200, "a" * 199]
        for number, name in enumerate(names, 1):
            store.write([make_arrival(number, 1, experiment=name, at=number)])
        listed = store.list_experiments()
        assert [experiment.name for experiment in listed] == names[::-1]
        assert len({experiment.slug for experiment in listed}) == len(names)

    def test_traces_agree_with_the_reference(self, store: SpanStore, clock: Clock) -> None:
        reference = ReferenceStore()
        batches: list[Sequence[Arrival]] = [
            [make_arrival(1, 4, 3, session_id="s2", tags={"a": "4", "b": "4"}, at=4)],
            [make_arrival(1, 3, 2, tokens=usage(), estimated_cost_usd=0.1, model="m2", at=3)],
            [make_arrival(1, 2, 1, tokens=usage(), cost_usd=0.3, status=Status.ERROR, at=2)],
            [make_arrival(1, 5, 4, tokens=usage(1, 1), cost_usd=0.2, model="m1", at=5)],
            [make_arrival(1, 1, pending=True, user_id="u", input="hello", at=1)],
            [make_arrival(1, 1, user_id="u", input="hello", output={"x": 1}, run_id="r", at=1)],
        ]
        for batch in batches:
            store.write(batch)
            reference.write(batch)
            assert_agrees(store, reference, clock.now)

    # -- living with others ---------------------------------------------------------------------

    def test_what_was_written_is_there_after_reopening(
        self, store: SpanStore, reopen: Reopen
    ) -> None:
        reference = ReferenceStore()
        first = [make_arrival(1, n, n // 2, at=n, tokens=usage()) for n in range(2, 30)]
        second = [make_arrival(1, n, n // 2, at=n, tokens=usage(), cost_usd=0.1) for n in (1, 30)]
        store.write(first)
        again = reopen()
        again.write(second)
        reference.write([*first, *second])
        assert_agrees(again, reference, START)

    def test_threads_may_write_and_read(self, store: SpanStore) -> None:
        faults: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for n in range(1, 20):
                    store.write(
                        [make_arrival(number, n, n // 2), make_arrival(99, 20 * number + n)]
                    )
                    store.list_traces(experiment=None, query="", limit=10, cursor=None)
                    assert store.get_trace(trace_id(number)).span_count == n
            except BaseException as error:
                faults.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
        assert store.get_trace(trace_id(99)).span_count == 95

    def test_an_iterator_left_behind_does_no_harm(self, store: SpanStore) -> None:
        store.write([make_arrival(1, n) for n in range(1, 50)])
        iterators = [store.iter_spans(trace_id(1)) for _ in range(40)]
        for iterator in iterators:
            next(iterator)
        store.write([make_arrival(1, 99)])
        assert sum(len(list(iterator)) for iterator in iterators) == 40 * 48

    def test_closing_twice_is_harmless(self, store: SpanStore) -> None:
        store.close()
        store.close()


def _pages(store: SpanStore, experiment: str | None, limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        page = store.list_traces(experiment=experiment, query="", limit=limit, cursor=cursor)
        found += [int(trace.trace_id, 16) for trace in page.traces]
        cursor = page.next
        if cursor is None:
            return found
        assert len(page.traces) == limit


def _at(arrival: Arrival, start_ns: int) -> Arrival:
    span = replace(arrival.span, start_ns=start_ns)
    return replace(arrival, span=span, decoded=replace(arrival.decoded, start_ns=start_ns))
