"""Read runs back whole: a page takes a handful of statements, whatever its size."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.run import (
    CRASHED_AFTER_NS,
    Artifact,
    MetricSeries,
    MetricSummary,
    ParamConflict,
    Run,
    RunColumns,
    RunCount,
    RunStatus,
    to_wire,
)
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import in_chunks
from pellucid.storage.meta.param_leaves import own_params, shown_params
from pellucid.storage.meta.run_scores import latest_scores
from pellucid.storage.meta.values import decode

NAN = float("nan")
_SAMPLE = 3
COLUMN_RUNS = 1000

live_runs = t.runs.c.deleted_ns.is_(None)


def load_runs(connection: sa.Connection, keys: list[int], *, now_ns: int) -> list[Run]:
    """Return runs in the order of `keys`."""
    rows: dict[int, Any] = {}
    values: dict[str, dict[int, dict[str, Any]]] = {}
    for name, statement in _value_statements().items():
        found: dict[int, dict[str, Any]] = defaultdict(dict)
        for chunk in in_chunks(keys):
            for key, field, value in connection.execute(statement, {"keys": chunk}):
                found[key][field] = value
        values[name] = found
    joined = sa.select(t.runs, t.experiments.c.name.label("experiment")).join(t.experiments)
    for chunk in in_chunks(keys):
        for row in connection.execute(joined.where(t.runs.c.key.in_(chunk))):
            rows[row.key] = row
    conflicts = _load_conflicts(connection, keys)
    scores = latest_scores(connection, keys)
    return [
        _run(
            rows[key],
            params={name: decode(value) for name, value in values["params"][key].items()},
            metrics={n: NAN if v is None else v for n, v in values["metrics"][key].items()},
            tags=values["tags"][key],
            scores=scores.get(key, {}),
            conflicts=conflicts.get(key, {}),
            now_ns=now_ns,
        )
        for key in keys
    ]


def _value_statements() -> dict[str, Any]:
    keys: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
    p, m, g, names = t.params.c, t.metrics.c, t.tags.c, t.metric_names.c
    return {
        "params": sa.select(p.run_key, p.name, p.value).where(p.run_key.in_(keys), own_params),
        "metrics": sa.select(m.run_key, names.name, m.value)
        .join(t.metric_names, names.key == m.name_key)
        .where(m.run_key.in_(keys)),
        "tags": sa.select(g.run_key, g.name, g.value).where(
            g.run_key.in_(keys), g.value.is_not(None)
        ),
    }


def _load_conflicts(connection: sa.Connection, keys: list[int]) -> dict[int, dict[str, list[Any]]]:
    table = t.param_conflicts
    conflicts: dict[int, dict[str, list[Any]]] = {}
    for chunk in in_chunks(keys):
        statement = (
            sa.select(table.c.run_key, table.c.name, table.c.value)
            .where(table.c.run_key.in_(chunk))
            .order_by(table.c.time_ns, table.c.value)
        )
        for key, name, value in connection.execute(statement):
            conflicts.setdefault(key, {}).setdefault(name, []).append(decode(value))
    return conflicts


def _run(
    row: Any,
    *,
    params: dict[str, Any],
    metrics: dict[str, float],
    tags: dict[str, str],
    scores: dict[str, bool | float | str],
    conflicts: dict[str, list[Any]],
    now_ns: int,
) -> Run:
    status = RunStatus(row.status)
    if status is RunStatus.RUNNING and row.heard_ns < now_ns - CRASHED_AFTER_NS:
        status = RunStatus.CRASHED
    return Run(
        id=row.id,
        experiment=row.experiment,
        number=row.number,
        name=row.name or "",
        status=status,
        start_ns=row.start_ns,
        end_ns=row.end_ns,
        heard_ns=row.heard_ns,
        parent_id=row.parent_id,
        params=dict(sorted(params.items())),
        metrics=dict(sorted(metrics.items())),
        tags=dict(sorted(tags.items())),
        scores=scores,
        notes=row.notes or "",
        snapshot_id=row.snapshot_id,
        parent_snapshot_id=row.parent_snapshot_id,
        error=row.error,
        source=decode(row.source),
        conflicts=[
            ParamConflict(name=name, kept=params.get(name), others=others)
            for name, others in sorted(conflicts.items())
        ],
    )


def status_expression(now_ns: int) -> sa.ColumnElement[str]:
    """Return the status as `Run.status` has it."""
    silent = sa.and_(
        t.runs.c.status == RunStatus.RUNNING.value,
        t.runs.c.heard_ns < now_ns - CRASHED_AFTER_NS,
    )
    return sa.case((silent, RunStatus.CRASHED.value), else_=t.runs.c.status)


def run_key(connection: sa.Connection, run_id: str) -> int:
    """Return a run's key. Raises NotFound."""
    key = connection.scalar(sa.select(t.runs.c.key).where(t.runs.c.id == run_id, live_runs))
    if key is None:
        raise NotFound(f"There is no run {run_id!r}. List them with: pellucid runs list")
    return int(key)


