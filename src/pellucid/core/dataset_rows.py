"""Rows of tables and files as examples."""

import importlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pellucid.core.dataset import Dataset, Example
from pellucid.core.dataset_files import read_file
from pellucid.core.errors import InvalidInput

KNOWN = ("id", "inputs", "expected", "gold_documents", "metadata", "split", "trace_id")
GIVEN = ("output", "documents")
"""What a table of outputs holds beside examples."""


def dataset_of(rows: Iterable[Any], *, name: str) -> Dataset:
    """Make a dataset of rows as `read_fields` reads them. Raises InvalidInput with the row."""
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(read_fields(row))
        except InvalidInput as error:
            raise InvalidInput(f"Row {number}: {error.message}") from None
    return Dataset.from_rows(found, name=name)


def read_fields(row: Any) -> dict[str, Any]:
    """Return the fields of an example that a row has; `inputs` among them.

    With `inputs` it is structured. Without, every column that is not a known one is an input;
    `inputs.x` is the input `x`, `metadata.x` the metadata `x`. Raises InvalidInput.
    """
    if isinstance(row, Example):
        fields = msgspec.structs.asdict(row)
        return {key: value for key, value in fields.items() if value is not None}
    if not isinstance(row, Mapping):
        raise InvalidInput(
            f"An example is a dict such as {{'inputs': {{…}}, 'expected': …}}, "
            f"not {type(row).__name__}."
        )
    fields = {key: row[key] for key in KNOWN if key in row}
    inputs = fields.get("inputs")
    fields["inputs"] = _read_inputs(inputs)
    fields["metadata"] = _read_metadata(fields.get("metadata"))
    for key, value in row.items():
        if key.startswith("inputs."):
            fields["inputs"][key.removeprefix("inputs.")] = value
        elif key.startswith("metadata."):
            fields["metadata"][key.removeprefix("metadata.")] = value
        elif inputs is None and key not in KNOWN and key not in GIVEN:
            fields["inputs"][key] = value
    if "gold_documents" in fields:
        fields["gold_documents"] = read_gold(fields["gold_documents"])
    for name in ("id", "split", "trace_id"):
        if fields.get(name) is not None:
            # An empty cell of a table is no id and no split.
            text = str(fields[name])
            fields[name] = text if text.strip() else None
    return {key: value for key, value in fields.items() if value is not None}


def read_gold(value: Any) -> Any:
    """Return gold documents as ids, or as grades by id; a text is ids between commas.

    Raises InvalidInput.
    """
    value = decode_cell(value)
    if isinstance(value, Mapping):
        try:
            return {str(key): float(grade) for key, grade in value.items()}
        except (TypeError, ValueError):
            raise InvalidInput(
                f"gold_documents must be ids, or numbers by id; not {str(value)[:80]}."
            ) from None
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is not None and not isinstance(value, Iterable):
        return [str(value)]
    return [_document_id(document) for document in value or []]


def decode_cell(cell: Any) -> Any:
    """Read a cell of a table that holds a JSON list or object as text."""
    if isinstance(cell, str) and cell[:1] in ("{", "["):
        try:
            return msgspec.json.decode(cell)
        except (msgspec.DecodeError, RecursionError):
            return cell
    return cell


def _read_inputs(inputs: Any) -> dict[str, Any]:
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        inputs = decode_cell(inputs)
    return dict(inputs) if isinstance(inputs, Mapping) else {"input": inputs}


def _read_metadata(metadata: Any) -> dict[str, Any]:
    found = decode_cell(metadata) or {}
    if not isinstance(found, Mapping):
        raise InvalidInput(f"metadata must be an object, not {str(found)[:80]!r}.")
    return dict(found)


def _document_id(document: Any) -> str:
    if isinstance(document, Mapping):
        return str(document.get("id"))
    return str(getattr(document, "id", document))


def rows_of(data: Any) -> Iterable[Any]:
    """Return the rows of a list, a DataFrame, an Arrow table or a file.

    Raises NotFound for a file that is not there, and InvalidInput for what holds no rows.
    """
    if isinstance(data, str | os.PathLike):
        return read_file(Path(data))
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):  # polars, lazy
        data = data.collect()
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
        "DataFrame, an Arrow table, the path of a .jsonl, .json, .csv, .tsv or .parquet file, "
        "or traces (pellucid.search_traces(…))."
    )


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Turn numpy's values into Python's, so that ids do not depend on them, and leave out NaN."""
    plain = {str(key): _plain(value) for key, value in row.items()}
    return {key: value for key, value in plain.items() if value == value}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        value = value.tolist()
    return None if type(value).__name__ in ("NAType", "NaTType") else value
