"""What is logged as a file: bytes, a media type and a kind that pages know how to show."""

import csv
import io
import math
import mimetypes
from pathlib import Path
from typing import Any

import msgspec

from pellucid.client.encoding import simplify
from pellucid.client.masking import MASK, is_secret_name, masked
from pellucid.client.tracking.contents import Content
from pellucid.client.tracking.writable import writable
from pellucid.core.errors import InvalidInput

_KINDS = {
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
    ".md": "text",
    ".log": "text",
    ".json": "dict",
    ".csv": "table",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".gif": "image",
    ".webp": "image",
    ".svg": "image",
}


_FIGURES = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
"""What matplotlib writes and pages show."""


def guess_media_type(path: str) -> str:
    """Return the media type that a file's name suggests."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def guess_kind(path: str) -> str:
    """Return the kind that a file's name suggests."""
    return _KINDS.get(Path(path).suffix.lower(), "file")


def encode_text(text: str) -> Content:
    """Return text as UTF-8, secrets masked."""
    from pellucid.client.snapshots.secrets import mask_text

    return Content(
        mask_text(str(text)).encode("utf-8", "replace"), "text/plain; charset=utf-8", ".txt"
    )


def encode_dict(value: Any) -> Content:
    """Return any value as JSON, secrets masked."""
    from pellucid.client.snapshots.config import mask_values

    data = msgspec.json.format(
        msgspec.json.encode(writable(mask_values(simplify(value)))), indent=2
    )
    return Content(data, "application/json", ".json")


def encode_table(data: Any, path: str = "") -> Content:
    """Return a table as JSON, `{"columns": […], "rows": [[…], …]}`, or as CSV if `path` says so.

    `data` is a pandas DataFrame, rows as dicts, or a dict of columns.
    """
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        columns = [str(name) for name in data.columns]
        rows = [list(row) for row in data.itertuples(index=False, name=None)]
    elif isinstance(data, dict):
        columns = [str(name) for name in data]
        values = [list(column) for column in data.values()]
        if len({len(column) for column in values}) > 1:
            raise InvalidInput("The columns of the table differ in length.")
        rows = [list(row) for row in zip(*values, strict=True)]
    else:
        records = list(data)
        if not all(isinstance(record, dict) for record in records):
            raise InvalidInput(
                f"{type(data).__name__} is not a table. Give a DataFrame, a list of dicts, or a "
                "dict of columns."
            )
        columns = list(dict.fromkeys(str(name) for record in records for name in record))
        rows = [[record.get(name) for name in columns] for record in records]
    cells = writable([[_cell(value) for value in row] for row in rows])
    content = _table_content(writable(columns), cells, path)
    if not _may_hold_secrets(content.data, columns):
        return content
    return _table_content(columns, _masked_cells(columns, cells), path)


def _table_content(columns: list[str], cells: list[list[Any]], path: str) -> Content:
    if path.lower().endswith(".csv"):
        return Content(_csv([columns, *cells]), "text/csv; charset=utf-8", ".csv")
    data = msgspec.json.encode({"columns": columns, "rows": cells})
    return Content(data, "application/json", ".json")


def _may_hold_secrets(data: bytes, columns: list[str]) -> bool:
    """Look at the whole once: a table may have very many cells, and hardly ever a secret."""
    from pellucid.client.snapshots.secrets import find

    return any(is_secret_name(name) for name in columns) or bool(find(data))


def _masked_cells(columns: list[str], cells: list[list[Any]]) -> list[list[Any]]:
    from pellucid.client.snapshots.config import mask_values

    return [
        [
            MASK if masked(name, value) else mask_values(value)
            for name, value in zip(columns, row, strict=True)
        ]
        for row in cells
    ]


def _csv(rows: list[list[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(
        [
            value
            if isinstance(value, str | int | float | None)
            else msgspec.json.encode(value).decode()
            for value in row
        ]
        for row in rows
    )
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return _cell(item())
    return simplify(value)


def encode_figure(figure: Any, path: str = "") -> Content:
    """Return a figure: matplotlib's as `path` ends, else PNG; others with `to_html` as HTML.

    Raises InvalidInput for anything else.
    """
    if not hasattr(figure, "savefig") and hasattr(figure, "get_figure"):
        figure = figure.get_figure()  # axes, as pandas and seaborn return them
    if hasattr(figure, "savefig"):
        out = io.BytesIO()
        suffix = Path(path).suffix.lower()
        suffix = suffix if suffix in _FIGURES else ".png"
        figure.savefig(out, format=suffix[1:], bbox_inches="tight")
        return Content(out.getvalue(), _FIGURES[suffix], suffix)
    for name in ("to_html", "_repr_html_"):
        render = getattr(figure, name, None)
        if callable(render):
            return Content(
                str(render()).encode("utf-8", "replace"), "text/html; charset=utf-8", ".html"
            )
    raise InvalidInput(
        f"{type(figure).__name__} is not a figure: matplotlib, Plotly, or anything with to_html()."
    )
