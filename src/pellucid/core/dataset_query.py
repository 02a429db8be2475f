"""The query language over a dataset's examples: `split:test has:expected metadata.topic:discs`."""

from collections.abc import Callable, Iterator
from typing import Any

from pellucid.core.dataset import Example
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

_ROWS = (
    ("id", FieldType.TEXT, "the example's id"),
    ("split", FieldType.TEXT, "the split that it is in"),
    ("expected", FieldType.DYNAMIC, "what a good answer is"),
    ("gold", FieldType.TEXT, "the id of a gold document"),
    ("trace", FieldType.TEXT, "the trace that it was made from"),
)
_FAMILIES = (
    ("inputs", FieldType.DYNAMIC, "an input"),
    ("metadata", FieldType.DYNAMIC, "what is known of the example"),
)
DATASET_EXAMPLES = Schema(
    name="dataset examples",
    fields={
        **{name: FieldInfo(name, kind, Scope.TRACE, about) for name, kind, about in _ROWS},
        **{
            name: FieldInfo(name, kind, Scope.TRACE, about, family=True)
            for name, kind, about in _FAMILIES
        },
    },
    aliases={"meta": "metadata", "input": "inputs"},
)


def parse_examples(text: str) -> Query:
    """Parse a query over examples. Raises QuerySyntaxError, which points at the character."""
    return parse(text, DATASET_EXAMPLES)


def meets(query: Query, example: Example) -> bool:
    """Tell whether an example meets a query."""
    return _holds(query.root, example)


def _holds(node: Node, example: Example) -> bool:
    match node:
        case Everything():
            return True
        case And(items):
            return all(_holds(item, example) for item in items)
        case Or(items):
            return any(_holds(item, example) for item in items)
        case Not(item):
            return not _holds(item, example)
        case InSpan(item):
            return _holds(item, example)
        case Text(text, _, prefix):
            sought = words_of(text)
            return any(find_words(words_of(one), sought, prefix=prefix) for one in _texts(example))
        case Has(field):
            return any(value not in (None, "", [], {}) for value in _values(field, example))
        case Compare(field, op, values):
            stored = list(_values(field, example))
            return any(compares(one, op, value) for one in stored for value in values)


def _values(field: Field | Unresolved, example: Example) -> list[Any]:
    if isinstance(field, Unresolved):
        return _member(example.inputs, field.name) or _member(example.metadata, field.name)
    if field.name == "inputs":
        return _member(example.inputs, field.key)
    if field.name == "metadata":
        return _member(example.metadata, field.key)
    return [value for value in _OF_EXAMPLE[field.name](example) if value is not None]


def _member(values: dict[str, Any], key: str | None) -> list[Any]:
    found = list(values.values()) if key is None else [values[key]] if key in values else []
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


_OF_EXAMPLE: dict[str, Callable[[Example], list[Any]]] = {
    "id": lambda example: [example.id],
    "split": lambda example: [example.split],
    "expected": lambda example: [example.expected],
    "gold": lambda example: list(example.gold_documents),
    "trace": lambda example: [example.trace_id],
}


def sieve(query: Query) -> list[bytes]:
    """Return words in lower case that stand in the JSON of every example that meets a query.

    They are ASCII, and promise nothing of JSON that is not: other characters may fold to them.
    """
    items = query.root.items if isinstance(query.root, And) else (query.root,)
    words = [w for item in items if isinstance(item, Text) for w in words_of(item.text)]
    return [word.encode() for word in words if word.isascii()]


def _texts(example: Example) -> Iterator[str]:
    for value in (example.inputs, example.expected, example.metadata, example.gold_documents):
        yield from _leaves(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def compares(stored: Any, op: Op, value: Value) -> bool:
    """Tell whether a JSON value compares so with a literal; what `core.query.tree` says of it."""
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
