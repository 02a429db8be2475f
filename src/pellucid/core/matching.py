"""Whether a query holds of one span: exact and slow, for what a store's indexes leave open."""

import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Final

from pellucid.core.query.tree import (
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
    Text,
    Unresolved,
    Value,
    fold,
)
from pellucid.core.query.words import is_id, words_of
from pellucid.core.score import Score
from pellucid.core.span import Span, StoredSpan
from pellucid.core.texts import texts_of

_COMPARE: Final[dict[Op, Callable[[Any, Any], bool]]] = {
    Op.FOLD: lambda stored, wanted: bool(stored == wanted),
    Op.EQUAL: lambda stored, wanted: bool(stored == wanted),
    Op.LESS: lambda stored, wanted: bool(stored < wanted),
    Op.LESS_EQUAL: lambda stored, wanted: bool(stored <= wanted),
    Op.GREATER: lambda stored, wanted: bool(stored > wanted),
    Op.GREATER_EQUAL: lambda stored, wanted: bool(stored >= wanted),
}


def holds(node: Node, stored: StoredSpan, scores: Sequence[Score], now: int) -> bool:
    """Tell whether all of a node holds of one span; `scores` are the span's latest."""
    match node:
        case Everything():
            return True
        case And(items):
            return all(holds(item, stored, scores, now) for item in items)
        case Or(items):
            return any(holds(item, stored, scores, now) for item in items)
        case Not(item):
            return not holds(item, stored, scores, now)
        case InSpan(item):
            return holds(item, stored, scores, now)
        case Text():
            return has_text(node, stored.span)
        case Has(field):
            return any(is_there(field, v) for v in values_of(_known(field), stored, scores))
        case Compare(field, op, values):
            known = _known(field)
            return any(
                compare(known.type, op, value, one, now, known.name)
                for one in values_of(known, stored, scores)
                for value in values
            )


def has_text(node: Text, span: Span) -> bool:
    """Tell whether a piece of the span's text has the words; a text of no words is everywhere.

    The whole id of a span or of its trace is a word of the span, too.
    """
    if is_id(node.text) and node.text.lower() in (span.trace_id, span.span_id):
        return True
    sought = words_of(node.text)
    if not sought:
        return True
    return any(_piece_has(piece, sought, prefix=node.prefix) for piece in texts_of(span))


def _piece_has(piece: str, sought: Sequence[str], *, prefix: bool) -> bool:
    # Cheap to tell, and mostly enough: a word that is found is a part of the folded text.
    text = piece if piece.isascii() else unicodedata.normalize("NFKC", piece)
    text = text.casefold()
    if not all(word in text for word in sought):
        return False
    # No word has a space in it, so words in a row are a part of all words in a row.
    words = f" {' '.join(words_of(piece))} "
    return f" {' '.join(sought)}{'' if prefix else ' '}" in words


def is_there(field: Field | Unresolved, value: Any) -> bool:
    """Tell whether there is a value: but for tags, an empty text, list or object is none."""
    return value is not None and (field.name == "tag" or value not in ("", [], {}))


def compare(kind: FieldType, op: Op, value: Value, stored: Any, now: int, name: str = "") -> bool:
    """Tell whether a stored value compares so with a written one."""
    if stored is None:
        return False
    if kind is FieldType.TIME:
        bound = now - value.age_ns if value.age_ns is not None else value.number
        assert bound is not None, "a time was read"
        return bool(stored >= bound) if name == "since" else bool(stored < bound)
    if kind is FieldType.TEXT:
        return isinstance(stored, str) and same_text(op, value, stored)
    if kind is FieldType.DYNAMIC:
        return _compare_dynamic(op, value, stored)
    return value.number is not None and _COMPARE[op](stored, value.number)


def _compare_dynamic(op: Op, value: Value, stored: Any) -> bool:
    if isinstance(stored, bool):
        stored = "true" if stored else "false"
    if isinstance(stored, float) and not math.isfinite(stored):
        stored = str(stored)
    if isinstance(stored, int | float):
        if value.prefix or value.number is None:
            return False
        return _COMPARE[op](stored, value.number)
    if not isinstance(stored, str) or op.is_ordered:
        return False
    return same_text(op, value, stored)


def same_text(op: Op, value: Value, stored: str) -> bool:
    """Tell whether a text is the written one, or begins so."""
    wanted = value.text
    if op is Op.FOLD:
        stored, wanted = fold(stored), fold(wanted)
    return stored.startswith(wanted) if value.prefix else stored == wanted


def values_of(field: Field, stored: StoredSpan, scores: Sequence[Score]) -> list[Any]:
    """Return a span's values of a field; none where it has none."""
    span = stored.span
    match field.name:
        case "attr":
            own = _values_of_attribute(stored.raw, field.key)
            return own + _values_of_attribute(span.resource, field.key)
        case "tag":
            if field.key is None:
                return list(span.tags.values())
            return [span.tags[field.key]] if field.key in span.tags else []
        case "score":
            return [s.value for s in scores if field.key is None or s.name == field.key]
        case "document":
            return [document.id for document in span.documents if document.id is not None]
    value = _VALUES[field.name](span)
    return [] if value is None else [value]


def _values_of_attribute(raw: dict[str, Any], key: str | None) -> list[Any]:
    values = list(raw.values()) if key is None else [raw[key]] if key in raw else []
    # A list has the values that its items are, and itself.
    return [*values, *(item for value in values if isinstance(value, list) for item in value)]


def cost_of(span: Span) -> float | None:
    """Return what a span cost: as reported above 0, else as estimated."""
    return span.cost_usd or span.estimated_cost_usd or span.cost_usd


_VALUES: Final[dict[str, Callable[[Span], Any]]] = {
    "status": lambda span: span.status.value,
    "name": lambda span: span.name,
    "trace": lambda span: span.trace_id,
    "span": lambda span: span.span_id,
    "kind": lambda span: span.kind.value,
    "duration": lambda span: span.duration_ns,
    "tokens": lambda span: span.tokens.input + span.tokens.output,
    "tokens_in": lambda span: span.tokens.input,
    "tokens_out": lambda span: span.tokens.output,
    "cost": cost_of,
    "experiment": lambda span: span.experiment,
    "run": lambda span: span.run_id,
    "session": lambda span: span.session_id,
    "user": lambda span: span.user_id,
    "since": lambda span: span.start_ns,
    "until": lambda span: span.start_ns,
    "model": lambda span: span.model,
    "provider": lambda span: span.provider,
    "tool": lambda span: span.tool_call.name if span.tool_call is not None else None,
    "prompt": lambda span: span.prompt.name if span.prompt is not None else None,
    "finish": lambda span: span.finish_reason,
    "ttft": lambda span: span.ttft_ns,
}


def _known(field: Field | Unresolved) -> Field:
    if isinstance(field, Unresolved):
        raise TypeError(f"{field.name} is to be resolved before it is compared")
    return field
