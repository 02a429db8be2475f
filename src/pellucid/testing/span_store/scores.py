# ruff: noqa: D102 (the names of tests are sentences)
"""Scores: idempotent by id, the latest shown, also before their trace."""

from typing import Any

import pytest

from pellucid.core.errors import Conflict, InvalidInput, NotFound
from pellucid.core.ports import SpanStore
from pellucid.core.score import Annotated, Score, ScoreSource
from pellucid.testing.spans import START, make_arrival, span_id, trace_id


def make_score(number: int, value: Any = 0.5, **fields: Any) -> Score:
    """Make a score on trace 1, unless `fields` say another target."""
    if not fields.keys() & {"trace_id", "session_id", "run_id"}:
        fields["trace_id"] = trace_id(1)
    fields.setdefault("name", "relevance")
    fields.setdefault("time_ns", START + number)
    return Score(id=f"score-{number}", value=value, **fields)


class ScoreContract:
    """What holds of scores."""

    def test_scores_come_before_and_after_their_trace(self, store: SpanStore) -> None:
        early, late = make_score(1, True, name="early"), make_score(2, "good", name="late")
        on_span = make_score(3, 7, name="span", span_id=span_id(1), trace_id=trace_id(1))
        store.write_scores([early])
        store.write([make_arrival(1, 1)])
        store.write_scores([on_span, late])
        assert store.get_trace(trace_id(1)).scores == [early, late, on_span]
        (listed,) = store.list_traces(experiment=None, query="", limit=5, cursor=None).traces
        assert listed.scores == [early, late, on_span]
        values = [score.value for score in store.list_scores(trace_id=trace_id(1))]
        assert [type(value) for value in values] == [bool, str, int]

    def test_the_latest_of_each_kind_is_shown(self, store: SpanStore) -> None:
        first = make_score(1, 0.1, time_ns=START + 9)
        older = make_score(2, 0.2, time_ns=START + 5)
        tie = make_score(3, 0.3, time_ns=START + 9)
        judge = make_score(4, 0.4, source=ScoreSource.MODEL)
        person = make_score(5, 0.5, source=ScoreSource.HUMAN, author="ann")
        other = make_score(6, 0.6, source=ScoreSource.HUMAN, author="ben")
        for score in (first, older, tie, judge, person, other):
            store.write_scores([score])
        assert store.list_scores(trace_id=trace_id(1)) == [judge, person, other, tie]
        history = store.list_scores(trace_id=trace_id(1), history=True)
        assert history == [judge, older, person, other, first, tie]

    def test_annotations_stand_beside_what_scorers_gave(self, store: SpanStore) -> None:
        store.write([make_arrival(1, 1), make_arrival(2, 2, experiment="other")])
        person = make_score(1, True, source=ScoreSource.HUMAN, author="ann")
        again = make_score(2, False, source=ScoreSource.HUMAN, author="ann", time_ns=START + 20)
        judge = make_score(3, 0.5, source=ScoreSource.MODEL)
        other_name = make_score(4, 0.5, name="safety", source=ScoreSource.MODEL)
        on_span = make_score(
            5, 4, source=ScoreSource.HUMAN, trace_id=trace_id(1), span_id=span_id(1)
        )
        elsewhere = make_score(6, "x", source=ScoreSource.HUMAN, trace_id=trace_id(2))
        unknown = make_score(7, 1, source=ScoreSource.HUMAN, trace_id=trace_id(3))
        store.write_scores([person, judge, other_name, again, on_span, elsewhere, unknown])
        name = store.get_trace(trace_id(1)).experiment
        here = [
            Annotated(annotation=again, beside=[judge]),
            Annotated(annotation=on_span, beside=[]),
        ]
        assert store.list_annotated(experiment=name) == here
        assert store.list_annotated(experiment=name, limit=1) == here[:1]
        assert store.list_annotated(experiment="none") == []
        by_trace = store.list_annotated(trace_ids=[trace_id(n) for n in (3, 1, 2, 9)])
        assert [one.annotation for one in by_trace] == [again, unknown, elsewhere, on_span]
        with pytest.raises(InvalidInput):
            store.list_annotated()

    def test_a_score_is_taken_back(self, store: SpanStore) -> None:
        store.write([make_arrival(1, 1)])
        first = make_score(1, True, source=ScoreSource.HUMAN)
        again = make_score(2, False, source=ScoreSource.HUMAN)
        store.write_scores([first, again])
        store.delete_score(again.id)
        assert store.list_scores(trace_id=trace_id(1)) == [first]
        store.write_scores([again])  # a copy that was still on its way
        assert store.get_trace(trace_id(1)).scores == [first]
        (beside,) = store.list_annotated(trace_ids=[trace_id(1)])
        assert beside.annotation == first
        store.delete_score(first.id)
        assert store.list_scores(trace_id=trace_id(1), history=True) == []
        with pytest.raises(NotFound):
            store.delete_score(first.id)

    def test_an_id_stands_for_one_score(self, store: SpanStore) -> None:
        store.write_scores([make_score(1)])
        store.write_scores([make_score(1), make_score(1)])
        with pytest.raises(Conflict):
            store.write_scores([make_score(2), make_score(1, 0.9)])
        with pytest.raises(Conflict):
            store.write_scores([make_score(3, 1), make_score(3, True)])
        assert store.list_scores(trace_id=trace_id(1)) == [make_score(1)]

    def test_sessions_and_runs_have_scores(self, store: SpanStore) -> None:
        session = make_score(1, experiment="e", session_id="s")
        run = make_score(2, run_id="r")
        store.write_scores([session, run, make_score(3, run_id="r", trace_id=trace_id(1))])
        assert store.list_scores(experiment="e", session_id="s") == [session]
        assert store.list_scores(experiment="f", session_id="s") == []
        assert store.list_scores(run_id="r") == [run]

    def test_a_score_needs_a_target(self, store: SpanStore) -> None:
        for fields in (
            {"trace_id": None},
            {"trace_id": "xyz"},
            {"trace_id": None, "span_id": span_id(1)},
            {"session_id": "s"},
            {"trace_id": trace_id(1), "span_id": "1"},
        ):
            with pytest.raises(InvalidInput):
                store.write_scores([make_score(1, **fields)])
        with pytest.raises(InvalidInput):
            store.list_scores()
        with pytest.raises(InvalidInput):
            store.write_scores([make_score(1, 2**80)])
