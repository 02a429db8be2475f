"""Datasets: examples to evaluate with, versioned by their content."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
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

    def __invert__(self) -> "DatasetDiff":
        """Return the way back: what was added is removed, and so on."""
        return DatasetDiff(
            added=self.removed,
            removed=self.added,
            changed=[ExampleChange(before=one.after, after=one.before) for one in self.changed],
            unchanged=self.unchanged,
        )


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset version: a name and its examples, in order."""

    name: str = "dataset"
    examples: list[Example] = []
    number: int | None = None
    """Which version of the server's dataset this is, or a part of; None where it is none."""
    part: str | None = None
    """The split that this is of that version."""

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], *, name: str = "dataset") -> "Dataset":
        """Make a version from rows with `inputs` and optional other fields of `Example`.

        A row without an id gets one from its inputs; the second example of the same id is
        numbered `-2`. No two examples of a version have one id.
        """
        examples = []
        seen: dict[str, int] = {}
        for row in rows:
            identity = _untaken(str(row.get("id") or "") or inputs_id(row["inputs"]), seen)
            known = {key: row[key] for key in _OPTIONAL if row.get(key) is not None}
            gold = known.get("gold_documents")
            if isinstance(gold, Mapping):
                # A grade 1 and a grade 1.0 are one content.
                known["gold_documents"] = {str(key): float(grade) for key, grade in gold.items()}
            examples.append(Example(id=identity, inputs=dict(row["inputs"]), **known))
        return cls(name=name, examples=examples)

    @property
    def version(self) -> str:
        """The digest of the content; the same examples in the same order are the same version."""
        return version_of(example_digest(example) for example in self.examples)

    @property
    def spec(self) -> str:
        """How to name it: `name@number`, or the name alone where the server has no such version."""
        return self.name if self.number is None else f"{self.name}@{self.number}"

    @property
    def splits(self) -> list[str]:
        """The names of the splits, sorted."""
        return sorted({example.split for example in self.examples if example.split is not None})

    def split(self, name: str) -> "Dataset":
        """Return the examples of one split, as a dataset of the same name."""
        return Dataset(
            name=self.name,
            examples=[e for e in self.examples if e.split == name],
            number=self.number,
            part=name if self.number is not None else None,
        )

    def with_examples(self, rows: Iterable[Mapping[str, Any]]) -> "Dataset":
        """Return a version with more examples at the end; an existing id is replaced in place."""
        new = {example.id: example for example in Dataset.from_rows(rows).examples}
        kept = [new.pop(example.id, example) for example in self.examples]
        return Dataset(name=self.name, examples=[*kept, *new.values()])

    def without(self, ids: Iterable[str]) -> "Dataset":
        """Return a version without the examples of these ids."""
        gone = set(ids)
        return Dataset(name=self.name, examples=[e for e in self.examples if e.id not in gone])

    def apply(self, diff: DatasetDiff) -> "Dataset":
        """Return the version that a difference leads to from this one.

        What it changes stays where it is, what it adds comes at the end, in its order.
        """
        gone = {example.id for example in diff.removed}
        new = {change.after.id: change.after for change in diff.changed}
        kept = [new.get(e.id, e) for e in self.examples if e.id not in gone]
        return Dataset(name=self.name, examples=[*kept, *diff.added])

    def diff(self, earlier: "Dataset") -> DatasetDiff:
        """Say what changed from an earlier version to this one; order does not count."""
        before = {example.id: example for example in earlier.examples}
        after = {example.id: example for example in self.examples}
        changed = [
            ExampleChange(before=before[key], after=after[key])
            for key in after
            if key in before and example_digest(before[key]) != example_digest(after[key])
        ]
        shared = sum(key in before for key in after)
        return DatasetDiff(
            added=[after[key] for key in after if key not in before],
            removed=[before[key] for key in before if key not in after],
            changed=changed,
            unchanged=shared - len(changed),
        )

    def to_pandas(self) -> Any:
        """Return a DataFrame, a row an example, with a column `inputs.NAME` for each input."""
        from pellucid.core.dataset_files import to_pandas

        return to_pandas(self)

    def to_jsonl(self, path: str | Path) -> None:
        """Write the examples to a file, a JSON object a line."""
        self._write(path, "jsonl")

    def to_csv(self, path: str | Path) -> None:
        """Write the examples to a CSV file, which is read back exactly as it was written.

        A spreadsheet reads text that begins with `= + - @` as a formula.
        """
        self._write(path, "csv")

    def to_parquet(self, path: str | Path) -> None:
        """Write the examples to a Parquet file. Raises InvalidInput without pyarrow."""
        self._write(path, "parquet")

    def _write(self, path: str | Path, kind: str) -> None:
        from pellucid.core.dataset_files import write_file

        write_file(Path(path), lambda: self.examples, kind)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


_OPTIONAL = ("expected", "gold_documents", "metadata", "split", "trace_id")


def _untaken(identity: str, seen: dict[str, int]) -> str:
    """Return the id, or the next number after it that no example has; `seen` learns it."""
    base = identity
    while identity in seen:
        seen[base] += 1
        identity = f"{base}-{seen[base]}"
    seen[identity] = 1
    return identity


def inputs_id(inputs: Mapping[str, Any]) -> str:
    """Return the id of an example that has none: 16 hex digits of its inputs."""
    return digest(dict(inputs))[:16]


def example_digest(example: Example) -> str:
    """Return 32 hex digits of all of an example's fields."""
    return digest(msgspec.structs.asdict(example))


def version_of(digests: Iterable[str]) -> str:
    """Return the version that examples with these digests make, in this order."""
    hasher = hashlib.blake2b(digest_size=16)
    for one in digests:
        hasher.update(bytes.fromhex(one))
    return hasher.hexdigest()


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
