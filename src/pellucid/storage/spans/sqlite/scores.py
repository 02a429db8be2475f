"""Scores in the file: written once by id, the latest of each kind marked."""

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from pellucid.core.errors import Conflict, InvalidInput, NotFound
from pellucid.core.score import Annotated, Score
from pellucid.storage.spans.sqlite.codes import INT64_MAX
from pellucid.storage.spans.sqlite.statements import statements

_SQL = statements("scores")
_IS_DELETED = statements("write")["is_deleted"]
decode_score = msgspec.msgpack.Decoder(Score).decode


def write_scores(db: apsw.Connection, scores: Sequence[Score]) -> None:
    """Store scores within the caller's transaction. Raises Conflict, InvalidInput."""
    for score in scores:
        _write(db, score)


def _write(db: apsw.Connection, score: Score) -> None:
    trace_id = _id_bytes(score.trace_id, 32, "trace")
    span_id = _id_bytes(score.span_id, 16, "span")
    if span_id is not None and trace_id is None:
        raise InvalidInput(f"Score {score.id!r} is on a span; it needs that span's trace_id too.")
    if trace_id is None and score.run_id is None and not (score.session_id and score.experiment):
        raise InvalidInput(
            f"Score {score.id!r} is on nothing: it needs a trace_id, a run_id, or a session_id "
            "with its experiment."
        )
    content = _encode(score)
    known = db.execute(_SQL["score_by_id"], (score.id,)).get
    if known is not None:
        if known != content:
            raise Conflict(f"There is another score {score.id!r}. A new score needs a new id.")
        return
    if db.execute(_SQL["is_deleted_score"], (score.id,)).fetchone():
        return
    if trace_id is not None and db.execute(_IS_DELETED, (trace_id,)).fetchone():
        return
    value = score.value
    is_number = not isinstance(value, str | bool)
    row = (
        score.id,
        trace_id,
        span_id,
        score.experiment,
        score.session_id,
        score.run_id,
        score.name,
        score.source.value,
        score.author or "",
        min(max(score.time_ns, -INT64_MAX), INT64_MAX),
        float(value) if is_number else None,
        None if is_number else str(value).casefold(),
        content,
    )
    db.execute(_SQL["insert_score"], row)
    _mark_latest(db, score, trace_id, span_id)


def _mark_latest(
    db: apsw.Connection, score: Score, trace_id: bytes | None, span_id: bytes | None
) -> None:
    kind: tuple[Any, ...] = (score.source.value, score.author or "")
    if trace_id is not None:
        rivals = db.execute(_SQL["rivals_on_trace"], (trace_id, score.name, span_id, *kind))
    elif score.session_id is not None:
        target = (score.experiment, score.session_id, score.name)
        rivals = db.execute(_SQL["rivals_on_session"], (*target, *kind))
    else:
        rivals = db.execute(_SQL["rivals_on_run"], (score.run_id, score.name, *kind))
    for place, (number, latest) in enumerate(rivals.fetchall()):
        if latest != (place == 0):
            db.execute(_SQL["set_latest"], (int(place == 0), number))


def scores_of_trace(db: apsw.Connection, trace_id: bytes, *, history: bool = False) -> list[Score]:
    """Return the latest scores (or all) of a trace and its spans, by name, oldest first."""
    return _scores(db, "scores_of_trace", (trace_id, int(not history)))


def scores_of_session(
    db: apsw.Connection, experiment: str, session_id: str, *, history: bool = False
) -> list[Score]:
    """Return the latest scores (or all) of a session as such."""
    return _scores(db, "scores_of_session", (experiment, session_id, int(not history)))


def scores_of_run(db: apsw.Connection, run_id: str, *, history: bool = False) -> list[Score]:
    """Return the latest scores (or all) of a run as such."""
    return _scores(db, "scores_of_run", (run_id, int(not history)))


def annotated_in(db: apsw.Connection, experiment: str, limit: int) -> list[Annotated]:
    """Return the newest annotations of an experiment's traces, with what stands beside them."""
    return [
        _beside(db, one) for one in _scores(db, "annotations_of_experiment", (experiment, limit))
    ]


def annotated_on(db: apsw.Connection, trace_ids: Sequence[bytes], limit: int) -> list[Annotated]:
    """Return the newest annotations of some traces, with what stands beside them."""
    found = [score for one in trace_ids for score in _scores(db, "annotations_of_trace", (one,))]
    found.sort(key=lambda score: (score.time_ns, score.id), reverse=True)
    return [_beside(db, one) for one in found[:limit]]


def _beside(db: apsw.Connection, annotation: Score) -> Annotated:
    span_id = None if annotation.span_id is None else bytes.fromhex(annotation.span_id)
    target = (bytes.fromhex(annotation.trace_id or ""), annotation.name, span_id)
    return Annotated(annotation=annotation, beside=_scores(db, "scores_beside", target))


def delete_score(db: apsw.Connection, score_id: str) -> None:
    """Delete a score so that a copy sent again stays away. Raises NotFound."""
    content = db.execute(_SQL["score_by_id"], (score_id,)).get
    if content is None:
        raise NotFound(f"There is no score {score_id[:80]!r}.")
    score = decode_score(content)
    db.execute(_SQL["forget_score"], (score_id,))
    db.execute(_SQL["delete_score"], (score_id,))
    trace_id = _id_bytes(score.trace_id, 32, "trace")
    _mark_latest(db, score, trace_id, _id_bytes(score.span_id, 16, "span"))


def delete_session_scores(db: apsw.Connection, experiment: str, session_id: str) -> int:
    """Delete a session's scores so that copies sent again stay away; return their number."""
    db.execute(_SQL["forget_session_scores"], (experiment, session_id))
    db.execute(_SQL["delete_session_scores"], (experiment, session_id))
    return db.changes()


def _scores(db: apsw.Connection, name: str, values: tuple[Any, ...]) -> list[Score]:
    return [decode_score(content) for (content,) in db.execute(_SQL[name], values)]


def _encode(score: Score) -> bytes:
    try:
        return msgspec.msgpack.encode(score)
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidInput(
            f"Score {score.id[:80]!r} has a value beyond 64 bits: {error}"
        ) from error


def _id_bytes(text: str | None, digits: int, what: str) -> bytes | None:
    if text is None:
        return None
    try:
        if len(text) == digits:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise InvalidInput(f"{text[:80]!r} is no {what} id: that is {digits} hex digits.")
