"""Small traces that arrive together share blocks, and nothing of one that goes stays behind."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from pellucid.core.ports import Parcel
from pellucid.core.span import Arrival
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.parcels import Parcel as SqliteParcel
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store import Clock, assert_agrees
from pellucid.testing.spans import START, make_arrival, make_log, toy_normalise, trace_id

NUMBERS = range(1, 21)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteSpanStore]:
    path = tmp_path / "spans.db"
    with closing(
        SqliteSpanStore(path, normalise=toy_normalise, clock=Clock(), index_in_background=False)
    ) as opened:
        yield opened


def _arrival(number: int, **fields: Any) -> Arrival:
    return make_arrival(number, 1, output=f"secret-{number}-", **fields)


def _blocks(store: SqliteSpanStore) -> list[bytes]:
    return [row[0] for row in store._writer.connection.execute("SELECT content FROM blocks")]


def _held(store: SqliteSpanStore) -> set[int]:
    """Return the numbers of the traces whose bodies are anywhere in the file's blocks."""
    found = b"".join(bytes(body) for one in _blocks(store) for body in bodies.open_block(one))
    return {number for number in range(1, 100) if b"secret-%d-" % number in found}


def _write_and_fail(store: SqliteSpanStore, parcels: Sequence[Parcel]) -> None:
    with store._transaction() as writer:
        writer.write(cast("Sequence[SqliteParcel]", parcels))
        raise ZeroDivisionError


def test_small_traces_share_blocks(store: SqliteSpanStore) -> None:
    store.write([_arrival(number) for number in NUMBERS])
    assert len(_blocks(store)) == 3
    for number in NUMBERS:
        (span,) = store.iter_spans(trace_id(number))
        assert span.span.output == f"secret-{number}-"


def test_a_deleted_trace_leaves_nothing_in_a_shared_block(store: SqliteSpanStore) -> None:
    store.write([_arrival(number) for number in NUMBERS])
    store.index()
    for number in (1, 8, 9):
        store.delete_trace(trace_id(number))
    assert _held(store) == set(NUMBERS) - {1, 8, 9}
    store.write([_arrival(number) for number in (1, 8, 50, 9, 51)])
    assert _held(store) == {*NUMBERS, 50, 51} - {1, 8, 9}
    for number in (*NUMBERS, 50, 51):
        if number not in (1, 8, 9):
            store.delete_trace(trace_id(number))
    assert _blocks(store) == []


def test_what_is_sent_again_takes_no_room(store: SqliteSpanStore) -> None:
    store.write([_arrival(number) for number in NUMBERS])
    store.write([_arrival(number) for number in (*NUMBERS, 30)])
    assert sum(map(len, map(bodies.open_block, _blocks(store)))) <= len(NUMBERS) + 8
    held = [body for one in _blocks(store) for body in bodies.open_block(one)]
    assert sum(body != msgspec.Raw(b"\xc0") for body in held) == len(NUMBERS) + 1


def test_versions_and_logs_change_spans_in_shared_blocks(store: SqliteSpanStore) -> None:
    reference = ReferenceStore()
    for batch in (
        [_arrival(number, took=1) for number in NUMBERS],
        [_arrival(number, took=2 + number) for number in NUMBERS if number % 3],
        [make_arrival(number, 2, 1) for number in NUMBERS],
    ):
        for one in (store, reference):
            one.write(batch)
        store.index()
    for one in (store, reference):
        one.write_logs([make_log(number, 1) for number in NUMBERS if number % 2])
        one.delete_trace(trace_id(7))
    assert_agrees(store, reference, START)
    assert _held(store) == set(NUMBERS) - {7}


def test_a_failed_transaction_is_done_again(store: SqliteSpanStore) -> None:
    parcels = store.prepare([_arrival(number) for number in NUMBERS])
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(store, parcels)
    assert _blocks(store) == []
    store.write_prepared(parcels)
    assert _held(store) == set(NUMBERS)
