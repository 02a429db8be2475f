"""autogen-agentchat: agents, teams, selectors, swarms, tools, streams, failures."""

from collections.abc import Iterator
from typing import Any

import pytest

import pellucid
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Call, Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.conformance import Recording, shown

pytest.importorskip("autogen_agentchat", reason="autogen-agentchat is in environment a")
pytestmark = pytest.mark.filterwarnings("default")

SCRIPT = [
    Rule("writer", system="Choose who speaks"),
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
    Rule(Call("transfer_to_bob", {}), offers="transfer_to_bob"),
    Rule("All done. TERMINATE"),
]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted


@pytest.fixture
def client(server: ScriptedModelServer) -> Any:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    return OpenAIChatCompletionClient(
        model="gpt-4o", base_url=server.base_url, api_key="k", temperature=0.1, max_retries=0
    )


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    assert "autogen" in autolog()
    yield
    autolog(disable=True)


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


async def fail(a: int, b: int) -> int:
    """Add two numbers, in vain."""
    raise ValueError("no adding today")


fail.__name__ = "add"


def assistant(client: Any, name: str = "helper", **more: Any) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(name, client, **more)


async def test_one_agent_with_a_tool(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    result = await assistant(client, tools=[add], reflect_on_tool_use=True).run(task="2 and 3?")
    assert "The sum is 5" in result.messages[-1].content
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="2 and 3?", output="The sum is 5")
    recording.check_owner("helper")
    tool = recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.named("inside the tool").parent_id == tool.span_id
    assert recording.of_kind(SpanKind.LLM)[0].parameters["temperature"] == 0.1
    recording.check_no_failure()


