"""From text to a typed tree (contracts.md §3): recursive descent, one method a rule."""

import re
from difflib import get_close_matches
from typing import NoReturn

from pellucid.core.query.fields import Schema
from pellucid.core.query.lexis import KEYWORDS, MAX_LENGTH, OPERATOR, RUN, Cursor, Name, quote
from pellucid.core.query.literals import read_values
from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    Field,
    Has,
    InSpan,
    Node,
    Not,
    Op,
    Or,
    Query,
    Text,
    Unresolved,
    Value,
)
from pellucid.core.query.words import words_of

MAX_DEPTH = 60


def parse(text: str, schema: Schema) -> Query:
    """Parse a query over a schema's fields; the empty text is everything.

    Raises QuerySyntaxError, which points at the character and says what would be right.
    """
    cursor = Cursor(text)
    if len(text) > MAX_LENGTH:
        cursor.fail(f"This query has {len(text):,} characters; the longest is {MAX_LENGTH:,}.")
    root = _Parser(cursor, schema).query()
    return Query(root, schema.name, text)


def all_of(items: list[Node]) -> Node:
    """Return the conjunction of nodes, flat: what `And` looks like everywhere."""
    flat: list[Node] = []
    for item in items:
        if isinstance(item, And):
            flat += item.items
        elif not isinstance(item, Everything):
            flat.append(item)
    return And(tuple(flat)) if len(flat) > 1 else flat[0] if flat else Everything()


def any_of(items: list[Node]) -> Node:
    """Return the disjunction of one or more nodes, flat."""
    flat: list[Node] = []
    for item in items:
        flat += item.items if isinstance(item, Or) else (item,)
    return Or(tuple(flat)) if len(flat) > 1 else flat[0]


