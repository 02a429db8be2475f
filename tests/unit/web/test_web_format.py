import pytest

from pellucid.server.web import format as words

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (-5, "0 ns"),
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (999_499, "999 µs"),
        (999_500, "1 ms"),
        (6_240_000, "6.2 ms"),
        (9_949_999, "9.9 ms"),
        (9_950_000, "10 ms"),
        (560_000_000, "560 ms"),
        (999_500_000, "1.0 s"),
        (41_800_000_000, "41.8 s"),
        (99_949_000_000, "99.9 s"),
        (99_950_000_000, "1m 40s"),
        (3_599_600_000_000, "1h 00m"),
        (12_000 * SECOND, "3h 20m"),
        (200_000 * SECOND, "2d 7h"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert words.format_duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (None, ""),
        (0, "$0"),
        (104.182, "$104.18"),
        (1234.5, "$1,234.50"),
        (0.144, "$0.144"),
        (0.0047, "$0.0047"),
        (0.00001234, "$0.000012"),
        (0.0003, "$0.00030"),
        (0.00099999, "$0.0010"),
        (1e-12, "<$0.0000001"),
        (-2.5, "-$2.50"),
    ],
)
def test_costs(dollars: float | None, text: str) -> None:
    assert words.format_cost(dollars) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "now"),
        (0, "0s"),
        (59, "59s"),
        (104, "1m 44s"),
        (600, "10m"),
        (3_600, "1h"),
        (86_399, "23h"),
        (86_400, "1 Jan 00:00"),
        (400 * 86_400, "1 Jan 2026"),
        (-400 * 86_400, "1 Jan 2026"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    start = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
    assert words.format_age(start, start + seconds * SECOND) == text


def test_a_time_beyond_the_calendar_is_still_a_text() -> None:
    assert words.format_instant(2**63 - 1).endswith("UTC")
    assert words.format_iso(-(10**22)).startswith("1970")


@pytest.mark.parametrize(
    ("number", "text"),
    [(861, "861"), (12_806, "12.8k"), (1_000, "1k"), (999_949, "999.9k"), (1_300_000, "1.3M")],
)
def test_counts(number: int, text: str) -> None:
    assert words.format_count(number) == text


def test_counts_are_named() -> None:
    assert words.plural(1, "span") == "1 span"
    assert words.plural(5000, "span") == "5,000 spans"


@pytest.mark.parametrize(
    ("value", "text"), [(True, "yes"), (False, "no"), (0.5, "0.50"), (3, "3.00"), ("good", "good")]
)
def test_scores(value: bool | int | float | str, text: str) -> None:
    assert words.format_score(value) == text


@pytest.mark.parametrize(
    ("value", "term"),
    [("gpt-4o", "gpt-4o"), ("a b", '"a b"'), ('say "x"', '"say \\"x\\""'), ("", '""')],
)
def test_query_values_are_quoted_where_they_must_be(value: str, term: str) -> None:
    assert words.quote_term(value) == term


def test_ids_are_shortened_so_that_both_ends_show() -> None:
    assert words.short_id("3fa2" + "0" * 24 + "c81e") == "3fa2…c81e"
    assert words.short_id("chat-7") == "chat-7"


def test_dotted_names_break_behind_their_dots() -> None:
    assert words.breakable("gen_ai.operation.name") == "gen_ai.<wbr>operation.<wbr>name"
    assert words.breakable("<b>.x") == "&lt;b&gt;.<wbr>x"
