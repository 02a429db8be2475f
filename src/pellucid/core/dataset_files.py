"""Examples in files: JSONL, JSON, CSV and Parquet, each read back exactly as it was written.

In tables an input `question` is the column `inputs.question`; a column whose values are not all
text holds JSON and says so at the end of its name, `:json`.
"""

import csv
import importlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.core.dataset import Example
from pellucid.core.dataset_versions import FILE_FORMATS
from pellucid.core.errors import InvalidInput, NotFound

JSON_SUFFIX = ":json"
"""Ends the name of a table's column whose cells hold JSON text."""
SHOWN_FAULTS = 5
_CELL_CHARACTERS = 1 << 26
_SEPARATORS = ",;\t"
_NEVER_EMPTY = ("id", "split", "trace_id")
"""Texts that are not there where their cell is empty."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Examples = Callable[[], Iterable[Example]]
"""Gives the same examples from the start at each call; tables are written in two passes."""


def format_of(path: Path) -> str:
    """Return the format that a file's ending names. Raises InvalidInput."""
    return read_format(path.suffix.lstrip("."), path.name)


def read_format(text: str, name: str = "", *, reading: bool = False) -> str:
    """Return one of `FILE_FORMATS`; for a file that is `reading`, tabs count as CSV too.

    Raises InvalidInput.
    """
    kind = text.lower()
    kind = {"ndjson": "jsonl", "pq": "parquet"}.get(kind, kind)
    if reading and kind in ("tsv", "tab"):
        return "csv"
    if kind not in FILE_FORMATS:
        endings = ", ".join("." + known for known in FILE_FORMATS)
        raise InvalidInput(f"{name or text!r} ends in none of {endings}.")
    return kind


def read_file(path: Path) -> list[dict[str, Any]]:
    """Read a file's rows as dicts, JSON columns decoded.

    Raises NotFound, and InvalidInput that names the lines at fault.
    """
    if not path.is_file():
        raise NotFound(f"There is no data file {str(path)!r}.")
    kind = read_format(path.suffix.lstrip("."), path.name, reading=True)
    return read_bytes(path.read_bytes(), kind, name=str(path))


def read_bytes(data: bytes, kind: str, *, name: str) -> list[dict[str, Any]]:
    """Read a file's rows as dicts, JSON columns decoded; `name` is for messages.

    Raises InvalidInput that names the lines at fault.
    """
    if kind == "jsonl":
        return _json_lines(data, name)
    if kind == "json":
        rows = _decode(data, name, 1)
        if not isinstance(rows, list):
            raise InvalidInput(f"{name} must hold a JSON list of objects.")
        return rows
    if kind == "csv":
        return _csv_rows(data, name)
    parquet, arrow = _parquet()
    try:
        table = parquet.read_table(io.BytesIO(data))
    except arrow.ArrowException as error:
        raise InvalidInput(f"{name} is not a Parquet file: {error}") from None
    return [_decode_cells(row, name, None) for row in table.to_pylist()]


