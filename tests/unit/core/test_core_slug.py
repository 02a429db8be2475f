import re

from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.slug import slug_of

names = st.text(min_size=1, max_size=80)


@given(names)
def test_a_slug_survives_an_address(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9-]{1,80}", slug_of(name))


@given(names, names)
def test_two_names_have_two_slugs(first: str, second: str) -> None:
    assert (slug_of(first) == slug_of(second)) == (first == second)


def test_a_fit_name_stands_for_itself() -> None:
    assert slug_of("bluray-agent") == "bluray-agent"
    assert slug_of("Blu-Ray 2") != slug_of("Blu-Ray-2")
    marked = slug_of("a b")
    assert slug_of(marked) != marked
