"""From a tree back to text: `parse(print_query(tree))` gives the same tree."""

from pellucid.core.query.lexis import KEYWORDS, OPERATOR, RUN, is_key, is_strange, quote
from pellucid.core.query.tree import (
    And,
    Compare,
    Everything,
    Field,
    Has,
    InSpan,
    Node,
    Not,
    Or,
    Query,
    Text,
    Unresolved,
    Value,
)


def print_query(query: Query | Node) -> str:
    """Return the text of a query or of a part of it."""
    return _print(query.root if isinstance(query, Query) else query)


def print_field(field: Field | Unresolved) -> str:
    """Return a field's name as it is written, its key in quotes where it must be."""
    if isinstance(field, Field):
        head, key = field.name, field.key
    else:
        head, _, key = field.name.partition(".")
    if key is None:
        return head
    return f"{head}.{key}" if is_key(key) else f"{head}.{quote(key)}"


def print_value(value: Value) -> str:
    """Return a value as it is written, in quotes where it must be."""
    if value.prefix:
        return value.text + "*"
    bare = not value.quoted and RUN.fullmatch(value.text) is not None and not is_strange(value.text)
    return value.text if bare else quote(value.text)


def _print(node: Node) -> str:
    match node:
        case Everything():
            return ""
        case And(items):
            return " ".join(_bracket(item, Or) for item in items)
        case Or(items):
            return " OR ".join(map(_print, items))
        case Not(item):
            return "-" + _bracket(item, And, Or, Not)
        case InSpan(item):
            return f"span({_print(item)})"
        case Has(field):
            return "has:" + print_field(field)
        case Compare(field, op, values):
            written = ", ".join(map(print_value, values))
            listed = written if len(values) == 1 else f"({written})"
            return print_field(field) + op.value + listed
        case Text():
            return _text(node)


def _bracket(node: Node, *kinds: type[Node]) -> str:
    return f"({_print(node)})" if isinstance(node, kinds) else _print(node)


def _text(node: Text) -> str:
    if node.prefix:
        return node.text + "*"
    text = node.text
    bare = (
        not node.phrase
        and RUN.fullmatch(text) is not None
        and text not in KEYWORDS
        and not text.startswith(("-", "'"))
        and "*" not in text
        and OPERATOR.search(text) is None
    )
    return text if bare else quote(text)
