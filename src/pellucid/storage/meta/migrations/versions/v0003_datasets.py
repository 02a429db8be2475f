"""Datasets, their versions, and the examples that versions share."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "datasets",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("changed_ns", sa.BigInteger, nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.Column("deleted_ns", sa.BigInteger),
    )
    op.create_index("datasets_by_change", "datasets", ["changed_ns", "key"])
    op.create_table(
        "dataset_versions",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("dataset_key", sa.Integer, sa.ForeignKey("datasets.key"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("chunks", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("dataset_key", "number"),
    )
    op.create_index("dataset_versions_by_content", "dataset_versions", ["dataset_key", "version"])
    op.create_table(
        "dataset_chunks",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("examples", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "dataset_examples",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("split", sa.Text),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("dataset_examples_by_id", "dataset_examples", ["id"])
