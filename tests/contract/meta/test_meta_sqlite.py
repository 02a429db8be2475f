import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import zstandard
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pellucid.client.snapshots.packing import pack
from pellucid.core.errors import InvalidInput, NotFound, StorageUnavailable
from pellucid.core.ids import new_id
from pellucid.core.run_ports import RunStore, SnapshotStore
from pellucid.storage.meta import engine
from pellucid.storage.meta import garbage as garbage_module
from pellucid.storage.meta.engine import LATEST_REVISION, MetaDatabase
from pellucid.storage.meta.garbage import SqlGarbageStore
from pellucid.storage.meta.recent import RecentDigests
from pellucid.storage.meta.run_writes import RunWriter
from pellucid.storage.meta.runs import SqlRunStore
from pellucid.storage.meta.snapshots import SqlSnapshotStore
from pellucid.storage.meta.tables import garbage, metadata
from pellucid.testing.garbage import (
    GRACE_S,
    GarbageStoreContract,
    SetMonotonic,
    Stores,
    naming,
    snapshot_of,
)
from pellucid.testing.garbage import OLD as OLD_FILES
from pellucid.testing.run_builders import (
    A,
    B,
    C,
    SetClock,
    found,
    metrics,
    params,
    start,
    write_all,
)
from pellucid.testing.run_store import RunStoreContract
from pellucid.testing.snapshot_store import SnapshotStoreContract

OLD = Path(__file__).parent / "old"
"""Databases as earlier versions wrote them; three forms of the first tables were in use."""


class TestSqliteRunStore(RunStoreContract):
    @pytest.fixture
    def clock(self) -> SetClock:
        return SetClock()

    @pytest.fixture
    def runs(self, tmp_path: Path, clock: SetClock) -> Iterator[RunStore]:
        store = SqlRunStore(MetaDatabase.at(tmp_path / "meta.db"), clock=clock)
        yield store
        store.close()


class TestSqliteSnapshotStore(SnapshotStoreContract):
    @pytest.fixture
    def snapshots(self, tmp_path: Path) -> Iterator[SnapshotStore]:
        database = MetaDatabase.at(tmp_path / "meta.db")
        yield SqlSnapshotStore(database)
        database.close()


def test_migrations_lead_to_the_tables_and_the_file_opens_again(tmp_path: Path) -> None:
    store = SqlRunStore(MetaDatabase.at(tmp_path / "meta.db"))
    write_all(store, start())
    store.close()
    database = MetaDatabase.at(tmp_path / "meta.db")
    assert found(SqlRunStore(database)) == [A]
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == LATEST_REVISION
        assert compare_metadata(context, metadata) == []
    database.close()


