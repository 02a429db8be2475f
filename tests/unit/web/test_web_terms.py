import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.query import TRACES, parse, print_query
from pellucid.server.web.matches import list_marks
from pellucid.server.web.terms import (
    add_terms,
    drop_terms,
    has_terms,
    keep_fields,
    replace_fields,
    split_terms,
)

TERMS = (
    "status:error",
    "duration>2s",
    '"blu ray"',
    "-model=gpt-4o",
    "(a OR b)",
    'tag."a b"="c (d"',
    "span(kind:TOOL status:error)",
    "model:(a,b)",
)
queries = st.lists(st.sampled_from(TERMS), max_size=5).map(" ".join)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_stays_in_one_piece(term: str) -> None:
    assert split_terms(f"x {term}  y") == ["x", term, "y"]


@given(queries, st.sampled_from(TERMS))
def test_what_is_added_is_there_and_what_is_dropped_is_not(query: str, term: str) -> None:
    added = add_terms(query, (term,))
    assert has_terms(added, (term,))
    parse(added, TRACES)
    dropped = drop_terms(added, (term,))
    assert not has_terms(dropped, (term,))
    parse(dropped, TRACES)


def test_a_term_narrows_all_of_an_alternative() -> None:
    added = add_terms("status:error OR duration>2s", ("user=u1",))
    assert added == "(status:error OR duration>2s) user=u1"
    assert print_query(parse(added, TRACES)) == added


def test_dropping_a_term_also_drops_its_exclusion() -> None:
    assert drop_terms("a -user=u1 b", ("user=u1",)) == "a b"


def test_a_new_time_range_takes_the_place_of_the_old_one() -> None:
    query = "since:24h status:error until:2026-01-01"
    assert replace_fields(query, ("since", "until"), ("since:1h",)) == "status:error since:1h"
    assert replace_fields(query, ("since", "until"), ()) == "status:error"


@pytest.mark.parametrize(
    ("query", "marks"),
    [
        ("", []),
        ("status:error", []),
        ("Blu-Ray", ["blu ray"]),
        ('"dual layer" disc*', ["dual layer", "disc*"]),
        ("disc -tower NOT house", ["disc"]),
        ("(disc OR stack) model:x", ["disc", "stack"]),
        ("status:", []),
    ],
)
def test_only_what_is_looked_for_is_marked(query: str, marks: list[str]) -> None:
    assert list_marks(query) == marks


def test_fields_that_are_kept() -> None:
    query = 'refund since:1h status:error until:2026-01-01 name="since:x"'
    assert keep_fields(query, ("since", "until")) == "since:1h until:2026-01-01"
    assert keep_fields("since:1h OR status:error", ("since", "until")) == ""
    assert keep_fields("refund", ("since", "until")) == ""
