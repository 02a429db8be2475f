"""Schema steps: numbered SQL files, applied in order; `PRAGMA user_version` is the last one."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import apsw

from pellucid.core.errors import StorageUnavailable


class Migration(NamedTuple):
    """One step: the version that it leads to, and its SQL."""

    version: int
    sql: str


@cache
def all_migrations() -> tuple[Migration, ...]:
    """Return every step in order; a step that has landed is never edited."""
    found = [
        Migration(int(file.name.split("_", 1)[0]), file.read_text(encoding="utf-8"))
        for file in files(__package__).iterdir()
        if file.name.endswith(".sql")
    ]
    return tuple(sorted(found))


def migrate(connection: apsw.Connection, path: Path, *, to: int | None = None) -> None:
    """Bring a file to the newest version (or to `to`), each step in one transaction.

    Raises StorageUnavailable for a file that a newer Pellucid wrote.
    """
    steps = all_migrations()
    newest = steps[-1].version
    current = connection.pragma("user_version")
    if current > newest:
        raise StorageUnavailable(
            f"{path} has schema version {current}, and this Pellucid knows {newest} at most. "
            "Open it with the newer Pellucid that wrote it."
        )
    for step in steps:
        if current < step.version <= (newest if to is None else to):
            connection.execute("BEGIN IMMEDIATE")
            try:
                # Another process may have taken this step while we waited for the lock.
                if connection.pragma("user_version") < step.version:
                    connection.execute(step.sql)
                    connection.execute(f"PRAGMA user_version = {step.version}")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
