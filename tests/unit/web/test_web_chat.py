"""Messages on a span's panel."""

from pellucid.core.span import Message, Part
from pellucid.server.web.chat import view_messages


def _said(role: str, text: str) -> Message:
    return Message(role=role, parts=[Part(type="text", content=text)])


def test_what_a_state_repeats_is_shown_once() -> None:
    asked, answer = _said("user", "weather?"), _said("assistant", "sunny")
    views = view_messages([asked], [asked, answer])
    assert [(view.role, view.is_output) for view in views] == [("user", False), ("assistant", True)]
    views = view_messages([asked], [answer])
    assert len(views) == 2
    views = view_messages([asked], [_said("user", "other"), answer])
    assert len(views) == 3
    assert len(view_messages([], [asked, answer])) == 2
