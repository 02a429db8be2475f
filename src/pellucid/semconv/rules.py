"""How a dialect says what it understands: rules from attribute names to fields of a span.

A rule names the field, the reader and a rank. Several vocabularies often stand on one span, so
every rule *claims* its field, and the lowest rank wins: ours, then the producers' own, then
OpenInference and OTel GenAI. A flattened name (`llm.input_messages.0.message.role`) has a path
and joins its group, which an assembler turns into claims. What no rule reads stays in `rest`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from pellucid.core.span import Attributes, DecodedSpan
from pellucid.semconv.values import Later, Reader, read_value

Path = tuple[str | int, ...]

SESSION_KEYS = ("session_id", "thread_id", "conversation_id", "chat_id")
USER_KEYS = ("user_id", "user")
"""What frameworks call a session and a user in free metadata, the surest first."""


class Rule(NamedTuple):
    """What one attribute name means."""

    field: str
    read: Reader
    rank: int
    path: Path = ()


class Flat(msgspec.Struct, frozen=True, gc=False):
    """One attribute of a flattened group."""

    rank: int
    path: Path
    value: Any


class Draft:
    """A span while its attributes are read: claims on fields, and what nobody understood."""

    __slots__ = ("claims", "decoded", "flats", "ranks", "rest")

    def __init__(self, decoded: DecodedSpan) -> None:
        self.decoded = decoded
        self.claims: dict[str, Any] = {}
        self.ranks: dict[str, int] = {}
        self.flats: dict[str, list[Flat]] = {}
        self.rest: Attributes = {}

    def claim(self, field: str, value: Any, rank: int) -> None:
        """Claim a field; a lower rank wins, and the first among equals."""
        if field not in self.ranks or rank < self.ranks[field]:
            self.ranks[field] = rank
            self.claims[field] = value

    def body(self, field: str) -> Any:
        """Return the value of a claim that may not have been parsed yet."""
        value = self.claims.get(field)
        if type(value) is Later:
            value = self.claims[field] = read_value(value.text)
        return value

    def give_back(self, names: Iterable[str], *fields: str) -> None:
        """Drop claims on fields and keep the attributes that made them."""
        for field in fields:
            self.claims.pop(field, None)
            self.ranks.pop(field, None)
        attributes = self.decoded.attributes
        for name in names:
            if name in attributes:
                self.rest[name] = attributes[name]


Assembler = Callable[[list[Flat], Draft], None]
Refiner = Callable[[Draft], None]


class Dialect(NamedTuple):
    """One vocabulary."""

    name: str
    rules: Mapping[str, Rule]
    match: Callable[[str], Rule | None] | None = None
    """Finds the rule of a name that is not in `rules`, for families of names."""
    prefixes: tuple[str, ...] = ()
    """The only names that `match` is asked about start with one of these."""
    assemblers: Mapping[str, Assembler] = {}
    """Flattened group → what turns it into claims."""
    refine: Refiner | None = None
    """Looks at the whole draft after all attributes were read."""
    marks: tuple[str, ...] = ()
    """`refine` runs on a span that has one of these attributes …"""
    scopes: tuple[str, ...] = ()
    """… or whose scope's name starts with one of these."""


def table(rank: int, *rows: tuple[str, str, Reader]) -> dict[str, Rule]:
    """Return rules from (attribute name, field, reader); among them an earlier row wins."""
    return {name: Rule(field, read, rank + place) for place, (name, field, read) in enumerate(rows)}


def claim_from_metadata(draft: Draft, rank: int) -> None:
    """Claim the session and the user that a framework's own metadata names."""
    metadata = draft.claims.get("metadata")
    if type(metadata) is dict:
        for field, keys in (("session_id", SESSION_KEYS), ("user_id", USER_KEYS)):
            for key in keys:
                value = metadata.get(key)
                if type(value) is str and value:
                    draft.claim(field, value, rank)
                    break


def grouped(flats: Iterable[Flat]) -> list[dict[Any, Any]]:
    """Gather a flattened group's members: one dict an index, in order; deeper paths nest."""
    found: dict[Any, dict[Any, Any]] = {}
    for flat in flats:
        path = flat.path
        at = found.get(path[0])
        if at is None:
            at = found[path[0]] = {}
        for step in path[1:-1]:
            at = at.setdefault(step, {})
        at[path[-1]] = flat.value
    return [found[index] for index in sorted(found)]


def is_index(text: str) -> bool:
    """Tell whether a step of a flattened name is an index."""
    return text.isascii() and text.isdigit() and len(text) < 7
