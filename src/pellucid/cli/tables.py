"""What commands print: plain tables of texts that others chose, or JSON."""

import json
from collections.abc import Sequence, Set
from typing import Any

import click

_MAX_CHARACTERS = 80


def plain(text: str) -> str:
    """Return one line of a text that whoever sent it chose, without terminal commands."""
    shown = "".join(character if character.isprintable() else " " for character in text[:200])
    return shown if len(shown) <= _MAX_CHARACTERS else shown[: _MAX_CHARACTERS - 1] + "…"


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Set[int] = frozenset()
) -> None:
    """Print rows under a header; columns in `right` are aligned there."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def print_json(value: Any) -> None:
    """Print a value as JSON for people and programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
