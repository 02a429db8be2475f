"""Runs, their params, metrics, tags, artifacts and scores; snapshots."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    _create_experiments()
    _create_runs()
    _create_params()
    _create_param_conflicts()
    _create_tags()
    _create_metric_names()
    _create_metric_points()
    _create_metrics()
    _create_artifacts()
    _create_run_scores()
    _create_objects()
    _create_object_facts()


def _create_experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("last_number", sa.Integer, nullable=False),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("experiment_key", sa.Integer, sa.ForeignKey("experiments.key"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("name_folded", sa.Text),
        sa.Column("name_ns", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("status_ns", sa.BigInteger, nullable=False),
        sa.Column("start_ns", sa.BigInteger, nullable=False),
        sa.Column("started", sa.Boolean, nullable=False),
        sa.Column("end_ns", sa.BigInteger),
        sa.Column("heard_ns", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.Text),
        sa.Column("notes", sa.Text),
        sa.Column("notes_ns", sa.BigInteger),
        sa.Column("snapshot_id", sa.Text),
        sa.Column("snapshot_ns", sa.BigInteger),
        sa.Column("parent_snapshot_id", sa.Text),
        sa.Column("parent_snapshot_ns", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("deleted_ns", sa.BigInteger),
        sa.UniqueConstraint("experiment_key", "number"),
    )
    op.create_index("runs_by_start", "runs", ["experiment_key", "start_ns"])
    op.create_index("runs_by_parent", "runs", ["parent_id"])
    op.create_index("runs_by_snapshot", "runs", ["snapshot_id"])


def _create_params() -> None:
    op.create_table(
        "params",
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("number", sa.Double),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("params_by_text", "params", ["name", "folded"])
    op.create_index("params_by_number", "params", ["name", "number"])


def _create_param_conflicts() -> None:
    op.create_table(
        "param_conflicts",
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text),
        sa.Column("folded", sa.Text),
        sa.Column("number", sa.Double),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("tags_by_text", "tags", ["name", "folded"])


def _create_metric_names() -> None:
    op.create_table(
        "metric_names",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
    )


def _create_metric_points() -> None:
    op.create_table(
        "metric_points",
        sa.Column("run_key", sa.Integer, primary_key=True),
        sa.Column("name_key", sa.Integer, primary_key=True),
        sa.Column("step", sa.BigInteger, primary_key=True),
        sa.Column("time_ns", sa.BigInteger, primary_key=True),
        sa.Column("value", sa.Double),
        sqlite_with_rowid=False,
    )


def _create_metrics() -> None:
    op.create_table(
        "metrics",
        sa.Column("run_key", sa.Integer, primary_key=True),
        sa.Column("name_key", sa.Integer, primary_key=True),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("least", sa.Double),
        sa.Column("greatest", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_index("metrics_by_value", "metrics", ["name_key", "value"])


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("image_key", sa.Text),
        sa.Column("step", sa.BigInteger),
        sa.Column("prompt", sa.Text),
        sa.Column("prompt_folded", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.UniqueConstraint("run_key", "path"),
    )
    op.create_index("artifacts_by_kind", "artifacts", ["kind", "time_ns"])


def _create_run_scores() -> None:
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


def _create_objects() -> None:
    op.create_table(
        "objects",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _create_object_facts() -> None:
    op.create_table(
        "object_facts",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, primary_key=True),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("number", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_index("object_facts_by_text", "object_facts", ["name", "folded"])
