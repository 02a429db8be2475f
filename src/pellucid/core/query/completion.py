"""What may stand at a place in a query: the part that needs no store.

Fields and fixed values are suggested here. For the values of other fields and the keys of families
(`tag.…`, `score.…`) the completion says what to look up, and the caller adds what is stored.
"""

import re
from dataclasses import dataclass

from pellucid.core.query.fields import FieldInfo, Schema
from pellucid.core.query.lexis import MAX_LENGTH
from pellucid.core.query.tree import FieldType, fold


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to go on: the text to put in, and a few words about it."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand between `start` and `end` of a query, given what is typed of it.

    `field` is set where values are wanted (`status`, `tag.env`), `family` where keys are: the
    caller looks up stored ones that begin with `prefix`, in any case.
    """

    start: int
    end: int
    prefix: str
    suggestions: tuple[Suggestion, ...] = ()
    field: str | None = None
    family: str | None = None


_TERM = re.compile(
    r'(?P<field>[A-Za-z_][\w-]*(?:\.(?:[\w-]+|"[^"]*"))*)\s*(?:!=|<=|>=|[:=<>])\s*'
    r'(?:\((?:[^()]*,)?\s*)?(?P<value>"[^"]*|[^\s(),"]*)$'
)
_WORD = re.compile(
    r"(?:^|[\s(]|(?<=[\s(])-|^-)(?P<word>(?:has:)?[A-Za-z_][\w.-]*)$|(?P<empty>(?:^|[\s(]|(?<=[\s(])-|^-))$"
)
_LOOKED_BACK = 400
"""Characters before the cursor that a term may have."""
_EXAMPLES = {
    FieldType.DURATION: ("100ms", "1s", "10s", "1m"),
    FieldType.TIME: ("1h", "24h", "7d", "30d"),
}


def complete(text: str, at: int, schema: Schema) -> Completion:
    """Return what may stand at character `at` of a query: nothing at all, at times."""
    if len(text) > MAX_LENGTH:
        return Completion(at, at, "")
    before = text[:at]
    if _inside_string(before):
        term = _TERM.search(before[-_LOOKED_BACK:])
        if term is None or not term["value"].startswith('"'):
            return Completion(at, at, "")
    schema = _schema_at(before, schema)
    before = before[-_LOOKED_BACK:]
    term = _TERM.search(before)
    if term is not None and not term["field"] == "has":
        return _values(term["field"].replace('"', ""), term["value"], at, schema)
    word = _WORD.search(before)
    if word is None:
        return Completion(at, at, "")
    typed = word["word"] or ""
    asked = typed.removeprefix("has:")
    start = at - len(asked)
    head, dot, key = asked.partition(".")
    if dot and head in schema.fields and schema.fields[head].family:
        return Completion(at - len(key), at, key, family=head)
    wanted = fold(asked)
    suggestions = [
        Suggestion(_spell(info, has=typed != asked), info.about)
        for info in schema.fields.values()
        if info.name.startswith(wanted)
    ]
    if typed == asked:
        suggestions += [
            Suggestion(alias + ":", f"the same as {name}")
            for alias, name in schema.aliases.items()
            if wanted and alias.startswith(wanted)
        ]
        suggestions += [item for item in _frames(schema) if item.text.startswith(asked)]
    return Completion(start, at, asked, tuple(suggestions))


def _frames(schema: Schema) -> list[Suggestion]:
    found = [Suggestion("has:", "whether a field has a value")]
    if schema.inside_span is not None:
        found.append(Suggestion("span(", "one span meets all of it"))
    return [*found, Suggestion("NOT ", "the opposite"), Suggestion("OR ", "either")]


def _spell(info: FieldInfo, *, has: bool) -> str:
    if info.family:
        return info.name + "."
    return info.name if has else info.name + ":"


def _values(name: str, typed: str, at: int, schema: Schema) -> Completion:
    head = name.partition(".")[0]
    head = schema.aliases.get(head, head)
    info = schema.fields.get(head)
    prefix = typed.removeprefix('"')
    start = at - len(typed)
    if info is None:
        known = "." in name
        return Completion(start, at, prefix, field=name if known else None)
    choices = info.values or _EXAMPLES.get(info.type, ())
    suggestions = tuple(
        Suggestion(choice) for choice in choices if fold(choice).startswith(fold(prefix))
    )
    looked_up = info.type in (FieldType.TEXT, FieldType.DYNAMIC) and not info.values
    field = name if info.family else head
    return Completion(start, at, prefix, suggestions, field=field if looked_up else None)


def _inside_string(before: str) -> bool:
    quotes = re.sub(r"\\.", "", before).count('"')
    return quotes % 2 == 1


def _schema_at(before: str, schema: Schema) -> Schema:
    """Return the schema inside an open `span(`, else the outer one."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', "", before)
    opened: list[bool] = []
    for index, character in enumerate(plain):
        if character == "(":
            opened.append(plain.endswith("span", 0, index))
        elif character == ")" and opened:
            opened.pop()
    return schema.inside_span or schema if any(opened) else schema
