"""Deletion of traces, sessions and experiments: a few traces a transaction, space given back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, NamedTuple

import apsw

from pellucid.core.clock import Clock
from pellucid.core.errors import StorageUnavailable
from pellucid.core.trace import Deletion
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.scores import delete_session_scores
from pellucid.storage.spans.sqlite.statements import statements
from pellucid.storage.spans.sqlite.write import SpanWriter

CHUNK: Final = 100
"""Traces a transaction; between two of them, writes get their turn."""
_FREED_PAGES = 2000
_KEPT_SHARE = 0.9
_REWRITTEN_BYTES = 256 * 1024 * 1024
"""A larger file is not written anew: that would keep writes waiting too long."""

_SQL = statements("delete")

Transaction = Callable[[], AbstractContextManager[SpanWriter]]
Exclusive = Callable[[], AbstractContextManager[None]]
"""Keeps other writes out, without a transaction."""


class Target(NamedTuple):
    """What is to be deleted."""

    condition: str
    """On a row `t` of traces."""
    find: str
    """Name of the statement that gives some of its trace ids."""
    values: tuple[Any, ...]
    experiment: str | None = None
    session_id: str | None = None


def trace_target(trace_id: bytes) -> Target:
    """Name one trace."""
    return Target("t.trace_id = ?", "traces_of_trace", (trace_id,))


def session_target(number: int | None, experiment: str, session_id: str) -> Target:
    """Name a session of the experiment whose row is `number`."""
    condition = "t.experiment = ? AND t.session_id = ?"
    return Target(condition, "traces_of_session", (number, session_id), experiment, session_id)


def experiment_target(number: int | None, experiment: str) -> Target:
    """Name all of the experiment whose row is `number`."""
    return Target("t.experiment = ?", "traces_of_experiment", (number,), experiment)


def preview_deletion(db: apsw.Connection, target: Target) -> Deletion:
    """Tell what `delete` would take away."""
    size = _SQL["size"].format(condition=target.condition)
    traces, spans, scores = db.execute(size, target.values).get
    for session_id in _sessions(db, target):
        scores += db.execute(_SQL["count_session_scores"], (target.experiment, session_id)).get
    only_here = _SQL["only_here"].format(condition=target.condition)
    digests = rows(db, only_here, target.values * 2)
    return Deletion(
        trace_count=traces,
        span_count=spans,
        score_count=scores,
        unreferenced=sorted(digest.hex() for (digest,) in digests),
    )


def delete(
    db: apsw.Connection,
    transaction: Transaction,
    exclusive: Exclusive,
    target: Target,
    clock: Clock,
) -> Deletion:
    """Delete a target; what arrives meanwhile for a trace that is not deleted yet goes with it."""
    traces = spans = scores = 0
    digests: set[bytes] = set()
    with transaction() as writer:
        documents = writer.index.count_documents()
    while True:
        with transaction() as writer:
            ids = rows(db, _SQL[target.find], (*target.values, CHUNK))
            for (trace_id,) in ids:
                scores += db.execute(_SQL["count_scores"], (trace_id,)).get
                digests.update(d for (d,) in rows(db, _SQL["digests_of_trace"], (trace_id,)))
                spans += writer.delete(trace_id, clock())
            writer.finish_deletions()
            traces += len(ids)
            if not ids:
                assert isinstance(target.experiment, str | None)
                for session_id in list(_sessions(db, target)):
                    scores += delete_session_scores(db, str(target.experiment), session_id)
                unreferenced = [
                    digest.hex()
                    for digest in sorted(digests)
                    if not db.execute(_SQL["is_named"], (digest,)).fetchone()
                ]
        with transaction():
            # In steps, as it moves pages from the end of the file into holes.
            db.execute(f"PRAGMA incremental_vacuum({_FREED_PAGES})").fetchall()
        if not ids:
            _compact(db, transaction, exclusive, documents)
            return Deletion(
                trace_count=traces,
                span_count=spans,
                score_count=scores,
                unreferenced=unreferenced,
            )


def _compact(
    db: apsw.Connection, transaction: Transaction, exclusive: Exclusive, documents: int
) -> None:
    """Close the gaps after much was deleted; those after little are filled by writing on."""
    with transaction() as writer:
        more = writer.index.count_documents() < documents * _KEPT_SHARE
    if not more:
        return
    while more:
        with transaction() as writer:
            more = writer.index.compact()
    # Rows of other experiments lie between: only writing the file anew gives their gaps back.
    if db.pragma("page_count") * db.pragma("page_size") <= _REWRITTEN_BYTES:
        with suppress(StorageUnavailable), exclusive():
            db.execute("VACUUM")


def _sessions(db: apsw.Connection, target: Target) -> Iterator[str]:
    """Yield the sessions whose own scores go with the target."""
    if target.session_id is not None:
        yield target.session_id
    elif target.experiment is not None:
        for (session_id,) in rows(db, _SQL["sessions_of_experiment"], (target.experiment,)):
            yield session_id
