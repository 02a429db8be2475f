"""Datasets on SQLite: the contract, and how much versions take."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pellucid.core.dataset_ports import DatasetStore
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.datasets import SqlDatasetStore
from pellucid.storage.meta.engine import MetaDatabase
from pellucid.testing.dataset_store import DatasetStoreContract, example, examples, save


@pytest.fixture
def database(tmp_path: Path) -> Iterator[MetaDatabase]:
    opened = MetaDatabase.at(tmp_path / "meta.db")
    yield opened
    opened.close()


class TestSqliteDatasetStore(DatasetStoreContract):
    @pytest.fixture
    def datasets(self, database: MetaDatabase) -> DatasetStore:
        return SqlDatasetStore(database)


def test_versions_share_examples_and_chunks(database: MetaDatabase) -> None:
    store = SqlDatasetStore(database)
    save(store, examples=examples(*range(3000)))
    rows, bytes_before = _count(database), _chunk_bytes(database)
    for number in range(20):
        save(store, put=[example(1500, expected=number)])
    # The same content sent whole, with one example more at the front.
    save(store, examples=[example(9999), *examples(*range(3000))])
    assert _count(database) == rows + 21
    assert _chunk_bytes(database) < bytes_before + 21 * 8_000
    store.delete("d")
    assert _count(database) == _chunk_bytes(database) == 0


def _count(database: MetaDatabase) -> int:
    with database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(t.dataset_examples)) or 0


def _chunk_bytes(database: MetaDatabase) -> int:
    total = sa.select(sa.func.sum(sa.func.length(t.dataset_chunks.c.examples)))
    with database.read() as connection:
        return connection.scalar(total) or 0
