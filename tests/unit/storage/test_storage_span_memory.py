"""What spans cost in memory and in their bodies: kept for the indexer, texts kept once."""

from pathlib import Path

from msgspec.structs import replace

from pellucid.core.span import DecodedSpan, Message, Part, Span
from pellucid.storage.spans.sqlite import bodies, recent
from pellucid.storage.spans.sqlite.recent import RecentSpans
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.spans import arrival_of, make_span, toy_normalise

TEXT = "How many discs would it take? " * 40


def _messages(text: str) -> list[Message]:
    return [Message(role="user", parts=[Part(type="text", content=text)])]


def _decoded(span: Span) -> DecodedSpan:
    return arrival_of(span).decoded


def test_a_text_that_is_the_last_messages_is_kept_once() -> None:
    span = replace(make_span(1, 1), input=TEXT, input_messages=_messages(TEXT), output=None)
    decoded = _decoded(span)
    packed = bodies.pack(decoded, span)
    apart = bodies.pack(decoded, replace(span, input_messages=_messages(TEXT[:-1])))
    assert bodies.unpack(packed).span == span
    assert len(apart) - len(packed) > len(TEXT) - 10


def test_an_input_beside_other_messages_comes_back() -> None:
    for given in (None, "", "other", {"question": TEXT}):
        for messages in ([], _messages(TEXT), [Message(role="user", parts=[])]):
            span = replace(make_span(1, 1), input=given, input_messages=messages, output=given)
            assert bodies.unpack(bodies.pack(_decoded(span), span)).span == span


def test_kept_spans_are_given_out_once_and_in_order() -> None:
    kept = RecentSpans()
    arrivals = {number: arrival_of(make_span(1, number)) for number in (1, 2, 3)}
    for number, arrival in arrivals.items():
        kept.keep(number, arrival, 100)
    assert kept.take(2) == {1: arrivals[1], 2: arrivals[2]}
    assert kept.take(2) == {}
    kept.clear()
    assert kept.take(9) == {}


def test_kept_spans_stay_within_their_bytes() -> None:
    kept = RecentSpans()
    arrival = arrival_of(make_span(1, 1))
    kept.keep(1, arrival, recent.MAX_BYTES)
    kept.keep(2, arrival, 1)
    assert list(kept.take(9)) == [1]
    kept.keep(3, arrival, 1)
    assert list(kept.take(9)) == [3]


def test_what_was_kept_and_what_was_read_are_found_alike(tmp_path: Path) -> None:
    span = replace(make_span(1, 1), input="zyzzyva", tags={"env": "prod"})
    found = []
    for name in ("kept", "read"):
        path = tmp_path / f"{name}.db"
        store = SqliteSpanStore(path, normalise=toy_normalise, index_in_background=False)
        store.write([arrival_of(span)])
        if name == "read":
            store.close()
            store = SqliteSpanStore(path, normalise=toy_normalise, index_in_background=False)
        store.index()
        for query in ("zyzzyva", "tag.env:prod", "absent"):
            page = store.list_traces(experiment=None, query=query, limit=5, cursor=None)
            found.append((query, [trace.trace_id for trace in page.traces]))
        store.close()
    assert found[:3] == found[3:]
    assert [bool(traces) for _, traces in found[:3]] == [True, True, False]
