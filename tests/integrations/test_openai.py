"""The OpenAI SDK: every endpoint, sync and async, whole, streamed, raw, failing, abandoned."""

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pydantic
import pytest

import pellucid
from pellucid.client.instrument import model_call, open_span
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Call, Fault, Reply, Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.integrations.openai import INTEGRATION
from pellucid.testing.conformance import Recording

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
    },
}
HELLO: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    script = [
        Rule(Call("add", {"a": 1, "b": 2}), offers="add"),
        Rule('{"answer": 3}', user="JSON"),
        Rule(Reply(text="Hello there, general.", cached_tokens=4, reasoning_tokens=2)),
    ]
    with ScriptedModelServer(script=script) as scripted:
        yield scripted


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    assert autolog() == ["openai"] or INTEGRATION.active
    yield
    autolog(disable=True)


@pytest.fixture
def client(server: ScriptedModelServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture
def async_client(server: ScriptedModelServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0)


def test_a_chat_shows_all_that_went_over_the_wire(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    with pellucid.span("ask"):
        answer = client.chat.completions.create(
            model="gpt-4o", messages=HELLO, temperature=0.2, seed=7, max_tokens=50
        )
    assert answer.choices[0].message.content == "Hello there, general."
    recording.check_structure()
    recording.check_model_calls(server.log)
    (span,) = recording.of_kind(SpanKind.LLM)
    assert span.model == "gpt-4o"
    assert span.provider == "openai"
    assert span.parameters["temperature"] == 0.2
    assert span.parameters["seed"] == 7
    assert [m.role for m in span.input_messages] == ["system", "user"]
    assert span.output_messages[0].parts[0].content == "Hello there, general."
    assert span.finish_reason == "stop"
    assert span.tokens.cache_read == 4
    assert span.tokens.reasoning == 2
    assert recording.ancestors(span)[0].name == "ask"


def test_tools_are_shown_as_offered_and_as_called(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[TOOL])
    (span,) = recording.of_kind(SpanKind.LLM)
    assert span.tools[0].name == "add"
    call = span.output_messages[0].parts[0]
    assert (call.type, call.name, call.arguments) == ("tool_call", "add", {"a": 1, "b": 2})
    recording.check_model_calls(server.log)


@pytest.mark.parametrize("asks", [False, True])
def test_a_stream_counts_its_tokens_unseen(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording, asks: bool
) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asks else {}
    chunks = list(
        client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True, **options)
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello there, general."
    assert any(not c.choices for c in chunks) is asks
    recording.check_structure()
    recording.check_model_calls(server.log)
    (span,) = recording.of_kind(SpanKind.LLM)
    assert span.ttft_ns is not None
    assert 0 < span.ttft_ns <= span.duration_ns


def test_a_server_that_refuses_the_usage_option_is_asked_without_it(
    recording: Recording,
) -> None:
    def refuses(body: dict[str, Any]) -> bool:
        return "stream_options" in body

    fault = Fault(status=400, message="Unknown field: stream_options", when=refuses, times=None)
    with (
        ScriptedModelServer(script=[Rule("Hi.")], faults=[fault]) as scripted,
        openai.OpenAI(base_url=scripted.base_url, api_key="k", max_retries=0) as client,
    ):
        for _ in range(2):
            stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
            assert "".join(c.choices[0].delta.content or "" for c in stream) == "Hi."
        assert [call.status for call in scripted.log] == [400, 200, 200]
    recording.check_no_failure()
    assert len(recording.of_kind(SpanKind.LLM)) == 2


def test_an_abandoned_stream_ends_with_what_came(
    client: openai.OpenAI, recording: Recording
) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    next(iter(stream))
    next(stream)
    stream.close()
    another = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    next(another)
    del stream, another
    gc.collect()
    recording.check_structure(traces=2)
    recording.check_no_failure()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_async_calls_and_streams(
    async_client: openai.AsyncOpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    with pellucid.span("ask"):
        await async_client.chat.completions.create(model="gpt-4o", messages=HELLO)
        stream = await async_client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True
        )
        assert [chunk async for chunk in stream]
        async with async_client.chat.completions.stream(model="gpt-4o", messages=HELLO) as events:
            async for _ in events:
                pass
    await async_client.close()
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert len(recording.of_kind(SpanKind.LLM)) == 3


def test_responses_whole_and_streamed(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    with pellucid.span("ask"):
        client.responses.create(model="gpt-4o", input="Hello?", instructions="Be brief.")
        events = list(client.responses.create(model="gpt-4o", input="Hello?", stream=True))
    assert events[-1].type == "response.completed"
    recording.check_structure()
    recording.check_model_calls(server.log)
    whole, streamed = recording.of_kind(SpanKind.LLM)
    assert [m.role for m in whole.input_messages] == ["system", "user"]
    for span in (whole, streamed):
        assert span.output_messages[0].parts[0].content == "Hello there, general."
    assert streamed.ttft_ns


def test_parse_and_raw_responses(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    class Answer(pydantic.BaseModel):
        answer: int

    messages: Any = [{"role": "user", "content": "JSON, please"}]
    with pellucid.span("ask"):
        parsed = client.chat.completions.parse(
            model="gpt-4o", messages=messages, response_format=Answer
        )
        assert parsed.choices[0].message.parsed == Answer(answer=3)
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
        assert raw.parse().choices[0].message.content == "Hello there, general."
        raw_stream = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=HELLO, stream=True
        )
        assert len(list(raw_stream.parse())) > 1
        with client.chat.completions.with_streaming_response.create(
            model="gpt-4o", messages=HELLO
        ) as streamed:
            assert json.loads(streamed.read())["object"] == "chat.completion"
    recording.check_structure()
    spans = recording.of_kind(SpanKind.LLM)
    assert len(spans) == len(server.log) == 4
    assert [bool(span.output_messages) for span in spans] == [True, True, True, True]


def test_embeddings_and_images(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    with pellucid.span("ask"):
        client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
        client.images.generate(model="gpt-image-1", prompt="a stack of discs", size="1024x1024")
    recording.check_structure()
    (vectors,) = recording.of_kind(SpanKind.EMBEDDING)
    assert vectors.input == ["one", "two"]
    assert vectors.tokens.input == server.log.served("/embeddings")[0].input_tokens
    (image,) = recording.of_kind(SpanKind.IMAGE)
    assert image.input == "a stack of discs"
    assert image.parameters["size"] == "1024x1024"


def test_errors_are_the_users_and_on_the_span(recording: Recording) -> None:
    fault = Fault(status=429, message="Slow down.", times=None)
    with (
        ScriptedModelServer(script=[Rule("Hi.")], faults=[fault]) as scripted,
        openai.OpenAI(base_url=scripted.base_url, api_key="k", max_retries=0) as client,
        pytest.raises(openai.RateLimitError),
        pellucid.span("ask"),
    ):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert recording.root.status is Status.ERROR


def test_a_stream_that_breaks_keeps_what_came(recording: Recording) -> None:
    fault = Fault(disconnect_after=3)
    with (
        ScriptedModelServer(script=[Rule("One two three four five.")], faults=[fault]) as scripted,
        openai.OpenAI(base_url=scripted.base_url, api_key="k", max_retries=0) as client,
    ):
        stream = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        with pytest.raises(Exception):  # noqa: B017, PT011 - the HTTP library's own, by version
            list(stream)
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert failed.output_messages


def test_what_extra_body_sends_is_shown(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    client.with_options(timeout=5).chat.completions.create(
        model="gpt-4o", messages=HELLO, extra_body={"temperature": 0.7}
    )
    (span,) = recording.of_kind(SpanKind.LLM)
    assert span.parameters["temperature"] == 0.7
    recording.check_model_calls(server.log)


def test_usage_is_counted_also_where_the_program_declined_it(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    chunks = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": False}
    )
    assert all(chunk.choices for chunk in chunks)
    recording.check_model_calls(server.log)


def test_an_abandoned_response_keeps_its_tool_calls(
    client: openai.OpenAI, recording: Recording
) -> None:
    tool: Any = {"type": "function", "name": "add", "parameters": {"type": "object"}}
    stream = client.responses.create(model="gpt-4o", input="Hi", tools=[tool], stream=True)
    for event in stream:
        if event.type == "response.function_call_arguments.delta":
            break
    stream.close()
    (span,) = recording.of_kind(SpanKind.LLM)
    call = span.output_messages[0].parts[0]
    assert (call.type, call.name) == ("tool_call", "add")
    recording.check_structure()
    recording.check_no_failure()


def test_base64_embeddings_tell_their_size(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="base64")
    (span,) = recording.of_kind(SpanKind.EMBEDDING)
    assert span.output == {"embeddings": 1, "dimensions": 256}
    recording.check_model_calls(server.log)


def answering(body: dict[str, Any]) -> Any:
    return answered_by(lambda _: httpx.Response(200, json=body))


def answered_by(answer: Callable[[httpx.Request], httpx.Response]) -> Any:
    return httpx.Client(transport=httpx.MockTransport(answer))


def test_azure_completions_and_image_edits(recording: Recording) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}
    chat = {"id": "x", "object": "chat.completion", "model": "gpt-4o", "created": 1}
    chat |= {"choices": [said], "usage": usage}
    text = {**chat, "choices": [{"index": 0, "finish_reason": "stop", "text": "B"}]}
    with pellucid.span("ask"):
        with answering(chat) as http:
            openai.AzureOpenAI(
                azure_endpoint="http://127.0.0.1:9",
                api_key="k",
                api_version="2024-06-01",
                http_client=http,
            ).chat.completions.create(model="gpt-4o", messages=HELLO)
        with answering(text) as http:
            legacy = openai.OpenAI(api_key="k", http_client=http)
            assert legacy.completions.create(model="m", prompt="one").choices[0].text == "B"
        with answering({"created": 1, "data": [{"b64_json": "iVBORw0KGgo="}]}) as http:
            openai.OpenAI(api_key="k", http_client=http).images.edit(
                model="gpt-image-1", prompt="a hat", image=("d.png", b"\x89PNG", "image/png")
            )
    recording.check_structure()
    recording.check_no_failure()
    azure, complete = recording.of_kind(SpanKind.LLM)
    assert azure.provider == "azure.ai.openai"
    assert complete.input_messages[0].parts[0].content == "one"
    assert (complete.tokens.input, complete.tokens.output) == (5, 2)
    (image,) = recording.of_kind(SpanKind.IMAGE)
    assert image.input == "a hat"
    assert image.name == "edit image gpt-image-1"


def _spoken(request: httpx.Request) -> httpx.Response:
    """Answer as the API's endpoints of speech, transcripts and moderations do."""
    path = request.url.path
    if path.endswith("/audio/speech"):
        return httpx.Response(200, content=b"12345", headers={"content-type": "audio/mpeg"})
    if path.endswith("/moderations"):
        found = {"flagged": True, "categories": {"violence": True, "hate": False}}
        return httpx.Response(200, json={"id": "m", "model": "omni", "results": [found]})
    if b"srt" in request.content:
        return httpx.Response(200, text="1\nA disc.", headers={"content-type": "text/plain"})
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    if b'name="stream"' in request.content:
        events: list[dict[str, Any]] = [
            {"type": "transcript.text.delta", "delta": "A "},
            {"type": "transcript.text.delta", "delta": "disc."},
            {"type": "transcript.text.done", "text": "A disc.", "usage": usage},
        ]
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})
    return httpx.Response(200, json={"text": "A disc.", "usage": usage})


def speak(client: openai.OpenAI) -> None:
    said = client.audio.speech.create(model="tts-1", voice="alloy", input="A disc.")
    assert said.content == b"12345"
    speech = client.audio.speech.with_streaming_response
    with speech.create(model="tts-1", voice="alloy", input="A disc.") as answer:
        assert b"".join(answer.iter_bytes()) == b"12345"
    raw = client.audio.speech.with_raw_response.create
    assert raw(model="tts-1", voice="alloy", input="A disc.").content == b"12345"


def transcribe(client: openai.OpenAI) -> None:
    record = ("disc.wav", b"RIFF", "audio/wav")
    make = client.audio.transcriptions.create
    assert make(model="gpt-4o-transcribe", file=record, prompt="Discs").text == "A disc."
    events = list(make(model="gpt-4o-transcribe", file=record, stream=True))
    assert [event.type for event in events][-1] == "transcript.text.done"
    assert "A disc." in str(make(model="whisper-1", file=record, response_format="srt"))


def test_speech_transcripts_and_moderations(recording: Recording) -> None:
    with pellucid.span("ask"), answered_by(_spoken) as http:
        client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", http_client=http)
        speak(client)
        transcribe(client)
        checked = client.moderations.create(model="omni", input="A fight.")
        assert checked.results[0].flagged
    recording.check_structure()
    recording.check_no_failure()
    *spoken, told, streamed, written = recording.of_kind(SpanKind.TASK)
    assert {span.name for span in spoken} == {"speak tts-1"}
    assert [span.input for span in spoken] == ["A disc."] * 3
    assert all(span.output["bytes"] == 5 for span in spoken)
    assert spoken[0].parameters["voice"] == "alloy"
    assert told.input == {"file": "disc.wav", "prompt": "Discs"}
    assert (told.name, told.output) == ("transcribe gpt-4o-transcribe", "A disc.")
    assert streamed.output == "A disc."
    assert streamed.ttft_ns is not None
    assert all((s.tokens.input, s.tokens.output) == (14, 3) for s in (told, streamed))
    assert written.output == "1\nA disc."
    (guard,) = recording.of_kind(SpanKind.GUARDRAIL)
    assert (guard.name, guard.input) == ("moderate omni", "A fight.")
    assert guard.output == {"flagged": True, "categories": ["violence"]}


def test_a_second_request_of_one_call_is_beside_it_and_a_retry_is_not(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    with pellucid.span("ask"):
        span = open_span("ChatModel", SpanKind.LLM)
        with model_call(span) as call:
            call.claim()
            call.release()
            for _ in range(2):
                client.chat.completions.create(model="gpt-4o", messages=HELLO)
        span.end()
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert [s.name for s in recording.of_kind(SpanKind.LLM)] == ["ChatModel", "chat gpt-4o"]


def test_a_frameworks_span_takes_the_wires_facts_and_no_second_span(
    client: openai.OpenAI, server: ScriptedModelServer, recording: Recording
) -> None:
    span = open_span("ChatModel", SpanKind.LLM)
    with model_call(span):
        client.chat.completions.create(model="gpt-4o", messages=HELLO, temperature=0.5)
        with pellucid.span("tool", kind="TOOL"):
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
    span.end()
    recording.check_structure()
    outer, inner = recording.of_kind(SpanKind.LLM)
    assert outer.name == "ChatModel"
    assert outer.parameters["temperature"] == 0.5
    assert outer.tokens.has_usage
    assert inner.name == "chat gpt-4o"


def test_undo_leaves_the_sdk_as_it_was(client: openai.OpenAI, recording: Recording) -> None:
    from openai._base_client import AsyncAPIClient, SyncAPIClient

    autolog(disable=True)
    assert not hasattr(SyncAPIClient.request, "__wrapped__")
    assert not hasattr(AsyncAPIClient.request, "__wrapped__")
    client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert recording.spans == []
    autolog()
    autolog()
    client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert len(recording.spans) == 1


def test_a_stream_that_is_never_read_ends_when_it_is_let_go(
    client: openai.OpenAI, recording: Recording
) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=HELLO, stream=True
    )
    assert len(recording.unended) == 2
    del answer, raw
    gc.collect()
    assert recording.unended == []
    assert all(span.status is Status.OK for span in recording.of_kind(SpanKind.LLM))
