"""A dataset's examples as a table, and two versions as what differs between them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from pellucid.core.dataset import Example
from pellucid.core.dataset_versions import (
    ChangeKind,
    DatasetChange,
    DatasetVersion,
    PlacedExample,
)
from pellucid.core.run_diff import Word, diff_words
from pellucid.server.web.values import json_text

MOST_INPUTS = 6
CELL_CHARACTERS = 300
DIFFED_CHARACTERS = 8_000
"""Beyond, two texts are shown one after the other: comparing words takes the square of them."""
OTHER = "inputs"
FIRST_INPUT = "question"
"""The column of a dataset that has no example yet."""
_LABELS = {
    "expected": "Expected",
    "gold_documents": "Gold documents",
    "metadata": "Metadata",
    "split": "Split",
    OTHER: "Other inputs",
    "trace_id": "Source trace",
}
_FIXED = ("expected", "gold_documents", "metadata", "split")


class Column(NamedTuple):
    """One column of the table; `is_json` where what it holds is no text."""

    field: str
    label: str
    is_json: bool


class Cell(NamedTuple):
    """What one cell shows."""

    text: str
    is_json: bool


@dataclass(frozen=True, kw_only=True)
class ExampleRow:
    """One example; `source` is all of it as JSON, which the editor reads."""

    position: int
    id: str
    source: str
    cells: list[Cell]
    trace_url: str


class DataLink(NamedTuple):
    """The dataset version that an evaluation used, and its page."""

    label: str
    href: str


class FieldChange(NamedTuple):
    """One field of an example before and after, word by word."""

    label: str
    words: list[Word]


@dataclass(frozen=True, kw_only=True)
class ChangeView:
    """One example that differs."""

    kind: str
    id: str
    asked: str
    """Its first input, for those who do not know it by its id."""
    fields: list[FieldChange]


def list_columns(examples: Iterable[Example]) -> list[Column]:
    """Return the columns that show these examples: their inputs, then what all have."""
    counts: dict[str, int] = {}
    texts: dict[str, int] = {}
    found = list(examples)
    for example in found:
        for name, value in example.inputs.items():
            counts[name] = counts.get(name, 0) + 1
            texts[name] = texts.get(name, 0) + isinstance(value, str)
    names = sorted(counts, key=lambda name: -counts[name])[:MOST_INPUTS]
    names = [name for name in counts if name in names] or [FIRST_INPUT]
    columns = [
        Column(f"inputs.{name}", name, counts.get(name, 0) > 0 and not texts[name])
        for name in names
    ]
    if len(counts) > len(names):
        columns.append(Column(OTHER, _LABELS[OTHER], True))
    given = [example.expected for example in found if example.expected is not None]
    is_json = bool(given) and not any(isinstance(value, str) for value in given)
    return columns + [
        Column(name, _LABELS[name], name == "expected" and is_json) for name in _FIXED
    ]


def view_rows(examples: Sequence[PlacedExample], columns: Sequence[Column]) -> list[ExampleRow]:
    """Return the rows of the table."""
    shown = {column.field for column in columns}
    return [
        ExampleRow(
            position=one.position,
            id=one.example.id,
            source=msgspec.json.encode(one.example).decode(),
            cells=[view_cell(one.example, column.field, shown) for column in columns],
            trace_url=f"/traces/{quote(one.example.trace_id)}" if one.example.trace_id else "",
        )
        for one in examples
    ]


def view_cell(example: Example, field: str, shown: set[str]) -> Cell:
    """Return what a cell shows of an example, cut to a line's length."""
    value = _value(example, field, shown)
    if value is None or (field != "expected" and value in ([], {})):
        return Cell("", False)
    if field == "gold_documents" and isinstance(value, list):
        return Cell(_cut(", ".join(value)), False)
    if field == "metadata":
        pairs = [f"{key}: {_line(inner)}" for key, inner in value.items()]
        return Cell(_cut(", ".join(pairs)), False)
    return Cell(_cut(_line(value)), not isinstance(value, str))


def view_change(change: DatasetChange) -> ChangeView:
    """Return an example that differs: changed fields by word, all fields of a new or gone one."""
    before, after = change.before, change.after
    example = after or before
    assert example is not None
    fields = []
    for field in _fields(before, after):
        old = None if before is None else _value(before, field, set())
        new = None if after is None else _value(after, field, set())
        if old == new or (not old and not new and old != 0 and new != 0):
            continue
        fields.append(FieldChange(_label(field), _words(change.kind, old, new)))
    first = next(iter(example.inputs.values()), "")
    return ChangeView(
        kind=change.kind.value,
        id=example.id,
        asked=_cut(_line(first)) if change.kind is ChangeKind.CHANGED else "",
        fields=fields,
    )


def dataset_url(name: str, page: str = "", **params: object) -> str:
    """Return the address of a dataset's page; parameters that are empty are left out."""
    given = {key: value for key, value in params.items() if value not in (None, "")}
    path = f"/datasets/{quote(name, safe='')}{page}"
    return f"{path}?{urlencode(given)}" if given else path


def link_version(version: DatasetVersion | None, split: str | None) -> DataLink | None:
    """Return the link to a version, or to one split of it."""
    if version is None:
        return None
    query = f'split="{split}"' if split else ""
    label = f"{version.spec} {split}" if split else version.spec
    return DataLink(label, dataset_url(version.name, version=version.number, query=query))


def _value(example: Example, field: str, shown: set[str]) -> Any:
    if field == OTHER:
        rest = {k: v for k, v in example.inputs.items() if f"inputs.{k}" not in shown}
        return rest or None
    if field.startswith("inputs."):
        return example.inputs.get(field.removeprefix("inputs."))
    return getattr(example, field)


def _fields(before: Example | None, after: Example | None) -> list[str]:
    inputs = [name for one in (after, before) if one is not None for name in one.inputs]
    return [*(f"inputs.{name}" for name in dict.fromkeys(inputs)), *_FIXED, "trace_id"]


def _label(field: str) -> str:
    return _LABELS.get(field) or field.removeprefix("inputs.")


def _words(kind: ChangeKind, old: Any, new: Any) -> list[Word]:
    before, after = _text(old), _text(new)
    if kind is not ChangeKind.CHANGED:
        return [Word(kind.value, after if kind is ChangeKind.ADDED else before)]
    if len(before) + len(after) <= DIFFED_CHARACTERS:
        return diff_words(before, after)
    return [Word("removed", before), Word("added", after)]


def _text(value: Any) -> str:
    """Return a value to read: a line a member where it is a plain list or object."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    if isinstance(value, dict) and value and not any(isinstance(v, dict) for v in value.values()):
        return "\n".join(f"{key}: {_line(inner)}" for key, inner in value.items())
    return "" if value is None else value if isinstance(value, str) else json_text(value)


def _line(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cut(text: str) -> str:
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
