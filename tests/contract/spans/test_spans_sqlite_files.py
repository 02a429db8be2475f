"""The file itself: old versions, a full disk, kills, space given back.

Stores as earlier schema versions wrote them are in `old/spans-vN.db.zst`. Run this file after a
new migration to add the one that the current code writes; what is there is never written again.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest
import zstandard

from pellucid.core.errors import StorageUnavailable
from pellucid.core.span import Arrival, SpanKind, Status
from pellucid.storage.spans.sqlite.migrations import all_migrations
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.storage.spans.sqlite.views import VIEWS
from pellucid.testing.reference import ReferenceStore
from pellucid.testing.span_store import Clock, assert_agrees
from pellucid.testing.span_store.support import all_traces
from pellucid.testing.spans import START, make_arrival, make_log, toy_normalise, trace_id, usage

OLD = Path(__file__).parent / "old"
PICTURE = "ab" * 32


def _arrivals() -> list[Arrival]:
    """Return what every old store was given, in one batch a trace and some twice."""
    found = []
    for trace in range(1, 13):
        for number in range(1, 9):
            found.append(
                make_arrival(
                    trace,
                    number,
                    number // 2,
                    at=60 * trace + number,
                    took=number,
                    kind=SpanKind.LLM if number % 2 else SpanKind.TOOL,
                    status=Status.ERROR if (trace + number) % 7 == 0 else Status.OK,
                    pending=number == 8 and trace % 5 == 0,
                    experiment="first" if trace % 2 else "second one",
                    session_id=f"session-{trace // 3}",
                    tags={"env": "prod", f"t{number}": ""},
                    model="gpt-4o" if number % 2 else None,
                    tokens=usage(number, trace),
                    cost_usd=0.01 * number if number % 3 == 0 else None,
                    estimated_cost_usd=0.002 if number % 3 else None,
                    input={"question": f"how many discs, {trace}?"},
                    output=f"answer {number} 答え",
                    attributes={"tenant": trace, "picture": "pellucid-attachment:" + "ab" * 32},
                )
            )
    return found


def _open(path: Path) -> SqliteSpanStore:
    return SqliteSpanStore(path, normalise=toy_normalise, clock=Clock())


@pytest.mark.parametrize("old", sorted(OLD.glob("*.zst")), ids=lambda path: path.name)
def test_a_store_of_an_earlier_version_opens(old: Path, tmp_path: Path) -> None:
    path = tmp_path / "spans.db"
    path.write_bytes(zstandard.decompress(old.read_bytes()))
    reference = ReferenceStore()
    reference.write(_arrivals())
    for _ in range(2):
        with closing(_open(path)) as store:
            assert_agrees(store, reference, START)
            assert store.find_unreferenced([PICTURE]) == []
            for query, count in (("attr.tenant:3", 1), ('"many discs"', 12), ("kind:TOOL", 12)):
                assert len(all_traces(store, query)) == count
            store.index()
    more = [make_arrival(1, 50, 1), make_arrival(99, 1)]
    with closing(_open(path)) as store:
        for one in (store, reference):
            one.write(more)
            one.write_logs([make_log(1, 50)])
            one.delete_trace(trace_id(2))
        assert_agrees(store, reference, START)


def test_the_index_follows_in_the_background(tmp_path: Path) -> None:
    with closing(_open(tmp_path / "spans.db")) as store:
        for n in range(1, 40):
            store.write([make_arrival(n, 1, model="m", output="a rare zyzzyva")])
        deadline = time.monotonic() + 90
        while store.list_values("model") != ["m"] or store._writer.index.watermark < 39:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(all_traces(store, "zyzzyva model:M")) == 39


def test_every_version_has_an_old_store() -> None:
    versions = {int(path.name.split("-v")[1].split(".")[0]) for path in OLD.glob("*.zst")}
    assert versions == {migration.version for migration in all_migrations()}


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spans.db"
    _open(path).close()
    with closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(StorageUnavailable, match="newer"):
        _open(path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spans.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageUnavailable):
        _open(path)


def test_a_full_disk_refuses_and_keeps_what_was_there(tmp_path: Path) -> None:
    reference = ReferenceStore()
    with closing(_open(tmp_path / "spans.db")) as store:
        first = [make_arrival(1, n, n // 2) for n in range(1, 30)]
        store.write(first)
        reference.write(first)
        pages = store._writer.connection.pragma("page_count")
        store._writer.connection.pragma("max_page_count", pages + 2)
        noise = os.urandom(200_000).hex()
        with pytest.raises(StorageUnavailable, match="full"):
            store.write([make_arrival(1, 40, 1), make_arrival(2, 1, input=noise)])
        assert_agrees(store, reference, START)
        store._writer.connection.pragma("max_page_count", 2**31)
        second = [make_arrival(1, 40, 1), make_arrival(2, 1, input=noise)]
        store.write(second)
        reference.write(second)
        assert_agrees(store, reference, START)


def test_what_was_prepared_can_be_written_again_after_a_full_disk(tmp_path: Path) -> None:
    reference = ReferenceStore()
    with closing(_open(tmp_path / "spans.db")) as store:
        arrivals = [make_arrival(1, n, n // 2, tokens=usage(n)) for n in range(1, 80)]
        noise = make_arrival(2, 1, input=os.urandom(200_000).hex())
        prepared = [*store.prepare(arrivals[:40]), *store.prepare([*arrivals[20:], noise])]
        pages = store._writer.connection.pragma("page_count")
        store._writer.connection.pragma("max_page_count", pages + 2)
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="full"):
                store.write_prepared(prepared)
        store._writer.connection.pragma("max_page_count", 2**31)
        store.write_prepared(prepared)
        reference.write([*arrivals, noise])
        assert_agrees(store, reference, START)


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = _open(tmp_path / "spans.db")
    store.close()
    with pytest.raises(StorageUnavailable):
        store.write([make_arrival(1, 1)])
    with pytest.raises(StorageUnavailable):
        store.get_trace(trace_id(1))


def test_deleting_gives_space_back(tmp_path: Path) -> None:
    path = tmp_path / "spans.db"
    with closing(_open(path)) as store:
        for n in range(1, 60):
            store.write([make_arrival(n, 1, input=os.urandom(20_000).hex(), experiment="big")])
        store.write([make_arrival(100, 1)])
        store.checkpoint()
        before = path.stat().st_size
        store.delete_experiment("big")
        store.checkpoint()
        assert path.stat().st_size < before / 5
        assert store.get_trace(trace_id(100)).span_count == 1


def test_every_column_of_the_views_is_documented(tmp_path: Path) -> None:
    pages = (Path(__file__).parents[3] / "docs" / "reference" / "sql.md").read_text()
    sections = {part.split("\n", 1)[0].strip(): part for part in pages.split("\n## ")[1:]}
    with closing(_open(tmp_path / "spans.db")) as store:
        store.write([make_arrival(1, 1)])
        assert set(sections) == set(VIEWS)
        for view in VIEWS:
            columns = set(store.run_sql(f"select * from (select 1) left join {view}").columns)
            documented = set(re.findall(r"`([a-z_]+)`", sections[view]))
            assert columns - {"1"} <= documented, view


_WRITER = """
import sys
from pathlib import Path
from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.storage.spans.sqlite.views import VIEWS
from pellucid.testing.spans import make_arrival, toy_normalise
store = SqliteSpanStore(Path(sys.argv[1]), normalise=toy_normalise)
batch = int(sys.argv[2])
while True:
    batch += 1
    store.write([make_arrival(1 + n % 3, 1 + batch * 10 + n, 1 + batch) for n in range(9)])
    print(batch, flush=True)
