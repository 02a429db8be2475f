import asyncio
import base64
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from pellucid.demo.model_server import (
    Call,
    Fault,
    ModelRequest,
    Reply,
    Rule,
    ScriptedModelServer,
)
from pellucid.demo.model_server.schema import example_of
from pellucid.demo.model_server.tokens import count_tokens, split_tokens

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Verdict(BaseModel):
    city: str
    warm: bool
    days: list[int]


def client_of(server: ScriptedModelServer, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=retries)


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def echo() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer() as server:
        yield server


@pytest.fixture
def client(echo: ScriptedModelServer) -> Iterator[openai.OpenAI]:
    with client_of(echo) as client:
        yield client


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


def test_chat_reports_usage_and_logs_it(echo: ScriptedModelServer, client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-4o", messages=user("hello there"))
    assert reply.choices[0].message.content == "You said: hello there"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    served = echo.log[-1]
    assert (served.input_tokens, served.output_tokens) == (
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
    )
    assert reply.usage.completion_tokens == count_tokens("You said: hello there")
    assert served.complete
    assert "authorization" not in served.headers
    assert served.id == reply.id


def test_equal_requests_get_equal_answers_in_any_order() -> None:
    def ids(prompts: list[str]) -> set[str]:
        with ScriptedModelServer() as server, client_of(server) as client:
            return {client.chat.completions.create(model="m", messages=user(p)).id for p in prompts}

    first = ids(["a", "b", "a"])
    assert len(first) == 3
    assert first == ids(["b", "a", "a"])


def test_several_choices_stop_and_length(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="m", messages=user("one two three"), n=3, stop=["two"]
    )
    assert [c.message.content for c in reply.choices] == ["You said: one "] * 3
    cut = client.chat.completions.create(
        model="m", messages=user("one two three"), max_completion_tokens=3
    )
    assert cut.choices[0].finish_reason == "length"
    assert cut.choices[0].message.content == "You said:"


def test_content_parts_are_read_and_images_cost(client: openai.OpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "look"}, picture]}]
    reply = client.chat.completions.create(model="m", messages=parts)
    assert reply.choices[0].message.content == "You said: look"
    assert reply.usage is not None
    assert reply.usage.prompt_tokens > 85


def test_parallel_tool_calls_then_an_answer_from_their_results() -> None:
    script = [
        Rule(
            lambda request: " and ".join(
                f"{r.arguments['city']}: {r.content}" for r in request.tool_results
            ),
            tool="weather",
        ),
        Rule([Call("weather", {"city": "Oslo"}), Call("weather", {"city": "Rome"})]),
    ]
    with ScriptedModelServer(script) as server, client_of(server) as client:
        messages = user("weather?")
        first = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
        message = first.choices[0].message
        assert first.choices[0].finish_reason == "tool_calls"
        assert message.content is None
        assert message.tool_calls is not None
        messages.append(message.model_dump(exclude_none=True))
        for call, result in zip(message.tool_calls, ["snow", "sun"], strict=True):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        second = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
        assert second.choices[0].message.content == "Oslo: snow and Rome: sun"
        single = client.chat.completions.create(
            model="m", messages=user("again"), tools=[WEATHER], parallel_tool_calls=False
        )
        assert len(single.choices[0].message.tool_calls or ()) == 1


def test_a_call_without_its_result_is_refused(client: openai.OpenAI) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked: Any = {"role": "assistant", "content": None, "tool_calls": [call]}
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        client.chat.completions.create(model="m", messages=[*user("x"), asked])
    stray: Any = {"role": "tool", "tool_call_id": "c1", "content": "r"}
    with pytest.raises(openai.BadRequestError, match="must be a response to"):
        client.chat.completions.create(model="m", messages=[*user("x"), stray])


