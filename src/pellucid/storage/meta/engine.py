"""The metadata database: connections, transactions, and the one place that knows the dialect."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pellucid.core.errors import InvalidInput, StorageUnavailable

LATEST_REVISION = "0004"
_BUSY_TIMEOUT_MS = 10_000
_MAX_VARIABLES = 500
_INCREMENTAL = 2
_SHRINK_PAGES = 2_000
"""Of one step of giving pages back: a write waits for one of them at most."""
_OWNER_KEY = 0x70656C6C75636964  # "pellucid"


class _Text(NamedTuple):
    sql: str
    read: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    """Returns the parameters out of a row, in their order."""


class MetaDatabase:
    """An engine whose tables are up to date. Many may read at once; one writes.

    SQLite keeps one writer; the lock makes the others wait here and not in its busy handler.
    """

    def __init__(self, url: str, *, alone: bool = False) -> None:
        """Open the database at a URL; `alone`, no other server may have it open.

        Raises InvalidInput for a URL that cannot be used, and StorageUnavailable.
        """
        self._engine = _make_engine(url)
        self._writing = threading.Lock()
        self._statements: dict[str, Any] = {}
        self._texts: dict[str, _Text] = {}
        self.metric_keys: dict[str, int] = {}
        """Keys of metric names that are committed; they never change nor go."""
        self._writer: sa.Connection | None = None  # guarded by `_writing`; SQLite's only one
        self._held: sa.Connection | None = None
        if alone and self._engine.dialect.name == "postgresql":
            self._held = _hold(self._engine)
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
            if self._writer is not None:
                with self._writer.begin():
                    yield self._writer
                return
            connection = self._engine.connect().execution_options(pellucid_writes=True)
            if self._engine.dialect.name == "sqlite":
                # Taking it from the pool and giving it back costs as much as a small statement.
                self._writer = connection
                with connection.begin():
                    yield connection
            else:
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

    def execute_rows(
        self,
        connection: sa.Connection,
        name: str,
        build: Callable[[], Any],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Execute a statement of a name for many rows of plain numbers and texts.

        The statement is compiled once, and the rows go to the driver as they are: SQLAlchemy's
        own way takes several times as long for each.
        """
        text = self._text(name, build)
        with self._cursor(connection, text) as cursor:
            cursor.executemany(text.sql, list(map(text.read, rows)))

    def fetch_rows(
        self,
        connection: sa.Connection,
        name: str,
        build: Callable[[], Any],
        parameters: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement of a name, as the driver gives them, by column."""
        text = self._text(name, build)
        with self._cursor(connection, text) as cursor:
            cursor.execute(text.sql, text.read(parameters))
            columns = [column[0] for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def shrink(self, *, rebuild: bool) -> int:
        """Give what is free in SQLite's file back to the file system, and return the bytes.

        In steps, between which others write. A file that an earlier version made cannot do that:
        with `rebuild` it is written anew, once, which takes its size again for the time being.
        PostgreSQL does all this by itself.
        """
        if self._engine.dialect.name != "sqlite":
            return 0
        returned = 0
        while size := self._shrink_once(rebuild=rebuild):
            returned += size
        return returned

    def _shrink_once(self, *, rebuild: bool) -> int:
        with self._writing, _engine_errors(), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection

            def number(name: str) -> int:
                return int(driver.execute(f"PRAGMA {name}").fetchone()[0])

            before = number("page_count")
            if not number("freelist_count"):
                return 0
            if number("auto_vacuum") == _INCREMENTAL:
                driver.execute(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})").fetchall()
            elif rebuild:
                driver.execute("PRAGMA auto_vacuum=INCREMENTAL").close()
                driver.execute("VACUUM").close()
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return (before - number("page_count")) * number("page_size")

    def close(self) -> None:
        """Close all connections."""
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._held is not None:
                self._held.close()
                self._held = None
        self._engine.dispose()

    def _text(self, name: str, build: Callable[[], Any]) -> "_Text":
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = self._compile(build())
        return text

    @contextlib.contextmanager
    def _cursor(self, connection: sa.Connection, text: "_Text") -> Iterator[Any]:
        driver: Any = self._engine.dialect.loaded_dbapi
        cursor = connection.connection.cursor()
        try:
            yield cursor
        except driver.OperationalError as error:
            raise sa.exc.OperationalError(text.sql, None, error) from error
        finally:
            cursor.close()

    def _compile(self, statement: Any) -> "_Text":
        kind: Any = type(self._engine.dialect)
        style = "qmark" if kind.name == "sqlite" else "format"
        compiled = statement.compile(dialect=kind(paramstyle=style))
        names: list[str] = compiled.positiontup
        if len(names) == 1:
            return _Text(str(compiled), lambda row: (row[names[0]],))
        return _Text(str(compiled), itemgetter(*names))

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
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise InvalidInput(
            f"There is no engine for {backend}:// here. Use sqlite:///PATH or "
            "postgresql+psycopg://HOST/NAME."
        )
    if backend == "postgresql":
        try:
            psycopg = parsed.set(drivername="postgresql+psycopg")
            made = sa.create_engine(psycopg, pool_pre_ping=True)
        except ModuleNotFoundError:
            raise InvalidInput(
                "PostgreSQL needs its driver: pip install 'pellucid[postgres]'"
            ) from None
        sa.event.listen(made, "connect", _prepare_postgres)
        return made
    engine = sa.create_engine(parsed, connect_args={"check_same_thread": False, "timeout": 10})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _hold(engine: sa.Engine) -> sa.Connection:
    """Return a connection that holds the database for one server, as the lock does a folder."""
    with _engine_errors():
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _OWNER_KEY}):
            return connection
        connection.close()
    raise StorageUnavailable(
        "Another server has this metadata database open. Stop it, or give this one another."
    )


def _prepare_postgres(connection: Any, _record: Any) -> None:
    from psycopg.types.string import StrDumperUnknown

    class Dumper(StrDumperUnknown):  # type: ignore[misc, unused-ignore]
        """PostgreSQL's text holds no NUL: a program's odd note must not be refused for one."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

    connection.adapters.register_dumper(str, Dumper)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Transactions begin where we say, not where the driver guesses.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        # Before anything is written, or it has no effect.
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-16000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("pellucid_writes")
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN").close()
    except sqlite3.Error as error:
        raise sa.exc.OperationalError("BEGIN", None, error) from error


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
        raise StorageUnavailable(_told(str(error.orig))) from error
    except sqlite3.OperationalError as error:
        raise StorageUnavailable(_told(str(error))) from error


def _told(fault: str) -> str:
    where = "The metadata database"
    if "disk" in fault or "readonly" in fault:
        return f"{where} cannot be written: {fault}. Free some space, or make its folder writable."
    return f"{where} did not answer: {fault}."
