"""The leaves of nested params, beside the params."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_RUNS = 200
_FOLDED_CHARACTERS = 400
_MAX_NAME = 250
_MAX_LEAVES = 2000

_params = sa.table(
    "params",
    *(sa.column(name) for name in ("run_key", "name", "value", "text", "folded", "number")),
    sa.column("time_ns"),
    sa.column("part_of"),
)


def upgrade() -> None:
    """Add the column that tells leaves from params, and the leaves of what is stored."""
    op.add_column("params", sa.Column("part_of", sa.Text))
    connection = op.get_bind()
    c = _params.c
    nested = sa.and_(sa.func.substr(c.value, 1, 1) == "{", c.value != "{}")
    found = sa.select(c.run_key).distinct().where(nested).order_by(c.run_key)
    keys = list(connection.execute(found).scalars())
    for start in range(0, len(keys), _RUNS):
        own = sa.select(c.run_key, c.name, c.value, c.time_ns)
        by_run: dict[int, dict[str, Any]] = defaultdict(dict)
        for row in connection.execute(own.where(c.run_key.in_(keys[start : start + _RUNS]))):
            by_run[row.run_key][row.name] = row
        rows = [row for key, params in by_run.items() for row in _leaf_rows(key, params)]
        if rows:
            connection.execute(sa.insert(_params), rows)


def _leaf_rows(run_key: int, params: dict[str, Any]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name in sorted(params):
        value = params[name].value
        if not value.startswith("{") or value == "{}":
            continue
        for leaf, held in _iter_leaves(name, msgspec.json.decode(value)):
            if leaf not in params and leaf not in rows:
                json = msgspec.json.encode(held, order="deterministic").decode("utf-8", "replace")
                text = held if isinstance(held, str) else json
                rows[leaf] = {
                    "run_key": run_key,
                    "name": leaf,
                    "value": json,
                    "text": text,
                    "folded": text.casefold()[:_FOLDED_CHARACTERS],
                    "number": _to_number(held),
                    "time_ns": params[name].time_ns,
                    "part_of": name,
                }
    return list(rows.values())


def _iter_leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    waiting = [(name, value)]
    count = 0
    while waiting and count < _MAX_LEAVES:
        at, held = waiting.pop()
        if isinstance(held, dict) and held:
            children = [(f"{at}.{key}", child) for key, child in held.items()]
            if all(len(child) <= _MAX_NAME and "\0" not in child for child, _ in children):
                waiting.extend(reversed(children))
                continue
        count += 1
        yield at, held


def _to_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
