import pytest

from pellucid.core.query import find_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Blu-ray discs, 25 GB!", ["blu", "ray", "discs", "25", "gb"]),
        ("get_weather", ["get", "weather"]),
        ("GRÖSSE Größe", ["grösse", "grösse"]),
        ("東京都 is Tokyo", ["東", "京", "都", "is", "tokyo"]),
        ("カタカナ한국", ["カ", "タ", "カ", "ナ", "한", "국"]),
        ("ｆｕｌｌ①", ["full1"]),
        ("", []),
        ("…—!", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("sought", "prefix", "found"),
    [
        (["b", "c"], False, True),
        (["a", "c"], False, False),
        (["b", "cc"], True, False),
        (["b", "c"], True, True),
        (["dog"], False, False),
        (["dog"], True, True),
        (["a", "b", "c", "doge", "x"], False, False),
    ],
)
def test_words_are_found_in_a_row(sought: list[str], prefix: bool, found: bool) -> None:
    assert find_words(["a", "b", "c", "doge"], sought, prefix=prefix) is found
