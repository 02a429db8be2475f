"""Where a query's words, strings and names begin and end (contracts.md §3, lexis)."""

import re
from typing import NamedTuple, NoReturn

from pellucid.core.errors import QuerySyntaxError

MAX_LENGTH = 20_000
"""Characters of a query."""
NAME = re.compile(r"[A-Za-z_][\w-]*")
OPERATOR = re.compile(r"!=|<=|>=|:|=|<|>")
RUN = re.compile(r'[^\s(),"]+')
"""A literal, or a word of full text."""
KEYWORDS = frozenset({"AND", "OR", "NOT"})

_SPACE = re.compile(r"\s*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Name(NamedTuple):
    """A field as it is spelled: a head and, after the first dot, a key."""

    head: str
    key: str | None
    position: int

    @property
    def dotted(self) -> str:
        """The whole name."""
        return self.head if self.key is None else f"{self.head}.{self.key}"


class Fix(NamedTuple):
    """What to write between two places of a query."""

    start: int
    end: int
    text: str


class Cursor:
    """A place in a query's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_spaces(self) -> None:
        """Go to the next character that is no space."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def peek(self) -> str:
        """Return the character here; "" at the end."""
        return self.text[self.at : self.at + 1]

    def take(self, token: str) -> bool:
        """Pass `token` if it stands here."""
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Pass and return what a pattern finds here, if anything."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def keyword(self, word: str) -> bool:
        """Pass a keyword if it stands here as a whole word."""
        end = self.at + len(word)
        if self.text.startswith(word, self.at) and self.text[end : end + 1] in _BOUNDARIES:
            self.at = end
            return True
        return False

    def string(self) -> str:
        """Pass a quoted string and return what it says; there must be a quote here."""
        found = _STRING.match(self.text, self.at)
        if found is None:
            self.fail(
                'This quote is never closed. Add a " at the end of the text.',
                length=len(self.text) - self.at,
                fix=Fix(len(self.text), len(self.text), '"')
                if self.text[self.at + 1 :].strip()
                else Fix(self.at, len(self.text), ""),
            )
        self.at = found.end()
        return _ESCAPE.sub(r"\1", found[1])

    def name(self) -> Name | None:
        """Pass and return a field's name, if one stands here."""
        position = self.at
        head = self.match(NAME)
        if head is None:
            return None
        segments: list[str] = []
        while self.peek() == ".":
            before = self.at
            self.at += 1
            segment = self.string() if self.peek() == '"' else self.match(_SEGMENT)
            if not segment:
                self.at = before
                break
            segments.append(segment)
        return Name(head, ".".join(segments) if segments else None, position)

    def fail(
        self,
        message: str,
        *,
        position: int | None = None,
        length: int = 1,
        fix: Fix | None = None,
    ) -> NoReturn:
        """Raise the error that points here, or at `position`; `fix` would put it right."""
        proposal = None
        if fix is not None:
            put_right = self.text[: fix.start] + fix.text + self.text[fix.end :]
            proposal = put_right if put_right != self.text else None
        raise QuerySyntaxError(
            message,
            query=self.text,
            position=self.at if position is None else position,
            length=max(length, 1),
            proposal=proposal,
        )


_SEGMENT = re.compile(r"[\w-]+")
_BOUNDARIES = ("", " ", "\t", "\n", "\r", "(", ")", '"')


def is_strange(literal: str) -> bool:
    """Tell whether a literal means something in other languages, and so needs quotes."""
    return literal.startswith(("'", "=", "~", "<", ">", "[")) or "*" in literal


def quote(text: str) -> str:
    """Write a text as a string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_key(text: str) -> bool:
    """Tell whether a key can be written without quotes."""
    return bool(text) and all(_SEGMENT.fullmatch(part) for part in text.split("."))
