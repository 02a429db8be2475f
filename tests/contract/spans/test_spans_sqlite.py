from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pellucid.storage.spans.sqlite.store import SqliteSpanStore
from pellucid.testing.span_store import Clock, Fresh, Reopen, Settle, SpanStoreContract
from pellucid.testing.span_store.queries import QueryContract
from pellucid.testing.span_store.surveys import SurveyContract
from pellucid.testing.spans import toy_normalise


class _Sqlite:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, tmp_path: Path, clock: Clock) -> Iterator[SqliteSpanStore]:
        store = SqliteSpanStore(tmp_path / "spans.db", normalise=toy_normalise, clock=clock)
        yield store
        store.close()

    @pytest.fixture
    def reopen(self, store: SqliteSpanStore, tmp_path: Path, clock: Clock) -> Iterator[Reopen]:
        opened = [store]

        def again() -> SqliteSpanStore:
            opened[-1].close()
            path = tmp_path / "spans.db"
            opened.append(SqliteSpanStore(path, normalise=toy_normalise, clock=clock))
            return opened[-1]

        yield again
        opened[-1].close()

    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Fresh:
        @contextmanager
        def opened(clock: Clock) -> Iterator[SqliteSpanStore]:
            with TemporaryDirectory(dir=tmp_path) as folder:
                path = Path(folder) / "spans.db"
                with closing(_without_thread(path, clock)) as store:
                    yield store

        return opened

    @pytest.fixture
    def settle(self) -> Settle:
        return SqliteSpanStore.index


class TestSqlite(_Sqlite, SpanStoreContract):
    pass


class TestSqliteFarBehind(_Sqlite, QueryContract):
    """Queries while there is more to index than is kept track of."""

    @pytest.fixture(autouse=True)
    def _long_tail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pellucid.storage.spans.sqlite.search.LONG_TAIL", 0)


SEARCH = "pellucid.storage.spans.sqlite.search"


class TestSqliteInOneStatement(_Sqlite, QueryContract, SurveyContract):
    """Queries that are put to all traces at once, a few at a time."""

    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("TINY", -1), ("FEW", -1), ("FIRST", 0), ("_FIRST_CHUNK", 1)):
            monkeypatch.setattr(f"{SEARCH}.{name}", value)
        for name, value in (("WINDOW", 2), ("_PIECE", 1), ("_RARE", 0), ("_RARE_AND_SLOW", 0)):
            monkeypatch.setattr(f"{SEARCH}.{name}", value)


class TestSqliteByFewKeys(_Sqlite, QueryContract, SurveyContract):
    """Queries whose drivers have not very few keys, so that words are asked for as sets."""

    @pytest.fixture(autouse=True)
    def _by_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("TINY", -1), ("FIRST", 0), ("_FIRST_CHUNK", 1)):
            monkeypatch.setattr(f"{SEARCH}.{name}", value)
        for name, value in (("_RARE", 0), ("_RARE_AND_SLOW", 0)):
            monkeypatch.setattr(f"{SEARCH}.{name}", value)


def _without_thread(path: Path, clock: Clock) -> SqliteSpanStore:
    return SqliteSpanStore(path, normalise=toy_normalise, clock=clock, index_in_background=False)
