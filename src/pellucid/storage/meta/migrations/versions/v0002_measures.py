"""Measures' directions, what deletions left to free, and three early forms of the first tables."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_FOLDED_CHARACTERS = 400
_ROWS = 500


def upgrade() -> None:
    """Create the new tables, and bring a database of the first days into the form of 0001."""
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    if "name_folded" not in {column["name"] for column in inspector.get_columns("runs")}:
        _add_folded_names(connection)
    if "run_key" in {column["name"] for column in inspector.get_columns("run_scores")}:
        _name_runs_of_scores(connection)
    op.create_table(
        "measures",
        sa.Column("experiment_key", sa.Integer, sa.ForeignKey("experiments.key"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "garbage",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("since_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("artifacts_by_digest", "artifacts", ["digest"])
    _note_snapshots_of_deleted_runs(connection)


def _add_folded_names(connection: sa.Connection) -> None:
    op.add_column("runs", sa.Column("name_folded", sa.Text))
    runs = sa.table("runs", sa.column("key"), sa.column("name"), sa.column("name_folded"))
    named = sa.select(runs.c.key, runs.c.name).where(runs.c.name.is_not(None))
    change = (
        sa.update(runs)
        .where(runs.c.key == sa.bindparam("at"))
        .values(name_folded=sa.bindparam("folded"))
    )
    for rows in _in_chunks(connection.execute(named).all()):
        connection.execute(
            change,
            [{"at": key, "folded": name.casefold()[:_FOLDED_CHARACTERS]} for key, name in rows],
        )


def _name_runs_of_scores(connection: sa.Connection) -> None:
    """Rebuild the table with the run's id, which a score may name before the run arrives."""
    for index in ("run_scores_by_run", "run_scores_by_number"):
        op.drop_index(index, "run_scores")
    op.rename_table("run_scores", "run_scores_0001")
    op.create_table(
        "run_scores",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("latest", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("number", sa.Double),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("run_scores_by_run", "run_scores", ["run_id", "name"])
    op.create_index("run_scores_by_number", "run_scores", ["name", "number"])
    kept = "name, source, author, time_ns, latest, text, folded, number, body"
    of_old = ", ".join(f"old.{column}" for column in kept.split(", "))
    connection.execute(
        sa.text(
            f"INSERT INTO run_scores (id, run_id, {kept}) SELECT old.id, runs.id, {of_old} "
            "FROM run_scores_0001 AS old JOIN runs ON runs.key = old.run_key"
        )
    )
    op.drop_table("run_scores_0001")


def _note_snapshots_of_deleted_runs(connection: sa.Connection) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO garbage (kind, digest, since_ns) "
            "SELECT 'snapshot', snapshot_id, MAX(deleted_ns) FROM runs "
            "WHERE deleted_ns IS NOT NULL AND snapshot_id IS NOT NULL GROUP BY snapshot_id"
        )
    )


def _in_chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]
