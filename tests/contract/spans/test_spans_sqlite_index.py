"""The index in the file: facts of many traces in one row, and what is left when traces go."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.span_store import Clock
from pellucid.testing.span_store.support import all_traces
from pellucid.testing.spans import make_arrival, toy_normalise, trace_id

TRACES = 100


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteSpanStore]:
    path = tmp_path / "spans.db"
    with closing(
        SqliteSpanStore(path, normalise=toy_normalise, clock=Clock(), index_in_background=False)
    ) as opened:
        yield opened


def _rows(store: SqliteSpanStore, field: str) -> int:
    return int(
        store._writer.connection.execute(
            "SELECT count(*) FROM facts WHERE field = (SELECT id FROM fields WHERE name = ?)",
            (field,),
        ).get
    )


def _found(store: SqliteSpanStore, query: str) -> set[str]:
    return {summary.trace_id for summary in all_traces(store, query)}


def test_facts_of_many_traces_share_rows(store: SqliteSpanStore) -> None:
    numbers = range(1, TRACES + 1)
    store.write([make_arrival(n, 1, attributes={"same": "x", "n": n % 7}) for n in numbers])
    store.index()
    assert _rows(store, "attr.same") <= TRACES // 32 + 2
    assert _found(store, "attr.same:X") == {trace_id(n) for n in numbers}
    assert _found(store, "attr.n:3") == {trace_id(n) for n in numbers if n % 7 == 3}
    assert _found(store, "attr.n>=5") == {trace_id(n) for n in numbers if n % 7 >= 5}
    assert _found(store, "-attr.n:3") == {trace_id(n) for n in numbers if n % 7 != 3}


def test_a_trace_that_goes_leaves_its_neighbours(store: SqliteSpanStore) -> None:
    numbers = range(1, TRACES + 1)
    store.write([make_arrival(n, 1, attributes={"same": "x", "own": f"o{n}"}) for n in numbers])
    store.index()
    for n in (1, 31, 32, 33, 64):
        store.delete_trace(trace_id(n))
    left = {n for n in numbers if n not in (1, 31, 32, 33, 64)}
    assert _found(store, "attr.same:x") == {trace_id(n) for n in left}
    assert _found(store, "attr.own:o32") == set()
    assert store.list_values("attr.own", beginning="o3") == [
        f"o{n}" for n in sorted(left, key=str) if str(n).startswith("3")
    ]
    for n in left:
        store.delete_trace(trace_id(n))
    assert _rows(store, "attr.same") == 0


def test_another_spelling_takes_the_place_of_the_one_before(store: SqliteSpanStore) -> None:
    store.write([make_arrival(1, 1, model="GPT-4o", took=1), make_arrival(2, 1, model="GPT-4o")])
    store.index()
    store.write([make_arrival(1, 1, model="gpt-4o", took=2)])
    store.index()
    assert _found(store, "span(model=GPT-4o)") == {trace_id(2)}
    assert _found(store, "span(model=gpt-4o)") == {trace_id(1)}
    assert store.list_values("model") == ["gpt-4o"] or store.list_values("model") == ["GPT-4o"]


def test_only_the_index_goes_without_an_fsync(store: SqliteSpanStore) -> None:
    full = store._writer.connection.pragma("synchronous")
    store.write([make_arrival(1, 1)])
    with store._unsynced():
        assert store._writer.connection.pragma("synchronous") < full
    store.index()
    assert store._writer.connection.pragma("synchronous") == full