def test_a_stream_carries_usage_only_when_asked(
    echo: ScriptedModelServer, client: openai.OpenAI
) -> None:
    chunks = list(client.chat.completions.create(model="m", messages=user("hi"), stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text == "You said: hi"
    assert chunks[-1].choices[0].finish_reason == "stop"
    asked = list(
        client.chat.completions.create(
            model="m", messages=user("hi"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens == echo.log[-1].streamed_tokens
    assert echo.log[-1].first_token_ns is not None
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        client.chat.completions.create(
            model="m", messages=user("hi"), stream_options={"include_usage": True}
        )


def test_tool_calls_stream_in_pieces() -> None:
    script = [Reply(text="Asking.", calls=(Call("weather", {"city": "Rome"}), Call("weather")))]
    with ScriptedModelServer(script) as server, client_of(server) as client:
        with client.chat.completions.stream(
            model="m",
            messages=user("?"),
            tools=[WEATHER],
            stream_options={"include_usage": True},
        ) as stream:
            final = stream.get_final_completion()
        calls = final.choices[0].message.tool_calls
        assert calls is not None
        assert [(c.function.name, c.function.arguments) for c in calls] == [
            ("weather", '{"city": "Rome"}'),
            ("weather", "{}"),
        ]
        assert [c.id for c in calls] == [c["id"] for c in server.log[0].tool_calls]
        assert final.usage is not None
        assert final.usage.completion_tokens == server.log[0].streamed_tokens


def test_json_mode_schema_and_parse() -> None:
    script: Any = [
        {"city": "Rome", "warm": True, "days": [1, 2]},
        "prose",
        {"city": "Oslo", "warm": False, "days": []},
    ]
    with ScriptedModelServer(script) as server, client_of(server) as client:
        parsed = client.chat.completions.parse(
            model="m", messages=user("?"), response_format=Verdict
        )
        assert parsed.choices[0].message.parsed == Verdict(city="Rome", warm=True, days=[1, 2])
        shaped = client.chat.completions.create(
            model="m", messages=user("?"), response_format={"type": "json_object"}
        )
        assert json.loads(shaped.choices[0].message.content or "") == {"text": "prose"}
        response = client.responses.parse(model="m", input="?", text_format=Verdict)
        assert response.output_parsed == Verdict(city="Oslo", warm=False, days=[])


def test_prose_takes_the_shape_that_is_demanded(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(
        model="m", messages=user("Rome"), response_format=Verdict
    )
    assert parsed.choices[0].message.parsed == Verdict(city="You said: Rome", warm=True, days=[0])
    forced = client.chat.completions.create(
        model="m",
        messages=user("Rome"),
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    calls = forced.choices[0].message.tool_calls
    assert calls is not None
    assert json.loads(calls[0].function.arguments) == {"city": "You said: Rome"}  # type: ignore[union-attr]


def test_example_follows_references() -> None:
    schema = {
        "$defs": {"Tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}}},
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/Tree"},
            "kind": {"enum": ["a", "b"]},
            "maybe": {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]},
        },
        "required": ["kind", "maybe"],
    }
    assert example_of(schema) == {"kind": "a", "maybe": 3}
    assert "tree" in example_of({**schema, "required": ["tree"]})


def test_responses_plain_tools_and_history() -> None:
    script = [
        Rule(
            Call("weather", {"city": "Rome"}), offers="weather", when=lambda r: not r.tool_results
        ),
        Rule(lambda r: f"{r.tool_results[0].content} after {len(r.messages)}", tool="weather"),
        Rule(lambda r: f"seen {len(r.messages)}: {r.system}"),
    ]
    tool: Any = {"type": "function", "strict": False, **WEATHER["function"]}
    with ScriptedModelServer(script) as server, client_of(server) as client:
        first = client.responses.create(model="m", input="weather?", tools=[tool])
        call = first.output[0]
        assert call.type == "function_call"
        assert json.loads(call.arguments) == {"city": "Rome"}
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sun"}
        second = client.responses.create(
            model="m", input=[result], previous_response_id=first.id, tools=[tool]
        )
        assert second.output_text == "sun after 3"
        assert second.usage is not None
        assert second.usage.output_tokens == server.log[-1].output_tokens
        third = client.responses.create(
            model="m", input="and?", instructions="Be brief.", previous_response_id=second.id
        )
        assert third.output_text == "seen 6: Be brief."
        with pytest.raises(openai.BadRequestError, match="not found"):
            client.responses.create(model="m", input="x", previous_response_id="resp_no")


def test_responses_stream() -> None:
    script: Any = [
        Reply(text="Let me ask.", calls=(Call("weather", {"city": "Rome"}),)),
        Reply(refusal="I would rather not."),
    ]
    tool: Any = {"type": "function", "strict": False, **WEATHER["function"]}
    with ScriptedModelServer(script) as server, client_of(server) as client:
        with client.responses.stream(model="m", input="?", tools=[tool]) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        assert "response.function_call_arguments.delta" in kinds
        assert final.output_text == "Let me ask."
        assert final.output[1].type == "function_call"
        assert final.usage is not None
        assert final.usage.output_tokens == server.log[0].streamed_tokens
        refused = list(client.responses.create(model="m", input="?", stream=True))
        assert any(event.type == "response.refusal.delta" for event in refused)
        assert server.log[1].streamed_tokens == server.log[1].output_tokens


def test_embeddings_are_near_for_shared_words(client: openai.OpenAI) -> None:
    texts = ["discs of Blu-ray", "a Blu-ray disc", "the height of towers"]
    reply = client.embeddings.create(
        model="text-embedding-3-small", input=texts, encoding_format="float"
    )
    first, second, third = (item.embedding for item in reply.data)
    assert len(first) == 256

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(first, second) == pytest.approx(1.0)
    assert cosine(first, third) < 0.3
    assert cosine(third, third) == pytest.approx(1.0)
    packed = client.embeddings.create(model="m", input=texts[2], encoding_format="base64")
    raw = base64.b64decode(str(packed.data[0].embedding))
    assert list(struct.unpack("<256f", raw)) == pytest.approx(third)
    short = client.embeddings.create(model="m", input=[[1, 2, 3]], dimensions=64)
    assert len(short.data[0].embedding) == 64


def test_images_are_png_files(client: openai.OpenAI) -> None:
    reply = client.images.generate(model="gpt-image-1", prompt="stripes", size="256x128", n=2)
    assert reply.data is not None
    pictures = [base64.b64decode(item.b64_json or "") for item in reply.data]
    assert pictures[0] != pictures[1]
    with Image.open(io.BytesIO(pictures[0])) as image:
        assert image.format == "PNG"
        assert image.size == (256, 128)
    assert reply.usage is not None
    assert reply.usage.output_tokens > 0
    linked = client.images.generate(model="m", prompt="stripes", response_format="url")
    assert linked.data is not None
    assert httpx.get(str(linked.data[0].url), timeout=60).content.startswith(b"\x89PNG")
    with pytest.raises(openai.BadRequestError, match="WIDTHxHEIGHT"):
        client.images.generate(model="m", prompt="x", size="huge")


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert "gpt-4o" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-4o").owned_by == "scripted"


async def test_async_client_and_many_at_once() -> None:
    async with openai.AsyncOpenAI(base_url="http://unused", api_key="any") as unused:
        assert unused is not None
    with ScriptedModelServer(token_delay_s=0.001) as server:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any") as client:

            async def ask(number: int) -> str:
                stream = await client.chat.completions.create(
                    model="m", messages=user(f"n{number}"), stream=True
                )
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            answers = await asyncio.gather(*(ask(n) for n in range(20)))
        assert answers == [f"You said: n{n}" for n in range(20)]
        assert len(server.log) == 20


def test_faults_strike_in_order_and_so_often() -> None:
    faults = [
        Fault(status=429, retry_after_s=0.01, times=2, path="*/chat/completions"),
        Fault(status=500, when=lambda body: body.get("input") == "bad", times=None),
    ]
    with ScriptedModelServer(faults=faults) as server, client_of(server, retries=2) as client:
        reply = client.chat.completions.create(model="m", messages=user("x"))
        assert reply.choices[0].message.content == "You said: x"
        assert [call.status for call in server.log] == [429, 429, 200]
        assert server.log.output_tokens == server.log[2].output_tokens
        with client_of(server) as once, pytest.raises(openai.InternalServerError):
            once.embeddings.create(model="m", input="bad")
        assert client.embeddings.create(model="m", input="good").data


def test_a_stream_can_break_and_the_log_tells_how_far_it_got() -> None:
    faults = [Fault(disconnect_after=3), Fault(disconnect_after=0)]
    with ScriptedModelServer(faults=faults) as server, client_of(server) as client:
        stream = client.chat.completions.create(model="m", messages=user("hi"), stream=True)
        with pytest.raises((httpx.HTTPError, openai.APIError)):
            list(stream)
        assert not server.log[0].complete
        assert server.log[0].streamed_tokens == 2 < server.log[0].output_tokens
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="m", messages=user("hi"))


def test_a_reply_can_bring_its_own_fault_and_latency() -> None:
    script = [Reply(text="late", fault=Fault(latency_s=0.05)), Reply(fault=Fault(status=503))]
    with ScriptedModelServer(script) as server, client_of(server) as client:
        assert client.chat.completions.create(model="m", messages=user("x")).id
        call = server.log[0]
        assert call.ended_ns is not None
        assert call.ended_ns - call.started_ns >= 50_000_000
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="m", messages=user("x"))


def test_rules_match_on_what_they_name_and_run_out() -> None:
    def by_function(request: ModelRequest) -> str:
        return f"{request.endpoint} {request.choice}"

    script = [
        Rule("system", system="(?i)be brief"),
        Rule("model", model="o*"),
        Rule("once", user="^twice", times=1),
        Rule(by_function, user="^twice"),
    ]
    with ScriptedModelServer(script) as server, client_of(server) as client:

        def ask(text: str, model: str = "m", system: str = "") -> str | None:
            messages = [{"role": "system", "content": system}, *user(text)]
            reply = client.chat.completions.create(model=model, messages=messages)
            return reply.choices[0].message.content

        assert ask("x", system="Be brief!") == "system"
        assert ask("x", model="o4") == "model"
        assert [ask("twice"), ask("twice")] == ["once", "chat 0"]
        with pytest.raises(openai.BadRequestError, match="No rule of the script"):
            ask("nothing")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b"[" * 100_000, 400),
        (b'{"model": "m", "messages": []}', 400),
        (b'{"model": "m", "messages": [{"role": "nobody"}]}', 400),
        (b'{"model": "m", "messages": [{"role": "user", "content": 7}]}', 400),
        (b'{"model": "m", "messages": 7, "tools": 3}', 400),
    ],
)
def test_what_cannot_be_read_is_refused(
    echo: ScriptedModelServer, content: bytes, status: int
) -> None:
    reply = httpx.post(f"{echo.base_url}/chat/completions", content=content, timeout=60)
    assert reply.status_code == status
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_a_script_that_raises_is_a_500_that_says_so() -> None:
    def broken(request: ModelRequest) -> str:
        raise OSError("disk on fire")

    with ScriptedModelServer(broken) as server, client_of(server) as client:
        with pytest.raises(openai.InternalServerError, match="disk on fire"):
            client.chat.completions.create(model="m", messages=user("x"))


def test_an_alias_answers_under_its_other_name() -> None:
    aliases = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
    with ScriptedModelServer(aliases=aliases) as server, client_of(server) as client:
        reply = client.chat.completions.create(model="gpt-4o-mini", messages=user("x"))
        assert reply.model == "gpt-4o-mini-2024-07-18"
        assert server.log[0].model == "gpt-4o-mini"
        response = client.responses.create(model="gpt-4o-mini", input="x")
        assert response.model == "gpt-4o-mini-2024-07-18"


def test_unknown_paths_are_404(echo: ScriptedModelServer) -> None:
    assert httpx.post(f"{echo.base_url}/nothing", json={}, timeout=60).status_code == 404
    assert httpx.get(f"{echo.base_url}/nothing", timeout=60).status_code == 404


def test_stopping_does_not_wait_for_open_streams() -> None:
    server = ScriptedModelServer(token_delay_s=30).start()
    with client_of(server) as client:
        stream = client.chat.completions.create(model="m", messages=user("x"), stream=True)
        server.stop()
        with pytest.raises((httpx.HTTPError, openai.APIError)):
            list(stream)
