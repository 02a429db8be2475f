"""Which run came from which, and the best so far."""

from typing import Any, NamedTuple

import sqlalchemy as sa

from pellucid.core.errors import InvalidInput
from pellucid.core.run import LineagePoint, WireNumber, to_wire
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.run_reads import live_runs


class _Best(NamedTuple):
    value: float | None
    is_new: bool


def list_lineage(
    connection: sa.Connection, experiment: str, *, value: str, goal: str, limit: int
) -> list[LineagePoint]:
    """Return an experiment's newest runs, oldest first."""
    if goal not in {"max", "min"}:
        raise InvalidInput(f"goal={goal!r} is not known: it is max or min.")
    rows = connection.execute(_runs_of(experiment, _value_column(value))).all()
    points: list[LineagePoint] = []
    by_tree: dict[str, str] = {}
    by_snapshot: dict[str, str] = {}
    best: float | None = None
    for row in rows:
        found = _renew(best, row.value, goal)
        best = found.value
        parent = by_tree.get(row.tree) or by_snapshot.get(row.parent_snapshot_id)
        points.append(_point(row, parent, found))
        if row.tree:
            by_tree[row.tree] = row.id
        if row.snapshot_id:
            by_snapshot[row.snapshot_id] = row.id
    return points[-limit:]


def _runs_of(experiment: str, value: Any) -> Any:
    c, facts = t.runs.c, t.object_facts
    tree = sa.and_(facts.c.digest == c.snapshot_id, facts.c.name == "tree")
    return (
        sa.select(
            c.id,
            c.number,
            c.name,
            c.start_ns,
            c.snapshot_id,
            c.parent_snapshot_id,
            facts.c.text.label("tree"),
            value.label("value"),
        )
        .select_from(t.runs.join(t.experiments).outerjoin(facts, tree))
        .where(t.experiments.c.name == experiment, live_runs)
        .order_by(c.number)
    )


def _value_column(value: str) -> Any:
    family, _, name = value.partition(".")
    if not value:
        return sa.null()
    if family == "metric" and name:
        m, names = t.metrics.c, t.metric_names.c
        key = sa.select(names.key).where(names.name == name).scalar_subquery()
        return (
            sa.select(m.value)
            .where(m.run_key == t.runs.c.key, m.name_key == key)
            .correlate(t.runs)
            .scalar_subquery()
        )
    if family == "score" and name:
        s = t.run_scores.c
        return (
            sa.select(s.number)
            .where(s.run_id == t.runs.c.id, s.name == name, s.latest)
            .order_by(s.time_ns.desc(), s.id.desc())
            .limit(1)
            .correlate(t.runs)
            .scalar_subquery()
        )
    raise InvalidInput(f"{value!r} is no value of a run: say metric.NAME or score.NAME.")


def _renew(best: float | None, value: float | None, goal: str) -> _Best:
    if value is None:
        return _Best(best, False)
    better = best is None or (value > best if goal == "max" else value < best)
    return _Best(value if better else best, better)


def _point(row: Any, parent: str | None, best: _Best) -> LineagePoint:
    return LineagePoint(
        run_id=row.id,
        number=row.number,
        name=row.name or "",
        start_ns=row.start_ns,
        snapshot_id=row.snapshot_id,
        parent_run_id=parent,
        value=_wire(row.value),
        best=_wire(best.value),
        is_best=best.is_new,
    )


def _wire(value: float | None) -> WireNumber:
    return None if value is None else to_wire(float(value))
