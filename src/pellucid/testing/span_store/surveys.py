# ruff: noqa: D102 (the names of tests are sentences)
"""Surveys: facets, histograms, sessions, values for completions, SQL over views."""

from typing import Any

import pytest

from pellucid.core.errors import InvalidInput
from pellucid.core.ports import SpanStore
from pellucid.core.span import SpanKind, Status
from pellucid.core.survey import ValueCount
from pellucid.testing.span_store.queries import Settle
from pellucid.testing.span_store.scores import make_score
from pellucid.testing.spans import SECOND, START, make_arrival, span_id, trace_id, usage

_REFUSED = (
    "",
    "select",
    "select 1; select 2",
    "delete from traces",
    "update spans set name = 'x'",
    "insert into scores (id) values ('x')",
    "create table x (y)",
    "drop table spans",
    "drop view traces",
    "attach ':memory:' as other",
    "attach '/etc/passwd' as other",
    "detach main",
    "vacuum",
    "vacuum into 'copy.db'",
    "pragma journal_mode = delete",
    "pragma user_version",
    "begin",
    "reindex",
    "select * from main.blocks",
    "select * from sqlite_master",
    "select load_extension('x')",
    "select zeroblob(1000000000)",
    "select * from nothing",
    "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n",
)


def _fill(store: SpanStore) -> None:
    for number in range(1, 13):
        store.write(
            [
                make_arrival(
                    number,
                    1,
                    at=number * 60,
                    name=f"agent-{number % 2}",
                    kind=SpanKind.AGENT,
                    status=Status.ERROR if number % 4 == 0 else Status.OK,
                    experiment="discs" if number <= 10 else "other",
                    session_id=f"chat-{number // 4}",
                    user_id="Ann" if number % 3 else None,
                    tags={"env": "prod" if number % 2 else "dev", "beta": ""},
                    input=f"question {number}",
                    output=f"answer {number}",
                ),
                make_arrival(
                    number, 2, 1, at=number * 60, kind=SpanKind.LLM, model="GPT-4o", tokens=usage()
                ),
            ]
        )
    store.write_scores(
        [make_score(n, n / 10, trace_id=trace_id(n)) for n in range(1, 5)]
        + [
            make_score(20, True, name="good", trace_id=trace_id(1), span_id=span_id(2)),
            make_score(21, "Fine", name="verdict", trace_id=trace_id(1)),
            make_score(22, 1.0, experiment="discs", session_id="chat-1"),
        ]
    )


