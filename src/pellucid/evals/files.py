"""Datasets in files: JSONL, JSON, CSV and Parquet, each read back exactly as it was written."""

from pathlib import Path
from typing import Any

from pellucid.core.dataset import Dataset
from pellucid.core.dataset_files import format_of, write_file


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
    write_file(path, lambda: dataset.examples, format_of(path))
