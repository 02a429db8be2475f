"""What a query means, slow and obvious: the reference that every compiler must agree with.

It looks at canonical spans and at a trace's own fields, never at an index.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pellucid.core.query import (
    And,
    Compare,
    Everything,
    Field,
    FieldType,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Or,
    Query,
    Scope,
    Text,
    Value,
    find_words,
    fold,
    words_of,
)
from pellucid.core.score import Score
from pellucid.core.span import StoredSpan
from pellucid.core.texts import texts_of
from pellucid.core.trace import TraceSummary


class Candidate(NamedTuple):
    """A trace that a query is put to, with its spans and the latest scores on it and on them."""

    trace: TraceSummary
    spans: Sequence[StoredSpan]
    scores: Sequence[Score] = ()


def matches(query: Query, candidate: Candidate, *, now_ns: int) -> bool:
    """Tell whether a trace meets a query, which holds no `Unresolved` and no field of a run."""
    return _holds(query.root, candidate, None, now_ns)


class _Subject(NamedTuple):
    span: StoredSpan
    scores: Sequence[Score]


def _holds(node: Node, trace: Candidate | None, subject: _Subject | None, now_ns: int) -> bool:
    def of(item: Node) -> bool:
        return _holds(item, trace, subject, now_ns)

    match node:
        case Everything():
            return True
        case And(items):
            return all(map(of, items))
        case Or(items):
            return any(map(of, items))
        case Not(item):
            return not of(item)
        case InSpan(item):
            assert trace is not None
            return any(
                _holds(item, None, _Subject(span, trace.scores), now_ns) for span in trace.spans
            )
        case Text():
            return _finds(node, trace, subject)
        case Has(field):
            assert isinstance(field, Field)
            return any(_is_there(field, value) for value in _values(field, trace, subject))
        case Compare(field, op, values):
            assert isinstance(field, Field)
            return any(
                _compares(field, stored, op, value, now_ns)
                for stored in _values(field, trace, subject)
                for value in values
            )


def _finds(node: Text, trace: Candidate | None, subject: _Subject | None) -> bool:
    sought = words_of(node.text)
    spans = [subject.span] if subject is not None else trace.spans if trace is not None else []
    ids = {one for stored in spans for one in (stored.span.trace_id, stored.span.span_id)}
    return node.text.lower() in ids or any(
        find_words(words_of(piece), sought, prefix=node.prefix)
        for stored in spans
        for piece in texts_of(stored.span)
    )


def _values(field: Field, trace: Candidate | None, subject: _Subject | None) -> list[Any]:
    """Return the values that a field has: none, one, or one of each span or score."""
    if subject is not None:
        return _of_span(field, subject.span, subject.scores)
    assert trace is not None
    if field.scope is Scope.SPAN:
        return [value for span in trace.spans for value in _of_span(field, span, trace.scores)]
    if field.name == "score":
        return [score.value for score in trace.scores if field.key in (None, score.name)]
    if field.name == "tag":
        return _of_map(field.key, trace.trace.tags)
    read = _OF_TRACE.get(field.name)
    assert read is not None, f"{field.name} is no field of a trace"
    return _present(read(trace.trace))


def _of_span(field: Field, stored: StoredSpan, scores: Sequence[Score]) -> list[Any]:
    span = stored.span
    if field.name == "score":
        return [
            score.value
            for score in scores
            if score.span_id == span.span_id and field.key in (None, score.name)
        ]
    if field.name == "tag":
        return _of_map(field.key, span.tags)
    if field.name == "document":
        return _present(*(document.id for document in span.documents))
    if field.name == "attr":
        own = _members(_of_map(field.key, stored.raw))
        return own + _members(_of_map(field.key, span.resource))
    read = _OF_SPAN.get(field.name)
    assert read is not None, f"{field.name} is no field of a span"
    return _present(read(stored))


def _of_map(key: str | None, values: dict[str, Any]) -> list[Any]:
    return list(values.values()) if key is None else [values[key]] if key in values else []


def _members(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        found.append(value)
        if isinstance(value, list):
            found += value
    return found


def _present(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]


def _cost(stored: StoredSpan) -> float | None:
    span = stored.span
    return span.cost_usd or span.estimated_cost_usd or span.cost_usd


_OF_TRACE: dict[str, Callable[[TraceSummary], Any]] = {
    "status": lambda trace: trace.status.value,
    "name": lambda trace: trace.name,
    "root": lambda trace: trace.root_kind.value,
    "trace": lambda trace: trace.trace_id,
    "duration": lambda trace: trace.duration_ns,
    "tokens": lambda trace: trace.tokens_in + trace.tokens_out,
    "tokens_in": lambda trace: trace.tokens_in,
    "tokens_out": lambda trace: trace.tokens_out,
    "cost": lambda trace: trace.cost_usd,
    "spans": lambda trace: trace.span_count,
    "errors": lambda trace: trace.error_count,
    "experiment": lambda trace: trace.experiment,
    "run": lambda trace: trace.run_id,
    "session": lambda trace: trace.session_id,
    "user": lambda trace: trace.user_id,
    "since": lambda trace: trace.start_ns,
    "until": lambda trace: trace.start_ns,
}

_OF_SPAN: dict[str, Callable[[StoredSpan], Any]] = {
    "status": lambda stored: stored.span.status.value,
    "name": lambda stored: stored.span.name,
    "trace": lambda stored: stored.span.trace_id,
    "span": lambda stored: stored.span.span_id,
    "duration": lambda stored: stored.span.duration_ns,
    "tokens": lambda stored: stored.span.tokens.input + stored.span.tokens.output,
    "tokens_in": lambda stored: stored.span.tokens.input,
    "tokens_out": lambda stored: stored.span.tokens.output,
    "cost": _cost,
    "experiment": lambda stored: stored.span.experiment,
    "run": lambda stored: stored.span.run_id,
    "session": lambda stored: stored.span.session_id,
    "user": lambda stored: stored.span.user_id,
    "since": lambda stored: stored.span.start_ns,
    "until": lambda stored: stored.span.start_ns,
    "kind": lambda stored: stored.span.kind.value,
    "model": lambda stored: stored.span.model,
    "provider": lambda stored: stored.span.provider,
    "tool": lambda stored: stored.span.tool_call.name if stored.span.tool_call else None,
    "prompt": lambda stored: stored.span.prompt.name if stored.span.prompt else None,
    "finish": lambda stored: stored.span.finish_reason,
    "ttft": lambda stored: stored.span.ttft_ns,
}


def _is_there(field: Field, value: Any) -> bool:
    return value is not None and (field.name == "tag" or value not in ("", [], {}))


def _compares(field: Field, stored: Any, op: Op, value: Value, now_ns: int) -> bool:
    if field.type is FieldType.TIME:
        bound = value.number if value.age_ns is None else now_ns - value.age_ns
        assert bound is not None
        return bool(stored >= bound if field.name == "since" else stored < bound)
    if isinstance(stored, bool):
        stored = "true" if stored else "false"
    if isinstance(stored, float) and not math.isfinite(stored):
        stored = str(stored)
    if isinstance(stored, int | float):
        return value.number is not None and _NUMERIC[op](stored, value.number)
    if not isinstance(stored, str) or op.is_ordered:
        return False
    text, sought = (fold(stored), fold(value.text)) if op is Op.FOLD else (stored, value.text)
    return text.startswith(sought) if value.prefix else text == sought


_NUMERIC: dict[Op, Callable[[float, float], bool]] = {
    Op.FOLD: lambda stored, number: stored == number,
    Op.EQUAL: lambda stored, number: stored == number,
    Op.LESS: lambda stored, number: stored < number,
    Op.LESS_EQUAL: lambda stored, number: stored <= number,
    Op.GREATER: lambda stored, number: stored > number,
    Op.GREATER_EQUAL: lambda stored, number: stored >= number,
}