def latest_stamp(connection: sa.Connection, run_id: str) -> int:
    """Return the greatest time of a run's name, notes and tags. Raises NotFound."""
    key = run_key(connection, run_id)
    c = t.runs.c
    own = connection.execute(sa.select(c.name_ns, c.notes_ns).where(c.key == key)).one()
    tags = sa.select(sa.func.max(t.tags.c.time_ns)).where(t.tags.c.run_key == key)
    return max(time_ns or 0 for time_ns in (*own, connection.scalar(tags)))


def resolve(connection: sa.Connection, text: str) -> str:
    """Return the id that an id, a unique prefix, or `experiment@number` stands for."""
    experiment, at, number = text.rpartition("@")
    if at:
        return _resolve_number(connection, text, experiment, number)
    if not text or not all(character in "0123456789abcdef" for character in text):
        raise NotFound(
            f"{text!r} is no run. Say a run's id, the beginning of one, or experiment@number."
        )
    upper = text + "g"
    found = (
        connection.execute(
            sa.select(t.runs.c.id)
            .where(t.runs.c.id >= text, t.runs.c.id < upper, live_runs)
            .order_by(t.runs.c.id)
            .limit(_SAMPLE + 1)
        )
        .scalars()
        .all()
    )
    if not found:
        raise NotFound(f"There is no run {text!r}. List them with: pellucid runs list")
    if len(found) > 1 and found[0] != text:
        some = ", ".join(run_id[: len(text) + 6] for run_id in found[:_SAMPLE])
        raise InvalidInput(f"{text!r} begins the ids of several runs ({some} …). Say more of it.")
    return str(found[0])


def _resolve_number(connection: sa.Connection, text: str, experiment: str, number: str) -> str:
    if not number.isdecimal() or len(number) > 9:
        raise NotFound(f"{text!r} is no run: what follows the last @ is not a number.")
    statement = (
        sa.select(t.runs.c.id)
        .join(t.experiments)
        .where(t.experiments.c.name == experiment, t.runs.c.number == int(number), live_runs)
    )
    run_id = connection.scalar(statement)
    if run_id is None:
        raise NotFound(
            f"There is no run {text!r}. List them with: pellucid runs list --experiment "
            f"{experiment}"
        )
    return str(run_id)


def list_counts(connection: sa.Connection) -> list[RunCount]:
    """Return how many runs each experiment has, the most recent first."""
    count, last = sa.func.count().label("run_count"), sa.func.max(t.runs.c.start_ns).label("last")
    statement = (
        sa.select(t.experiments.c.name, count, last)
        .join(t.runs)
        .where(live_runs)
        .group_by(t.experiments.c.name)
        .order_by(last.desc())
    )
    return [
        RunCount(experiment=name, run_count=number, last_ns=last_ns)
        for name, number, last_ns in connection.execute(statement)
    ]


def list_columns(connection: sa.Connection, experiment: str | None) -> RunColumns:
    """Return the names that the newest runs have, with how many, the most common first."""
    m, names = t.metrics.c, t.metric_names.c
    p, g, s = t.params.c, t.tags.c, t.run_scores.c
    newest = sa.select(t.runs.c.key, t.runs.c.id).where(live_runs)
    if experiment is not None:
        key = sa.select(t.experiments.c.key).where(t.experiments.c.name == experiment)
        newest = newest.where(t.runs.c.experiment_key == key.scalar_subquery())
    runs = newest.order_by(t.runs.c.key.desc()).limit(COLUMN_RUNS).subquery().c

    def counted(name: Any, *conditions: Any) -> dict[str, int]:
        count = sa.func.count(sa.distinct(runs.key))
        statement = (
            sa.select(name, count).where(*conditions).group_by(name).order_by(count.desc(), name)
        )
        return {found: number for found, number in connection.execute(statement)}

    return RunColumns(
        params=counted(p.name, p.run_key == runs.key, shown_params),
        metrics=counted(names.name, m.run_key == runs.key, names.key == m.name_key),
        tags=counted(g.name, g.run_key == runs.key, g.value.is_not(None)),
        scores=counted(s.name, s.run_id == runs.id, s.latest),
    )


