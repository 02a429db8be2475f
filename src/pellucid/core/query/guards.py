"""Refusals, in the parser's words, of what other languages write and what would be misread here."""

import re
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from pellucid.core.query import habits
from pellucid.core.query.fields import Schema
from pellucid.core.query.habits import Advice, Foreign, find_alias
from pellucid.core.query.lexis import RUN, Cursor, Fix, Name, quote
from pellucid.core.query.tree import Node, Text

_LOWER_CASE = ("and", "or", "not")
_KEYWORDS = ("AND", "OR", "NOT")
_RAW_VALUE = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|\([^()]*\)|\'[^\']*\'|[^\s(),"]+)')
_TERM_AFTER = re.compile(r",\s*-?[@A-Za-z_][\w.-]*\s*(?:!=|<=|>=|[:=<>])")
_HOLDS_TERM = re.compile(r"\s+\(\s*(?:NOT\s|-)?[@A-Za-z_][\w.-]*\s*(?:!=|<=|>=|[:=<>])")


class Placed(NamedTuple):
    """A part of a query and where it begins."""

    node: Node
    position: int


def advise(cursor: Cursor, advice: Advice, start: int, end: int) -> NoReturn:
    """Fail, pointing from `start` to `end`, which is also what the advice would replace."""
    fix = Fix(start, end, advice.instead) if advice.instead is not None else None
    cursor.fail(advice.message, position=start, length=end - start, fix=fix)


def check_lower_case(cursor: Cursor, items: Sequence[Placed]) -> None:
    """Refuse `a:1 or b:2`, which looks for the word; beside other words it is one."""
    for at, (node, position) in enumerate(items):
        if not isinstance(node, Text) or node.phrase or node.prefix:
            continue
        word = node.text.lower()
        beside = [*items[at + 1 : at + 2], *(items[at - 1 : at] if at and word != "not" else ())]
        if word in _LOWER_CASE and any(not isinstance(one.node, Text) for one in beside):
            cursor.fail(
                f"{word.upper()} is written in upper case. To look for the word, "
                f"write {quote(node.text)}.",
                position=position,
                length=len(word),
                fix=Fix(position, position + len(word), word.upper()),
            )


def check_other_forms(cursor: Cursor, schema: Schema, name: Name) -> None:
    """Refuse what other languages write after a name, and what would be read as words here."""
    at, text = cursor.at, cursor.text
    head = find_alias(schema, name.head)
    if name.key is None and text.startswith("(", at) and name.head.lower() in habits.CALLS:
        end = _closing(text, at)
        advice = habits.has_call(name.head.lower(), text[at + 1 : end], schema)
        advise(cursor, advice, name.position, end + 1)
    opened = text[at : at + 2]
    if opened in ('["', "['") and (end := text.find(f"{opened[1]}]", at)) > 0:
        # attributes["http.status"] = 500
        family = habits.FAMILY_SYNONYMS.get(name.head.lower(), name.head)
        written = f"{family}.{quote(text[at + 2 : end])}"
        advice = Advice(f"A name in a family is written {written}", written)
        advise(cursor, advice, name.position, end + 2)
    if name.head == "span" and schema.inside_span is not None:
        bracket = _HOLDS_TERM.match(text, at)
        if bracket is not None:
            advice = Advice("span( … ) is written without a space before its bracket.", "span")
            advise(cursor, advice, name.position, text.index("(", at))
    found = habits.PATTERNS.match(text, at)
    if found is not None and (name.key is not None or head in schema.fields):
        _refuse_pattern(cursor, schema, name, found)


def _refuse_pattern(cursor: Cursor, schema: Schema, name: Name, found: re.Match[str]) -> None:
    text, at = cursor.text, found.end()
    end = _closing(text, at) + 1 if text[at : at + 1] in ("(", "[") else end_of_value(text, at)
    if found["word"] and not text[at:end].strip():
        return
    dotted = name.dotted if name.key is not None else find_alias(schema, name.head)
    operator = found["word"] or found["list"] or found["sign"]
    advise(cursor, habits.pattern(dotted, operator, text[at:end], schema), name.position, end)


def check_literal(cursor: Cursor, schema: Schema, name: Name, literal: str, position: int) -> None:
    """Refuse literals that mean something in other languages; in quotes they are texts."""
    text, dotted, end = cursor.text, name.dotted, position + len(literal)
    if literal == "*":
        term = f"has:{dotted}"
        fix = Fix(name.position, end, term)
        cursor.fail(f"To ask whether there is any value, write {term}", position=position, fix=fix)
    if literal.startswith("'"):
        refuse_single_quotes(cursor, position)
    if literal.startswith("="):
        cursor.fail(
            f"One = is enough; a text that begins so is quoted: {quote(habits.shorten(literal))}",
            position=position,
            length=len(literal),
            fix=Fix(position, position + 1, ""),
        )
    if literal.startswith("~"):
        end = end_of_value(text, position + 1)
        value = text[position + 1 : end].strip()
        advise(cursor, habits.pattern(dotted, "~", value, schema), name.position, end)
    if literal.startswith("["):
        _refuse_bracket(cursor, name, literal, position)
    if "*" in literal[:-1]:
        cursor.fail(
            f"A * stands only at the end, for how a value begins: {dotted}:begin* For a "
            f"word anywhere in a text, write it alone: {habits.shorten(literal.strip('*'))}",
            position=position,
            length=len(literal),
            fix=_without_stars(schema, name, literal, position),
        )