"""


@pytest.mark.slow
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "spans.db"
    acknowledged = 0
    for round_ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), str(acknowledged)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        acknowledged = int(process.stdout.readline())
        time.sleep(0.013 * round_)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        process.stdout.close()
        process.wait()
        # A line that was cut off is no acknowledgement.
        acknowledged = max([acknowledged, *(int(line) for line in lines[:-1])])
        with closing(_open(path)) as store:
            found = [s.span.span_id for n in (1, 2, 3) for s in store.iter_spans(trace_id(n))]
            assert len(found) == len(set(found))
            assert sum(store.get_trace(trace_id(n)).span_count for n in (1, 2, 3)) == len(found)
            numbers = {int(span_id, 16) for span_id in found}
            sent = range(1, acknowledged + 1)
            assert {1 + batch * 10 + n for batch in sent for n in range(9)} <= numbers
            (cell,) = store.read_rollups(step_minutes=0)
            assert cell.figures.count == len(found)
            # The next writer goes on with a batch that may have committed without its ack.
            acknowledged = max((number - 1) // 10 for number in numbers)


def _write_old_store() -> None:
    version = all_migrations()[-1].version
    target = OLD / f"spans-v{version}.db.zst"
    if target.exists():
        raise SystemExit(f"{target} is there already")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.db"
        store = SqliteSpanStore(path, normalise=toy_normalise)
        for first in range(0, 96, 24):
            store.write(_arrivals()[first : first + 24])
        store.write(_arrivals()[:30])
        store.close()
        OLD.mkdir(exist_ok=True)
        target.write_bytes(zstandard.compress(path.read_bytes(), 19))


if __name__ == "__main__":
    _write_old_store()