@pytest.mark.parametrize("old", sorted(OLD.glob("*.zst")), ids=lambda path: path.name)
def test_a_database_of_an_earlier_version_opens(old: Path, tmp_path: Path) -> None:
    path = tmp_path / "meta.db"
    path.write_bytes(zstandard.decompress(old.read_bytes()))
    database = MetaDatabase.at(path)
    store = SqlRunStore(database)
    assert found(store, "metric.accuracy>0.8 param.k:5 tag.idea:rerank") == [A]
    assert found(store, "name:k*", "score.correctness desc") == [A, B]
    assert store.get_run(A).scores == {"correctness": 0.9}
    assert [score.run_id for score in store.list_scores(A)] == [A]
    assert [artifact.path for artifact in store.list_artifacts(B)] == ["note.txt"]
    with pytest.raises(NotFound):
        store.get_run(C)
    write_all(store, start(C), start("0190d" + "0" * 27))
    assert store.get_run("0190d" + "0" * 27).number is not None
    with database.read() as connection:
        assert connection.execute(sa.select(garbage.c.kind)).scalars().all() == ["snapshot"]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_params_that_an_earlier_version_stored_nested_are_found_by_their_leaves(
    tmp_path: Path,
) -> None:
    path = tmp_path / "meta.db"
    store = SqlRunStore(MetaDatabase.at(path))
    nested = {"k": 5, "a": {"b": "X", "c": [1]}}
    write_all(store, start(A, params=params(r=nested, k=1)), start(B, params=params(k=2)))
    before = store.list_columns("e").params
    store.close()
    with sqlite3.connect(path) as old:
        old.execute("DELETE FROM params WHERE part_of IS NOT NULL")
        old.execute("ALTER TABLE params DROP COLUMN part_of")
        old.execute("UPDATE alembic_version SET version_num = '0003'")
    old.close()
    database = MetaDatabase.at(path)
    store = SqlRunStore(database)
    assert store.list_columns("e").params == before == {"k": 2, "r.a.b": 1, "r.a.c": 1, "r.k": 1}
    assert found(store, "param.r.k>4 param.r.a.b:x") == [A]
    assert store.get_run(A).params == {"k": 1, "r": nested}
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_database_that_another_holds_is_unavailable_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 20)
    store = SqlRunStore(MetaDatabase.at(tmp_path / "meta.db"))
    write_all(store, start())
    other = sqlite3.connect(tmp_path / "meta.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            write_all(store, start(B))
    other.execute("ROLLBACK")
    other.close()
    write_all(store, start(B))
    assert set(found(store)) == {A, B}
    store.close()


def test_what_is_rolled_back_leaves_no_trace_in_later_writes(tmp_path: Path) -> None:
    database = MetaDatabase.at(tmp_path / "meta.db")
    store = SqlRunStore(database)

    def fail(*_: object) -> None:
        raise RuntimeError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunWriter, "_receipts", fail)
        with pytest.raises(RuntimeError):
            write_all(store, start(metrics=metrics(loss=1.0)))
    assert found(store) == []
    write_all(store, start(metrics=metrics(gain=2.0)))
    write_all(store, start(metrics=metrics(loss=1.0)))
    assert store.get_run(A).metrics == {"gain": 2.0, "loss": 1.0}
    store.close()


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="sqlite:///"):
        MetaDatabase("nonsense")


class TestSqliteGarbageStore(GarbageStoreContract):
    @pytest.fixture
    def stores(self, tmp_path: Path) -> Iterator[Stores]:
        database = MetaDatabase.at(tmp_path / "meta.db")
        clock = SetMonotonic()
        recent = RecentDigests(grace_s=GRACE_S, clock=clock)
        clock.now_s += GRACE_S
        yield Stores(
            SqlRunStore(database),
            SqlSnapshotStore(database, recent),
            SqlGarbageStore(database, recent),
            clock,
        )
        database.close()

    def test_what_became_named_while_it_was_weighed_stays(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stores.runs.delete_run(stores.log(OLD_FILES))
        stores.settle()
        again, before = new_id(), garbage_module._dead

        def meanwhile(*arguments: Any) -> list[str]:
            found = before(*arguments)
            manifest = snapshot_of(OLD_FILES)[-1].digest
            stores.runs.write([naming(again, manifest)], heard_ns=[time.time_ns()])
            return found

        monkeypatch.setattr(garbage_module, "_dead", meanwhile)
        assert stores.garbage.condemn() == 0
        assert stores.files_of(again) == OLD_FILES

    def test_a_manifest_of_a_later_version_stops_it_all(self, stores: Stores) -> None:
        run = stores.log(OLD_FILES)
        later = pack(b'{"format":9,"tree":"' + b"0" * 64 + b'"}')
        stores.snapshots.put_objects([later])
        stores.runs.write([naming(new_id(), later.digest)], heard_ns=[time.time_ns()])
        stores.settle()
        stores.runs.delete_run(run)
        with pytest.raises(InvalidInput, match="Upgrade"):
            stores.garbage.condemn()
        assert stores.garbage.free_objects(9) is None
