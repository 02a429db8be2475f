"""Which columns answer which fields of a query, and small pieces of SQL over them."""

import re
from dataclasses import replace
from typing import Final

from pellucid.core.errors import InvalidInput
from pellucid.core.matching import compare
from pellucid.core.query.tree import (
    Compare,
    Field,
    FieldType,
    Op,
    Scope,
    Text,
    Unresolved,
    Value,
    fold,
)
from pellucid.core.query.words import is_id, words_of
from pellucid.core.span import Status
from pellucid.storage.spans.sqlite.codes import (
    ERROR,
    INTERRUPTED_AFTER_NS,
    KINDS,
    OK,
    PENDING,
)
from pellucid.storage.spans.sqlite.predicate import FALSE, Sql, any_of

TRACE_NUMBERS: Final = {
    "duration": "t.duration_ns",
    "tokens": "t.tokens_in + t.tokens_out",
    "tokens_in": "t.tokens_in",
    "tokens_out": "t.tokens_out",
    "cost": "t.cost",
    "spans": "t.span_count",
    "errors": "t.error_count",
}
TRACE_TEXTS: Final = {
    "name": "t.name",
    "trace": "lower(hex(t.trace_id))",
    "run": "t.run_id",
    "session": "t.session_id",
    "user": "t.user_id",
}
OF_SOME_SPAN: Final = frozenset(
    ("kind", "model", "provider", "tool", "prompt", "finish", "document", "ttft", "attr")
)
"""Fields that a trace has as its spans have them."""
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_ .:/@-]+")
DRIVEN_NUMBERS: Final = frozenset({"duration", "tokens", "cost", "errors"})
SPAN_NUMBERS: Final = {
    "duration": "s.duration_ns",
    "tokens": "s.tokens_in + s.tokens_out",
    "tokens_in": "s.tokens_in",
    "tokens_out": "s.tokens_out",
    "cost": (
        "CASE WHEN s.cost <> 0 THEN s.cost WHEN s.estimate <> 0 THEN s.estimate ELSE s.cost END"
    ),
    "ttft": "s.ttft_ns",
}
SPAN_TEXTS: Final = {
    "name": "s.name",
    "span": "lower(hex(s.span_id))",
    "model": "s.model",
    "provider": "s.provider",
}


def tag_of(key: str) -> Sql:
    """Return the value of a trace's tag, or null; SQLite reads JSON faster than we do."""
    if _PLAIN_KEY.fullmatch(key):
        return Sql("json_extract(t.tags, ?)", (f'$."{key}"',))
    return Sql("pellucid_tag(t.tags, ?)", (key,))


def is_floor(op: Op, number: float | int | None) -> bool:
    """Tell whether a comparison holds of a figure that is 0, so that it drives nothing."""
    if number is None:
        return True
    if op in (Op.LESS, Op.LESS_EQUAL):
        return True
    return number < 0 or (number == 0 and op is not Op.GREATER)


def kind_codes(node: Compare, now: int) -> list[int]:
    """Return the codes of the kinds that a comparison names."""
    return [
        code
        for code, kind in enumerate(KINDS)
        if any(compare(FieldType.TEXT, node.op, v, kind.value, now) for v in node.values)
    ]


def kind_is(column: str, codes: list[int]) -> Sql:
    """Tell whether a column holds the code of one of some kinds."""
    return Sql(f"{column} IN ({', '.join(map(str, codes))})") if codes else FALSE


def has_kind(codes: list[int]) -> Sql:
    """Tell whether a trace has a span of one of some kinds."""
    bits = sum(1 << code for code in codes)
    return Sql(f"t.kinds & {bits} <> 0") if bits else FALSE


def has_model(inner: Sql) -> Sql:
    """Tell whether a trace has a model `m.value` of which a condition holds."""
    text = f"t.models <> '[]' AND EXISTS (SELECT 1 FROM json_each(t.models) m WHERE {inner.text})"
    return Sql(text, inner.values)


def folded_value(value: Value) -> Value:
    """Return a value as its text is kept folded."""
    return replace(value, text=fold(value.text))


def id_drivers(node: Compare) -> list[Sql]:
    """Return a look-up of the ids of traces or spans, and of what they begin with.

    No index begins with a span's id; the narrowest that holds it is walked.
    """
    column = "t.trace_id" if node.field.name == "trace" else "s.span_id"
    parts = []
    for value in node.values:
        try:
            low = bytes.fromhex(value.text[: len(value.text) // 2 * 2])
        except ValueError:
            continue  # no id begins so
        if not value.prefix:
            parts.append(Sql(f"{column} = ?", (low,)))
        else:
            parts.append(Sql(f"{column} >= ? AND {column} <= ?", (low, low + b"\xff" * 16)))
    where = any_of(parts)
    if column == "s.span_id":
        text = f"SELECT s.trace FROM spans s INDEXED BY spans_by_trace WHERE {where.text}"
        return [Sql(text, where.values)]
    return [Sql(f"SELECT t.key FROM traces t WHERE {where.text}", where.values)]


def id_of(node: Text) -> Compare | None:
    """Return what a word that is a whole id asks for beside the text."""
    if not is_id(node.text):
        return None
    name, scope = ("trace", Scope.TRACE) if len(node.text) == _TRACE_ID else ("span", Scope.SPAN)
    field = Field(name, scope, FieldType.TEXT, None, 0)
    return Compare(field, Op.FOLD, (Value(node.text),))


_TRACE_ID = 32


def asks_only(node: Compare, status: Status, now: int) -> bool:
    """Tell whether a comparison asks for one status alone."""
    wanted = [
        one
        for one in Status
        if any(compare(FieldType.TEXT, node.op, value, one.value, now) for value in node.values)
    ]
    return wanted == [status]


def keys_where(where: Sql) -> Sql:
    """Return a look-up of the traces `t` of which a condition holds."""
    return Sql(f"SELECT t.key FROM traces t WHERE {where.text}", where.values)


def status_is(row: str, seen: str, node: Compare, now: int) -> Sql:
    """Tell a row's status: that of a pending one depends on the clock."""
    wanted = {
        status
        for status in Status
        if any(compare(FieldType.TEXT, node.op, value, status.value, now) for value in node.values)
    }
    heard_after = now - INTERRUPTED_AFTER_NS
    pending = f"{row}.status = {PENDING} AND {seen}"
    parts = {
        Status.OK: Sql(f"{row}.status = {OK}"),
        Status.ERROR: Sql(f"{row}.status = {ERROR}"),
        Status.RUNNING: Sql(f"{pending} >= ?", (heard_after,)),
        Status.INTERRUPTED: Sql(f"{pending} < ?", (heard_after,)),
    }
    return any_of([parts[status] for status in Status if status in wanted])


def some_span(columns: Sql) -> Sql:
    """Tell whether a condition holds of the columns of some span `s` of the trace."""
    text = f"EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.key AND ({columns.text}))"
    return Sql(text, columns.values)


def are_words(texts: list[Text]) -> bool:
    """Tell whether texts all have words, and none is an id, so that one look-up finds them."""
    return all(words_of(text.text) and not is_id(text.text) for text in texts)


def resolved(field: Field | Unresolved) -> Field:
    """Return a field that a store can answer. Raises InvalidInput for the service's fields."""
    if isinstance(field, Unresolved):
        raise InvalidInput(f"{field.name} is no field of traces.")
    if field.scope is Scope.RUN:
        raise InvalidInput(f"{field.name} is a field of runs, which this list cannot look into.")
    return field
