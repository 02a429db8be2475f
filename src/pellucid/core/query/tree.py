"""The typed tree that a query is parsed to, and that every store compiles.

    Node = Everything | And | Or | Not | InSpan | Has | Compare | Text

A compiler meets every node type once, and every `Field` with its `scope` and `type`. What it must
answer:

- `Compare` with several values is any-of; with none it is false. `a!=b` is parsed to `Not(a=b)`.
- A comparison or `Has` whose value is missing is false, so `Not` of it is true. A value that is a
  list of scalars (an attribute, a span's documents) compares as any of its members does.
- Outside `InSpan` a field of scope SPAN is true if some span of the trace has it, and full text
  finds a word in any of the trace's spans. Inside, everything is said of one span.
- `FOLD` (`:`) compares `fold(stored) == fold(text)`, `EQUAL` (`=`) exactly; with `prefix`, the
  stored text starts so. On numbers, durations and times both are equality of numbers.
- A DYNAMIC value (an attribute, score or param) compares as a number where the stored value is one
  (and not a bool) and the literal reads as one, otherwise as text; a stored bool is `true` or
  `false`. Ordered comparisons and prefixes never hold across the two.
- A field of scope RUN (param and metric) is replaced by the service before compiling
  (`resolve.replace_run_fields`); `Unresolved` likewise (`resolve.resolve`).
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Op(StrEnum):
    """How a field is compared."""

    FOLD = ":"
    EQUAL = "="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="

    @property
    def is_ordered(self) -> bool:
        """Whether the comparison needs an order, not only equality."""
        return self not in (Op.FOLD, Op.EQUAL)


class FieldType(StrEnum):
    """What a field's values are, and so how a literal is read."""

    TEXT = "text"
    NUMBER = "number"
    DURATION = "duration"
    """Nanoseconds."""
    TIME = "time"
    """Nanoseconds since the epoch; `since` and `until` bound the start."""
    DYNAMIC = "dynamic"
    """Number, bool or text, as stored."""


class Scope(StrEnum):
    """What a field is a field of."""

    TRACE = "trace"
    SPAN = "span"
    RUN = "run"
    """Of the run that a trace belongs to, or of a listed run."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field; a family (`tag`, `score`, `param`, `metric`, `attr`, `snapshot`) has a key too.

    `has:tag` asks for a family without a key: whether there is any.
    """

    name: str
    scope: Scope
    type: FieldType
    key: str | None = None
    position: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A bare dotted name, which is a score, a param or an attribute: the service knows."""

    name: str
    position: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """One value as it was written, and as the field's type reads it.

    `number` is the amount of a NUMBER, the nanoseconds of a DURATION or TIME, and of a DYNAMIC
    literal the number that it reads as, if any. `age_ns` is set instead of `number` where a time
    was given as an age (`since:24h`): the time is now less that.
    """

    text: str
    quoted: bool = False
    prefix: bool = False
    number: float | int | None = None
    age_ns: int | None = None
    position: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty query."""


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more; no item is an `And` itself."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more; no item is an `Or` itself."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class InSpan:
    """`span( … )`: one span meets all of it."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class Has:
    """`has:field`: there is a value, and it is not an empty text, list or object.

    A tag may be empty, for a bare tag (`x`) is one with the value "".
    """

    field: Field | Unresolved


@dataclass(frozen=True, slots=True)
class Compare:
    """A field compared with any of several values."""

    field: Field | Unresolved
    op: Op
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Full text over name, input and output; `words.words_of` says what a word is.

    Not a phrase: the text's words follow each other all the same (`blu-ray` is two), and with
    `prefix` the last of them is only a beginning.
    """

    text: str
    phrase: bool = False
    prefix: bool = False


Node = Everything | And | Or | Not | InSpan | Has | Compare | Text


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query: its tree, and the name of the schema whose fields it speaks of."""

    root: Node
    schema: str
    text: str = field(default="", compare=False)
    """As it was typed."""


def fold(text: str) -> str:
    """Fold case as `:` and full text do."""
    return text.casefold()
