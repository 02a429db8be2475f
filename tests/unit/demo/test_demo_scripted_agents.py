import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from pellucid.core.errors import InvalidInput
from pellucid.demo.calculator import calculate, format_number
from pellucid.demo.corpus import load_corpus
from pellucid.demo.retrieval import Index
from pellucid.demo.scripted_agents import scripted_agent_server
from pellucid.demo.tools import TOOLS

OFFERED: Any = [tool for tool in TOOLS if tool["function"]["name"] != "draw_stack"]
NUMBERS = {chunk.id: number for number, chunk in enumerate(load_corpus(), start=1)}


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with (
        scripted_agent_server() as server,
        openai.OpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        yield client


def run_tool(name: str, arguments: dict[str, Any]) -> str:
    if name == "search_encyclopedia":
        hits = Index(load_corpus()).search(arguments["query"], 3)
        return "\n".join(f"[{NUMBERS[h.chunk.id]}] {h.chunk.title}: {h.chunk.text}" for h in hits)
    if name == "calculate":
        return format_number(calculate(arguments["expression"]))
    return "428360"


def test_an_agent_with_tools_is_led_to_the_answer(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "How many discs?"}]
    while True:
        reply = client.chat.completions.create(
            model="gpt-4o-mini", messages=messages, tools=OFFERED
        )
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            assert call.type == "function"
            result = run_tool(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert message.content is not None
    assert "8,568 dual-layer" in message.content
    assert "1.1 times a three-storey house" in message.content


def test_a_failing_tool_ends_the_search_for_an_answer(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "How many discs?"}]
    for turn in range(3):
        reply = client.chat.completions.create(model="m", messages=messages, tools=OFFERED)
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            assert call.type == "function"
            arguments = json.loads(call.function.arguments)
            result = run_tool(call.function.name, arguments) if turn == 0 else "Error: broken"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert "cannot be answered" in str(message.content)


def test_an_agent_without_tools_or_sources_is_told_so(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "How many discs?"}]
    )
    assert "do not hold the figures" in str(reply.choices[0].message.content)


def test_dspy_steps_are_written_as_text(client: openai.OpenAI) -> None:
    names = "'search_encyclopedia', 'calculate', 'convert_units', 'finish'"
    system = f"fields: `next_thought` `next_tool_name` (Literal[{names}]) `trajectory`"
    trajectory = ""
    for number in range(20):
        text = f"[[ ## trajectory ## ]]\n{trajectory}\n\nRespond with the fields"
        reply = client.chat.completions.create(
            model="m",
            messages=[{"role": "system", "content": system}, {"role": "user", "content": text}],
        )
        step = str(reply.choices[0].message.content)
        fields = dict(
            part.split(" ## ]]\n", 1) for part in step.split("[[ ## ") if " ## ]]\n" in part
        )
        name, arguments = fields["next_tool_name"].strip(), fields["next_tool_args"].strip()
        if name == "finish":
            break
        try:
            observed = run_tool(name, json.loads(arguments))
        except InvalidInput as error:
            observed = str(error)
        trajectory += (
            f"[[ ## thought_{number} ## ]]\nx\n\n[[ ## tool_name_{number} ## ]]\n{name}\n\n"
            f"[[ ## tool_args_{number} ## ]]\n{arguments}\n\n"
            f"[[ ## observation_{number} ## ]]\n{observed}\n\n"
        )
    reply = client.chat.completions.create(
        model="m",
        messages=[
            {"role": "system", "content": "`trajectory`, then `answer`"},
            {"role": "user", "content": f"{trajectory}Respond with the fields"},
        ],
    )
    assert "8,568 dual-layer" in str(reply.choices[0].message.content)
