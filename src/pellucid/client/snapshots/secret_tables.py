"""Secrets in tables: the cells of a CSV, TSV or Markdown table under the name of a secret."""

import re
from collections.abc import Iterator

from pellucid.client.snapshots.secret_kinds import Span
from pellucid.client.snapshots.secret_names import password_form
from pellucid.client.snapshots.secret_values import is_password, is_random

KIND = "value of a secret column"

_CELLS = {
    "csv": re.compile(rb'("(?:[^"\r\n]|"")*"|[^,;\r\n]*)(?:[,;]|\r?$)'),
    "tsv": re.compile(rb"([^\t\r\n]*)(?:\t|\r?$)"),
    "md": re.compile(rb"([^|\r\n]*)(?:\||\r?$)"),
}
_TRIMMED = b' \t"`*'


def find_in_tables(data: bytes, path: str) -> Iterator[Span]:
    """Yield the cells, in order; nothing of a file of another kind."""
    suffix = path.rpartition(".")[2].lower()
    cells = _CELLS.get(suffix)
    if cells is None:
        return
    start = 0
    secret: dict[int, bool] | None = None
    for line in data.split(b"\n"):
        if suffix == "md" and b"|" not in line:
            secret = None
        elif secret is None:
            secret = _secret_columns([match[1] for match in cells.finditer(line)])
        elif secret:
            for column, match in enumerate(cells.finditer(line)):
                if column in secret and (span := _span(match, start, is_word=secret[column])):
                    yield span
        start += len(line) + 1


def _secret_columns(names: list[bytes]) -> dict[int, bool]:
    """Return the columns of secrets, and whether a word may be one there."""
    shown = [name.strip(_TRIMMED).decode("utf-8", "replace") for name in names]
    forms = {column: password_form(name) for column, name in enumerate(shown)}
    return {column: form for column, form in forms.items() if form is not None}


def _span(match: "re.Match[bytes]", start: int, *, is_word: bool) -> Span | None:
    cell = match[1]
    value = cell.strip(_TRIMMED)
    if not value.strip(b"-:") or not (is_password(value) if is_word else is_random(value)):
        return None
    begin = start + match.start(1) + cell.index(value)
    return Span(begin, begin + len(value), KIND)
