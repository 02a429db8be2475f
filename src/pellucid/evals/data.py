"""Whatever holds examples, read into a dataset and, where there are any, its outputs."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from pellucid.client.datasets import get_dataset
from pellucid.client.traces import TraceWithSpans
from pellucid.core.dataset import Dataset, Example
from pellucid.core.dataset_rows import decode_cell, read_fields, rows_of
from pellucid.core.dataset_versions import is_dataset_spec
from pellucid.core.views import TraceView
from pellucid.evals.from_traces import read_trace
from pellucid.evals.trace import ExampleTrace


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """An output that was made elsewhere."""

    output: Any = None
    documents: list[Any] | None = None
    trace_id: str | None = None
    trace: ExampleTrace | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: the fields of an example, and an output where it has one."""

    fields: dict[str, Any]
    given: Given | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What is to be evaluated; `given` is by example id."""

    dataset: Dataset
    given: dict[str, Given] = {}

    @cached_property
    def version(self) -> str:
        """The dataset's version, computed once."""
        return self.dataset.version

    @property
    def place(self) -> dict[str, Any]:
        """Where the examples are on the server: number and split, as far as they are known."""
        known = {"dataset_number": self.dataset.number, "dataset_split": self.dataset.part}
        return {name: value for name, value in known.items() if value is not None}

    @property
    def stated_version(self) -> str:
        """The version as a snapshot states it: the digest, or `@3 test DIGEST` for a split."""
        number, part = self.dataset.number, self.dataset.part
        return self.version if part is None else f"@{number} {part} {self.version}"


def prepare(data: Any, *, name: str | None = None) -> Prepared:
    """Read examples from a Dataset, rows, a DataFrame, an Arrow table, a file, or traces.

    A text that is no file's path names a dataset of the server: `name`, or `name@3`.
    Raises InvalidInput for what holds no examples, and NotFound for a file or a dataset that is
    not there.
    """
    if isinstance(data, str) and is_dataset_spec(data) and not Path(data).is_file():
        data = get_dataset(data)
    if isinstance(data, Dataset):
        return Prepared(dataset=data)
    if isinstance(data, str | os.PathLike):
        name = name or Path(data).stem
    parsed = [as_row(row) for row in rows_of(data)]
    dataset = Dataset.from_rows((row.fields for row in parsed), name=name or "dataset")
    given = {
        example.id: row.given
        for example, row in zip(dataset.examples, parsed, strict=True)
        if row.given is not None
    }
    return Prepared(dataset=dataset, given=given)


def as_row(row: Any) -> Row:
    """Read one row: a trace, an example, or a dict as `core.dataset_rows` reads it."""
    if isinstance(row, TraceView | TraceWithSpans):
        return _traced(row)
    if isinstance(row, Example):
        return Row(fields=_present(msgspec.structs.asdict(row)))
    return Row(fields=read_fields(row), given=_given(row))


def _traced(found: TraceView | TraceWithSpans) -> Row:
    one = read_trace(found)
    trace_id = one.trace.trace_id
    return Row(
        fields={"inputs": one.inputs, "metadata": one.metadata, "trace_id": trace_id},
        given=Given(output=one.output, trace_id=trace_id, trace=one.trace),
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _given(row: Mapping[str, Any]) -> Given | None:
    if "output" not in row:
        return None
    documents = decode_cell(row.get("documents"))
    return Given(output=row["output"], documents=documents, trace_id=row.get("trace_id"))
