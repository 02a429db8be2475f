import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.core.query import RUNS, TRACES, complete

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _at(text: str) -> tuple[list[str], str | None, str | None, str]:
    """Complete at the `|`; give the texts, what to look up, and what is replaced."""
    at = text.index("|")
    typed = text.replace("|", "")
    found = complete(typed, at, TRACES)
    replaced = typed[found.start : found.end]
    return [item.text for item in found.suggestions], found.field, found.family, replaced


@pytest.mark.parametrize(
    ("text", "offers", "replaced"),
    [
        ("|", "status:", ""),
        ("sta|", "status:", "sta"),
        ("STA|", "status:", "STA"),
        ("kind:tool lat|", "latency:", "lat"),
        ("-sta|", "status:", "sta"),
        ("(na|", "name:", "na"),
        ("ta|", "tag.", "ta"),
        ("has:se|", "session", "se"),
        ("spa|", "span(", "spa"),
        ("span(ki|", "kind:", "ki"),
        ("status:|", "error", ""),
        ("status : err|", "error", "err"),
        ("status:(ok, ru|", "running", "ru"),
        ("-kind:re|", "RETRIEVER", "re"),
        ("since:|", "24h", ""),
        ("duration>|", "1s", ""),
    ],
)
def test_fields_and_fixed_values_are_offered(text: str, offers: str, replaced: str) -> None:
    texts, _, _, found = _at(text)
    assert offers in texts
    assert found == replaced


@pytest.mark.parametrize(
    ("text", "field", "family", "replaced"),
    [
        ("model:gp|", "model", None, "gp"),
        ('name:"how m|', "name", None, '"how m'),
        ("tag.env:p|", "tag.env", None, "p"),
        ("tag.e|", None, "tag", "e"),
        ("has:score.|", None, "score", ""),
        ("attr.gen_ai.req|", None, "attr", "gen_ai.req"),
        ("llm.model:g|", "llm.model", None, "g"),
        ("status:o|", None, None, "o"),
        ("tokens:5|", None, None, "5"),
    ],
)
def test_what_is_stored_is_asked_for(
    text: str, field: str | None, family: str | None, replaced: str
) -> None:
    _, found_field, found_family, found = _at(text)
    assert (found_field, found_family, found) == (field, family, replaced)


def test_nothing_is_offered_in_the_middle_of_a_phrase() -> None:
    assert _at('"sta|') == ([], None, None, "")


def test_no_span_inside_a_span_and_none_among_runs() -> None:
    assert "span(" not in _at("span(spa|")[0]
    assert "errors:" in _at("err|")[0]
    assert "errors:" not in _at("span(err|")[0]
    assert "span(" not in [item.text for item in complete("spa", 3, RUNS).suggestions]


@patient
@given(st.text(alphabet='ab:=<>!-()"*,. span(tag.ORhas:', max_size=20), st.integers(0, 20))
def test_completing_never_fails(text: str, at: int) -> None:
    found = complete(text, min(at, len(text)), TRACES)
    assert 0 <= found.start <= found.end <= len(text)


def test_long_queries_are_completed_in_time() -> None:
    started = time.process_time()
    for text in ("a" * 19_000, "a." * 9_000, "(" * 19_000, "a:(" * 6_000, '"' * 19_000):
        complete(text, len(text), TRACES)
        complete(text * 10, len(text), TRACES)
    assert time.process_time() - started < 20
