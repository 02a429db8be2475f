import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.span import Message, Part, SpanEvent
from pellucid.server.web.chat import view_arguments, view_messages
from pellucid.server.web.faults import view_exception
from pellucid.server.web.preview import plain_preview, rich_preview
from pellucid.server.web.values import JSON_LIMIT, TEXT_LIMIT, json_text, view_media, view_value

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(json_values)
def test_any_value_can_be_shown(value: object) -> None:
    view = view_value("Input", value, "/raw")
    assert view.is_empty or view.text is not None or view.json is not None
    assert isinstance(json_text(value), str)


@given(st.text() | json_values)
def test_any_arguments_can_be_shown(arguments: object) -> None:
    assert all(isinstance(argument.value, str) for argument in view_arguments(arguments))


@given(st.text())
def test_a_preview_never_makes_markup_of_text(text: str) -> None:
    rich = rich_preview(text)
    assert rich.replace("<b>", "").replace("</b>", "").count("<") == 0
    assert isinstance(plain_preview(text), str)


def test_strong_words_of_a_preview_stay_strong() -> None:
    assert rich_preview("**8,568** `discs` & <b>") == "<b>8,568</b> discs &amp; &lt;b&gt;"


def test_a_list_in_a_preview_has_dots_and_arithmetic_its_own_signs() -> None:
    assert plain_preview("Discs: - 25 GB - Dual layer") == "Discs: · 25 GB · Dual layer"
    assert plain_preview("What is (232 - 32) * 5 - 1?") == "What is (232 - 32) * 5 - 1?"


def test_a_preview_that_was_cut_says_so() -> None:
    assert plain_preview("word " * 60 + "cu").endswith("word …")


def test_a_long_text_is_cut_and_says_how_much_there_is() -> None:
    text = view_value("Output", "x" * (TEXT_LIMIT + 1_000_000), "/raw").text
    assert text is not None
    assert len(text.text) == TEXT_LIMIT
    assert text.cut
    assert text.amount == "1 MB"


def test_large_json_is_shown_as_its_beginning() -> None:
    view = view_value("Output", ["word"] * JSON_LIMIT, "/raw")
    assert view.json is None
    assert view.text is not None
    assert view.text.cut


def test_json_text_in_a_string_unfolds_but_other_text_does_not() -> None:
    assert view_value("Input", '{"a": 1}', "/raw").json is not None
    assert view_value("Input", "{not json}", "/raw").text is not None
    assert view_value("Input", "12", "/raw").json is None


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,<script>",
        "data:image/svg+xml;base64,AAAA",
        "pellucid-attachment:../../etc/passwd",
        "file:///etc/passwd",
        "",
        None,
    ],
)
def test_addresses_that_are_not_safe_are_never_loaded_or_linked(uri: str | None) -> None:
    media = view_media("image", uri, "image/png", "picture")
    assert media.src is None
    assert media.href is None


def test_images_elsewhere_are_linked_and_not_loaded() -> None:
    media = view_media("image", "https://example.com/x.png", "image/png", "picture")
    assert media.src is None
    assert media.href == "https://example.com/x.png"


def test_kept_bytes_come_from_the_server_and_only_known_images_are_shown() -> None:
    digest = "ab" * 32
    shown = view_media("image", f"pellucid-attachment:{digest}", "image/png", "picture")
    assert (shown.kind, shown.src) == ("image", f"/api/v1/attachments/{digest}")
    drawing = view_media("image", f"pellucid-attachment:{digest}", "image/svg+xml", "drawing")
    assert drawing.kind == "file"


def test_a_tool_result_takes_the_name_of_its_call() -> None:
    call = Part(type="tool_call", id="c1", name="calculator", arguments={"expression": "1 + 1"})
    result = Part(type="tool_call_response", id="c1", response=2)
    views = view_messages(
        [Message(role="assistant", parts=[call]), Message(role="tool", parts=[result])], []
    )
    assert [view.name for view in views] == ["", "calculator"]
    assert views[0].parts[0].arguments[0].value == '"1 + 1"'
    assert views[1].parts[0].call_id == "c1"


def test_each_speaker_of_a_chat_goes_by_name() -> None:
    said = [
        Message(role="assistant", name=name, parts=[Part(type="text", content="…")])
        for name in ("planner", "critic")
    ]
    assert [(view.label, view.name) for view in view_messages([], said)] == [
        ("planner", "Assistant"),
        ("critic", "Assistant"),
    ]
    (only,) = view_messages([], [Message(role="assistant", parts=said[0].parts)])
    assert only.label == "Output"


def test_results_of_one_tool_in_a_row_are_joined() -> None:
    parts = [Part(type="tool_call_response", id=f"c{n}", name="f", response=n) for n in range(3)]
    views = view_messages([Message(role="tool", parts=[part]) for part in parts], [])
    assert [len(view.parts) for view in views] == [3]


def test_a_part_of_an_unknown_type_shows_all_it_holds() -> None:
    part = Part(type="hologram", data={"depth": 3})
    (view,) = view_messages([Message(role="user", parts=[part])], [])
    assert view.parts[0].text is not None
    assert "depth" in view.parts[0].text.text


def test_frames_of_libraries_recede() -> None:
    stack = (
        "Traceback (most recent call last):\n"
        '  File "/srv/agent.py", line 4, in run\n    call()\n'
        '  File "/venv/site-packages/httpx/x.py", line 9, in call\n    raise E\n'
        "E: no"
    )
    event = SpanEvent(
        name="exception",
        time_ns=1,
        attributes={"exception.type": "E", "exception.stacktrace": stack},
    )
    fault = view_exception(event)
    assert [line.ink for line in fault.stack] == [
        "source",
        "frame",
        "source",
        "library",
        "library",
        "error",
    ]


def test_an_exception_event_may_hold_anything() -> None:
    attributes = msgspec.json.decode('{"exception.type": 3, "exception.message": null}')
    fault = view_exception(SpanEvent(name="exception", time_ns=1, attributes=attributes))
    assert (fault.type, fault.message, fault.stack) == ("3", "", [])
