"""Datasets: examples to evaluate with, versioned by their content."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

GoldDocuments = list[str] | dict[str, float]
"""Ids of the relevant documents, or id → grade of relevance (0 = not relevant)."""


class Example(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One example: named arguments, and what a good answer to them is."""

    id: str
    """Given by the user, else derived from `inputs` alone, so that runs pair across versions."""
    inputs: dict[str, Any]
    expected: Any = None
    gold_documents: GoldDocuments = []
    metadata: dict[str, Any] = {}
    split: str | None = None
    trace_id: str | None = None
    """The trace it was made from."""


class ExampleChange(msgspec.Struct, frozen=True, kw_only=True):
    """One example that two versions hold with different content."""

    before: Example
    after: Example


class DatasetDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What one version has and the other has not, by example id."""

    added: list[Example]
    removed: list[Example]
    changed: list[ExampleChange]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset version: a name and its examples, in order."""

    name: str = "dataset"
    examples: list[Example] = []

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], *, name: str = "dataset") -> "Dataset":
        """Make a version from rows with `inputs` and optional other fields of `Example`.

        A row without an id gets one from its inputs; the second example of the same id is
        numbered `-2`.
        """
        examples = []
        seen: dict[str, int] = {}
        for row in rows:
            identity = str(row.get("id") or "") or inputs_id(row["inputs"])
            seen[identity] = seen.get(identity, 0) + 1
            if seen[identity] > 1:
                identity = f"{identity}-{seen[identity]}"
            known = {key: row[key] for key in _OPTIONAL if row.get(key) is not None}
            examples.append(Example(id=identity, inputs=dict(row["inputs"]), **known))
        return cls(name=name, examples=examples)

    @property
    def version(self) -> str:
        """The digest of the content; the same examples in the same order are the same version."""
        return digest([msgspec.structs.asdict(example) for example in self.examples])

    @property
    def splits(self) -> list[str]:
        """The names of the splits, sorted."""
        return sorted({example.split for example in self.examples if example.split is not None})

    def split(self, name: str) -> "Dataset":
        """Return the examples of one split, as a dataset of the same name."""
        return Dataset(name=self.name, examples=[e for e in self.examples if e.split == name])

    def with_examples(self, rows: Iterable[Mapping[str, Any]]) -> "Dataset":
        """Return a version with more examples at the end; an existing id is replaced in place."""
        new = {example.id: example for example in Dataset.from_rows(rows).examples}
        kept = [new.pop(example.id, example) for example in self.examples]
        return Dataset(name=self.name, examples=[*kept, *new.values()])

    def without(self, ids: Iterable[str]) -> "Dataset":
        """Return a version without the examples of these ids."""
        gone = set(ids)
        return Dataset(name=self.name, examples=[e for e in self.examples if e.id not in gone])

    def diff(self, earlier: "Dataset") -> DatasetDiff:
        """Say what changed from an earlier version to this one; order does not count."""
        before = {example.id: example for example in earlier.examples}
        after = {example.id: example for example in self.examples}
        changed = [
            ExampleChange(before=before[key], after=after[key])
            for key in after
            if key in before and digest(before[key]) != digest(after[key])
        ]
        shared = sum(key in before for key in after)
        return DatasetDiff(
            added=[after[key] for key in after if key not in before],
            removed=[before[key] for key in before if key not in after],
            changed=changed,
            unchanged=shared - len(changed),
        )

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


_OPTIONAL = ("expected", "gold_documents", "metadata", "split", "trace_id")


def inputs_id(inputs: Mapping[str, Any]) -> str:
    """Return the id of an example that has none: 16 hex digits of its inputs."""
    return digest(dict(inputs))[:16]


def digest(value: Any) -> str:
    """Return 32 hex digits (BLAKE2b-128) of a value's canonical JSON, with sorted keys.

    A value that JSON cannot hold counts by its type and `repr`.
    """
    try:
        data = msgspec.json.encode(value, order="sorted", enc_hook=_describe)
    except (TypeError, ValueError, RecursionError):  # keys, or text, that JSON does not know
        data = repr(value).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _describe(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}: {value!r}"
