"""Which way metrics and scores of an experiment are better."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from pellucid.core.errors import NotFound
from pellucid.core.run import Direction, MeasureWrite
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import MetaDatabase

_c = t.measures.c


def write_measures(
    database: MetaDatabase,
    connection: sa.Connection,
    writes: Iterable[tuple[int, MeasureWrite]],
) -> None:
    """Merge what was declared, each with the key of its experiment."""
    latest: dict[tuple[int, str], MeasureWrite] = {}
    for key, measure in writes:
        held = latest.get((key, measure.name))
        if held is None or _order(measure) > _order(held):
            latest[key, measure.name] = measure
    if not latest:
        return
    upsert = database.upsert(t.measures)
    new = upsert.excluded
    later = sa.tuple_(new.time_ns, new.direction) > sa.tuple_(_c.time_ns, _c.direction)
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["experiment_key", "name"],
            set_={"direction": new.direction, "time_ns": new.time_ns},
            where=later,
        ),
        [_row(key, measure, measure.time_ns) for (key, _), measure in latest.items()],
    )


def declare(
    database: MetaDatabase, connection: sa.Connection, experiment: str, measure: MeasureWrite
) -> None:
    """Say it later than whatever was said before. Raises NotFound."""
    key = _experiment_key(connection, experiment)
    if key is None:
        raise NotFound(f"There is no experiment {experiment[:200]!r} with runs.")
    held = connection.scalar(
        sa.select(_c.time_ns).where(_c.experiment_key == key, _c.name == measure.name)
    )
    row = _row(key, measure, max(measure.time_ns, (held or 0) + 1))
    upsert = database.upsert(t.measures).values(**row)
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["experiment_key", "name"],
            set_={"direction": row["direction"], "time_ns": row["time_ns"]},
        )
    )


def list_measures(connection: sa.Connection, experiment: str) -> dict[str, Direction]:
    """Return what was declared, by name."""
    statement = (
        sa.select(_c.name, _c.direction)
        .join(t.experiments, t.experiments.c.key == _c.experiment_key)
        .where(t.experiments.c.name == experiment)
        .order_by(_c.name)
    )
    return {name: Direction(text) for name, text in connection.execute(statement)}


def _experiment_key(connection: sa.Connection, name: str) -> int | None:
    return connection.scalar(sa.select(t.experiments.c.key).where(t.experiments.c.name == name))


def _order(measure: MeasureWrite) -> tuple[int, str]:
    return measure.time_ns, measure.direction.value


def _row(key: int, measure: MeasureWrite, time_ns: int) -> dict[str, Any]:
    return {
        "experiment_key": key,
        "name": measure.name,
        "direction": measure.direction.value,
        "time_ns": time_ns,
    }
