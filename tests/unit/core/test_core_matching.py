from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.matching import has_text
from pellucid.core.query.tree import Text
from pellucid.core.query.words import find_words, words_of
from pellucid.core.texts import texts_of
from pellucid.testing.spans import make_span

pieces = st.text(st.sampled_from("aAbßSs k\u212aﬁＢ東京 -_.9é\u0301"), max_size=12)


@given(pieces, pieces, st.booleans())
def test_words_are_found_as_the_slow_way_finds_them(text: str, sought: str, prefix: bool) -> None:
    span = make_span(name="", input=text)
    words = words_of(sought)
    expected = not words or any(
        find_words(words_of(piece), words, prefix=prefix) for piece in texts_of(span)
    )
    assert has_text(Text(sought, prefix=prefix), span) == expected
