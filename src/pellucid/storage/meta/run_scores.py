"""Scores whose target is a run."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pellucid.core.errors import Conflict, InvalidInput
from pellucid.core.score import Score
from pellucid.storage.meta import tables as t
from pellucid.storage.meta.engine import in_chunks
from pellucid.storage.meta.values import comparable

_table = t.run_scores
_encoder = msgspec.json.Encoder(order="deterministic")


def write_scores(connection: sa.Connection, scores: Sequence[Score]) -> None:
    """Store scores; the same id and content again changes nothing, other content is a Conflict."""
    for score in scores:
        if score.run_id is None:
            raise InvalidInput(f"The score {score.name!r} ({score.id}) names no run.")
        deleted_ns = sa.select(t.runs.c.deleted_ns).where(t.runs.c.id == score.run_id)
        if connection.scalar(deleted_ns) is None:
            _write_one(connection, score.run_id, score)


def _write_one(connection: sa.Connection, run_id: str, score: Score) -> None:
    body = _encoder.encode(score).decode()
    held = connection.scalar(sa.select(_table.c.body).where(_table.c.id == score.id))
    if held is not None:
        if held != body:
            raise Conflict(f"The score {score.id} is already stored with other content.")
        return
    value = comparable(score.value)
    connection.execute(
        sa.insert(_table).values(
            id=score.id,
            run_id=run_id,
            name=score.name,
            source=score.source.value,
            author=score.author or "",
            time_ns=score.time_ns,
            latest=False,
            text=value.text,
            folded=value.folded,
            number=float(score.value) if isinstance(score.value, bool) else value.number,
            body=body,
        )
    )
    _mark_latest(connection, run_id, score)


def _mark_latest(connection: sa.Connection, run_id: str, score: Score) -> None:
    same = sa.and_(
        _table.c.run_id == run_id,
        _table.c.name == score.name,
        _table.c.source == score.source.value,
        _table.c.author == (score.author or ""),
    )
    newest = connection.scalar(
        sa.select(_table.c.id)
        .where(same)
        .order_by(_table.c.time_ns.desc(), _table.c.id.desc())
        .limit(1)
    )
    connection.execute(sa.update(_table).where(same).values(latest=_table.c.id == newest))


def list_scores(connection: sa.Connection, run_id: str, *, history: bool) -> list[Score]:
    """List a run's latest scores, or all, oldest first."""
    statement = sa.select(_table.c.body).where(_table.c.run_id == run_id)
    if not history:
        statement = statement.where(_table.c.latest)
    bodies = connection.execute(statement.order_by(_table.c.time_ns, _table.c.id)).scalars()
    return [msgspec.json.decode(body, type=Score) for body in bodies]


def latest_scores(connection: sa.Connection, keys: list[int]) -> dict[int, dict[str, Any]]:
    """Return for each run the newest of its latest scores by name."""
    scores: dict[int, dict[str, Any]] = {}
    for chunk in in_chunks(keys):
        statement = (
            sa.select(t.runs.c.key, _table.c.body)
            .join(t.runs, t.runs.c.id == _table.c.run_id)
            .where(t.runs.c.key.in_(chunk), _table.c.latest)
            .order_by(_table.c.name, _table.c.time_ns, _table.c.id)
        )
        for key, body in connection.execute(statement):
            score = msgspec.json.decode(body, type=Score)
            scores.setdefault(key, {})[score.name] = score.value
    return scores
