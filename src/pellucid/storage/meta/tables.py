"""The tables of the metadata, on SQLite and PostgreSQL alike; migrations bring them about.

Runs and metric names have narrow integer keys, because points are many. A `folded` column holds
what `:` compares (case folded, cut at `FOLDED_CHARACTERS`), `number` what an ordering compares.
"""

import sqlalchemy as sa

FOLDED_CHARACTERS = 400

metadata = sa.MetaData()

experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("last_number", sa.Integer, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
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
    sa.Index("runs_by_start", "experiment_key", "start_ns"),
    sa.Index("runs_by_parent", "parent_id"),
    sa.Index("runs_by_snapshot", "snapshot_id"),
)

params = sa.Table(
    "params",
    metadata,
    sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("number", sa.Double),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    # The nested param that this is a leaf of; None for a param itself.
    sa.Column("part_of", sa.Text),
    sa.Index("params_by_text", "name", "folded"),
    sa.Index("params_by_number", "name", "number"),
    sqlite_with_rowid=False,
)

param_conflicts = sa.Table(
    "param_conflicts",
    metadata,
    sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text),
    sa.Column("folded", sa.Text),
    sa.Column("number", sa.Double),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sa.Index("tags_by_text", "name", "folded"),
    sqlite_with_rowid=False,
)

metric_names = sa.Table(
    "metric_names",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

metric_points = sa.Table(
    "metric_points",
    metadata,
    sa.Column("run_key", sa.Integer, primary_key=True),
    sa.Column("name_key", sa.Integer, primary_key=True),
    sa.Column("step", sa.BigInteger, primary_key=True),
    sa.Column("time_ns", sa.BigInteger, primary_key=True),
    # None is NaN, which SQLite cannot hold.
    sa.Column("value", sa.Double),
    sqlite_with_rowid=False,
)

metrics = sa.Table(
    "metrics",
    metadata,
    sa.Column("run_key", sa.Integer, primary_key=True),
    sa.Column("name_key", sa.Integer, primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("least", sa.Double),
    sa.Column("greatest", sa.Double),
    sa.Index("metrics_by_value", "name_key", "value"),
    sqlite_with_rowid=False,
)

artifacts = sa.Table(
    "artifacts",
    metadata,
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
    sa.Index("artifacts_by_kind", "kind", "time_ns"),
    sa.Index("artifacts_by_digest", "digest"),
)

run_scores = sa.Table(
    "run_scores",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # No key: a score may arrive before the first write about its run.
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
    sa.Index("run_scores_by_run", "run_id", "name"),
    sa.Index("run_scores_by_number", "name", "number"),
)

measures = sa.Table(
    "measures",
    metadata,
    sa.Column("experiment_key", sa.Integer, sa.ForeignKey("experiments.key"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

garbage = sa.Table(
    "garbage",
    metadata,
    # `artifact` or `snapshot`: something that a deleted run named, which others may still name;
    # `object`: condemned; `example`: one that no version of a dataset names.
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

objects = sa.Table(
    "objects",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

object_facts = sa.Table(
    "object_facts",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, primary_key=True),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("number", sa.Double),
    sa.Index("object_facts_by_text", "name", "folded"),
    sqlite_with_rowid=False,
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("last_number", sa.Integer, nullable=False),
    # A deleted dataset keeps its row, so that its numbers never stand for other examples.
    sa.Column("deleted_ns", sa.BigInteger),
    sa.Index("datasets_by_change", "changed_ns", "key"),
)

dataset_versions = sa.Table(
    "dataset_versions",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("dataset_key", sa.Integer, sa.ForeignKey("datasets.key"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    # The digests of its chunks, one after the other.
    sa.Column("chunks", sa.LargeBinary, nullable=False),
    # A DatasetVersion as JSON.
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("dataset_key", "number"),
    sa.Index("dataset_versions_by_content", "dataset_key", "version"),
)

dataset_chunks = sa.Table(
    "dataset_chunks",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    # The digests of some consecutive examples, one after the other.
    sa.Column("examples", sa.LargeBinary, nullable=False),
)

dataset_examples = sa.Table(
    "dataset_examples",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("split", sa.Text),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("dataset_examples_by_id", "id"),
)
