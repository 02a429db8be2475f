"""SQL for people: read-only, over documented views alone, bounded in time and size."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.survey import SqlResult
from pellucid.storage.spans.sqlite import bodies
from pellucid.storage.spans.sqlite.codes import KINDS
from pellucid.storage.spans.sqlite.connection import storage_errors
from pellucid.storage.spans.sqlite.outline import status_at
from pellucid.storage.spans.sqlite.scores import decode_score
from pellucid.storage.spans.sqlite.statements import statements

VIEWS: Final = ("traces", "spans", "scores")

_MOST_BYTES: Final = 64 * 1024 * 1024
_STEPS: Final = 2000
"""Instructions of SQLite's machine between two looks at the clock."""
_DENIED_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "fts5"})
_TABLES: Final = frozenset({*VIEWS, "experiments", "blocks"})
_SQL = statements("views")


def run_sql(path: Path, sql: str, *, limit: int, seconds: float, now: int) -> SqlResult:
    """Run one SELECT. Raises InvalidInput for what is no such, or takes too long."""
    with storage_errors(path):
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        _prepare(db, now)
        deadline = time.monotonic() + seconds
        db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        db.authorizer = _authorize
        return _run(db, sql, limit)
    except apsw.InterruptError as error:
        raise InvalidInput(
            f"This took longer than {seconds:g} s and was stopped. Narrow it by start_ns or "
            "trace_id, or read fewer of input, output and attributes."
        ) from error
    except (apsw.AuthError, apsw.SQLError, apsw.TooBigError, apsw.BindingsError) as error:
        raise InvalidInput(_explain(error)) from error
    finally:
        db.close()


def _prepare(db: apsw.Connection, now: int) -> None:
    functions: list[tuple[str, Callable[..., Any], int]] = [
        ("pellucid_kind", lambda code: KINDS[code].value, 1),
        ("pellucid_status", lambda code, seen: status_at(code, seen, now).value, 2),
        ("pellucid_score_value", lambda content: decode_score(content).value, 1),
        ("pellucid_body", _body_part, 3),
    ]
    for name, function, arguments in functions:
        db.create_scalar_function(name, function, arguments, deterministic=True)
    # First, as it would drop the views.
    db.pragma("temp_store", "memory")
    for view in VIEWS:
        db.execute(_SQL[view])
    db.pragma("query_only", True)
    db.limit(apsw.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    db.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)


def _body_part(part: str, content: bytes, slot: int) -> str | None:
    body = bodies.unpack(bodies.open_block(content)[slot])
    if part == "status_message":
        return body.span.status_message or None
    if part == "input":
        value = body.span.input if body.span.input is not None else body.span.input_messages
    elif part == "output":
        value = body.span.output if body.span.output is not None else body.span.output_messages
    elif part == "attributes":
        value = body.decoded.attributes
    else:
        value = body.decoded.resource
    return None if value == [] else msgspec.json.encode(value).decode()


def _authorize(
    action: int, first: str | None, second: str | None, schema: str | None, within: str | None
) -> int:
    """Allow reading the views, and what they read; nothing else."""
    if action in (apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE):
        return apsw.SQLITE_OK
    if action == apsw.SQLITE_FUNCTION:
        allowed = second not in _DENIED_FUNCTIONS
        return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY
    if action == apsw.SQLITE_READ:
        # A table without a schema is a subquery or the query's own WITH; without a column, it
        # is one of a view's tables of which nothing but its rows is asked.
        allowed = within in VIEWS or schema in (None, "temp") or first in ("json_each", "json_tree")
        allowed = allowed or (not second and first in _TABLES)
        return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY
    return apsw.SQLITE_DENY


def _run(db: apsw.Connection, sql: str, limit: int) -> SqlResult:
    columns: list[str] = []
    found: list[Any] = []
    size = 0
    cursor = db.cursor()
    cursor.exec_trace = lambda one, _sql, _values: _take_columns(one, columns)
    for row in cursor.execute(sql):
        found.append(list(row))
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(found) > limit:
            break
        if size > _MOST_BYTES:
            raise InvalidInput("This gives more than 64 MB. Ask for fewer rows or columns.")
    if not columns:
        raise InvalidInput(f"Give a SELECT over the views {', '.join(VIEWS)}.")
    return SqlResult(columns=columns, rows=found[:limit], truncated=len(found) > limit)


def _take_columns(cursor: apsw.Cursor, columns: list[str]) -> bool:
    if columns:
        raise InvalidInput("Give one statement at a time.")
    if not cursor.is_readonly:
        raise InvalidInput("Only SELECT is allowed here.")
    columns += [name for name, _ in cursor.get_description()]
    return True


def _explain(error: apsw.Error) -> str:
    text = str(error).removeprefix("SQLError: ")
    if isinstance(error, apsw.AuthError) or "not authorized" in text or "prohibited" in text:
        return f"Only SELECT over the views {', '.join(VIEWS)} is allowed here ({text})."
    return f"SQLite cannot run this: {text}."
