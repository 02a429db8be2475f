"""Why a query may have found nothing: what of it is nowhere stored, and what may be meant."""

from collections.abc import Iterator
from difflib import get_close_matches

from pellucid.core.ports import SpanStore
from pellucid.core.query import (
    TRACES,
    And,
    Compare,
    Field,
    Has,
    InSpan,
    Node,
    Op,
    Or,
    Text,
    Unresolved,
    Value,
    fold,
    parse,
    print_field,
    print_value,
)

MOST = 3
_KEYS = 1000
_VALUES = 200
_LISTED = frozenset(
    {"name", "model", "provider", "tool", "session", "user", "prompt", "finish", "tag"}
)
_NOTHING = frozenset({"null", "none", "nil", "undefined", "n/a", ""})
_COMPARES = frozenset({"is", "equals", "contains", "like", "matches", "between", "in"})
_NOUNS = {"attr": "attribute", "tag": "tag", "score": "score"}


def list_hints(text: str, store: SpanStore) -> list[str]:
    """Return sentences about a query that found nothing; blocks, because it asks the store."""
    hints: list[str] = []
    for leaf, in_span in _leaves(parse(text, TRACES).root, in_span=False):
        hint = _of_text(leaf) if isinstance(leaf, Text) else _of_field(leaf, in_span, store)
        if hint is not None and hint not in hints:
            hints.append(hint)
        if len(hints) == MOST:
            break
    return hints


def _leaves(node: Node, *, in_span: bool) -> Iterator[tuple[Compare | Has | Text, bool]]:
    """Yield what a query asks for; what it rules out cannot be why it finds nothing."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _leaves(item, in_span=in_span)
        case InSpan(item):
            yield from _leaves(item, in_span=True)
        case Compare() | Has() | Text():
            yield node, in_span


def _of_text(leaf: Text) -> str | None:
    if leaf.text.lower() in ("and", "or", "not") and not leaf.phrase:
        word = leaf.text.upper()
        return f"{leaf.text} is looked for as a word; between words, write {word} in upper case."
    if leaf.text.lower() in _COMPARES and not leaf.phrase:
        return (
            f"{leaf.text} is looked for as a word; a comparison is written as status:error, "
            "name:refund* or duration>2s."
        )
    return None


def _of_field(leaf: Compare | Has, in_span: bool, store: SpanStore) -> str | None:
    field = leaf.field
    family, key = ("attr", field.name) if isinstance(field, Unresolved) else (field.name, field.key)
    if family in _NOUNS and key is not None:
        hint = _of_key(family, key, print_field(field), store)
        if hint is not None:
            return hint
    if isinstance(leaf, Compare) and family == "attr":
        for value in leaf.values:
            if value.prefix and value.text.isdecimal():
                return _of_digits(print_field(field), value.text)
    if isinstance(leaf, Has) or isinstance(field, Unresolved):
        return None
    for value in leaf.values:
        is_bare = not value.quoted or not value.text
        if is_bare and fold(value.text) in _NOTHING and not value.prefix:
            return f"For what has no value, write -has:{print_field(field)}"
        if field.name in _LISTED and not value.prefix:
            hint = _of_value(field, leaf.op, value, in_span, store)
            if hint is not None:
                return hint
    return None


def _of_digits(name: str, digits: str) -> str:
    """Tell what `http.status_code:5*` may mean."""
    scale = 10 ** max(3 - len(digits), 0)
    low = int(digits) * scale
    return (
        f"A * finds texts that begin so; numbers are compared: {name}>={low} {name}<{low + scale}"
    )


def _of_key(family: str, key: str, written: str, store: SpanStore) -> str | None:
    """Tell of an attribute, tag or score that no trace has."""
    if key in store.list_keys(family, beginning=key, limit=1):
        return None
    if family == "attr" and "." in written and key in store.list_keys("score", beginning=key):
        return None
    known = store.list_keys(family, beginning="", limit=_KEYS)
    folded = fold(key)
    close = [one for one in known if one.endswith(f".{key}") or fold(one) == folded]
    close += [one for one in get_close_matches(key, known, n=2) if one not in close]
    hint = f"No trace has the {_NOUNS[family]} {key}."
    if close:
        names = " or ".join(print_field(_field(family, one)) for one in close[:2])
        return f"{hint} Did you mean {names}?"
    last = key.rpartition(".")[2]
    for other in ("attr", "tag", "score"):
        if (other, last) != (family, key) and last in store.list_keys(
            other, beginning=last, limit=1
        ):
            return f"{hint} There is {print_field(_field(other, last))}."
    return hint


def _of_value(field: Field, op: Op, value: Value, in_span: bool, store: SpanStore) -> str | None:
    """Tell of a value that no trace has."""
    name, text = print_field(field), value.text
    stored = store.list_values(_stored_name(field), beginning=text, limit=20)
    if any(fold(one) == fold(text) for one in stored):
        if op is Op.EQUAL and text not in stored:
            term = f"{name}:{print_value(value)}"
            return f"No {name} is {text} in this case; {term} ignores case."
        if field.name == "name" and not in_span:
            term = f"span({name}:{print_value(value)})"
            return f"{name} is the trace's; spans that are named so are found with {term}"
        return None
    if stored:
        return f"No {name} is just {text}; {name}:{text}* finds all that begin so."
    known = store.list_values(_stored_name(field), beginning="", limit=_VALUES)
    close = get_close_matches(text, known, n=2, cutoff=0.7)
    if not close:
        return f"No trace has the {name} {text}."
    meant = " or ".join(f"{name}:{print_value(Value(one))}" for one in close)
    return f"No trace has the {name} {text}. Did you mean {meant}?"


def _field(family: str, key: str) -> Field:
    return Field(family, TRACES.fields[family].scope, TRACES.fields[family].type, key)


def _stored_name(field: Field) -> str:
    return field.name if field.key is None else f"{field.name}.{field.key}"
