# ruff: noqa: D102 (the names of tests are sentences)
"""Deletion: everything that hangs on a trace goes, and stays away."""

import pytest

from pellucid.core.errors import NotFound
from pellucid.core.ports import SpanStore
from pellucid.core.span import Arrival, AttachmentRef
from pellucid.core.trace import Deletion
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store.scores import make_score
from pellucid.testing.span_store.support import Reopen, assert_agrees
from pellucid.testing.spans import START, make_arrival, make_log, trace_id, usage

SHARED, OWN = "ab" * 32, "cd" * 32


def _filled() -> list[Arrival]:
    found = []
    for trace in range(1, 9):
        found += [
            make_arrival(
                trace,
                number,
                number // 2,
                at=trace,
                experiment="even" if trace % 2 == 0 else "odd",
                session_id=f"session-{trace // 4}",
                tokens=usage(),
                cost_usd=0.1,
                attachments=[AttachmentRef(digest=SHARED, media_type="image/png", size_bytes=1)],
                attributes={"own": f"pellucid-attachment:{OWN}"} if trace == 2 else {},
            )
            for number in range(1, 5)
        ]
    return found


class DeletionContract:
    """What holds of deletions."""

    def test_a_trace_goes_with_all_that_hangs_on_it(self, store: SpanStore, reopen: Reopen) -> None:
        reference = ReferenceStore()
        score = make_score(1, trace_id=trace_id(2))
        for one in (store, reference):
            one.write(_filled())
            one.write_logs([make_log(2, 1)])
            one.write_scores([score])
        expected = Deletion(trace_count=1, span_count=4, score_count=1, unreferenced=[OWN])
        assert store.delete_trace(trace_id(2), dry_run=True) == expected
        assert_agrees(store, reference, START)
        assert store.find_unreferenced([OWN, SHARED, "ef" * 32]) == ["ef" * 32]
        assert store.delete_trace(trace_id(2)) == expected
        assert store.find_unreferenced([OWN, SHARED]) == [OWN]
        reference.delete_trace(trace_id(2))
        assert_agrees(store, reference, START)
        for again in (store, None):
            again = again or reopen()
            again.write(_filled())
            again.write_logs([make_log(2, 1)])
            again.write_scores([score])
            assert_agrees(again, reference, START)
            assert again.list_scores(trace_id=trace_id(2)) == []
            with pytest.raises(NotFound):
                again.get_trace(trace_id(2))
            with pytest.raises(NotFound):
                again.delete_trace(trace_id(2))

    def test_a_session_goes(self, store: SpanStore) -> None:
        reference = ReferenceStore()
        reference.write(_filled())
        store.write(_filled())
        on_session = make_score(1, experiment="even", session_id="session-1")
        kept = make_score(2, experiment="odd", session_id="session-1")
        store.write_scores([on_session, kept])
        expected = Deletion(trace_count=2, span_count=8, score_count=1, unreferenced=[])
        assert store.delete_session("even", "session-1", dry_run=True) == expected
        assert store.delete_session("even", "session-1") == expected
        for number in (4, 6):
            reference.delete_trace(trace_id(number))
        store.write_scores([on_session])
        assert store.list_scores(experiment="even", session_id="session-1") == []
        assert store.list_scores(experiment="odd", session_id="session-1") == [kept]
        assert_agrees(store, reference, START)

    def test_an_experiment_goes_and_may_come_again(self, store: SpanStore) -> None:
        store.write(_filled())
        store.write_scores([make_score(1, experiment="even", session_id="session-1")])
        expected = Deletion(trace_count=4, span_count=16, score_count=1, unreferenced=[OWN])
        assert store.delete_experiment("even", dry_run=True) == expected
        assert store.delete_experiment("even") == expected
        assert [experiment.name for experiment in store.list_experiments()] == ["odd"]
        assert store.read_rollups(experiment="even", step_minutes=0) == []
        store.write([make_arrival(77, 1, experiment="even")])
        assert [e.trace_count for e in store.list_experiments() if e.name == "even"] == [1]

    def test_what_is_not_there_is_not_found(self, store: SpanStore) -> None:
        with pytest.raises(NotFound):
            store.delete_trace(trace_id(1))
        with pytest.raises(NotFound):
            store.delete_trace("not an id")
        with pytest.raises(NotFound):
            store.delete_session("unknown", "s")
        with pytest.raises(NotFound):
            store.delete_experiment("unknown", dry_run=True)
