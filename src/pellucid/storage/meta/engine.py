"""The metadata database: connections, transactions, and the one place that knows the dialect."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pellucid.core.errors import InvalidInput, StorageUnavailable

LATEST_REVISION = "0002"
_BUSY_TIMEOUT_MS = 10_000
_MAX_VARIABLES = 500


class MetaDatabase:
    """An engine whose tables are up to date. Many may read at once; one writes.

    SQLite keeps one writer; the lock makes the others wait here and not in its busy handler.
    """

    def __init__(self, url: str) -> None:
        self._engine = _make_engine(url)
        self._writing = threading.Lock()
        self._statements: dict[str, Any] = {}
        self._upgrade()

    @classmethod
    def at(cls, path: Path) -> "MetaDatabase":
        """Open the SQLite file at a path, creating it with its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}")

    @property
    def engine(self) -> sa.Engine:
        """The engine itself, for migrations and tests."""
        return self._engine

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one state of the database throughout."""
        with _engine_errors(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection whose work is committed at the end, durable, or not done at all."""
        with self._writing, _engine_errors():
            connection = self._engine.connect().execution_options(pellucid_writes=True)
            with connection, connection.begin():
                yield connection

    def upsert(self, table: sa.Table) -> Any:
        """Return an INSERT that has the `on_conflict_…` methods."""
        if self._engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    def statement(self, name: str, build: Callable[[], Any]) -> Any:
        """Return a statement that is built once: building costs more than running a small one."""
        held = self._statements.get(name)
        if held is None:
            held = self._statements[name] = build()
        return held

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _upgrade(self) -> None:
        with _engine_errors(), self._engine.connect() as connection:
            if _find_revision(connection) == LATEST_REVISION:
                return
        # Alembic takes 0.2 s to import: only when there is something to migrate.
        from pellucid.storage.meta.migrate import upgrade

        with self._writing, _engine_errors():
            upgrade(self._engine)


def in_chunks(values: list[Any], size: int = _MAX_VARIABLES) -> Iterator[list[Any]]:
    """Yield a list in pieces that fit into the variables of one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def any_of(column: Any, name: str) -> Any:
    """Return a condition of a statement that is built once: the column is in a list of `name`."""
    return column.in_(sa.bindparam(name, expanding=True))


def _make_engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InvalidInput(
            f"{url!r} is no database URL. Use sqlite:///PATH or postgresql+psycopg://HOST/NAME."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True)
    engine = sa.create_engine(parsed, connect_args={"check_same_thread": False, "timeout": 10})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Transactions begin where we say, not where the driver guesses.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-16000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("pellucid_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _find_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        raise StorageUnavailable(f"The metadata database did not answer: {error.orig}") from error