def _refuse_bracket(cursor: Cursor, name: Name, literal: str, position: int) -> NoReturn:
    text, dotted = cursor.text, name.dotted
    found = habits.RANGE.match(text, position)
    if found is not None:
        negated = text[: name.position].rstrip().endswith(("-", "NOT"))
        terms = habits.range_terms(dotted, found[1], found[2], negated=negated)
        advice = Advice(f"A range is two comparisons: {terms}", terms)
        advise(cursor, advice, name.position, found.end())
    cursor.fail(
        f"A list is written {dotted}:(a, b), a range {dotted}>=1 {dotted}<=2; to look for "
        "the bracket itself, quote the text.",
        position=position,
        length=len(literal),
    )


def _without_stars(schema: Schema, name: Name, literal: str, position: int) -> Fix | None:
    """Return the nearest that there is: how it begins, or the word alone."""
    begin, _, rest = literal.partition("*")
    if begin:
        return Fix(position, position + len(literal), begin + "*")
    word = rest.partition("*")[0]
    alone = schema.full_text and find_alias(schema, name.head) == "name"
    return Fix(name.position, position + len(literal), word) if alone and word else None


def check_word(cursor: Cursor, word: str, position: int) -> None:
    """Refuse words of full text that mean something in other languages."""
    if word.startswith("'"):
        refuse_single_quotes(cursor, position)
    if "*" not in word[:-1] and word != "*":
        return
    begin, _, rest = word.partition("*")
    alone = begin or rest.partition("*")[0]
    instead = begin + "*" if begin else alone
    message = (
        "Everything is found by the empty query."
        if not alone
        else "A * stands only at the end, for how a word begins. A word is found anywhere in a "
        f"text as it is: {habits.shorten(alone)}"
    )
    fix = Fix(position, position + len(word), instead)
    cursor.fail(message, position=position, length=len(word), fix=fix)


def refuse_single_quotes(cursor: Cursor, position: int) -> NoReturn:
    """Refuse a text in single quotes, which would be read as several."""
    text = cursor.text
    end = text.find("'", position + 1)
    quoted = quote(text[position + 1 : end]) if end > 0 else quote("a text")
    cursor.fail(
        f"A text is put in double quotes: {habits.shorten(quoted)}",
        position=position,
        length=(end + 1 if end > 0 else cursor.at) - position,
        fix=Fix(position, end + 1, quoted) if end > 0 else None,
    )


def refuse_field(cursor: Cursor, schema: Schema, name: Name, operator: str) -> NoReturn:
    """Refuse a field that there is not; the cursor stands behind the operator."""
    head, fix = name.head, None
    if head == "has":
        message = "has: takes its field directly after the colon, such as has:session."
    elif head in ("spans", "errors") and schema.name == "spans":
        message = f"{head} counts a trace's spans; it has no meaning inside span( … )."
    else:
        end = end_of_value(cursor.text, cursor.at)
        written = RUN.match(cursor.text, name.position)
        foreign = Foreign(head, operator, cursor.text[cursor.at : end].strip())
        advice = habits.no_such_field(schema, foreign, written[0] if written else "")
        message = advice.message
        if advice.instead is not None:
            fix = Fix(name.position, end, advice.instead)
    cursor.fail(message, position=name.position, length=len(head), fix=fix)


def refuse_family(cursor: Cursor, name: Name, family: str, operator: str) -> NoReturn:
    """Refuse a family without a key; the cursor stands behind the operator."""
    end = end_of_value(cursor.text, cursor.at)
    advice = habits.no_key(family, operator, cursor.text[cursor.at : end].strip())
    fix = Fix(name.position, end, advice.instead) if advice.instead is not None else None
    cursor.fail(advice.message, position=name.position, length=len(name.dotted), fix=fix)


def refuse_nothing(cursor: Cursor) -> NoReturn:
    """Refuse that nothing stands where something must."""
    text = cursor.text
    if cursor.peek() == ",":
        follows = _TERM_AFTER.match(text, cursor.at) is not None
        cursor.fail(
            'A comma stands only inside a list: name:(a, b). To look for it, quote it: ","',
            fix=Fix(cursor.at, cursor.at + 1, " ") if follows else None,
        )
    if cursor.peek() == ")":
        cursor.fail(
            "Something is missing before this ). Write what must hold, such as status:error."
        )
    kept = text.rstrip()
    while kept.endswith(_KEYWORDS):
        kept = kept.removesuffix("AND").removesuffix("OR").removesuffix("NOT").rstrip()
    cursor.fail(
        "Something is missing at the end. Write what must hold, such as status:error.",
        position=max(len(text) - 1, 0),
        fix=Fix(len(kept), len(text), "") if kept else None,
    )


def end_of_value(text: str, at: int) -> int:
    """Return where what stands at a place ends: a quoted text, a list, or up to a space."""
    found = _RAW_VALUE.match(text, at)
    return found.end() if found is not None else at


def _closing(text: str, at: int) -> int:
    """Return where the bracket at a place closes: the end of the text if it does not."""
    found = [end for end in (text.find(")", at), text.find("]", at)) if end >= 0]
    return min(found, default=len(text))
