"""Lists and counts over many traces read no bodies, and where they must, say what they counted."""

from collections.abc import Iterator

import pytest

from pellucid.core.errors import InvalidInput
from pellucid.core.score import Score
from pellucid.core.span import SpanKind, Status
from pellucid.storage.spans.sqlite import search, survey
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.spans import START, make_arrival, span_id, toy_normalise, trace_id, usage

TRACES = 1_500


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteSpanStore]:
    path = tmp_path_factory.mktemp("counts") / "spans.db"
    store = SqliteSpanStore(path, normalise=toy_normalise, index_in_background=False)
    for number in range(TRACES):
        store.write(
            [
                make_arrival(
                    number + 1,
                    1,
                    at=number,
                    name="answer" if number % 50 else "refuse",
                    kind=SpanKind.AGENT,
                    status=Status.ERROR if number % 40 == 0 else Status.OK,
                    tags={"env": "prod" if number % 3 else "dev"},
                    user_id=f"user-{number % 7}",
                    input=f"which disc {'holds more' if number % 2 else 'is blue'}",
                    attributes={"release": f"2026.{number % 5}", "queue": "Slow"},
                ),
                make_arrival(
                    number + 1,
                    2,
                    1,
                    at=number,
                    kind=SpanKind.LLM,
                    model="gpt-4o" if number % 4 else "GPT-4o",
                    tokens=usage(),
                ),
            ]
        )
    store.write_scores(
        [
            Score(
                id=str(number),
                name="correctness",
                value=number % 10 / 10,
                time_ns=START,
                trace_id=trace_id(number + 1),
                span_id=span_id(1) if number % 3 else None,
            )
            for number in range(0, TRACES, 2)
        ]
    )
    store.index()
    yield store
    store.close()


READ = [
    ("-status:ok", 38),
    ("name:answer*", 1470),
    ("-name:answer", 30),
    ("kind:LLM", TRACES),
    ("-kind:TOOL", TRACES),
    ("-span(kind:TOOL)", TRACES),
    ("model=gpt-4o", 1125),
    ("model=GPT-4O", 0),
    ("-model:gpt-4o", 0),
    ("tag.env:prod", 1000),
    ("-tag.env=prod", 500),
    ("disc", TRACES),
    ("-disc", 0),
    ('"disc is blue"', 750),
    ("-blue", 750),
    ("blue OR more OR absent", TRACES),
    ("score.correctness>=0.5", 300),
    ("-has:score.correctness", 750),
    ("attr.release:2026.3*", 300),
    ("-attr.release=2026.3", 1200),
    ("has:attr.queue", TRACES),
    ("spans>2", 0),
    ("user:user-1* OR user:user-2", 429),
    ("blue status:error", 38),
    ("(blue OR kind:TOOL) score.correctness<0.2", 150),
]


def test_no_body_is_read_to_count_or_to_find_nothing(
    filled: SqliteSpanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_no_body(*_: object) -> None:
        raise AssertionError("a body was read")

    monkeypatch.setattr(search.Search, "_spans", read_no_body)
    for query, count in READ:
        histogram = filled.count_by_time(query=query)
        assert sum(one.count for one in histogram.bins) == count, query
        assert not histogram.partial
        found = filled.survey(query=query)
        assert (found.trace_count, found.partial) == (count, False), query
        page = filled.list_traces(experiment=None, query=query, limit=1000, cursor=None)
        assert len(page.traces) == min(count, 1000), query


def test_counts_that_take_long_are_estimated_and_say_so(
    filled: SqliteSpanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "attr.queue=Slow"  # the index folds case, so only bodies tell
    monkeypatch.setattr(search, "FEW", 100)
    whole = filled.count_by_time(query=query, bins=10)
    monkeypatch.setattr("pellucid.storage.spans.sqlite.read.COUNT_SECONDS", 0.0)
    histogram = filled.count_by_time(query=query, bins=10)
    assert histogram.partial
    assert 0 < histogram.sampled < TRACES
    total = sum(one.count for one in histogram.bins)
    assert abs(total - TRACES) < TRACES / 20
    assert [one.start_ns for one in histogram.bins] == [one.start_ns for one in whole.bins]
    found = filled.survey(query=query)
    assert found.partial
    assert 0 < found.trace_count < TRACES


def test_facets_count_the_newest_matches(
    filled: SqliteSpanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SURVEYED", 100)
    found = filled.survey(query="tag.env:prod")
    assert (found.trace_count, found.partial) == (100, True)


def test_a_query_that_would_take_for_ever_is_refused(
    filled: SqliteSpanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LONGEST_SECONDS", 0.0)
    monkeypatch.setattr(search, "_STEPS", 100)
    with pytest.raises(InvalidInput, match="takes too long"):
        filled.count_by_time(query="disc -blue name:answer*")
    monkeypatch.undo()
    assert filled.list_traces(experiment=None, query="disc", limit=5, cursor=None).traces


def test_what_columns_tell_is_counted_however_much_is_to_be_indexed(
    filled: SqliteSpanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LONG_TAIL", -1)
    monkeypatch.setattr("pellucid.storage.spans.sqlite.read.COUNT_SECONDS", 0.0)
    for query, count in (("status:error", 38), ("model:gpt-4o -tag.env:prod", 500)):
        histogram = filled.count_by_time(query=query)
        assert sum(one.count for one in histogram.bins) == count
        assert not histogram.partial
    assert filled.count_by_time(query="disc").partial


def test_what_is_said_twice_is_asked_once(filled: SqliteSpanStore) -> None:
    for query, count in (
        (" ".join(["disc"] * 3000), TRACES),
        (" OR ".join(f"name:n{number}" for number in range(1500)), 0),
        (" OR ".join(f"word{number}*" for number in range(1200)), 0),
    ):
        histogram = filled.count_by_time(query=query)
        assert sum(one.count for one in histogram.bins) == count
        page = filled.list_traces(experiment=None, query=query, limit=5, cursor=None)
        assert (bool(page.traces), page.partial) == (count > 0, False)