class _Parser:
    def __init__(self, cursor: Cursor, schema: Schema) -> None:
        self._cursor = cursor
        self._schema = schema
        self._depth = 0

    def query(self) -> Node:
        cursor = self._cursor
        cursor.skip_spaces()
        if not cursor.peek():
            return Everything()
        root = self._or()
        if cursor.peek() == ")":
            cursor.fail("There is no open bracket for this ). Remove it, or quote the text.")
        return root

    def _or(self) -> Node:
        items = [self._and()]
        while self._cursor.keyword("OR"):
            items.append(self._and())
        return any_of(items)

    def _and(self) -> Node:
        cursor = self._cursor
        items = [self._not()]
        while True:
            cursor.skip_spaces()
            if cursor.keyword("AND"):
                items.append(self._not())
            elif not cursor.peek() or cursor.peek() == ")" or self._at_keyword("OR"):
                return all_of(items)
            else:
                items.append(self._not())

    def _not(self) -> Node:
        cursor = self._cursor
        cursor.skip_spaces()
        if cursor.keyword("NOT"):
            cursor.skip_spaces()
            return Not(self._atom())
        if cursor.peek() == "-":
            cursor.take("-")
            if not cursor.peek().strip():
                cursor.fail(
                    "A - negates what stands directly after it, with no space between. "
                    'To look for the sign itself, write "-".',
                    position=cursor.at - 1,
                )
            return Not(self._atom())
        return self._atom()

    def _at_keyword(self, word: str) -> bool:
        before = self._cursor.at
        found = self._cursor.keyword(word)
        self._cursor.at = before
        return found

    def _atom(self) -> Node:
        cursor = self._cursor
        position = cursor.at
        if cursor.take("("):
            return self._group(position)
        if cursor.take("span("):
            return self._in_span(position)
        if cursor.take("has:"):
            return self._has(position)
        if cursor.peek() == '"':
            return self._text(cursor.string(), position, phrase=True)
        if not cursor.peek() or cursor.peek() in "),":
            self._nothing_here()
        for word in sorted(KEYWORDS):
            if self._at_keyword(word):
                cursor.fail(
                    f"{word} needs something on each side of it. "
                    f'To look for the word itself, write "{word}".'
                    if word != "NOT"
                    else 'One NOT is enough. To look for the word itself, write "NOT".',
                    length=len(word),
                )
        name = cursor.name()
        if name is not None:
            after_name = cursor.at
            cursor.skip_spaces()
            operator = cursor.match(OPERATOR)
            if operator is not None:
                return self._term(name, operator)
            cursor.at = after_name
        return self._word(position)

    def _nothing_here(self) -> NoReturn:
        cursor = self._cursor
        if cursor.peek() == ",":
            cursor.fail(
                'A comma stands only inside a list: name:(a, b). To look for it, quote it: ","'
            )
        if cursor.peek() == ")":
            cursor.fail(
                "Something is missing before this ). Write what must hold, such as status:error."
            )
        cursor.fail(
            "Something is missing at the end. Write what must hold, such as status:error.",
            position=max(len(cursor.text) - 1, 0),
        )

    def _group(self, position: int) -> Node:
        cursor = self._cursor
        self._depth += 1
        if self._depth > MAX_DEPTH:
            cursor.fail(f"Brackets are nested more than {MAX_DEPTH} deep.", position=position)
        item = self._or()
        cursor.skip_spaces()
        if not cursor.take(")"):
            cursor.fail("This bracket is never closed. Add a ) where it ends.", position=position)
        self._depth -= 1
        return item

    def _in_span(self, position: int) -> Node:
        outer = self._schema
        if outer.inside_span is None:
            self._cursor.fail(
                f"span( … ) has no meaning here: this is a query over {outer.name}.",
                position=position,
                length=len("span("),
            )
        self._schema = outer.inside_span
        item = self._group(position)
        self._schema = outer
        return InSpan(item)

    def _has(self, position: int) -> Node:
        name = self._cursor.name()
        if name is None:
            self._cursor.fail(
                "has: asks whether a field has a value. Write its name directly after it, "
                "such as has:session or has:score.relevance.",
                position=position,
                length=len("has:"),
            )
        return Has(self._field(name, any_key=True))

    def _word(self, position: int) -> Node:
        cursor = self._cursor
        cursor.at = position
        word = cursor.match(RUN)
        if word is None:
            cursor.fail(f"{cursor.peek()!r} is not expected here. To look for it, quote it.")
        operator = OPERATOR.search(word)
        if operator is not None:
            cursor.fail(_advise(word, operator), position=position, length=len(word))
        if word.startswith("*"):
            cursor.fail(
                "A * stands only at the end, for how a word begins. A word is found anywhere in a "
                f"text as it is: {word.strip('*') or 'refund'}",
                position=position,
                length=len(word),
            )
        if word.endswith("*"):
            return self._text(word[:-1], position, prefix=True)
        return self._text(word, position)

    def _text(
        self, text: str, position: int, *, phrase: bool = False, prefix: bool = False
    ) -> Node:
        cursor = self._cursor
        length = cursor.at - position
        if not self._schema.full_text:
            cursor.fail(
                f"A query over {self._schema.name} finds no full text. Say which field is meant, "
                f"such as name:{text or '…'}*",
                position=position,
                length=length,
            )
        if not words_of(text):
            cursor.fail(
                "Full text looks for words, and there is no letter or digit in this.",
                position=position,
                length=length,
            )
        return Text(text, phrase=phrase, prefix=prefix)

    def _term(self, name: Name, operator: str) -> Node:
        cursor = self._cursor
        operator_at = cursor.at - len(operator)
        field = self._field(name)
        negated = operator == "!="
        op = Op.EQUAL if negated else Op(operator)
        values = self._values(name, op)
        compared = Compare(
            field, op, read_values(cursor, field, op, operator_at, values, self._info)
        )
        return Not(compared) if negated else compared

    def _info(self, name: str) -> tuple[str, ...]:
        return self._schema.fields[name].values if name in self._schema.fields else ()

    def _values(self, name: Name, op: Op) -> list[Value]:
        cursor = self._cursor
        cursor.skip_spaces()
        position = cursor.at
        if not cursor.take("("):
            return [self._value(name)]
        if op.is_ordered:
            cursor.fail(
                f"A list means any of its values, so it goes with : = and !=, not with {op.value}",
                position=position,
            )
        values: list[Value] = []
        while True:
            cursor.skip_spaces()
            if cursor.peek() == "(":
                cursor.fail("A list holds values, not lists. Remove this bracket.")
            values.append(self._value(name))
            cursor.skip_spaces()
            if cursor.take(")"):
                return values
            if not cursor.take(","):
                cursor.fail(
                    "Expected , or ) in this list: write it as (a, b). "
                    "A value with spaces needs quotes.",
                    position=cursor.at if cursor.peek() else position,
                )

    def _value(self, name: Name) -> Value:
        cursor = self._cursor
        position = cursor.at
        if cursor.peek() == '"':
            return Value(cursor.string(), quoted=True, position=position)
        literal = cursor.match(RUN)
        if literal is None:
            cursor.fail(
                f"A value for {name.dotted} is missing here.",
                position=min(position, max(len(cursor.text) - 1, 0)),
            )
        if literal == "*":
            cursor.fail(
                f"To ask whether there is any value, write has:{name.dotted}", position=position
            )
        if literal.startswith("*"):
            cursor.fail(
                f"A * stands only at the end, for how a value begins: {name.dotted}:begin* For a "
                f"word anywhere in a text, write it alone: {literal.strip('*')}",
                position=position,
                length=len(literal),
            )
        if literal.endswith("*"):
            return Value(literal[:-1], prefix=True, position=position)
        return Value(literal, position=position)

    def _field(self, name: Name, *, any_key: bool = False) -> Field | Unresolved:
        cursor = self._cursor
        schema = self._schema
        head = schema.aliases.get(name.head, name.head)
        info = schema.fields.get(head)
        length = len(name.dotted)
        if info is None:
            if name.key is not None:
                return Unresolved(name.dotted, name.position)
            cursor.fail(self._no_such_field(name), position=name.position, length=length)
        if info.family and name.key is None and not any_key:
            cursor.fail(
                f"{head} needs a name after it: {head}.NAME. For example: {head}.x:1",
                position=name.position,
                length=length,
            )
        if not info.family and name.key is not None:
            return Unresolved(name.dotted, name.position)
        return Field(head, info.scope, info.type, name.key, name.position)

    def _no_such_field(self, name: Name) -> str:
        schema = self._schema
        if name.head == "has":
            return "has: takes its field directly after the colon, such as has:session."
        if name.head in ("spans", "errors") and schema.name == "spans":
            return f"{name.head} counts a trace's spans; it has no meaning inside span( … )."
        if name.head.lower() in _SEARCHED and name.key is None:
            return (
                f"There is no field {name.head!r}. "
                "Names, inputs and outputs are searched together: write only the words."
            )
        rest = RUN.match(self._cursor.text, name.position)
        quoted = f" To look for the text, quote it: {quote(rest[0])}" if rest else ""
        head = name.head.lower()
        names = [*schema.fields, *schema.aliases]
        close = get_close_matches(head, names, n=1, cutoff=0.6)
        meant = _OTHER_WORDS.get(head) or (close[0] if close else None)
        if meant is not None and schema.aliases.get(meant, meant) in schema.fields:
            info = schema.fields[schema.aliases.get(meant, meant)]
            spelled = f"{meant}.NAME" if info.family else meant
            return f"There is no field {name.head!r}. Did you mean {spelled}?{quoted}"
        return f"There is no field {name.head!r}. Fields are {', '.join(_spell(schema))}.{quoted}"


