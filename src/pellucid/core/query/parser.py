"""From text to a typed tree (contracts.md §3): recursive descent, one method a rule."""

from pellucid.core.query import guards, habits
from pellucid.core.query.fields import Schema
from pellucid.core.query.guards import Placed
from pellucid.core.query.habits import find_alias
from pellucid.core.query.lexis import KEYWORDS, MAX_LENGTH, OPERATOR, RUN, Cursor, Fix, Name
from pellucid.core.query.literals import Term, read_values
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
        if habits.SQL.match(cursor.text):
            cursor.fail('This is SQL. It is run with: pellucid sql "SELECT …"', length=6)
        root = self._or()
        if cursor.peek() == ")":
            cursor.fail(
                "There is no open bracket for this ). Remove it, or quote the text.",
                fix=Fix(cursor.at, cursor.at + 1, ""),
            )
        return root

    def _or(self) -> Node:
        items = [self._and()]
        while self._cursor.keyword("OR"):
            items.append(self._and())
        return any_of(items)

    def _and(self) -> Node:
        cursor = self._cursor
        items = [self._placed()]
        while True:
            cursor.skip_spaces()
            if cursor.keyword("AND"):
                items.append(self._placed())
            elif not cursor.peek() or cursor.peek() == ")" or self._at_keyword("OR"):
                guards.check_lower_case(cursor, items)
                return all_of([item.node for item in items])
            else:
                items.append(self._placed())

    def _placed(self) -> Placed:
        self._cursor.skip_spaces()
        position = self._cursor.at
        return Placed(self._not(), position)

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
                    fix=self._unspaced(cursor.at),
                )
            return Not(self._atom())
        return self._atom()

    def _unspaced(self, at: int) -> Fix | None:
        rest = self._cursor.text[at:]
        return Fix(at, at + len(rest) - len(rest.lstrip()), "") if rest.strip() else None

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
        if cursor.peek() == "@" and (attribute := self._at_attribute()) is not None:
            return attribute
        if cursor.take("has:"):
            return self._has(position)
        if cursor.peek() == '"':
            return self._text(cursor.string(), position, phrase=True)
        if not cursor.peek() or cursor.peek() in "),":
            guards.refuse_nothing(cursor)
        for word in sorted(KEYWORDS):
            if self._at_keyword(word):
                cursor.fail(
                    f"{word} needs something on each side of it. "
                    f'To look for the word itself, write "{word}".'
                    if word != "NOT"
                    else 'One NOT is enough. To look for the word itself, write "NOT".',
                    length=len(word),
                    fix=Fix(cursor.at, cursor.at + len(word) + 1, ""),
                )
        name = cursor.name()
        if name is not None:
            after_name = cursor.at
            cursor.skip_spaces()
            operator = cursor.match(OPERATOR)
            if operator is not None:
                return self._term(name, operator)
            cursor.at = after_name
            guards.check_other_forms(cursor, self._schema, name)
        return self._word(position)

    def _at_attribute(self) -> Node | None:
        """Pass `@http.status:500`, which is `attr.http.status:500`; nothing else begins so."""
        cursor = self._cursor
        position = cursor.at
        cursor.take("@")
        name = cursor.name()
        cursor.skip_spaces()
        operator = cursor.match(OPERATOR) if name is not None else None
        if name is None or operator is None or "attr" not in self._schema.fields:
            cursor.at = position
            return None
        return self._term(Name("attr", name.dotted, position), operator)

    def _group(self, position: int) -> Node:
        cursor = self._cursor
        self._depth += 1
        if self._depth > MAX_DEPTH:
            cursor.fail(f"Brackets are nested more than {MAX_DEPTH} deep.", position=position)
        item = self._or()
        cursor.skip_spaces()
        if not cursor.take(")"):
            end = len(cursor.text)
            cursor.fail(
                "This bracket is never closed. Add a ) where it ends.",
                position=position,
                fix=Fix(end, end, ")"),
            )
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
            guards.advise(cursor, habits.not_a_word(word, operator[0]), position, cursor.at)
        guards.check_word(cursor, word, position)
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
            guards.advise(cursor, habits.no_letters(text), position, cursor.at)
        return Text(text, phrase=phrase, prefix=prefix)

    def _term(self, name: Name, operator: str) -> Node:
        cursor = self._cursor
        if name.dotted.lower() == "id" and all(one in self._schema.fields for one in habits.IDS):
            return self._ids(name, operator)
        operator_at = cursor.at - len(operator)
        field = self._field(name, operator)
        negated = operator == "!="
        op = Op.EQUAL if negated else Op(operator)
        values = self._values(name, op)
        term = Term(field, op, name.position, operator_at, self._choices(field.name))
        compared = Compare(field, op, read_values(cursor, term, values))
        return Not(compared) if negated else compared

    def _ids(self, name: Name, operator: str) -> Node:
        """Read `id:ID` as the trace or the span of this id."""
        after = self._cursor.at
        found: list[Node] = []
        for head in habits.IDS:
            self._cursor.at = after
            found.append(self._term(name._replace(head=head), operator))
        return all_of(found) if operator == "!=" else any_of(found)

    def _choices(self, name: str) -> tuple[str, ...]:
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
            if not cursor.take(",") and not cursor.keyword("OR"):
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
        guards.check_literal(cursor, self._schema, name, literal, position)
        if literal.endswith("*"):
            return Value(literal[:-1], prefix=True, position=position)
        return Value(literal, position=position)

    def _field(
        self, name: Name, operator: str = "", *, any_key: bool = False
    ) -> Field | Unresolved:
        cursor = self._cursor
        schema = self._schema
        head = find_alias(schema, name.head)
        info = schema.fields.get(head)
        if info is None:
            if name.key is not None:
                return Unresolved(name.dotted, name.position)
            guards.refuse_field(cursor, schema, name, operator)
        if info.family and name.key is None and not any_key:
            guards.refuse_family(cursor, name, head, operator)
        if not info.family and name.key is not None:
            return Unresolved(name.dotted, name.position)
        return Field(head, info.scope, info.type, name.key, name.position)
