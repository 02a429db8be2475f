"""The query language over an evaluation's examples: `status:error score.x<0.5 metadata.topic:a`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pellucid.core.query import (
    And,
    Compare,
    Everything,
    Field,
    FieldInfo,
    FieldType,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Or,
    Query,
    Schema,
    Scope,
    Text,
    Unresolved,
    Value,
    find_words,
    fold,
    parse,
    words_of,
)
from pellucid.evals.report import ExampleResult
from pellucid.server.web.values import json_line

_ROWS = (
    ("status", FieldType.TEXT, "ok or error"),
    ("id", FieldType.TEXT, "the example's id"),
    ("split", FieldType.TEXT, "the dataset's split"),
    ("duration", FieldType.DURATION, "how long the task took"),
    ("cost", FieldType.NUMBER, "dollars"),
    ("tokens", FieldType.NUMBER, "tokens in and out"),
    ("regressed", FieldType.TEXT, "true or false, by the chosen score"),
    ("improved", FieldType.TEXT, "true or false, by the chosen score"),
    ("annotation", FieldType.TEXT, "agree or disagree with the chosen score, or what was said"),
)
_FAMILIES = (
    ("score", FieldType.DYNAMIC, "a score"),
    ("metadata", FieldType.DYNAMIC, "what the dataset says of the example"),
)
EXAMPLES = Schema(
    name="examples",
    fields={
        **{name: FieldInfo(name, kind, Scope.TRACE, about) for name, kind, about in _ROWS},
        **{
            name: FieldInfo(name, kind, Scope.TRACE, about, family=True)
            for name, kind, about in _FAMILIES
        },
    },
    aliases={"latency": "duration", "meta": "metadata"},
)


class Moved(NamedTuple):
    """What is known of examples beside the report, by the chosen score."""

    worse: frozenset[str] = frozenset()
    """Ids of those that became worse than in the baseline."""
    better: frozenset[str] = frozenset()
    said: Mapping[str, Sequence[str]] = {}
    """What people said of them, as words to filter by."""


def parse_examples(text: str) -> Query:
    """Parse a query over examples. Raises QuerySyntaxError, which points at the character."""
    return parse(text, EXAMPLES)


def meets(query: Query, example: ExampleResult, moved: Moved) -> bool:
    """Tell whether an example meets a query; of several repeats, whether any does."""
    return _holds(query.root, example, moved)


def _holds(node: Node, example: ExampleResult, moved: Moved) -> bool:
    match node:
        case Everything():
            return True
        case And(items):
            return all(_holds(item, example, moved) for item in items)
        case Or(items):
            return any(_holds(item, example, moved) for item in items)
        case Not(item):
            return not _holds(item, example, moved)
        case InSpan(item):
            return _holds(item, example, moved)
        case Text(text, _, prefix):
            sought = words_of(text)
            return any(
                find_words(words_of(piece), sought, prefix=prefix) for piece in _texts(example)
            )
        case Has(field):
            return any(value not in ("", [], {}) for value in _values(field, example, moved))
        case Compare(field, op, values):
            stored = list(_values(field, example, moved))
            return any(_compares(one, op, value) for one in stored for value in values)


def _values(field: Field | Unresolved, example: ExampleResult, moved: Moved) -> list[Any]:
    if isinstance(field, Unresolved):
        return _scores(example, field.name) or _metadata(example, field.name)
    if field.name == "score":
        return _scores(example, field.key)
    if field.name == "metadata":
        return _metadata(example, field.key)
    found = _OF_EXAMPLE[field.name](example, moved)
    return [value for value in found if value is not None]


def _scores(example: ExampleResult, key: str | None) -> list[Any]:
    return [
        result.value
        for repeat in example.repeats
        for name, result in repeat.scores.items()
        if key in (None, name) and result.value is not None
    ]


def _metadata(example: ExampleResult, key: str | None) -> list[Any]:
    known = example.metadata
    found = list(known.values()) if key is None else [known[key]] if key in known else []
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


_OF_EXAMPLE: dict[str, Callable[[ExampleResult, Moved], list[Any]]] = {
    "status": lambda example, _: ["error" if example.error else "ok"],
    "id": lambda example, _: [example.id],
    "split": lambda example, _: [example.split],
    "duration": lambda example, _: [
        None if one.duration_s is None else one.duration_s * 1e9 for one in example.repeats
    ],
    "cost": lambda example, _: [one.cost_usd for one in example.repeats],
    "tokens": lambda example, _: [one.tokens_in + one.tokens_out for one in example.repeats],
    "regressed": lambda example, moved: [example.id in moved.worse],
    "improved": lambda example, moved: [example.id in moved.better],
    "annotation": lambda example, moved: list(moved.said.get(example.id, ())),
}


def _texts(example: ExampleResult) -> Iterator[str]:
    yield json_line(example.inputs)
    yield json_line(example.expected)
    for repeat in example.repeats:
        yield json_line(repeat.output)
        yield repeat.error or ""
        for result in repeat.scores.values():
            yield result.rationale or ""


def _compares(stored: Any, op: Op, value: Value) -> bool:
    if isinstance(stored, bool):
        if value.number is not None and op.is_ordered:
            return _NUMERIC[op](float(stored), value.number)
        stored = "true" if stored else "false"
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
