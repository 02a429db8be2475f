# ruff: noqa: D102 (the names of tests are sentences)
"""Log records: they join their span, whichever comes first."""

from pellucid.core.ports import SpanStore
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store.support import Reopen, assert_agrees
from pellucid.testing.spans import START, make_arrival, make_log, span_id, trace_id


class LogContract:
    """What holds of log records."""

    def test_a_record_joins_its_span_before_or_after(
        self, store: SpanStore, reopen: Reopen
    ) -> None:
        store.write_logs([make_log(1, 1, "before"), make_log(9, 9, "of nothing")])
        store = reopen()
        store.write([make_arrival(1, 1), make_arrival(1, 2, 1)])
        store.write_logs([make_log(1, 1, "after", body={"role": "user"}), make_log(1, 2, "x")])
        store.write_logs([make_log(1, 1, "before")])
        events = store.get_span(trace_id(1), span_id(1)).span.events
        assert [event.name for event in events] == ["after", "before"] or [
            event.name for event in events
        ] == ["before", "after"]
        assert len(store.get_span(trace_id(1), span_id(2)).span.events) == 1
        assert store.get_trace(trace_id(1)).span_count == 2

    def test_a_merge_keeps_the_records(self, store: SpanStore) -> None:
        reference = ReferenceStore()
        pending, final = make_arrival(1, 1, pending=True), make_arrival(1, 1, output="done")
        for one in (store, reference):
            one.write([pending])
            one.write_logs([make_log(1, 1, "said", body="答え 🎉")])
            one.write([final])
        assert_agrees(store, reference, START)

    def test_spans_are_read_anew_by_a_later_normaliser(self, store: SpanStore) -> None:
        store.write([make_arrival(1, n) for n in range(1, 8)])
        before = list(store.iter_spans(trace_id(1)))
        calls, after = 0, store.renormalise(version=2, limit=3)
        while after:
            calls += 1
            after = store.renormalise(version=2, limit=3, after=after)
        assert calls == 3
        assert store.renormalise(version=2) == 0
        assert list(store.iter_spans(trace_id(1))) == before

    def test_prices_are_looked_at_whatever_the_version(self, store: SpanStore) -> None:
        store.write([make_arrival(1, n) for n in range(1, 8)])
        before = list(store.iter_spans(trace_id(1)))
        calls, after = 0, store.renormalise(version=1, limit=3, prices=True)
        while after:
            calls += 1
            after = store.renormalise(version=1, limit=3, after=after, prices=True)
        assert calls == 3
        assert list(store.iter_spans(trace_id(1))) == before
