"""Datasets in files: JSONL, JSON, CSV and Parquet, each read back exactly as it was written."""

import csv
import importlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pellucid.core.dataset import Dataset
from pellucid.core.errors import InvalidInput, NotFound

FORMATS = ("jsonl", "json", "csv", "parquet")
JSON_SUFFIX = ":json"
"""Ends the name of a table's column whose cells hold JSON text."""


def read_dataset(source: Any, *, name: str | None = None) -> Dataset:
    """Read a dataset from a file, rows, a DataFrame, an Arrow table, or traces.

    A file's format follows its ending (`.jsonl`, `.json`, `.csv`, `.parquet`). Traces, as
    `pellucid.search_traces` gives them, become examples with their inputs and source trace.
    Raises NotFound, and InvalidInput that names the line at fault.
    """
    from pellucid.evals.data import prepare

    return prepare(source, name=name).dataset


def write_dataset(dataset: Dataset, path: str | Path) -> None:
    """Write a dataset in the format of the file's ending, replacing a file that is there.

    In tables an input `question` is the column `inputs.question`; a column whose values are
    not all text holds JSON and says so at the end of its name, `:json`.
    """
    path = Path(path)
    rows = [msgspec.to_builtins(example) for example in dataset.examples]
    kind = _format(path)
    if kind == "jsonl":
        path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    elif kind == "json":
        path.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    elif kind == "csv":
        table = _to_table(rows)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(table))
            writer.writeheader()
            writer.writerows(
                {column: cells[i] for column, cells in table.items()} for i in range(len(rows))
            )
    else:
        parquet, arrow = _parquet()
        parquet.write_table(arrow.table(_to_table(rows)), path)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file's rows as dicts, JSON columns decoded."""
    if not path.is_file():
        raise NotFound(f"There is no data file {str(path)!r}.")
    kind = _format(path)
    if kind == "jsonl":
        return list(_json_lines(path))
    if kind == "json":
        rows = _json(path.read_bytes(), path, 1)
        if not isinstance(rows, list):
            raise InvalidInput(f"{path} must hold a JSON list of objects.")
        return rows
    if kind == "csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [_decode_cells(row, path) for row in csv.DictReader(file)]
    parquet, _ = _parquet()
    return [_decode_cells(row, path) for row in parquet.read_table(path).to_pylist()]


def _format(path: Path) -> str:
    kind = path.suffix.lstrip(".").lower()
    kind = {"ndjson": "jsonl", "pq": "parquet"}.get(kind, kind)
    if kind not in FORMATS:
        raise InvalidInput(
            f"{path.name!r} ends in none of {', '.join('.' + known for known in FORMATS)}."
        )
    return kind


def _parquet() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow.parquet"), importlib.import_module("pyarrow")
    except ImportError:
        raise InvalidInput("Parquet files need pyarrow: pip install pyarrow") from None


def _json_lines(path: Path) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        row = _json(line, path, number)
        if not isinstance(row, dict):
            raise InvalidInput(f"{path}, line {number}: a row must be a JSON object.")
        yield row


def _json(data: bytes | str, path: Path, line: int) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"{path}, line {line}: not JSON ({error}).") from None


def _to_table(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Flatten rows into columns of text; a key that some rows lack is an empty JSON cell."""
    flat = [
        {
            **{key: value for key, value in row.items() if key != "inputs"},
            **{f"inputs.{key}": value for key, value in row["inputs"].items()},
        }
        for row in rows
    ]
    names = list(dict.fromkeys(key for row in flat for key in row)) or ["id"]
    table = {}
    for name in names:
        if all(isinstance(row.get(name), str) and row[name] for row in flat):
            table[name] = [row[name] for row in flat]
        else:
            cells = [
                json.dumps(row[name], ensure_ascii=False) if name in row else "" for row in flat
            ]
            table[name + JSON_SUFFIX] = cells
    return table


def _decode_cells(row: Mapping[str, Any], path: Path) -> dict[str, Any]:
    decoded = {}
    for name, cell in row.items():
        if name is None:
            raise InvalidInput(f"{path}: a row has more cells than the header has names.")
        if name.endswith(JSON_SUFFIX):
            if cell not in ("", None):
                decoded[name.removesuffix(JSON_SUFFIX)] = _json(cell, path, 0)
        elif cell is not None:
            decoded[name] = cell
    return decoded
