import json
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, ConfigDict

from pellucid.client.encoding import simplify
from pellucid.client.tracing.messages import messages_attribute
from pellucid.core.span import Message


def _read(messages: Any) -> list[Message]:
    return msgspec.json.decode(messages_attribute(messages), type=list[Message])


def _text(role: str, content: str) -> Message:
    return msgspec.convert({"role": role, "parts": [{"type": "text", "content": content}]}, Message)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("hi", [_text("user", "hi")]),
        ({"role": "system", "content": "be"}, [_text("system", "be")]),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], [_text("user", "a")]),
        ([{"type": "ai", "content": "x"}], [_text("assistant", "x")]),
        ([{"role": "user", "content": {"a": 1}}], [_text("user", '{"a":1}')]),
        ([7], [_text("unknown", "7")]),
        ([], []),
    ],
)
def test_texts_of_many_shapes(given: Any, read: list[Message]) -> None:
    assert _read(given) == read


def test_messages_already_in_form_stay() -> None:
    given = [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": 3}]}]
    assert json.loads(messages_attribute(given)) == given


def test_a_whole_conversation_with_tools_images_and_reasoning() -> None:
    url = "data:image/png;base64,AAAA"
    user, assistant, tool = _read(
        [
            {"role": "user", "content": ["see", {"type": "image_url", "image_url": {"url": url}}]},
            {
                "role": "assistant",
                "content": "calling",
                "reasoning_content": "hm",
                "tool_calls": [{"id": "c", "function": {"name": "add", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "3", "name": "add"},
        ]
    )
    assert [(part.type, part.uri, part.media_type) for part in user.parts] == [
        ("text", None, None),
        ("image", url, "image/png"),
    ]
    assert [part.type for part in assistant.parts] == ["reasoning", "text", "tool_call"]
    assert assistant.parts[2].name == "add"
    assert (tool.parts[0].id, tool.parts[0].response, tool.name) == ("c", "3", "add")


def test_objects_of_the_openai_client() -> None:
    completion = ChatCompletion.model_validate(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "logprobs": None,
                    "message": {"role": "assistant", "content": "hello"},
                }
            ],
        }
    )
    (message,) = _read(completion.choices)
    assert message == msgspec.structs.replace(_text("assistant", "hello"), finish_reason="stop")
    assert _read([completion.choices[0].message]) == [_text("assistant", "hello")]


def test_pydantic_models_show_their_fields_and_extras() -> None:
    class Inner(BaseModel):
        api_key: str = "k"
        n: int = 1

    class Outer(BaseModel):
        model_config = ConfigDict(extra="allow")
        inner: Inner = Inner()
        _private: int = 5

    assert simplify(Outer.model_validate({"more": [1]})) == {
        "inner": {"api_key": "***", "n": 1},
        "more": [1],
    }
