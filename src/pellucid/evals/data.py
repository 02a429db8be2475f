"""Whatever holds examples, read into a dataset and, where there are any, its outputs."""

import importlib
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from pellucid.client.traces import TraceWithSpans
from pellucid.core.dataset import Dataset, Example
from pellucid.core.dataset_files import read_file
from pellucid.core.dataset_rows import decode_cell, read_fields
from pellucid.core.errors import InvalidInput
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


def prepare(data: Any, *, name: str | None = None) -> Prepared:
    """Read examples from a Dataset, rows, a DataFrame, an Arrow table, a file, or traces.

    Raises InvalidInput for what holds no examples, and NotFound for a file that is not there.
    """
    if isinstance(data, Dataset):
        return Prepared(dataset=data)
    if isinstance(data, str | os.PathLike):
        name = name or Path(data).stem
    parsed = [as_row(row) for row in _rows(data)]
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


def _rows(data: Any) -> Iterable[Any]:
    if isinstance(data, str | os.PathLike):
        return read_file(Path(data))
    if hasattr(data, "to_pylist"):  # pyarrow: Table, RecordBatch
        return list(data.to_pylist())
    if hasattr(data, "to_dicts"):  # polars
        return list(data.to_dicts())
    if hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas
        return [_plain_row(row) for row in data.to_dict("records")]
    if hasattr(data, "__arrow_c_stream__"):
        return list(importlib.import_module("pyarrow").table(data).to_pylist())
    if isinstance(data, Iterable) and not isinstance(data, Mapping):
        return data
    raise InvalidInput(
        f"data={type(data).__name__} holds no examples. Give a list of dicts, a Dataset, a "
        "DataFrame, an Arrow table, the path of a .jsonl, .json, .csv or .parquet file, or traces "
        "(pellucid.search_traces(…))."
    )


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Turn numpy's values into Python's, so that ids do not depend on them, and leave out NaN."""
    plain = {str(key): _plain(value) for key, value in row.items()}
    return {key: value for key, value in plain.items() if value == value}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        value = value.tolist()
    return None if type(value).__name__ in ("NAType", "NaTType") else value
