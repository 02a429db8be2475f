"""The query language over a dataset's examples: `split:test has:expected metadata.topic:discs`."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pellucid.core.dataset import Example
from pellucid.core.query import And, Field, FieldType, Query, Text, Unresolved, parse, words_of
from pellucid.core.query.memory import holds, list_member, make_schema

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
DATASET_EXAMPLES = make_schema(
    "dataset examples", _ROWS, _FAMILIES, {"meta": "metadata", "input": "inputs"}
)


def parse_examples(text: str) -> Query:
    """Parse a query over examples. Raises QuerySyntaxError, which points at the character."""
    return parse(text, DATASET_EXAMPLES)


def meets(query: Query, example: Example) -> bool:
    """Tell whether an example meets a query."""
    return holds(query.root, partial(_values, example), partial(_texts, example))


def _values(example: Example, field: Field | Unresolved) -> list[Any]:
    if isinstance(field, Unresolved):
        return list_member(example.inputs, field.name) or list_member(example.metadata, field.name)
    if field.name == "inputs":
        return list_member(example.inputs, field.key)
    if field.name == "metadata":
        return list_member(example.metadata, field.key)
    return [value for value in _OF_EXAMPLE[field.name](example) if value is not None]


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
