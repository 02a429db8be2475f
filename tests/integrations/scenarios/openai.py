"""The OpenAI SDK alone: chat, responses, streams, tools, failures, retries, embeddings, threads."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Fault, Reply, Rule
from pellucid.testing.held import Held
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("openai", needs=("openai",))

MODEL = "gpt-4o"
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        },
    },
}
LONG = "one two three four five six seven eight nine ten " * 20


def client(url: str, **more: Any) -> Any:
    import openai

    return openai.OpenAI(base_url=url, api_key="k", **{"max_retries": 0, **more})


def client_async(url: str, **more: Any) -> Any:
    import openai

    return openai.AsyncOpenAI(base_url=url, api_key="k", **{"max_retries": 0, **more})


def asked(text: str = "What is a Blu-ray?", system: str = "Be brief.") -> Any:
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


@cases.add(script=["A disc."], input="What is a Blu-ray?", output="A disc.")
def chat(url: str) -> None:
    with client(url) as one:
        reply = one.chat.completions.create(
            model=MODEL, messages=asked(), temperature=0.2, max_tokens=50
        )
        print(reply.choices[0].message.content, reply.usage.total_tokens)


@cases.add(script=["A disc."], input="What is a Blu-ray?", output="A disc.")
async def chat_async(url: str) -> None:
    async with client_async(url) as one:
        reply = await one.chat.completions.create(model=MODEL, messages=asked(), top_p=0.5)
        print(reply.choices[0].message.content)


@cases.add(script=["A disc of light."], input="What is a Blu-ray?", output="A disc of light.")
def stream(url: str) -> None:
    with client(url) as one:
        for chunk in one.chat.completions.create(model=MODEL, messages=asked(), stream=True):
            print(chunk.choices[0].delta.content, chunk.usage)


@cases.add(script=["A disc of light."], token_delay_s=0.005, output="A disc of light.")
async def stream_async(url: str) -> None:
    async with client_async(url) as one:
        async for chunk in await one.chat.completions.create(
            model=MODEL, messages=asked(), stream=True, stream_options={"include_usage": True}
        ):
            print([choice.delta.content for choice in chunk.choices], chunk.usage)


@cases.add(script=[LONG], input="What is", output="one", left_streams=1, token_delay_s=0.002)
def stream_left_half_way(url: str) -> None:
    with client(url) as one:
        for number, chunk in enumerate(
            one.chat.completions.create(model=MODEL, messages=asked(), stream=True)
        ):
            print(chunk.choices[0].delta.content)
            if number == 4:
                break


@cases.add(script=[LONG], input="What is", output="one", left_streams=1, token_delay_s=0.002)
def stream_closed_half_way(url: str) -> None:
    with client(url) as one:
        with one.chat.completions.create(model=MODEL, messages=asked(), stream=True) as chunks:
            print(next(chunks), next(chunks).choices[0].delta.content)


@cases.add(script=[LONG], input="What is", output="one", left_streams=1, token_delay_s=0.002)
async def stream_left_half_way_async(url: str) -> None:
    async with client_async(url) as one:
        number = 0
        async for chunk in await one.chat.completions.create(
            model=MODEL, messages=asked(), stream=True
        ):
            number += 1
            print(chunk.choices[0].delta.content)
            if number == 5:
                break


@cases.add(
    script=[Call("add", {"a": 2, "b": 3}), "It is 5."],
    input="2 and 3?",
    output="It is 5.",
    agents=("calculator",),
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
    manual="inside the tool",
    manual_tool="add",
    session="conversation-7",
)
def tool_loop_below_a_span(url: str) -> None:
    @pellucid.trace(kind="TOOL")
    def add(a: int, b: int) -> int:
        with pellucid.span("inside the tool"):
            return a + b

    import json

    with client(url) as one, pellucid.session("conversation-7"):
        with pellucid.span("calculator", kind="AGENT") as span:
            span.set_input("2 and 3?")
            messages = asked("2 and 3?")
            reply = one.chat.completions.create(model=MODEL, messages=messages, tools=[ADD])
            call = reply.choices[0].message.tool_calls[0]
            result = add(**json.loads(call.function.arguments))
            messages.append(reply.choices[0].message)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
            reply = one.chat.completions.create(model=MODEL, messages=messages, tools=[ADD])
            span.set_output(reply.choices[0].message.content)
            print(reply.choices[0].message.content)


@cases.add(script=[[Call("add", {"a": 2, "b": 3}), Call("add", {"a": 4, "b": 5})]])
def parallel_tool_calls_streamed(url: str) -> None:
    with client(url) as one:
        for chunk in one.chat.completions.create(
            model=MODEL, messages=asked("2+3, 4+5?"), tools=[ADD], stream=True
        ):
            print(chunk.choices[0].delta.tool_calls)


@cases.add(since="openai>=1.66", script=["A disc."], input="What is a Blu-ray?", output="A disc.")
def responses(url: str) -> None:
    with client(url) as one:
        reply = one.responses.create(
            model=MODEL, instructions="Be brief.", input="What is a Blu-ray?", temperature=0.3
        )
        print(reply.output_text)


@cases.add(
    since="openai>=1.66",
    script=["A disc of light."],
    input="What is a Blu-ray?",
    output="A disc of light.",
)
async def responses_stream(url: str) -> None:
    async with client_async(url) as one:
        async for event in await one.responses.create(
            model=MODEL, input="What is a Blu-ray?", stream=True
        ):
            print(event.type)


@cases.add(since="openai>=1.66", script=[LONG], output="one", left_streams=1, token_delay_s=0.002)
def responses_stream_left(url: str) -> None:
    with client(url) as one:
        for event in one.responses.create(model=MODEL, input="Count.", stream=True):
            print(event.type)
            if event.type == "response.output_text.delta":
                break


@cases.add(
    since="openai>=1.66",
    script=[Call("add", {"a": 2, "b": 3}), "It is 5."],
    traces=2,
    input="2 and 3?",
    output="It is 5.",
)
def responses_with_a_tool(url: str) -> None:
    tool = {"type": "function", **ADD["function"]}  # type: ignore[dict-item]
    with client(url) as one:
        first = one.responses.create(model=MODEL, input="2 and 3?", tools=[tool])
        call = first.output[0]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "5"}
        last = one.responses.create(
            model=MODEL, previous_response_id=first.id, input=[output], tools=[tool]
        )
        print(last.output_text)


@cases.add(
    since="openai>=1.92",
    script=[{"title": "Alien", "year": 1979}],
    input="What film",
    output="Alien",
)
def parse(url: str) -> None:
    from pydantic import BaseModel

    class Film(BaseModel):
        title: str
        year: int

    with client(url) as one:
        reply = one.chat.completions.parse(
            model=MODEL, messages=asked("What film?"), response_format=Film
        )
        print(reply.choices[0].message.parsed)


@cases.add(since="openai>=1.66", script=[{"title": "Alien", "year": 1979}], output="Alien")
async def responses_parse_async(url: str) -> None:
    from pydantic import BaseModel

    class Film(BaseModel):
        title: str
        year: int

    async with client_async(url) as one:
        reply = await one.responses.parse(model=MODEL, input="What film?", text_format=Film)
        print(reply.output_parsed)


@cases.add(since="openai>=1.92", script=["A disc of light."], output="A disc of light.")
def stream_helper(url: str) -> None:
    with client(url) as one:
        with one.chat.completions.stream(model=MODEL, messages=asked()) as events:
            for event in events:
                print(event.type)
            print(events.get_final_completion().choices[0].message.content)


@cases.add(script=["A disc."], output="A disc.")
def raw_response(url: str) -> None:
    with client(url) as one:
        raw = one.chat.completions.with_raw_response.create(model=MODEL, messages=asked())
        print(raw.status_code, raw.parse().choices[0].message.content)


@cases.add(script=["A disc of light."], output="A disc of light.")
def raw_stream(url: str) -> None:
    with client(url) as one:
        raw = one.chat.completions.with_raw_response.create(
            model=MODEL, messages=asked(), stream=True
        )
        for chunk in raw.parse():
            print([choice.delta.content for choice in chunk.choices])


@cases.add(script=["A disc."], output="A disc.")
def streaming_response(url: str) -> None:
    with client(url) as one:
        with one.chat.completions.with_streaming_response.create(
            model=MODEL, messages=asked()
        ) as raw:
            print(raw.parse().choices[0].message.content)


@cases.add(script=["A disc."], faults=[Fault(status=429, retry_after_s=0.01)], output="A disc.")
def retry_after_429(url: str) -> None:
    with client(url, max_retries=2) as one:
        print(one.chat.completions.create(model=MODEL, messages=asked()).choices[0].message.content)


@cases.add(
    script=["A disc."],
    faults=[Fault(status=500, times=2, retry_after_s=0.01)],
    output="A disc.",
)
async def retry_after_500_async(url: str) -> None:
    async with client_async(url, max_retries=3) as one:
        reply = await one.chat.completions.create(model=MODEL, messages=asked())
        print(reply.choices[0].message.content)


@cases.add(
    script=[],
    faults=[Fault(status=429, times=None, retry_after_s=0.01)],
    input="What is",
    failed=(Failed("LLM", "gpt-4o", "*"),),
    raises="told to fail",
)
def retries_used_up(url: str) -> None:
    with client(url, max_retries=1) as one:
        one.chat.completions.create(model=MODEL, messages=asked())


@cases.add(
    script=[],
    input="What is",
    failed=(Failed("LLM", "gpt-4o", "*"),),
    stages=(Below("LLM", "gpt-4o", "work"),),
    raises="No rule",
)
def bad_request_below_a_span(url: str) -> None:
    with client(url) as one, pellucid.span("work") as span:
        span.set_input("What is")
        one.chat.completions.create(model=MODEL, messages=asked())


@cases.add(
    script=["A disc."],
    faults=[Fault(status=500)],
    failed=(Failed("LLM", "gpt-4o"),),
    stages=(Below("LLM", "gpt-4o", "work", 2),),
    output="A disc.",
)
def error_caught_then_asked_again(url: str) -> None:
    import openai

    with client(url) as one, pellucid.span("work") as span:
        try:
            one.chat.completions.create(model=MODEL, messages=asked())
        except openai.InternalServerError as error:
            print(error)
        reply = one.chat.completions.create(model=MODEL, messages=asked())
        span.set_output(reply.choices[0].message.content)


@cases.add(
    script=[Reply(text=LONG, fault=Fault(disconnect_after=6))],
    failed=(Failed("LLM", "gpt-4o", "*"),),
    left_streams=1,
    raises="",
)
def stream_cut_by_the_server(url: str) -> None:
    with client(url) as one:
        try:
            for chunk in one.chat.completions.create(model=MODEL, messages=asked(), stream=True):
                print(chunk.choices[0].delta.content)
        except Exception as error:
            print(type(error).__name__)


@cases.add(
    script=[Rule("A disc.")],
    traces=1,
    stages=(Below("LLM", "gpt-4o", "branches", 4),),
    output="4 answers",
    parallel=True,
)
async def parallel_branches(url: str) -> None:
    async with client_async(url) as one:
        with pellucid.span("branches") as span:
            replies = await asyncio.gather(
                *(
                    one.chat.completions.create(model=MODEL, messages=asked(f"Question {n}?"))
                    for n in range(4)
                )
            )
            span.set_output(f"{len(replies)} answers")


@cases.add(
    script=[Rule("A disc.")],
    stages=(Below("LLM", "gpt-4o", "branches", 3),),
    parallel=True,
)
def threads(url: str) -> None:
    def ask(number: int) -> str:
        reply = one.chat.completions.create(model=MODEL, messages=asked(f"Question {number}?"))
        return str(reply.choices[0].message.content)

    with client(url) as one, pellucid.span("branches"), ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(contextvars.copy_context().run, ask, n) for n in range(3)]
        print([future.result() for future in futures])


late = Held("A disc.")


@cases.add(script=[Rule(late)], unheard=1, failed=(Failed("LLM", "gpt-4o", "*"),))
async def cancelled(url: str) -> None:
    async with client_async(url) as one:
        task = asyncio.create_task(one.chat.completions.create(model=MODEL, messages=asked()))
        await late.asked()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            print("cancelled")
        late.let_go()


@cases.add(script=[], input="Blu-ray")
def embeddings(url: str) -> None:
    with client(url) as one:
        found = one.embeddings.create(
            model="text-embedding-3-small", input=["Blu-ray", "DVD"], dimensions=64
        )
        print(len(found.data), len(found.data[0].embedding))


@cases.add(script=["One.", "Two."], output="One.")
def several_choices(url: str) -> None:
    with client(url) as one:
        reply = one.chat.completions.create(model=MODEL, messages=asked(), n=2)
        print([choice.message.content for choice in reply.choices])


@cases.add(script=[Reply(text="A disc.", cached_tokens=5, reasoning_tokens=9)], output="A disc.")
def cached_and_reasoning_tokens(url: str) -> None:
    with client(url) as one:
        reply = one.chat.completions.create(
            model="o4-mini", messages=asked(), max_completion_tokens=200
        )
        print(reply.usage)


@cases.add(script=["A cat."], input="What is this?", output="A cat.")
def image_in_the_question(url: str) -> None:
    uri = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
        "awAAAABJRU5ErkJggg=="
    )
    with client(url) as one:
        content = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": uri}},
        ]
        reply = one.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": content}]
        )
        print(reply.choices[0].message.content)


@cases.add(script=["A disc."], input="What is a Blu-ray?", output="A disc.")
def streaming_response_read_by_lines(url: str) -> None:
    with (
        client(url) as one,
        one.chat.completions.with_streaming_response.create(
            model=MODEL, messages=asked()
        ) as answer,
    ):
        for line in answer.iter_lines():
            print(len(line) > 0)


@cases.add(script=["A flat disc."], input="What is a Blu-ray?", output="A flat disc.")
async def events_read_from_a_streaming_response(url: str) -> None:
    async with (
        client_async(url) as one,
        one.chat.completions.with_streaming_response.create(
            model=MODEL,
            messages=asked(),
            stream=True,
            stream_options={"include_usage": True},
        ) as answer,
    ):
        async for line in answer.iter_lines():
            print(line[:6])


@cases.add(script=[LONG], input="What is a Blu-ray?", left_streams=1)
def stream_read_to_its_first_chunk(url: str) -> None:
    with client(url) as one:
        answer = one.chat.completions.create(model=MODEL, messages=asked(), stream=True)
        print(next(answer).choices[0].delta.role)
        print(next(answer).choices[0].delta.content)
        del answer


@cases.add(
    script=[Reply(text='{"thickness_mm": 1', finish_reason="length")],
    input="What is a Blu-ray?",
    output="thickness_mm",
    failed=(Failed("LLM", "chat"),),
    raises="length limit",
)
def parse_of_an_answer_cut_short(url: str) -> None:
    import pydantic

    class Disc(pydantic.BaseModel):
        thickness_mm: float

    with client(url) as one:
        one.beta.chat.completions.parse(model=MODEL, messages=asked(), response_format=Disc)


@cases.add(
    script=['{"thickness_mm": "thin"}'],
    input="What is a Blu-ray?",
    output="thin",
    failed=(Failed("LLM", "chat"),),
    raises="thickness_mm",
)
async def parse_of_an_answer_that_does_not_fit(url: str) -> None:
    import pydantic

    class Disc(pydantic.BaseModel):
        thickness_mm: float

    async with client_async(url) as one:
        await one.beta.chat.completions.parse(model=MODEL, messages=asked(), response_format=Disc)


@cases.add(script=[Reply(refusal="I will not.")], input="What is a Blu-ray?", output="I will not.")
def refusal(url: str) -> None:
    with client(url) as one:
        reply = one.chat.completions.create(model=MODEL, messages=asked())
        print(reply.choices[0].message.refusal)
