"""ag2 from 1.0: turns, tools, agents as tools, streams, failures."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import pellucid
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Call, Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.conformance import Recording, shown

ag2: Any = pytest.importorskip("ag2", reason="ag2 1.x is in environment b")
pytestmark = pytest.mark.filterwarnings("default")

SCRIPT = [
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
    Rule(
        Call("task_helper", {"objective": "Say hello"}),
        offers="task_helper",
        when=lambda r: r.answered_tool is None,
    ),
    Rule("Hello there."),
]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted


@pytest.fixture
def config(server: ScriptedModelServer) -> Any:
    from ag2.config import OpenAIConfig

    return OpenAIConfig(
        model="gpt-4o", base_url=server.base_url, api_key="k", max_retries=0, temperature=0.1
    )


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    assert "autogen" in autolog()
    yield
    autolog(disable=True)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


def fail(a: int, b: int) -> int:
    """Add two numbers, in vain."""
    raise ValueError("no adding today")


fail.__name__ = "add"


async def test_a_turn_with_a_tool(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    agent = ag2.Agent("helper", "Be brief.", config=config, tools=[add])
    reply = await agent.ask("2 and 3?")
    assert "The sum is 5" in reply.body
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="2 and 3?", output="The sum is 5")
    recording.check_owner("helper")
    tool = recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.named("inside the tool").parent_id == tool.span_id
    first = recording.of_kind(SpanKind.LLM)[0]
    assert first.parameters["temperature"] == 0.1
    assert first.input_messages[0].role == "system"
    recording.check_no_failure()


async def test_turns_of_one_conversation_are_one_session(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    reply = await ag2.Agent("helper", config=config).ask("Hello?")
    await reply.ask("And again?")
    recording.check_structure(traces=2)
    recording.check_model_calls(server.log)
    sessions = {span.session_id for span in recording.spans}
    assert len(sessions) == 1
    assert sessions != {None}


async def test_an_agent_as_a_tool(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    helper = ag2.Agent("helper", config=config)
    outer = ag2.Agent("outer", config=config, tools=[helper.as_tool(description="Says hello.")])
    await outer.ask("Delegate.")
    recording.check_structure()
    recording.check_model_calls(server.log)
    inner = recording.named("helper")
    kinds = [span.kind for span in recording.ancestors(inner)]
    assert kinds == [SpanKind.TOOL, SpanKind.AGENT]


async def test_a_tool_that_fails(
    config: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    await ag2.Agent("helper", config=config, tools=[fail]).ask("2 and 3?")
    (failed,) = recording.of_kind(SpanKind.TOOL)
    recording.check_failure(failed)
    assert recording.root.status is Status.OK
    sent = shown(server.log[1].request["messages"])
    assert "no adding today" in sent
    assert "pellucid" not in sent.replace("pellucid/tests", "").replace("test_ag2_next", "")


async def test_a_stream(config: Any, server: ScriptedModelServer, recording: Recording) -> None:
    import dataclasses

    streaming = dataclasses.replace(config, streaming=True)
    await ag2.Agent("helper", config=streaming).ask("Hello?")
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert recording.of_kind(SpanKind.LLM)[0].ttft_ns


async def test_a_model_that_fails(recording: Recording) -> None:
    from ag2.config import OpenAIConfig

    dead = OpenAIConfig(model="m", base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0)
    with pytest.raises(Exception, match="onnection"):
        await ag2.Agent("helper", config=dead).ask("Hello?")
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert recording.root.status is Status.ERROR


async def test_a_turn_that_a_closing_hub_cuts_short_has_not_failed(recording: Recording) -> None:
    import dataclasses

    from ag2.config import OpenAIConfig
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import Hub, HubClient, LocalLink

    asked = threading.Event()

    def think(_: Any) -> str:
        asked.set()
        return "A thought that nobody waits for. " * 40

    with ScriptedModelServer(script=think, latency_s=0.0, token_delay_s=0.5) as slow:
        config = OpenAIConfig(model="gpt-4o", base_url=slow.base_url, api_key="k", max_retries=0)
        config = dataclasses.replace(config, streaming=True)
        async with await Hub.open(MemoryKnowledgeStore()) as hub:
            async with HubClient(LocalLink(hub), hub=hub) as network:
                planner = await network.register(ag2.Agent("planner", config=config))
                await network.register(ag2.Agent("critic", config=config))
                channel = await planner.open(type="conversation", target="critic")
                await channel.send("A plan?")
                while not asked.is_set():
                    await asyncio.sleep(0.01)
                await hub.close()
    assert recording.root.name == "channel conversation"
    assert recording.named("critic").status is Status.OK
    recording.check_structure()
    recording.check_no_failure()
