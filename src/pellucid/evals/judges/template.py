"""Judges' prompts: text files with a short head, filled in by name.

    ---
    name: correctness
    version: 1
    choices: correct = 1, incorrect = 0
    ---
    Is this answer right? {{ output }}

`{{ name }}` stands for a field, filled once: what a field holds is never read as a template.
`{{#name}} … {{/name}}` is left out where the field is empty.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreValue
from pellucid.core.span import Document
from pellucid.evals.documents import as_documents
from pellucid.evals.scorers.output import answer_of, as_text

ANSWER_FORMAT = "answer_format"
EXAMPLES = "examples"
_FIELD = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_SECTION = re.compile(r"\{\{#\s*(\w+)\s*\}\}\n?(.*?)\{\{/\s*\1\s*\}\}\n?", re.DOTALL)
_MARK = re.compile(r"</(\w*(?:question|answer|chunks|claims))>")
"""The end of a marked part of a built-in prompt, which material must not write itself."""
_HEAD = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt file."""

    name: str
    version: int
    text: str
    choices: dict[str, ScoreValue] = {}


def load_template(name: str) -> Template:
    """Read a built-in template by its name."""
    text = (files("pellucid.evals.judges") / "templates" / f"{name}.md").read_text("utf-8")
    return parse_template(text)


def parse_template(text: str) -> Template:
    """Read a template with its head. Raises InvalidInput without one."""
    match = _HEAD.match(text)
    if match is None:
        raise InvalidInput("A judge's template begins with a head between two lines of ---.")
    head = {}
    for line in match[1].splitlines():
        key, _, value = line.partition(":")
        head[key.strip()] = value.strip()
    return Template(
        name=head["name"],
        version=int(head["version"]),
        text=text[match.end() :].strip() + "\n",
        choices=_choices(head.get("choices", "")),
    )


def fields_of(text: str) -> list[str]:
    """Return the names of the fields that a template asks for, in order, each once."""
    names = dict.fromkeys([*_FIELD.findall(text), *(m[0] for m in _SECTION.findall(text))])
    return [name for name in names if name not in (ANSWER_FORMAT, EXAMPLES)]


def optional_fields_of(text: str) -> set[str]:
    """Return the names of the fields that a template can do without."""
    outside = set(_FIELD.findall(_SECTION.sub("", text)))
    return {match[0] for match in _SECTION.findall(text)} - outside


def fill(text: str, fields: Mapping[str, Any]) -> str:
    """Fill in a template. Raises InvalidInput that names a field which is missing."""

    def section(match: re.Match[str]) -> str:
        return match[2] if _is_there(fields.get(match[1])) else ""

    def value(match: re.Match[str]) -> str:
        if match[1] not in fields:
            raise InvalidInput(f"The judge's prompt asks for {match[1]!r}, which is not given.")
        return _MARK.sub(r"<\\/\1>", show(match[1], fields[match[1]]))

    return _FIELD.sub(value, _SECTION.sub(section, text))


def show(name: str, value: Any) -> str:
    """Return a field as a model should read it."""
    if name == "documents":
        return show_documents(as_documents(value))
    if name in ("output", "first", "second"):
        return as_text(answer_of(value))
    if name == "inputs" and isinstance(value, Mapping):
        if len(value) == 1:
            return as_text(next(iter(value.values())))
        return "\n".join(f"{key}: {as_text(item)}" for key, item in value.items())
    return as_text(value)


def show_documents(documents: list[Document]) -> str:
    """Return documents numbered from 1."""
    return "\n\n".join(
        f"[{number}] {document.text or document.id or ''}"
        for number, document in enumerate(documents, 1)
    )


def _is_there(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _choices(text: str) -> dict[str, ScoreValue]:
    choices: dict[str, ScoreValue] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        label, _, value = (piece.strip() for piece in part.partition("="))
        choices[label] = msgspec.json.decode(value) if value else label
    return choices
