"""What spans cost in memory and in their bodies: kept for the indexer, texts kept once."""

from pathlib import Path

from msgspec.structs import replace

from pellucid.core.span import DecodedSpan, Message, Part, Span
from pellucid.storage.spans.sqlite import bodies, recent
from pellucid.storage.spans.sqlite.recent import Kept, RecentContents
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


def test_kept_contents_are_given_out_once_and_in_order() -> None:
    store = RecentContents()
    kept = [Kept(1, 1, 3, b"a"), Kept(2, 4, 4, b"b"), Kept(1, 7, 9, b"c")]
    for one in kept:
        store.keep(one)
    assert [store.last_beside(row) for row in (2, 3, 4, 5, 7, 10)] == [3, 3, 4, 5, 9, 10]
    assert store.take(8) == kept[:2]
    assert store.take(8) == []
    store.clear()
    assert store.take(9) == []


def test_kept_contents_stay_within_their_bytes() -> None:
    store = RecentContents()
    store.keep(Kept(1, 1, 1, bytes(recent.MAX_BYTES)))
    store.keep(Kept(1, 2, 2, b"a"))
    assert [kept.first for kept in store.take(9)] == [1]
    store.keep(Kept(1, 3, 3, b"a"))
    assert [kept.first for kept in store.take(9)] == [3]


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
