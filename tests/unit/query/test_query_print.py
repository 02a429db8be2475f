"""Queries that a program builds are written so that they are read as meant."""

import pytest

from pellucid.core.query import (
    TRACES,
    Compare,
    Field,
    FieldType,
    Not,
    Op,
    Scope,
    Text,
    Value,
    all_of,
    any_of,
    parse,
    print_field,
    print_query,
    print_value,
)

NAME = Field("name", Scope.TRACE, FieldType.TEXT)


@pytest.mark.parametrize(
    "text",
    ["plain", "a b", "", "*", "*x", "x*", "<b>", ">5", 'say "hi"', "a\\b", "(x)", "a,b", "-x"],
)
def test_any_value_is_read_back(text: str) -> None:
    for key in ("x", "with space"):
        field = Field("attr", Scope.SPAN, FieldType.DYNAMIC, key)
        root = parse(f"{print_field(field)}={print_value(Value(text))}", TRACES).root
        assert isinstance(root, Compare)
        assert (root.field, root.values[0].text) == (field, text)


@pytest.mark.parametrize("text", ["plain", "OR", "-x", "*x", "a b", "http://x", "x*", "has:x"])
def test_any_text_is_read_back(text: str) -> None:
    root = parse(print_query(Text(text)), TRACES).root
    assert isinstance(root, Text)
    assert (root.text, root.prefix) == (text, False)


def test_brackets_stand_where_they_are_needed() -> None:
    a, b, c = Text("a"), Text("b"), Text("c")
    assert print_query(all_of([a, any_of([b, c])])) == "a (b OR c)"
    assert print_query(any_of([a, all_of([b, c])])) == "a OR b c"
    assert print_query(Not(all_of([a, b]))) == "-(a b)"
    assert print_query(Not(Not(a))) == "-(-a)"
    assert print_query(all_of([])) == ""
    assert print_query(all_of([a])) == "a"
    assert print_query(Compare(NAME, Op.FOLD, (Value("x"), Value("y z")))) == 'name:(x, "y z")'