class SurveyContract:
    """What holds of counts over matches."""

    def test_values_are_counted(self, store: SpanStore) -> None:
        _fill(store)
        found = store.survey(experiment="discs")
        assert (found.trace_count, found.partial) == (10, False)
        assert found.statuses == _counts(ok=8, error=2)
        assert found.kinds == _counts(AGENT=10, LLM=10)
        assert found.names == [
            ValueCount(value="agent-0", count=5),
            ValueCount(value="agent-1", count=5),
        ]
        assert found.models == [ValueCount(value="GPT-4o", count=10)]
        assert found.users == _counts(Ann=7)
        assert found.tags == {
            "env": _counts(dev=5, prod=5),
            "beta": [ValueCount(value="", count=10)],
        }
        by_name = {score.name: score for score in found.scores}
        assert (by_name["relevance"].count, by_name["relevance"].mean) == (4, 0.25)
        assert (by_name["relevance"].low_count, by_name["relevance"].high_count) == (4, 0)
        assert by_name["good"].mean == 1.0
        assert by_name["verdict"].words == _counts(fine=1)
        few = store.survey(experiment="discs", query="status:error tag.env:dev")
        assert (few.trace_count, few.statuses) == (2, _counts(error=2))
        assert store.survey(experiment="unknown").trace_count == 0
        assert store.survey().trace_count == 12

    def test_counts_are_what_a_query_would_find(self, store: SpanStore) -> None:
        for number, failed in ((1, True), (2, False), (3, True)):
            store.write(
                [
                    make_arrival(number, 1, at=number, experiment="discs"),
                    make_arrival(
                        number, 2, 1, at=number, status=Status.ERROR if failed else Status.OK
                    ),
                ]
            )
        store.write_scores(
            [
                make_score(
                    10 * number + place, value, trace_id=trace_id(number), author=f"a{place}"
                )
                for number, values in ((1, [0.1, 0.5]), (2, [0.2, 0.3]), (3, [True]))
                for place, value in enumerate(values)
            ]
        )
        found = store.survey(experiment="discs")
        (score,) = found.scores
        for query, count in (
            ("errors>0 status:ok", found.inside_count),
            ("score.relevance<0.5", score.low_count),
            ("score.relevance>=0.5", score.high_count),
        ):
            assert store.survey(experiment="discs", query=query).trace_count == count
        assert (found.inside_count, score.low_count, score.high_count) == (2, 2, 1)

    def test_matches_are_counted_by_time(self, store: SpanStore) -> None:
        assert store.count_by_time().bins == []
        _fill(store)
        for query, count, errors in (("", 10, 2), ("status:error", 2, 2), ("absent", 0, 0)):
            found = store.count_by_time(experiment="discs", query=query, bins=20)
            assert sum(one.count for one in found.bins) == count
            assert sum(one.error_count for one in found.bins) == errors
            assert 1 <= len(found.bins) <= 21
            for one, following in zip(found.bins, found.bins[1:], strict=False):
                assert one.end_ns == following.start_ns
        everything = store.count_by_time(bins=3).bins
        assert everything[0].start_ns <= START + 60 * SECOND
        assert everything[-1].end_ns > START + 720 * SECOND
        assert store.count_by_time(experiment="unknown").bins == []

    def test_sessions_are_listed_in_pages(self, store: SpanStore) -> None:
        _fill(store)
        first = store.list_sessions(experiment="discs", limit=2)
        assert [session.session_id for session in first.sessions] == ["chat-2", "chat-1"]
        second = store.list_sessions(experiment="discs", limit=2, cursor=first.next)
        assert [session.session_id for session in second.sessions] == ["chat-0"]
        assert second.next is None
        session = first.sessions[1]
        assert (session.trace_count, session.error_count, session.tokens_in) == (4, 1, 40)
        assert (session.first_ns, session.last_ns) == (START + 240 * SECOND, START + 420 * SECOND)
        assert (session.input_preview, session.output_preview) == ("question 4", "answer 7")
        assert (session.user_id, len(session.scores)) == ("Ann", 1)
        few = store.list_sessions(experiment="discs", query='"question 5"')
        assert [session.session_id for session in few.sessions] == ["chat-1"]
        with pytest.raises(InvalidInput):
            store.list_sessions(cursor="foreign")

    def test_stored_values_are_proposed(self, store: SpanStore, settle: Settle) -> None:
        _fill(store)
        settle(store)
        assert store.list_values("model") == ["GPT-4o"]
        assert store.list_values("model", beginning="gpt") == ["GPT-4o"]
        assert store.list_values("model", beginning="x") == []
        assert store.list_values("tag.env") == ["dev", "prod"]
        assert store.list_values("session", beginning="CHAT-", limit=2) == ["chat-0", "chat-1"]
        assert store.list_values("unknown") == []
        assert store.list_keys("tag") == ["beta", "env"]
        assert store.list_keys("tag", beginning="e") == ["env"]
        assert store.list_keys("score") == ["good", "relevance", "verdict"]

    def test_sql_reads_the_views(self, store: SpanStore) -> None:
        _fill(store)
        assert _sql(store, "select count(*) from traces where experiment = 'discs'") == [[10]]
        assert _sql(store, "select kind, count(*) from spans group by kind order by 1") == [
            ["AGENT", 12],
            ["LLM", 12],
        ]
        (row,) = _sql(
            store,
            "select s.input, json_extract(s.attributes, '$.span') is not null, t.status "
            "from spans s join traces t using (trace_id) "
            f"where trace_id = '{trace_id(4)}' and s.kind = 'AGENT'",
        )
        assert row == ['"question 4"', 1, "error"]
        assert _sql(store, "select value from scores where name = 'verdict'") == [["Fine"]]
        assert _sql(store, "with x as (select 1 as y) select y from x") == [[1]]
        found = store.run_sql("select trace_id as id from traces", limit=5)
        assert (found.columns, len(found.rows), found.truncated) == (["id"], 5, True)

    @pytest.mark.parametrize("sql", _REFUSED)
    def test_sql_does_nothing_else(self, store: SpanStore, sql: str) -> None:
        store.write([make_arrival(1, 1)])
        with pytest.raises(InvalidInput):
            store.run_sql(sql, seconds=0.3)
        assert store.get_trace(trace_id(1)).span_count == 1


def _counts(**counts: int) -> list[ValueCount]:
    return [ValueCount(value=value, count=count) for value, count in counts.items()]


def _sql(store: SpanStore, sql: str) -> list[list[Any]]:
    return store.run_sql(sql).rows
