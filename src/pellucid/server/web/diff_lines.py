"""A unified diff as lines with their numbers, and words marked where one line became another."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pellucid.core.run_diff import Word, diff_words

MOST_LINES = 600
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_MOST_WORDS = 400


class DiffLine(NamedTuple):
    """One line: `kind` is `same`, `added`, `removed` or `hunk`; the words make up its text."""

    kind: str
    number: int | None
    words: list[Word]


def read_diff(unified: str) -> list[DiffLine]:
    """Return the lines of a diff, at most `MOST_LINES`."""
    lines: list[DiffLine] = []
    for line in _mark(unified.splitlines()):
        lines.append(line)
        if len(lines) >= MOST_LINES:
            break
    return lines


def _mark(lines: list[str]) -> Iterator[DiffLine]:
    old = new = 1
    index = 0
    while index < len(lines):
        line = lines[index]
        hunk = _HUNK.match(line)
        if hunk:
            old, new = int(hunk[1]), int(hunk[2])
            yield DiffLine("hunk", None, [Word("same", line)])
            index += 1
        elif line.startswith(("-", "+")):
            removed = _run(lines, index, "-")
            added = _run(lines, index + len(removed), "+")
            yield from _pair(removed, added, old, new)
            old, new = old + len(removed), new + len(added)
            index += len(removed) + len(added)
        elif line.startswith("\\"):
            yield DiffLine("hunk", None, [Word("same", line[1:].strip())])
            index += 1
        else:
            yield DiffLine("same", new, [Word("same", line[1:])])
            old, new = old + 1, new + 1
            index += 1


def _run(lines: list[str], start: int, sign: str) -> list[str]:
    end = start
    while end < len(lines) and lines[end].startswith(sign):
        end += 1
    return [line[1:] for line in lines[start:end]]


def _pair(removed: list[str], added: list[str], old: int, new: int) -> Iterator[DiffLine]:
    """Mark words where as many lines went as came; whole lines otherwise."""
    paired = len(removed) == len(added) and all(
        len(one) + len(other) < _MOST_WORDS for one, other in zip(removed, added, strict=True)
    )
    words = (
        [diff_words(one, other) for one, other in zip(removed, added, strict=True)]
        if paired
        else None
    )
    for index, line in enumerate(removed):
        shown = [w for w in words[index] if w.change != "added"] if words else [Word("same", line)]
        yield DiffLine("removed", old + index, shown)
    for index, line in enumerate(added):
        shown = (
            [w for w in words[index] if w.change != "removed"] if words else [Word("same", line)]
        )
        yield DiffLine("added", new + index, shown)
