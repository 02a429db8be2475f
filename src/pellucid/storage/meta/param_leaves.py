"""The leaves of nested params: rows beside the params, which searches find by dotted names."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from pellucid.core.leaves import iter_leaves
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import in_chunks
from pellucid.storage.meta.values import comparable, decode

own_params = t.params.c.part_of.is_(None)
"""What holds for params themselves."""
shown_params = sa.or_(
    t.params.c.part_of.is_not(None),
    sa.func.substr(t.params.c.value, 1, 1) != "{",
    t.params.c.value == "{}",
)
"""What holds for params without leaves, and for leaves."""


def is_nested_json(json: str) -> bool:
    """Tell of canonical JSON whether it is an object that is not empty."""
    return json.startswith("{") and json != "{}"


def write_leaves(connection: sa.Connection, run_keys: list[int]) -> None:
    """Write the leaves of all params of some runs anew."""
    c = t.params.c
    for keys in in_chunks(run_keys):
        leaf = sa.and_(c.run_key.in_(keys), c.part_of.is_not(None))
        connection.execute(sa.delete(t.params).where(leaf))
        # Texts may be long, and are of no use here.
        nested = sa.case((c.value.startswith("{"), c.value), else_="")
        own = sa.select(c.run_key, c.name, nested.label("value"), c.time_ns)
        by_run: dict[int, dict[str, Any]] = defaultdict(dict)
        for row in connection.execute(own.where(c.run_key.in_(keys))):
            by_run[row.run_key][row.name] = row
        rows = [row for key, params in by_run.items() for row in _leaf_rows(key, params)]
        if rows:
            connection.execute(sa.insert(t.params), rows)


def _leaf_rows(run_key: int, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a run's leaves; a param goes before a leaf of its name, as `flatten_params` says."""
    rows: dict[str, dict[str, Any]] = {}
    for name in sorted(params):
        if not is_nested_json(params[name].value):
            continue
        for leaf in iter_leaves(name, decode(params[name].value)):
            if leaf.name in params or leaf.name in rows:
                continue
            columns = comparable(leaf.value)
            rows[leaf.name] = {
                "run_key": run_key,
                "name": leaf.name,
                "value": columns.json,
                "text": columns.text,
                "folded": columns.folded,
                "number": columns.number,
                "time_ns": params[name].time_ns,
                "part_of": name,
            }
    return list(rows.values())
