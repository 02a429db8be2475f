# ruff: noqa: D102 (the names of tests are sentences)
"""Queries: what a store finds is what the slow evaluator finds, whatever its index has so far."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.errors import InvalidInput, QuerySyntaxError
from pellucid.core.ports import SpanStore
from pellucid.core.query import TRACES, Query, replace_run_fields, resolve
from pellucid.core.query.tree import Node
from pellucid.core.score import Score
from pellucid.core.span import (
    Arrival,
    Document,
    Message,
    Part,
    PromptRef,
    SpanKind,
    Status,
    Tokens,
    ToolCall,
)
from pellucid.testing.queries import roots
from pellucid.testing.query_evaluator import Candidate, matches
from pellucid.testing.span_store.laws import law_settings
from pellucid.testing.span_store.support import Clock, Fresh, all_traces
from pellucid.testing.spans import SECOND, START, make_arrival, make_log, span_id, trace_id

Settle = Callable[[Any], None]
"""Lets a store finish what it does behind the writes."""

_TEXTS = ["search", "Search the corpus", "blu-ray", "Blu Ray", "refund", "REFUNDS", "x", "東京都"]
_TEXTS += ["a.b", "GRÖSSE", "http://x/y", "get_weather", 'say "hi"', "1.0", "", "or", "ß", "2"]
_LONG = ["search " * 40, "X" * 200, "blu-ray" * 30]
_KEYS = ["env", "relevance", "a.b", "gen_ai.request.model", "with space", 'quo"te', "0.x"]
_SCALARS: list[Any] = [0, 1, -2, 3.5, 0.1, 5000, 2_000_000, True, False, 0.0, 1e-3, "1", "1.0"]
_HOURS = [0, 1, 30, 24 * 10, 24 * 300]

words = st.sampled_from(_TEXTS)
maybe = st.one_of(st.none(), words)
attribute_values = st.one_of(
    words,
    st.sampled_from(_SCALARS),
    st.sampled_from(_LONG),
    st.lists(st.one_of(words, st.sampled_from(_SCALARS)), max_size=2),
    st.sampled_from([{}, {"a": 1}, b"x"]),
)


@st.composite
def found_arrivals(draw: st.DrawFn) -> Arrival:
    """Draw a span of few traces, with values that queries ask for."""
    fields: dict[str, Any] = {
        "at": -3600 * draw(st.sampled_from(_HOURS)) + draw(st.integers(0, 2)),
        "took": draw(st.sampled_from([0, 1, 2, 3, 5400])),
        "pending": draw(st.sampled_from([False, False, False, True])),
        "name": draw(words),
        "kind": draw(st.sampled_from(list(SpanKind))),
        "tokens": draw(st.sampled_from([Tokens(), Tokens(input=1), Tokens(input=1200, output=3)])),
        "cost_usd": draw(st.sampled_from([None, 0.0, 0.1, 1.0])),
        "estimated_cost_usd": draw(st.sampled_from([None, 0.1, 3.5])),
        "ttft_ns": draw(st.sampled_from([None, 1, 150_000_000])),
        "session_id": draw(maybe),
        "user_id": draw(maybe),
        "run_id": draw(st.sampled_from([None, "r1", "r2"])),
        "experiment": draw(st.sampled_from(["default", "search"])),
        "model": draw(maybe),
        "provider": draw(maybe),
        "finish_reason": draw(maybe),
        "tags": draw(st.dictionaries(st.sampled_from(_KEYS), words, max_size=2)),
        "input": draw(st.one_of(st.none(), words, st.lists(words, max_size=2))),
        "output": draw(st.sampled_from([None, {"deep": ["blu ray", 1200]}, "x"])),
        "attributes": draw(st.dictionaries(st.sampled_from(_KEYS), attribute_values, max_size=3)),
    }
    if draw(st.booleans()):
        fields["tool_call"] = ToolCall(name=draw(maybe), arguments={"q": draw(words)})
        fields["prompt"] = PromptRef(name=draw(maybe))
    if draw(st.booleans()):
        fields["documents"] = [Document(id=draw(maybe), text=draw(words))]
        said = Part(type="text", content=draw(words))
        fields["input_messages"] = [Message(role="user", parts=[said])]
    if not fields["pending"]:
        fields["status"] = draw(st.sampled_from([Status.OK, Status.ERROR]))
    return make_arrival(
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
        draw(st.integers(0, 3)),
        seen=draw(st.sampled_from([0, 400])),
        **fields,
    )


@st.composite
def found_scores(draw: st.DrawFn) -> Score:
    """Draw a score on one of the traces or spans."""
    number = draw(st.integers(1, 10**6))
    return Score(
        id=f"{number}",
        name=draw(st.sampled_from(["env", "relevance", "a.b", "x.y"])),
        value=draw(st.one_of(words, st.sampled_from(_SCALARS))),
        time_ns=START + number,
        trace_id=trace_id(draw(st.integers(1, 5))),
        span_id=draw(st.sampled_from([None, span_id(1), span_id(2)])),
    )


def _steps() -> st.SearchStrategy[list[tuple[str, Any]]]:
    step = st.one_of(
        st.tuples(st.just("write"), st.lists(found_arrivals(), min_size=1, max_size=8)),
        st.tuples(st.just("write"), st.lists(found_arrivals(), min_size=1, max_size=8)),
        st.tuples(st.just("score"), st.lists(found_scores(), max_size=3, unique_by=_id)),
        st.tuples(st.just("settle"), st.none()),
        st.tuples(st.just("log"), st.tuples(st.integers(1, 4), st.integers(1, 4))),
        st.tuples(st.just("delete"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.just(400)),
    )
    return st.lists(step, min_size=2, max_size=8)


def _id(score: Score) -> str:
    return score.id


def _ready(root: Node, runs: tuple[str, ...] = ("r1",)) -> Query:
    query = resolve(
        Query(root, "traces"), is_score=lambda name: name == "x.y", is_param=lambda _: False
    )
    return replace_run_fields(query, lambda _: runs)


class QueryContract:
    """What holds of queries."""

    @pytest.fixture
    def settle(self) -> Settle:
        """Return what lets a store finish its work behind the writes; by default nothing."""
        return lambda store: None

    @law_settings
    @given(steps=_steps(), queries=st.lists(roots(TRACES), min_size=4, max_size=12))
    def test_what_is_found_is_what_matches(
        self,
        fresh: Fresh,
        settle: Settle,
        steps: list[tuple[str, Any]],
        queries: list[Node],
    ) -> None:
        clock = Clock()
        known: set[str] = set()
        with fresh(clock) as store:
            for verb, what in steps:
                if verb == "write":
                    store.write(what)
                elif verb == "score":
                    store.write_scores([score for score in what if score.id not in known])
                    known |= {score.id for score in what}
                elif verb == "settle":
                    settle(store)
                elif verb == "log":
                    store.write_logs([make_log(*what)])
                elif verb == "delete":
                    _delete(store, trace_id(what))
                else:
                    clock.now += what * SECOND
            _compare(store, clock, queries)
            settle(store)
            _compare(store, clock, queries)

    def test_a_query_that_does_not_parse_is_refused(self, store: SpanStore) -> None:
        with pytest.raises(QuerySyntaxError):
            store.list_traces(experiment=None, query="duration>", limit=5, cursor=None)
        with pytest.raises(InvalidInput):
            store.list_traces(experiment=None, query="param.k:3", limit=5, cursor=None)

    def test_attributes_are_of_the_span_or_its_resource_and_keep_their_type(
        self, store: SpanStore, settle: Settle
    ) -> None:
        for number, version in enumerate(("1.0", 1, "1", "1.05", 1.5, "1e0"), start=1):
            store.write(
                [
                    make_arrival(
                        number,
                        attributes={"v": version},
                        resource={"service.name": "Web" if number % 2 else "worker"},
                    )
                ]
            )
        for _ in range(2):
            for query, numbers in (
                ("attr.v:1", {2, 3}),
                ("attr.v:1.0", {1, 2}),
                ('attr.v:"1e0"', {2, 6}),
                ("attr.v:1.0*", {1, 4}),
                ("attr.v:1*", {1, 3, 4, 6}),
                ("attr.v>=1", {2, 5}),
                ("service.name:web", {1, 3, 5}),
                ("attr.service.name=web", set()),
                ("-service.name:web v.v:1", set()),
                ("span(service.name:worker attr.v:1)", {2}),
                ("has:service.name", {1, 2, 3, 4, 5, 6}),
            ):
                found = {int(trace.trace_id, 16) for trace in all_traces(store, query)}
                assert found == numbers, query
            settle(store)

    def test_a_trace_is_found_by_its_id(self, store: SpanStore) -> None:
        store.write([make_arrival(1), make_arrival(0x1A2), make_arrival(0x1A3)])
        for query, count in (
            (f"trace:{trace_id(0x1A2)}", 1),
            (f"traceId:{trace_id(0x1A2).upper()}", 1),
            (f"trace={trace_id(0x1A2).upper()}", 0),
            ("trace:000000000000000000000000000001a*", 2),
            ("trace:0000*", 3),
            ("-trace:000000000000000000000000000001a*", 1),
            (f"span(trace:{trace_id(1)} name:span-1)", 1),
            ("trace:xyz", 0),
            ("trace:xyz*", 0),
        ):
            assert len(all_traces(store, query)) == count, query

    @pytest.mark.parametrize("settled", [False, True])
    def test_a_span_is_found_by_its_id(
        self, store: SpanStore, settle: Settle, settled: bool
    ) -> None:
        spans = [(1, 0xAB1), (1, 0xAB2), (2, 0xAB1), (3, 0x1AB)]
        store.write([make_arrival(trace, span) for trace, span in spans])
        if settled:
            settle(store)
        for query, count in (
            (f"span:{span_id(0xAB1)}", 2),
            (f"id:{span_id(0x1AB)}", 1),
            (f"id:{trace_id(3)}", 1),
            (f"spanId:{span_id(0xAB1).upper()} trace:{trace_id(2)}", 1),
            ("span:0000000000000ab*", 2),
            ("span:(xyz, 7)", 0),
            ("has:span", 3),
            (f"span(span:{span_id(0xAB2)} name:span-{0xAB2})", 1),
            (f"span(span:{span_id(0xAB2)} name:span-{0xAB1})", 0),
            (f"-span:{span_id(0xAB1)}", 1),
            (span_id(0xAB2).upper(), 1),
            (f"-{span_id(0xAB2)}", 2),
            (f"{span_id(0xAB2)} OR {trace_id(3)}", 2),
            (f"span({span_id(0xAB2)} name:span-{0xAB2})", 1),
            (trace_id(2), 1),
            (span_id(0xAB2)[:-1], 0),
        ):
            assert len(all_traces(store, query)) == count, query

    def test_dotted_names_are_fields_where_no_attribute_is_called_so(
        self, store: SpanStore, settle: Settle
    ) -> None:
        store.write(
            [
                make_arrival(1, user_id="ann", tags={"env": "prod"}),
                make_arrival(2, attributes={"session.id": "s"}, session_id="t"),
            ]
        )
        settle(store)
        for query, count in (
            ("user.id:ann", 1),
            ("tags.env:prod", 1),
            ("attributes.session.id:s", 1),
            ("session.id:s", 1),
            ("session.id:t", 0),
        ):
            assert len(all_traces(store, query)) == count, query

    def test_long_queries_are_answered(self, store: SpanStore) -> None:
        store.write([make_arrival(1, 1, input="w7 and w8", name="w9")])
        for query, count in (
            (" ".join(f"w{n}" for n in range(3000)), 0),
            (" OR ".join(f"w{n}" for n in range(2000)), 1),
            ("name:(" + ",".join(f"w{n}" for n in range(3000)) + ")", 1),
            ('"' + " ".join(f"w{n}" for n in range(3000)) + '"', 0),
            ("(" * 50 + "w7" + ")" * 50, 1),
            ("attr.x:" + "y" * 19_000, 0),
            ("tokens:99999999999999999999999 OR duration>99999999999d", 0),
        ):
            assert len(all_traces(store, query)) == count, query[:40]

    def test_words_are_found_at_once_and_later(self, store: SpanStore, settle: Settle) -> None:
        for number in range(1, 31):
            said = "The Blu-ray disc" if number % 3 == 0 else "東京タワーの高さ"
            store.write([make_arrival(number, 1, at=number, output={"text": said})])
        for _ in range(2):
            for query, count in (
                ('"blu-ray DISC"', 10),
                ("blu*", 10),
                ("京タワ", 20),
                ('"disc blu"', 0),
                ("zyzzyva", 0),
                ("-disc", 20),
            ):
                assert len(all_traces(store, query)) == count, query
            settle(store)
        page = store.list_traces(experiment=None, query="disc", limit=4, cursor=None)
        assert [int(trace.trace_id, 16) for trace in page.traces] == [30, 27, 24, 21]
        page = store.list_traces(experiment=None, query="disc", limit=9, cursor=page.next)
        assert [int(trace.trace_id, 16) for trace in page.traces] == [18, 15, 12, 9, 6, 3]
        assert page.next is None


def _delete(store: SpanStore, trace: str) -> None:
    if any(one.trace_id == trace for one in all_traces(store)):
        store.delete_trace(trace)


def _compare(store: SpanStore, clock: Clock, queries: list[Node]) -> None:
    candidates = [
        Candidate(
            trace,
            list(store.iter_spans(trace.trace_id)),
            store.list_scores(trace_id=trace.trace_id),
        )
        for trace in all_traces(store)
    ]
    for query in [*map(_ready, queries), *(_ready(root, ()) for root in queries)]:
        expected = [c.trace for c in candidates if matches(query, c, now_ns=clock.now)]
        page = store.list_traces(experiment=None, query=query, limit=1000, cursor=None)
        assert page.traces == expected, query
        assert not page.partial
        few = store.list_traces(experiment="search", query=query, limit=1000, cursor=None)
        assert few.traces == [trace for trace in expected if trace.experiment == "search"]
        survey = store.survey(query=query)
        assert survey.trace_count == len(expected), query
        histogram = store.count_by_time(query=query)
        assert sum(one.count for one in histogram.bins) == len(expected), query
        assert (survey.partial, histogram.partial) == (False, False)