_OTHER_WORDS = {
    "level": "status",
    "error": "status",
    "state": "status",
    "type": "kind",
    "trace_name": "name",
    "tokens_input": "tokens_in",
    "input_tokens": "tokens_in",
    "prompt_tokens": "tokens_in",
    "tokens_output": "tokens_out",
    "output_tokens": "tokens_out",
    "completion_tokens": "tokens_out",
    "total_tokens": "tokens",
    "price": "cost",
    "total_cost": "cost",
    "time": "since",
    "timestamp": "since",
    "start": "since",
    "from": "since",
    "to": "until",
    "env": "tag",
    "environment": "tag",
    "label": "tag",
    "feedback": "score",
    "attribute": "attr",
    "attributes": "attr",
    "thread": "session",
    "span_count": "spans",
    "service": "experiment",
    "project": "experiment",
}
"""What other tools call the fields."""
_SEARCHED = frozenset("input inputs output outputs text content message body".split())


def _advise(word: str, operator: re.Match[str]) -> str:
    """Say what a word with an operator in it should be."""
    if word.startswith("@"):
        return f"An attribute is written attr.{word[1:]}"
    if word.startswith("!"):
        return f"The opposite is written -{word[1:]} or NOT {word[1:]}"
    return (
        f"{word!r} is no comparison, for nothing before {operator[0]!r} is a field. "
        f"To look for the text, quote it: {quote(word)}"
    )


def _spell(schema: Schema) -> list[str]:
    return [f"{name}.*" if info.family else name for name, info in schema.fields.items()]