def write_lines(examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield examples as JSONL, a line each."""
    for example in examples:
        yield msgspec.json.encode(example) + b"\n"


def write_json(examples: Iterable[Example]) -> bytes:
    """Return examples as one JSON list."""
    return msgspec.json.format(msgspec.json.encode(list(examples)))


def write_csv(examples: Examples, *, for_spreadsheets: bool = False) -> Iterator[bytes]:
    """Yield examples as CSV, a row each below a header.

    A spreadsheet reads text that begins with `= + - @` as a formula. `for_spreadsheets` puts an
    apostrophe before such cells, which is not taken away again by reading.
    """
    columns = _columns(examples())
    yield _csv_line([column.title for column in columns])
    for example in examples():
        row = _flat(example)
        cells = [column.cell(row) for column in columns]
        if for_spreadsheets:
            cells = [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
        yield _csv_line(cells)


def write_parquet(examples: Examples) -> bytes:
    """Return examples as a Parquet file. Raises InvalidInput where pyarrow is not installed."""
    parquet, arrow = _parquet()
    columns = _columns(examples())
    cells: list[list[str]] = [[] for _ in columns]
    for example in examples():
        row = _flat(example)
        for column, held in zip(columns, cells, strict=True):
            held.append(column.cell(row))
    file = io.BytesIO()
    titles = [column.title for column in columns]
    parquet.write_table(arrow.table(dict(zip(titles, cells, strict=True))), file)
    return file.getvalue()


def write_file(path: Path, examples: Examples, kind: str) -> None:
    """Write examples to a file in a format, replacing a file that is there."""
    if kind == "json":
        path.write_bytes(write_json(examples()))
    elif kind == "parquet":
        path.write_bytes(write_parquet(examples))
    else:
        lines = write_lines(examples()) if kind == "jsonl" else write_csv(examples)
        with path.open("wb") as file:
            file.writelines(lines)


def to_pandas(examples: Iterable[Example]) -> Any:
    """Return a DataFrame of values, not of JSON. Raises InvalidInput without pandas."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        raise InvalidInput("to_pandas() needs pandas: pip install pandas") from None
    return pandas.DataFrame([_flat(example) for example in examples])


class _Column(NamedTuple):
    name: str
    is_text: bool

    @property
    def title(self) -> str:
        return self.name if self.is_text else self.name + JSON_SUFFIX

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return a row's cell; a key that it lacks is an empty JSON cell."""
        if self.name not in row:
            return ""
        value = row[self.name]
        return value if self.is_text else json.dumps(value, ensure_ascii=False)


def _columns(examples: Iterable[Example]) -> list[_Column]:
    texts: dict[str, int] = {}
    total = 0
    for example in examples:
        total += 1
        for name, value in _flat(example).items():
            texts[name] = texts.get(name, 0) + bool(isinstance(value, str) and value)
    return [_Column(name, _is_text(name, count == total)) for name, count in texts.items()] or [
        _Column("id", True)
    ]


def _is_text(name: str, holds_texts: bool) -> bool:
    # A name that ends as those of JSON columns do must be one.
    return not name.endswith(JSON_SUFFIX) and (holds_texts or name in _NEVER_EMPTY)


def _flat(example: Example) -> dict[str, Any]:
    row = msgspec.to_builtins(example)
    inputs = row.pop("inputs")
    return {"id": row.pop("id"), **{f"inputs.{key}": inputs[key] for key in inputs}, **row}


def _csv_line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _parquet() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow.parquet"), importlib.import_module("pyarrow")
    except ImportError:
        raise InvalidInput("Parquet files need pyarrow: pip install 'pellucid[parquet]'") from None


def _json_lines(data: bytes, name: str) -> list[dict[str, Any]]:
    rows, faults = [], []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = _decode(line, name, number)
            if not isinstance(row, dict):
                raise InvalidInput(f"{name}, line {number}: a row must be a JSON object.")
            rows.append(row)
        except InvalidInput as error:
            faults.append(error.message)
    _raise_faults(faults)
    return rows


def _csv_rows(data: bytes, name: str) -> list[dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{name}, line {line}: the text is not UTF-8. Save it as UTF-8."
        ) from None
    rows, faults = [], []
    before = csv.field_size_limit(_CELL_CHARACTERS)
    try:
        reader = csv.DictReader(
            io.StringIO(text, newline=""), strict=True, delimiter=_separator(text)
        )
        _check_header(reader.fieldnames or [], name)
        for row in reader:
            try:
                rows.append(_decode_cells(row, name, reader.line_num))
            except InvalidInput as error:
                faults.append(error.message)
    except csv.Error as error:
        raise InvalidInput(f"{name}, line {reader.line_num}: not CSV ({error}).") from None
    finally:
        csv.field_size_limit(before)
    _raise_faults(faults)
    return rows


def _separator(text: str) -> str:
    """Return the first comma, semicolon or tab in a table's header that no quotes hold.

    Without one it is a comma. Spreadsheets write semicolons where the comma is the decimal sign,
    and tabs when asked to. A table of ours begins with `id`, so its own is the first of them.
    """
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in _SEPARATORS:
            return character
        elif not quoted and character in "\r\n":
            break
    return ","


def _check_header(names: Iterable[str], name: str) -> None:
    seen: set[str] = set()
    for column in names:
        if column in seen:
            raise InvalidInput(f"{name}, line 1: two columns are called {column[:80]!r}.")
        seen.add(column)


def _decode_cells(row: Mapping[Any, Any], name: str, line: int | None) -> dict[str, Any]:
    decoded = {}
    for column, cell in row.items():
        if column is None:
            raise InvalidInput(
                f"{_place(name, line)}: a row has more cells than the header has names."
            )
        if column.endswith(JSON_SUFFIX):
            if cell not in ("", None):
                decoded[column.removesuffix(JSON_SUFFIX)] = _decode(cell, name, line, column)
        elif cell is not None:
            decoded[column] = cell
    return decoded


def _decode(data: bytes | str, name: str, line: int | None, column: str = "") -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        where = f"{_place(name, line)}, {column}" if column else _place(name, line)
        raise InvalidInput(f"{where}: not JSON ({error}).") from None


def _place(name: str, line: int | None) -> str:
    return name if line is None else f"{name}, line {line}"


def _raise_faults(faults: list[str]) -> None:
    if faults:
        more = len(faults) - SHOWN_FAULTS
        rest = f" And {more} more." if more > 0 else ""
        raise InvalidInput(" ".join(faults[:SHOWN_FAULTS]) + rest)
