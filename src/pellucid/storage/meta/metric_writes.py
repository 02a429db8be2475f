"""Merge points of metrics, the many small rows of a run."""

from typing import Any, NamedTuple

import sqlalchemy as sa

from pellucid.core.run import RunWrite, WireNumber
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase, any_of, in_chunks


class _Slot(NamedTuple):
    run_key: int
    name_key: int


def write_metrics(
    database: MetaDatabase, connection: sa.Connection, live: list[tuple[int, list[RunWrite]]]
) -> None:
    """Add points and renew the summaries; of two values at one (step, time) the greater stays."""
    names = {metric.name for _, writes in live for write in writes for metric in write.metrics}
    if not names:
        return
    keys = _name_keys(database, connection, sorted(names))
    places: dict[tuple[int, int, int, int], float | None] = {}
    summaries: dict[_Slot, dict[str, Any]] = {}
    for run_key, writes in live:
        for write in writes:
            for metric in write.metrics:
                slot = _Slot(run_key, keys[metric.name])
                value = _column(metric.value)
                place = (*slot, metric.step, metric.time_ns)
                if place not in places or _order(value) > _order(places[place]):
                    places[place] = value
                _summarise(summaries, slot, metric.step, metric.time_ns, value)
    _insert_points(database, connection, places)
    database.execute_rows(
        connection,
        "metric summaries",
        lambda: _summary_statement(database),
        list(summaries.values()),
    )


def _name_keys(
    database: MetaDatabase, connection: sa.Connection, names: list[str]
) -> dict[str, int]:
    table = t.metric_names
    known = database.metric_keys
    keys = {name: known[name] for name in names if name in known}
    found = database.statement(
        "metric names",
        lambda: sa.select(table.c.name, table.c.key).where(any_of(table.c.name, "names")),
    )

    def load(wanted: list[str]) -> None:
        for chunk in in_chunks(wanted):
            keys.update({name: key for name, key in connection.execute(found, {"names": chunk})})

    load([name for name in names if name not in keys])
    # Read before this transaction adds any: these are there whatever becomes of it.
    known.update(keys)
    missing = [name for name in names if name not in keys]
    if missing:
        connection.execute(
            database.upsert(table).on_conflict_do_nothing(index_elements=["name"]),
            [{"name": name} for name in missing],
        )
        load(missing)
    return keys


def _insert_points(
    database: MetaDatabase,
    connection: sa.Connection,
    points: dict[tuple[int, int, int, int], float | None],
) -> None:
    database.execute_rows(
        connection,
        "metric points",
        lambda: _points_statement(database),
        [
            {"run_key": run, "name_key": name, "step": step, "time_ns": time_ns, "value": value}
            for (run, name, step, time_ns), value in points.items()
        ],
    )


def _points_statement(database: MetaDatabase) -> Any:
    table = t.metric_points
    upsert = database.upsert(table)
    new = upsert.excluded.value
    return upsert.on_conflict_do_update(
        index_elements=["run_key", "name_key", "step", "time_ns"],
        set_={"value": new},
        where=sa.or_(new > table.c.value, sa.and_(table.c.value.is_(None), new.is_not(None))),
    )


def _summarise(
    summaries: dict[_Slot, dict[str, Any]],
    slot: _Slot,
    step: int,
    time_ns: int,
    value: float | None,
) -> None:
    row = summaries.get(slot)
    if row is None:
        summaries[slot] = {
            "run_key": slot.run_key,
            "name_key": slot.name_key,
            "step": step,
            "time_ns": time_ns,
            "value": value,
            "least": value,
            "greatest": value,
        }
        return
    if (step, time_ns, _order(value)) > (row["step"], row["time_ns"], _order(row["value"])):
        row.update(step=step, time_ns=time_ns, value=value)
    if value is not None:
        row["least"] = value if row["least"] is None else min(value, row["least"])
        row["greatest"] = value if row["greatest"] is None else max(value, row["greatest"])


def _summary_statement(database: MetaDatabase) -> Any:
    upsert = database.upsert(t.metrics)
    new, old = upsert.excluded, t.metrics.c
    later = sa.or_(
        sa.tuple_(new.step, new.time_ns) > sa.tuple_(old.step, old.time_ns),
        sa.and_(
            new.step == old.step,
            new.time_ns == old.time_ns,
            sa.or_(new.value > old.value, old.value.is_(None)),
        ),
    )
    less = sa.or_(new.least < old.least, old.least.is_(None))
    more = sa.or_(new.greatest > old.greatest, old.greatest.is_(None))
    return upsert.on_conflict_do_update(
        index_elements=["run_key", "name_key"],
        set_={
            "value": sa.case((later, new.value), else_=old.value),
            "step": sa.case((later, new.step), else_=old.step),
            "time_ns": sa.case((later, new.time_ns), else_=old.time_ns),
            "least": sa.case((less, new.least), else_=old.least),
            "greatest": sa.case((more, new.greatest), else_=old.greatest),
        },
    )


def _column(value: WireNumber) -> float | None:
    if value is None:
        return None
    number = float(value)
    return None if number != number else number


def _order(value: float | None) -> tuple[bool, float]:
    return (value is not None, 0.0 if value is None else value)