async def test_a_stream_of_one_agent(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    agent = assistant(client, tools=[add], model_client_stream=True)
    async for _ in agent.run_stream(task="2 and 3?"):
        assert pellucid.current_trace_id() is None
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("helper")
    assert recording.of_kind(SpanKind.LLM)[0].ttft_ns


async def test_a_tool_that_fails(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    await assistant(client, tools=[fail], reflect_on_tool_use=True).run(task="2 and 3?")
    (failed,) = recording.of_kind(SpanKind.TOOL)
    recording.check_failure(failed)
    assert recording.root.status is Status.OK


async def test_a_round_robin(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat

    team = RoundRobinGroupChat(
        [assistant(client, "writer"), assistant(client, "critic")],
        termination_condition=MaxMessageTermination(3),
    )
    result = await team.run(task="Write a line.")
    assert len(result.messages) == 3
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="Write a line.", output="All done")
    recording.check_owner("writer", "critic")
    for agent in recording.of_kind(SpanKind.AGENT):
        assert agent.parent_id == recording.root.span_id
        assert "All done" in shown(agent.output)


async def test_a_selector_shows_the_candidates_and_the_choice(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import SelectorGroupChat

    team = SelectorGroupChat(
        [assistant(client, "writer"), assistant(client, "critic"), assistant(client, "judge")],
        model_client=client,
        selector_prompt="Choose who speaks: {participants}. {history} {roles}",
        allow_repeated_speaker=True,
        termination_condition=MaxMessageTermination(3),
    )
    await team.run(task="Write a line.")
    recording.check_structure()
    recording.check_model_calls(server.log)
    chosen = [span for span in recording.spans if span.name == "select speaker"]
    assert [span.output for span in chosen] == ["writer", "writer"]
    assert "judge" in shown(chosen[0].input)
    assert [span.kind for span in recording.children(chosen[0])] == [SpanKind.LLM]


async def test_a_swarm_hands_over_by_name(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from autogen_agentchat.conditions import TextMentionTermination
    from autogen_agentchat.teams import Swarm

    alice = assistant(client, "alice", handoffs=["bob"])
    team = Swarm(
        [alice, assistant(client, "bob")],
        termination_condition=TextMentionTermination("TERMINATE"),
    )
    await team.run(task="Go.")
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("alice", "bob")
    recording.check_tool("transfer_to_bob")
    first = recording.named("alice")
    handed = next(event for event in first.events if event.name == "handoff")
    assert handed.attributes == {"target": "bob"}


async def test_a_team_inside_a_team_and_a_runtime_of_the_users(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_core import SingleThreadedAgentRuntime

    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    inner = RoundRobinGroupChat(
        [assistant(client, "inner_agent")],
        name="inner",
        termination_condition=MaxMessageTermination(2),
        runtime=runtime,
    )
    outer = RoundRobinGroupChat(
        [inner], name="outer", termination_condition=MaxMessageTermination(2), runtime=runtime
    )
    await outer.run(task="Go.")
    await runtime.stop_when_idle()
    recording.check_structure()
    recording.check_model_calls(server.log)
    agent = recording.named("inner_agent")
    assert [span.name for span in recording.ancestors(agent)] == ["inner", "outer"]


async def test_an_abandoned_stream_ends(client: Any, recording: Recording) -> None:
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat

    team = RoundRobinGroupChat(
        [assistant(client, "writer")], termination_condition=MaxMessageTermination(9)
    )
    stream = team.run_stream(task="Write.")
    await anext(stream)
    await stream.aclose()
    assert recording.root.name == team.name
    recording.check_structure()


async def test_a_model_that_fails_fails_the_team(client: Any, recording: Recording) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    dead = OpenAIChatCompletionClient(
        model="gpt-4o", base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0
    )
    with pytest.raises(RuntimeError, match="onnection"):
        await RoundRobinGroupChat([assistant(dead, "writer")], max_turns=1).run(task="Go.")
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert recording.root.status is Status.ERROR


async def test_the_frameworks_own_spans_come_back(client: Any, recording: Recording) -> None:
    from autogen_core._telemetry import _genai

    autolog(disable=True)
    assert type(_genai.trace).__name__ == "module"
    await assistant(client).run(task="Hello")
    assert {span.kind for span in recording.spans} <= {SpanKind.AGENT, SpanKind.UNKNOWN}


@pytest.mark.parametrize("in_team", [False, True])
async def test_a_stream_that_is_left_has_not_failed(
    client: Any, recording: Recording, in_team: bool
) -> None:
    import asyncio
    import gc

    from autogen_agentchat.teams import RoundRobinGroupChat

    async def leave() -> None:
        agent = assistant(client, "writer", model_client_stream=True)
        runner = RoundRobinGroupChat([agent], max_turns=50) if in_team else agent
        count = 0
        async for _ in runner.run_stream(task="Write."):
            count += 1
            if count == 3:
                break

    await asyncio.to_thread(asyncio.run, leave())
    gc.collect()
    recording.check_structure()
    recording.check_no_failure()


async def test_an_agent_that_is_called_by_its_messages(
    client: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from autogen_agentchat.messages import TextMessage
    from autogen_core import CancellationToken

    message = TextMessage(content="2 and 3?", source="user")
    await assistant(client, tools=[add]).on_messages([message], CancellationToken())
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("helper")
    recording.check_root(input="2 and 3?", output="5")


async def test_what_goes_on_is_one_session(client: Any, recording: Recording) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    team = RoundRobinGroupChat([assistant(client, "writer")], max_turns=1)
    await team.run(task="Write.")
    await team.run(task="More.")
    await assistant(client, "other").run(task="Else.")
    sessions = [span.session_id for span in recording.spans if not span.parent_id]
    assert sessions[0]
    assert sessions[0] == sessions[1] != sessions[2]


async def test_an_orchestrator_takes_its_turns_as_an_agent(recording: Recording) -> None:
    import json

    from autogen_agentchat.teams import MagenticOneGroupChat
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    def ledger(done: bool) -> str:
        answers = {
            "is_request_satisfied": done,
            "is_progress_being_made": True,
            "is_in_loop": False,
            "instruction_or_question": "Write it.",
            "next_speaker": "writer",
        }
        return json.dumps({key: {"reason": "r", "answer": a} for key, a in answers.items()})

    script = [
        Rule(
            lambda r: ledger("A draft" in str([m.text for m in r.messages])),
            user="is_request_satisfied",
        ),
        Rule("A draft", user="Write it."),
        Rule("Facts, plan, answer"),
    ]
    with ScriptedModelServer(script=script) as server:
        client = OpenAIChatCompletionClient(
            model="gpt-4o", base_url=server.base_url, api_key="k", max_retries=0
        )
        team = MagenticOneGroupChat([assistant(client, "writer")], model_client=client)
        await team.run(task="A poem?")
        recording.check_structure()
        recording.check_model_calls(server.log)
    recording.check_owner("writer", "MagenticOneOrchestrator")
    recording.check_root(input="A poem?", output="Facts, plan, answer")
    recording.check_no_failure()
