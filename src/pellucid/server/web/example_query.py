"""The query language over an evaluation's examples: `status:error score.x<0.5 metadata.topic:a`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pellucid.core.query import Field, FieldType, Query, Unresolved, parse
from pellucid.core.query.memory import holds, list_member, make_schema
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
EXAMPLES = make_schema("examples", _ROWS, _FAMILIES, {"latency": "duration", "meta": "metadata"})


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
    return holds(query.root, partial(_values, example, moved), partial(_texts, example))


def _values(example: ExampleResult, moved: Moved, field: Field | Unresolved) -> list[Any]:
    if isinstance(field, Unresolved):
        return _scores(example, field.name) or list_member(example.metadata, field.name)
    if field.name == "score":
        return _scores(example, field.key)
    if field.name == "metadata":
        return list_member(example.metadata, field.key)
    found = _OF_EXAMPLE[field.name](example, moved)
    return [value for value in found if value is not None]


def _scores(example: ExampleResult, key: str | None) -> list[Any]:
    found: list[Any] = [
        result.value
        for repeat in example.repeats
        for name, result in repeat.scores.items()
        if key in (None, name) and result.value is not None
    ]
    # The page writes yes and no; the language, true and false.
    return found + ["yes" if value else "no" for value in found if isinstance(value, bool)]


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
