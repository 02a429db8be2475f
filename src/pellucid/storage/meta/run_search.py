"""List runs in any order, page by page, and find images."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from pellucid.core.errors import InvalidInput
from pellucid.core.run import ArtifactPage, RunPage
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.run_reads import artifact_of, live_runs, load_runs, status_expression

_TERM = re.compile(
    r'\s*(?P<field>[A-Za-z_][\w-]*(?:\.(?:"[^"]*"|[^\s,"]+))?)(?:\s+(?P<way>\w+))?\s*'
)
_FIELDS = "number, name, status, start, end, duration, param.*, metric.*, tag.*, score.*"


class SortKey(NamedTuple):
    """One column of an ordering; None comes last either way."""

    column: sa.ColumnElement[Any]
    descending: bool
    nullable: bool = True


class Ordering(NamedTuple):
    """An ordering over `source`, which has one row a run."""

    keys: list[SortKey]
    source: Any


def search(
    connection: sa.Connection,
    *,
    condition: sa.ColumnElement[bool],
    experiment: str | None,
    order: str,
    limit: int,
    cursor: str | None,
    now_ns: int,
) -> RunPage:
    """Return one page of the runs that meet a condition."""
    ordering = parse_order(order, now_ns)
    columns = [key.column.label(f"sort_{i}") for i, key in enumerate(ordering.keys)]
    statement = (
        sa.select(t.runs.c.key, *columns)
        .select_from(ordering.source)
        .where(live_runs, condition)
        .order_by(*_order_by(ordering.keys))
        .limit(limit + 1)
    )
    if experiment is not None:
        statement = statement.where(_of_experiment(connection, experiment))
    if cursor:
        statement = statement.where(_after(ordering.keys, _read_cursor(cursor, order, ordering)))
    rows = connection.execute(statement).all()
    page = rows[:limit]
    runs = load_runs(connection, [row[0] for row in page], now_ns=now_ns)
    more = len(rows) > limit
    return RunPage(runs=runs, next=_write_cursor(order, list(page[-1][1:])) if more else None)


def count(
    connection: sa.Connection, *, condition: sa.ColumnElement[bool], experiment: str | None
) -> int:
    """Count the runs that meet a condition."""
    statement = (
        sa.select(sa.func.count())
        .select_from(t.runs.join(t.experiments))
        .where(live_runs, condition)
    )
    if experiment is not None:
        statement = statement.where(_of_experiment(connection, experiment))
    return int(connection.execute(statement).scalar_one())


def _of_experiment(connection: sa.Connection, name: str) -> sa.ColumnElement[bool]:
    """Return a condition on the key, which the index of runs begins with."""
    key = connection.scalar(sa.select(t.experiments.c.key).where(t.experiments.c.name == name))
    return t.runs.c.experiment_key == (-1 if key is None else key)


def parse_order(order: str, now_ns: int) -> Ordering:
    """Read `metric.accuracy desc, number`. Raises InvalidInput with what would be right."""
    source: Any = t.runs.join(t.experiments)
    keys: list[SortKey] = []
    for number, (field, descending) in enumerate(_terms(order)):
        head, dot, rest = field.partition(".")
        name = rest.strip('"')
        if dot:
            source, columns = _attached(source, head, name, number)
        else:
            columns = [_own_column(field, now_ns)]
        always = field in {"number", "start"}
        keys.extend(SortKey(column, descending, nullable=not always) for column in columns)
    if not keys:
        keys.append(SortKey(t.runs.c.start_ns, True, nullable=False))
    keys.append(SortKey(t.runs.c.key, True, nullable=False))
    return Ordering(keys, source)


def _terms(order: str) -> list[tuple[str, bool]]:
    terms = []
    position = 0
    while order[position:].strip():
        match = _TERM.match(order, position)
        way = (match["way"] or "asc").lower() if match else ""
        end = match.end() if match else position
        if match is None or way not in {"asc", "desc"} or order[end : end + 1] not in {"", ","}:
            raise InvalidInput(
                f"The order {order!r} cannot be read at {order[position:].strip()!r}. "
                "Write fields with asc or desc between commas: metric.accuracy desc, number"
            )
        terms.append((match["field"], way == "desc"))
        position = end + 1
    return terms


def _own_column(field: str, now_ns: int) -> sa.ColumnElement[Any]:
    c = t.runs.c
    columns: dict[str, sa.ColumnElement[Any]] = {
        "number": c.number,
        "name": c.name,
        "start": c.start_ns,
        "end": c.end_ns,
        "duration": sa.func.coalesce(c.end_ns, c.heard_ns) - c.start_ns,
        "status": status_expression(now_ns),
        "experiment": t.experiments.c.name,
    }
    if field not in columns:
        raise InvalidInput(f"Runs cannot be ordered by {field!r}, but by: {_FIELDS}.")
    return columns[field]


def _attached(
    source: Any, head: str, name: str, number: int
) -> tuple[Any, list[sa.ColumnElement[Any]]]:
    """Join what a param, metric, tag or score of one name holds for each run."""
    if head == "metric":
        m, names = t.metrics.alias(f"order_{number}"), t.metric_names
        key = sa.select(names.c.key).where(names.c.name == name).scalar_subquery()
        on = sa.and_(m.c.run_key == t.runs.c.key, m.c.name_key == key)
        return source.outerjoin(m, on), [m.c.value]
    if head == "score":
        newest = _newest_score(name, number)
        on = newest.c.run_id == t.runs.c.id
        return source.outerjoin(newest, on), [newest.c.number, newest.c.folded]
    tables = {"param": t.params, "tag": t.tags}
    if head not in tables:
        raise InvalidInput(f"Runs cannot be ordered by {head!r}.*, but by: {_FIELDS}.")
    other = tables[head].alias(f"order_{number}")
    on = sa.and_(other.c.run_key == t.runs.c.key, other.c.name == name)
    return source.outerjoin(other, on), [other.c.number, other.c.folded]


def _newest_score(name: str, number: int) -> Any:
    s = t.run_scores
    place = sa.func.row_number().over(
        partition_by=s.c.run_id, order_by=(s.c.time_ns.desc(), s.c.id.desc())
    )
    ranked = (
        sa.select(s.c.run_id, s.c.number, s.c.folded, place.label("place"))
        .where(s.c.name == name, s.c.latest)
        .subquery()
    )
    return sa.select(ranked).where(ranked.c.place == 1).subquery(f"order_{number}")


def _order_by(keys: Sequence[SortKey]) -> list[sa.ColumnElement[Any]]:
    terms: list[sa.ColumnElement[Any]] = []
    for key in keys:
        # Only where it is needed: an index gives an order without it.
        if key.nullable:
            terms.append(sa.case((key.column.is_(None), 1), else_=0))
        terms.append(key.column.desc() if key.descending else key.column.asc())
    return terms


def _after(keys: Sequence[SortKey], values: list[Any]) -> sa.ColumnElement[bool]:
    """Return what holds for the rows after the one with these values."""
    same: list[sa.ColumnElement[bool]] = []
    ways: list[sa.ColumnElement[bool]] = []
    for key, value in zip(keys, values, strict=True):
        if value is None:
            same.append(key.column.is_(None))
            continue
        beyond = key.column < value if key.descending else key.column > value
        if key.nullable:
            beyond = sa.or_(beyond, key.column.is_(None))
        ways.append(sa.and_(*same, beyond))
        same.append(key.column == value)
    return sa.or_(*ways)


def _write_cursor(order: str, values: list[Any]) -> str:
    data = msgspec.json.encode([order, values])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read_cursor(cursor: str, order: str, ordering: Ordering) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        made_for, values = msgspec.json.decode(
            base64.urlsafe_b64decode(padded.encode()),
            type=tuple[str, list[int | float | str | None]],
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        made_for, values = "\0", []
    if made_for != order or len(values) != len(ordering.keys) or values[-1] is None:
        raise InvalidInput(
            "The cursor is not one that this search gave. Start again without a cursor, and keep "
            "the order while paging."
        )
    return values


def list_images(
    connection: sa.Connection,
    *,
    experiment: str | None,
    run_id: str | None,
    text: str,
    model: str | None,
    key: str | None,
    limit: int,
    cursor: str | None,
) -> ArtifactPage:
    """Return one page of images, newest first."""
    a = t.artifacts.c
    statement = (
        sa.select(t.artifacts, t.runs.c.id.label("run_id"))
        .select_from(t.artifacts.join(t.runs).join(t.experiments))
        .where(a.kind == "image", live_runs)
        .order_by(a.time_ns.desc(), a.key.desc())
        .limit(limit + 1)
    )
    if experiment is not None:
        statement = statement.where(t.experiments.c.name == experiment)
    for column, value in ((t.runs.c.id, run_id), (a.model, model), (a.image_key, key)):
        if value is not None:
            statement = statement.where(column == value)
    for word in text.casefold().split():
        statement = statement.where(a.prompt_folded.contains(word, autoescape=True))
    if cursor:
        keys = [SortKey(a.time_ns, True), SortKey(a.key, True)]
        values = _read_cursor(cursor, "images", Ordering(keys, None))
        statement = statement.where(_after(keys, values))
    rows = connection.execute(statement).all()
    page = rows[:limit]
    more = len(rows) > limit
    return ArtifactPage(
        artifacts=[artifact_of(row, row.run_id) for row in page],
        next=_write_cursor("images", [page[-1].time_ns, page[-1].key]) if more else None,
    )
