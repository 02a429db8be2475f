"""Looking into a file: what a page shows of its bytes, whatever they claim to be."""

import csv
import io
import json
from dataclasses import dataclass

from pellucid.core.errors import NotFound
from pellucid.core.run import Artifact
from pellucid.server.services.artifacts import SVG, ArtifactService
from pellucid.server.web.measures import format_measure

LOOKED_INTO = 1 << 20
"""Bytes of a file that a page reads at most."""
MOST_LINES = 2_000
MOST_ROWS = 200
MOST_CELL = 300
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", SVG)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A file as it is shown; `kind` is image, html, json, table, text, binary or missing."""

    kind: str
    size_bytes: int
    text: str = ""
    rows: list[list[str]]
    is_cut: bool = False
    digest: str = ""
    media_type: str = ""
    path: str = ""


async def preview_artifact(artifacts: ArtifactService, artifact: Artifact) -> Preview:
    """Return what a page shows of an artifact, reading no more than it shows."""
    try:
        stored = await artifacts.read(artifact.digest)
    except NotFound:
        return _preview(artifact, "missing", "")
    if stored.media_type in _PICTURES:
        await stored.pieces.aclose()  # type: ignore[attr-defined]
        return _preview(artifact, "image", "")
    held = bytearray()
    async for piece in stored.pieces:
        held += piece
        if len(held) >= LOOKED_INTO:
            break
    shown = _logged_table(artifact, bytes(held)) or preview_bytes(
        artifact.path, bytes(held[:LOOKED_INTO]), size=artifact.size_bytes
    )
    kind = shown.kind
    if kind != "binary" and is_html(artifact):
        kind = "html"
    return Preview(
        kind=kind,
        size_bytes=artifact.size_bytes,
        text=shown.text,
        rows=shown.rows,
        is_cut=shown.is_cut,
        digest=artifact.digest,
        media_type=artifact.media_type,
        path=artifact.path,
    )


def _logged_table(artifact: Artifact, data: bytes) -> Preview | None:
    """Return the table that `log_table` keeps as JSON, whatever its path ends in."""
    if artifact.kind != "table" or not data.startswith(b'{"columns":'):
        return None
    try:
        table = json.loads(data)
        rows = [table["columns"], *table["rows"]]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return Preview(
        kind="table",
        size_bytes=artifact.size_bytes,
        rows=[
            [("" if cell is None else format_measure(cell))[:MOST_CELL] for cell in row[:50]]
            for row in rows[: MOST_ROWS + 1]
            if isinstance(row, list)
        ],
        is_cut=len(rows) > MOST_ROWS + 1,
        path=artifact.path,
    )


def is_html(artifact: Artifact) -> bool:
    """Tell whether an artifact is shown as HTML; a page reads no more than `LOOKED_INTO`."""
    named = artifact.path.lower().endswith((".html", ".htm"))
    is_text = artifact.media_type.startswith("text/")
    declared = artifact.media_type.partition(";")[0] == "text/html"
    return (declared or (named and is_text)) and artifact.size_bytes <= LOOKED_INTO


def _preview(artifact: Artifact, kind: str, text: str) -> Preview:
    return Preview(
        kind=kind,
        size_bytes=artifact.size_bytes,
        text=text,
        rows=[],
        digest=artifact.digest,
        media_type=artifact.media_type,
        path=artifact.path,
    )


def preview_bytes(path: str, data: bytes, *, size: int | None = None) -> Preview:
    """Return what a page shows of bytes; the name decides between text, JSON and a table."""
    full = len(data) if size is None else size
    text = _decode(data[:LOOKED_INTO])
    is_cut = full > LOOKED_INTO
    if text is None:
        return Preview(kind="binary", size_bytes=full, rows=[], path=path)
    name = path.lower()
    if name.endswith((".csv", ".tsv")):
        rows = _rows(text, "\t" if name.endswith(".tsv") else ",")
        cut = is_cut or len(rows) > MOST_ROWS + 1
        return Preview(
            kind="table",
            size_bytes=full,
            text="",
            rows=rows[: MOST_ROWS + 1],
            is_cut=cut,
            path=path,
        )
    if name.endswith((".json", ".ipynb")) and not is_cut and _is_json(text):
        return Preview(kind="json", size_bytes=full, text=text, rows=[], path=path)
    lines = text.splitlines()
    return Preview(
        kind="text",
        size_bytes=full,
        text="\n".join(lines[:MOST_LINES]),
        rows=[],
        is_cut=is_cut or len(lines) > MOST_LINES,
        path=path,
    )


def _decode(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may have been cut in two.
        whole = error.start >= len(data) - 3 and len(data) >= LOOKED_INTO
        return data[: error.start].decode("utf-8") if whole else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            rows.append([cell[:MOST_CELL] for cell in row[:50]])
            if len(rows) > MOST_ROWS + 1:
                break
    except csv.Error:
        return rows
    return rows