def list_children(connection: sa.Connection, run_id: str) -> list[str]:
    """Return the ids of a run's children, oldest first."""
    statement = (
        sa.select(t.runs.c.id).where(t.runs.c.parent_id == run_id, live_runs).order_by(t.runs.c.key)
    )
    return list(connection.execute(statement).scalars())


def list_metrics(connection: sa.Connection, run_id: str) -> dict[str, MetricSummary]:
    """Return a run's metric summaries by name."""
    m, names = t.metrics.c, t.metric_names
    statement = (
        sa.select(names.c.name, m.value, m.step, m.time_ns, m.least, m.greatest)
        .join(names, names.c.key == m.name_key)
        .where(m.run_key == run_key(connection, run_id))
        .order_by(names.c.name)
    )
    return {
        row.name: MetricSummary(
            value=_number(row.value),
            step=row.step,
            time_ns=row.time_ns,
            least=_number(row.least),
            greatest=_number(row.greatest),
        )
        for row in connection.execute(statement)
    }


def list_series(
    connection: sa.Connection, run_ids: Sequence[str], names: Sequence[str] | None, limit: int
) -> list[MetricSeries]:
    """Return metrics in columns, runs and names in the order asked, thinned to `limit` points."""
    series = []
    for run_id in run_ids:
        key = run_key(connection, run_id)
        for name, name_key in _series_names(connection, key, names):
            series.append(_series(connection, run_id, key, name, name_key, limit))
    return series


def _series_names(
    connection: sa.Connection, key: int, names: Sequence[str] | None
) -> list[tuple[str, int]]:
    statement = (
        sa.select(t.metric_names.c.name, t.metric_names.c.key)
        .join(t.metrics, t.metrics.c.name_key == t.metric_names.c.key)
        .where(t.metrics.c.run_key == key)
        .order_by(t.metric_names.c.name)
    )
    if names is not None:
        statement = statement.where(t.metric_names.c.name.in_(names))
    return [(name, name_key) for name, name_key in connection.execute(statement)]


def _series(
    connection: sa.Connection, run_id: str, key: int, name: str, name_key: int, limit: int
) -> MetricSeries:
    p = t.metric_points.c
    statement = (
        sa.select(p.step, p.time_ns, p.value)
        .where(p.run_key == key, p.name_key == name_key)
        .order_by(p.step, p.time_ns)
    )
    rows = connection.execute(statement).all()
    if len(rows) > limit:
        last = len(rows) - 1
        chosen = sorted({round(i * last / max(1, limit - 1)) for i in range(limit)})
        rows = [rows[i] for i in chosen]
    return MetricSeries(
        run_id=run_id,
        name=name,
        steps=[row[0] for row in rows],
        times_ns=[row[1] for row in rows],
        values=[to_wire(_number(row[2])) for row in rows],
    )


def list_artifacts(connection: sa.Connection, run_id: str) -> list[Artifact]:
    """Return a run's artifacts by path."""
    key = run_key(connection, run_id)
    statement = (
        sa.select(t.artifacts).where(t.artifacts.c.run_key == key).order_by(t.artifacts.c.path)
    )
    return [artifact_of(row, run_id) for row in connection.execute(statement)]


def get_artifact(connection: sa.Connection, run_id: str, path: str) -> Artifact:
    """Return one artifact. Raises NotFound."""
    key = run_key(connection, run_id)
    table = t.artifacts
    statement = sa.select(table).where(table.c.run_key == key, table.c.path == path)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise NotFound(f"The run {run_id} has no artifact {path!r}.")
    return artifact_of(row, run_id)


def artifact_of(row: Any, run_id: str) -> Artifact:
    """Return the artifact that a row is."""
    return Artifact(
        run_id=run_id,
        path=row.path,
        digest=row.digest,
        size_bytes=row.size_bytes,
        media_type=row.media_type,
        time_ns=row.time_ns,
        kind=row.kind,
        key=row.image_key,
        step=row.step,
        prompt=row.prompt,
        model=row.model,
        metadata=decode(row.metadata),
    )


def _number(value: float | None) -> float:
    return NAN if value is None else value
