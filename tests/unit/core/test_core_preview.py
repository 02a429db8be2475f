import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.preview import detail_of, input_preview, output_preview, preview
from pellucid.core.span import Message, Part, SpanKind, ToolCall
from pellucid.testing.spans import make_span

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(values, st.integers(1, 50))
def test_a_preview_is_one_short_line(value: Any, limit: int) -> None:
    text = preview(value, limit)
    assert text is None or (0 < len(text) <= limit and "\n" not in text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  two\n words ", "two words"),
        ("", None),
        ({}, None),
        (0, "0"),
        (False, "false"),
        ({"a": [1, None, "x"]}, '{"a": [1, null, "x"]}'),
        (b"abc", "3 bytes"),
        (10**400, "…"),
    ],
)
def test_what_is_shown(value: Any, text: str | None) -> None:
    assert preview(value) == text


def test_its_cost_does_not_grow_with_the_value() -> None:
    huge = {"rows": [{"n": n, "text": "x" * 100} for n in range(300_000)], "x": "y" * 10_000_000}
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    began = time.process_time()
    assert preview(huge)
    assert preview(deep)
    assert time.process_time() - began < 3


def test_messages_stand_in_for_values() -> None:
    asked = [
        Message(role="user", parts=[Part(type="text", content="first")]),
        Message(role="user", parts=[Part(type="text", content="how many?")]),
        Message(role="assistant", parts=[Part(type="text", content="let me see")]),
    ]
    call = Part(type="tool_call", name="divide", arguments={"a": 1})
    span = make_span(
        input_messages=asked, output_messages=[Message(role="assistant", parts=[call])]
    )
    assert input_preview(span) == "how many?"
    assert output_preview(span) == 'divide({"a": 1})'
    assert input_preview(make_span()) is None
    tool = make_span(kind=SpanKind.TOOL, tool_call=ToolCall(arguments="raw"), input="x")
    assert detail_of(tool) == "raw"


def test_a_choice_among_candidates_shows_what_was_chosen() -> None:
    asked = {"last_speaker": "planner", "candidates": ["planner", "writer"]}
    assert detail_of(make_span(input=asked, output="writer")) == "→ writer"
    assert detail_of(make_span(input=asked, output="x" * 500)) == "→ " + "x" * 118
    assert detail_of(make_span(input=asked)).startswith('{"last_speaker": "planner"')
