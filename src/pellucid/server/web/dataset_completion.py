"""How a query over a dataset's examples may go on: its inputs, metadata, splits and values."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pellucid.core.dataset import Example
from pellucid.core.dataset_query import DATASET_EXAMPLES
from pellucid.core.query import complete, fold, print_value
from pellucid.core.query.tree import Value
from pellucid.server.services.completion import (
    MOST,
    Completions,
    Proposal,
    find_fault,
    write_key,
)
from pellucid.server.web.values import json_line

_FAMILIES = {"inputs": "inputs", "input": "inputs", "metadata": "metadata", "meta": "metadata"}
_LONGEST = 60
"""Longer values are texts to search in, not values to choose from."""


def complete_query(examples: Sequence[Example], text: str, at: int | None) -> Completions:
    """Propose how to go on at character `at` (None: the end), after a look at some examples."""
    place = len(text) if at is None else min(max(at, 0), len(text))
    completion = complete(text, place, DATASET_EXAMPLES)
    proposals = [Proposal(text=one.text, about=one.about) for one in completion.suggestions]
    if completion.family:
        found = Counter(key for one in examples for key in _members(one, completion.family))
        proposals += _propose(found, completion.prefix, is_key=True)
    elif completion.field:
        found = Counter(value for one in examples for value in _values(one, completion.field))
        proposals += _propose(found, completion.prefix, is_key=False)
    return Completions(
        start=completion.start,
        end=completion.end,
        proposals=proposals[:MOST],
        fault=find_fault(text, DATASET_EXAMPLES),
    )


def _propose(found: Counter[str], prefix: str, *, is_key: bool) -> list[Proposal]:
    sought = fold(prefix.strip('"'))
    return [
        Proposal(
            text=write_key(text) if is_key else print_value(Value(text)),
            about=f"{count:,} {'example' if count == 1 else 'examples'}",
        )
        for text, count in found.most_common(500)
        if len(text) <= _LONGEST and fold(text).startswith(sought)
    ]


def _members(example: Example, family: str) -> dict[str, Any]:
    return example.inputs if _FAMILIES.get(family) == "inputs" else example.metadata


def _values(example: Example, field: str) -> Iterator[str]:
    head, _, key = field.partition(".")
    if head in _FAMILIES:
        members = _members(example, head)
        if key in members:
            value = members[key]
            yield from map(json_line, value if isinstance(value, list) else [value])
    elif head == "gold":
        yield from example.gold_documents
    else:
        value = {"id": example.id, "split": example.split, "expected": example.expected}.get(head)
        if value is not None:
            yield json_line(value)
