from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pellucid.core.errors import InvalidInput
from pellucid.core.run_ports import RunStore, SnapshotStore
from pellucid.storage.meta.engine import LATEST_REVISION, MetaDatabase
from pellucid.storage.meta.runs import SqlRunStore
from pellucid.storage.meta.snapshots import SqlSnapshotStore
from pellucid.storage.meta.tables import metadata
from pellucid.testing.run_builders import A, SetClock, found, start, write_all
from pellucid.testing.run_store import RunStoreContract
from pellucid.testing.snapshot_store import SnapshotStoreContract


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


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="sqlite:///"):
        MetaDatabase("nonsense")
