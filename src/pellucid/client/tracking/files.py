"""What is logged as a file: bytes, a media type and a kind that pages know how to show."""

import csv
import io
import math
import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.client.encoding import simplify
from pellucid.client.images import Image, is_pil_image, sniff
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


class Content(NamedTuple):
    """Bytes with what they are."""

    data: bytes
    media_type: str
    suffix: str


def guess_media_type(path: str) -> str:
    """Return the media type that a file's name suggests."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def guess_kind(path: str) -> str:
    """Return the kind that a file's name suggests."""
    return _KINDS.get(Path(path).suffix.lower(), "file")


def encode_text(text: str) -> Content:
    """Return text as UTF-8."""
    return Content(text.encode("utf-8", "replace"), "text/plain; charset=utf-8", ".txt")


def encode_dict(value: Any) -> Content:
    """Return any value as JSON, secrets masked."""
    from pellucid.client.snapshots.config import mask_values

    data = msgspec.json.format(msgspec.json.encode(mask_values(simplify(value))), indent=2)
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
    cells = [[_cell(value) for value in row] for row in rows]
    if path.lower().endswith(".csv"):
        return Content(_csv([columns, *cells]), "text/csv; charset=utf-8", ".csv")
    return Content(
        msgspec.json.encode({"columns": columns, "rows": cells}), "application/json", ".json"
    )


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


def encode_image(image: Any) -> Content:
    """Return an image file's bytes: of a PIL image, a numpy array, a path, or bytes.

    Raises InvalidInput for anything else, OSError for an unreadable path.
    """
    if isinstance(image, Image):
        image = image.data
    if isinstance(image, str | Path):
        image = Path(image).read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
        media_type = sniff(data[:16]) or ("image/svg+xml" if b"<svg" in data[:500] else None)
        if media_type is None or not media_type.startswith("image/"):
            raise InvalidInput("These bytes are not an image file: PNG, JPEG, GIF, WebP or SVG.")
        suffix = mimetypes.guess_extension(media_type) or ".bin"
        return Content(data, media_type, suffix)
    if is_pil_image(image):
        return Content(_png(image), "image/png", ".png")
    if hasattr(image, "__array__"):
        return Content(_png(_from_array(image)), "image/png", ".png")
    raise InvalidInput(
        f"{type(image).__name__} is not an image. Give a PIL image, a numpy array, bytes or a path."
    )


def _png(image: Any) -> bytes:
    out = io.BytesIO()
    if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}:
        image = image.convert("RGB")
    image.save(out, format="PNG", compress_level=1)
    return out.getvalue()


def _from_array(array: Any) -> Any:
    """Return a PIL image of height × width (× 1, 3 or 4): bytes, or floats from 0 to 1."""
    import numpy as np
    from PIL import Image as PilImage

    values = np.asarray(array)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in {2, 3} or (values.ndim == 3 and values.shape[2] not in {3, 4}):
        raise InvalidInput(
            f"An array of shape {values.shape} is not an image: height × width, or × 1, 3 or 4."
        )
    if values.dtype == bool:
        values = values * 255
    elif values.dtype.kind == "f":
        values = np.nan_to_num(values).clip(0, 1) * 255
    return PilImage.fromarray(np.ascontiguousarray(values.clip(0, 255).astype("uint8")))


def encode_figure(figure: Any) -> Content:
    """Return a figure: matplotlib as PNG, Plotly and others with `to_html` as HTML.

    Raises InvalidInput for anything else.
    """
    if hasattr(figure, "savefig"):
        out = io.BytesIO()
        figure.savefig(out, format="png", bbox_inches="tight")
        return Content(out.getvalue(), "image/png", ".png")
    for name in ("to_html", "_repr_html_"):
        render = getattr(figure, name, None)
        if callable(render):
            return Content(str(render()).encode(), "text/html; charset=utf-8", ".html")
    raise InvalidInput(
        f"{type(figure).__name__} is not a figure: matplotlib, Plotly, or anything with to_html()."
    )
