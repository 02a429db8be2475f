"""SQL functions that know what Python knows: folding, tags, and what only bodies can tell."""

from typing import Any, Protocol

import apsw
import msgspec

from pellucid.core.query.tree import fold

_tags = msgspec.json.Decoder(dict[str, str])


class Answers(Protocol):
    """What a search answers while its SQL runs (compile.py)."""

    def whole(self, number: int, key: int) -> bool: ...  # noqa: D102
    def late(self, number: int, key: int) -> bool: ...  # noqa: D102
    def stale(self, key: int) -> bool: ...  # noqa: D102
    def among(self, number: int, key: int) -> bool: ...  # noqa: D102
    def score(self, number: int, content: bytes) -> bool: ...  # noqa: D102


def register_plain(connection: apsw.Connection) -> None:
    """Give a connection the functions that need no search."""
    functions: list[tuple[str, Any, int]] = [
        ("pellucid_fold", _fold, 1),
        ("pellucid_tag", _tag, 2),
    ]
    for name, function, arguments in functions:
        connection.create_scalar_function(name, function, arguments, deterministic=True)


def register_answers(connection: apsw.Connection, answers: Answers) -> None:
    """Let a connection ask a search."""
    functions: list[tuple[str, Any, int]] = [
        ("pellucid_whole", answers.whole, 2),
        ("pellucid_late", answers.late, 2),
        ("pellucid_stale", answers.stale, 1),
        ("pellucid_among", answers.among, 2),
        ("pellucid_score", answers.score, 2),
    ]
    for name, function, arguments in functions:
        connection.create_scalar_function(name, function, arguments)


def forget_answers(connection: apsw.Connection) -> None:
    """Let a connection ask no longer."""
    for name in ("whole", "late", "among", "score"):
        connection.create_scalar_function(f"pellucid_{name}", None, 2)
    connection.create_scalar_function("pellucid_stale", None, 1)


def _fold(text: str | None) -> str | None:
    return None if text is None else fold(text)


def _tag(tags: str, name: str) -> str | None:
    return _tags.decode(tags).get(name)
