from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.span import Message, Part, Span
from pellucid.server.web.gist import ANSWERED, answered_of, asked_of, gist_of_preview


def _span(**fields: Any) -> Span:
    return Span(trace_id="1" * 32, span_id="2" * 16, start_ns=0, duration_ns=1, **fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("How tall?", "How tall?"),
        ({"task": "Write it.", "cancellation_token": None}, "Write it."),
        ({"input_args": {"question": "Why?"}}, "Why?"),
        ({"messages": [{"role": "system", "content": "Be brief"}, {"content": "Why?"}]}, "Why?"),
        ({"args": [{"kwargs": {"query": "Why?"}}]}, "Why?"),
        ({"city": "Lisbon"}, "Lisbon"),
        ({"a": 1, "b": 2}, None),
        ([1, 2], None),
        (None, None),
    ],
)
def test_what_was_asked_is_found_in_what_frameworks_record(value: Any, text: str | None) -> None:
    assert asked_of(_span(input=value)) == text


def test_the_last_message_is_the_answer() -> None:
    messages = {"messages": [{"content": "Question"}, {"content": "Draft"}, {"content": "Answer"}]}
    assert answered_of(_span(output=messages)) == "Answer"
    said = Message(role="assistant", parts=[Part(type="text", content="So  it\nis")])
    assert answered_of(_span(output_messages=[said])) == "So it is"


def test_what_a_person_said_is_no_answer() -> None:
    called = {"role": "assistant", "content": "", "tool_calls": [{"name": "mail"}]}
    state = {"messages": [{"role": "user", "content": "Mail Bob"}, called]}
    person = Message(role="user", parts=[Part(type="text", content="Mail Bob")])
    assert answered_of(_span(output=state, output_messages=[person])) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Approve?", "Asks: Approve?"),
        ({"question": "Approve?", "draft": "…"}, "Asks: Approve?"),
        ({"action_requests": [{"name": "mail", "description": "Mail?"}]}, "Asks: Mail?"),
        (7, None),
    ],
)
def test_what_waits_for_a_person_answers_with_what_it_asks(value: Any, text: str | None) -> None:
    output = {"interrupts": [{"id": "1", "value": value}], "draft": {"a": 1}}
    assert answered_of(_span(output=output)) == text


@pytest.mark.parametrize(
    ("preview", "text"),
    [
        ('{"task": "Write \\"it\\".", "x": 1', 'Write "it".'),
        ('{"question": "cut of', "cut of …"),
        ("plain", "plain"),
        ('{"x": 1}', '{"x": 1}'),
        (None, None),
        ("", ""),
    ],
)
def test_a_preview_of_json_shows_its_telling_text(preview: str | None, text: str | None) -> None:
    assert gist_of_preview(preview) == text


@pytest.mark.parametrize(
    ("begun", "text"),
    [
        ('{"id": "1", "value": "Approve?"}], "draft"', "Asks: Approve?"),
        ('{"id": "1", "value": {"question": "Approve', "Asks: Approve …"),
        ('{"id": "1", "value": {"action_requests": [{"name": "mail", "args', "Asks: mail"),
    ],
)
def test_a_preview_of_what_waits_shows_what_it_asks(begun: str, text: str) -> None:
    assert gist_of_preview(f'{{"interrupts": [{begun}', ANSWERED) == text


def test_the_beginning_of_a_conversation_is_no_answer() -> None:
    preview = '{"messages": [{"content": "the question"'
    assert gist_of_preview(preview, ANSWERED) == preview


@given(st.text())
def test_any_preview_can_be_read(preview: str) -> None:
    gist_of_preview(preview)
    gist_of_preview("{" + preview, ANSWERED)
