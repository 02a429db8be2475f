"""autogen-agentchat: agents, teams of every kind, tools, code, people, memory, state, failures."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Fault, Reply, Rule
from pellucid.testing.held import Held
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("autogen_agentchat", needs=("autogen_agentchat", "autogen_ext"))

ADDS = [
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}. TERMINATE", tool="add"),
]
WRITES = [
    Rule("A line.", system="You write"),
    Rule("Fine. TERMINATE", system="You judge"),
    Rule("In short: a line. TERMINATE"),
]
OWNERS = {"role play": "SelectorGroupChat", "You write": "writer", "You judge": "critic"}


@asynccontextmanager
async def client(url: str, **more: Any) -> AsyncIterator[Any]:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    more = {"model": "gpt-4o", "max_retries": 0, "temperature": 0.1, **more}
    made = OpenAIChatCompletionClient(base_url=url, api_key="k", **more)
    try:
        yield made
    finally:
        await made.close()


def assistant(client: Any, name: str = "helper", system: str = "You help.", **more: Any) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(name, client, system_message=system, description=f"The {name}.", **more)


def writers(client: Any) -> list[Any]:
    return [
        assistant(client, "writer", "You write."),
        assistant(client, "critic", "You judge."),
    ]


def ended(messages: int = 9) -> Any:
    from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination

    return MaxMessageTermination(messages) | TextMentionTermination("TERMINATE")


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


async def fail(a: int, b: int) -> int:
    """Add two numbers, in vain."""
    raise ValueError("no adding today")


fail.__name__ = "add"


def said(result: Any) -> None:
    for message in result.messages:
        print(message.source, type(message).__name__, message.to_text())
    print(result.stop_reason)


ONE: Any = {
    "input": "2 and 3?",
    "agents": ("helper",),
    "owners": {"": "helper"},
    "tools": (Called("add", {"a": 2, "b": 3}, "5"),),
    "manual": "inside the tool",
    "manual_tool": "add",
    "session": True,
}


@cases.add(script=ADDS, output="5", **ONE)
async def an_agent_with_a_tool(url: str) -> None:
    async with client(url) as one:
        said(await assistant(one, tools=[add]).run(task="2 and 3?"))


@cases.add(script=ADDS, output="The sum is 5", **ONE)
async def an_agent_reflects_and_streams(url: str) -> None:
    from autogen_agentchat.ui import Console

    async with client(url) as one:
        helper = assistant(one, tools=[add], reflect_on_tool_use=True, model_client_stream=True)
        await Console(helper.run_stream(task="2 and 3?"), no_inline_images=True)


@cases.add(
    script=[
        Rule(
            [Call("add", {"a": 2, "b": 3}), Call("add", {"a": 4, "b": 5})],
            when=lambda r: r.answered_tool is None,
        ),
        Rule(Call("add", {"a": 5, "b": 9}), when=lambda r: len(r.tool_results) == 2),
        Rule("14 in all."),
    ],
    output="14 in all",
    agents=("helper",),
    tools=(
        Called("add", {"a": 2, "b": 3}, "5"),
        Called("add", {"a": 4, "b": 5}, "9"),
        Called("add", {"a": 5, "b": 9}, "14"),
    ),
)
async def tools_at_once_and_again(url: str) -> None:
    async with client(url) as one:
        said(await assistant(one, tools=[add], max_tool_iterations=5).run(task="Sum up."))


@cases.add(
    script=[ADDS[0], Rule("Sorry.")],
    input="2 and 3?",
    output="Sorry",
    agents=("helper",),
    tools=(Called("add", {"a": 2, "b": 3}, "no adding today"),),
    failed=(Failed("TOOL", "add"),),
)
async def a_tool_fails(url: str) -> None:
    async with client(url) as one:
        helper = assistant(one, tools=[fail], reflect_on_tool_use=True)
        said(await helper.run(task="2 and 3?"))


TEAM: Any = {
    "script": WRITES,
    "input": "Write a line.",
    "output": "TERMINATE",
    "agents": ("writer", "critic"),
    "owners": OWNERS,
    "session": True,
}


@cases.add(**TEAM)
async def round_robin(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        team = RoundRobinGroupChat(writers(one), termination_condition=ended())
        said(await team.run(task="Write a line."))


@cases.add(**TEAM)
async def a_team_as_a_stream(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        agents = [
            assistant(one, "writer", "You write.", model_client_stream=True),
            assistant(one, "critic", "You judge.", model_client_stream=True),
        ]
        team = RoundRobinGroupChat(agents, termination_condition=ended())
        async for item in team.run_stream(task="Write a line."):
            print(type(item).__name__, getattr(item, "content", ""))


SELECTS = [
    Rule("critic", system="role play", when=lambda r: "A line." in r.text),
    Rule("writer", system="role play"),
    *WRITES,
]
SELECTOR = "You are in a role play game. {roles} {history} Choose from {participants}."


async def selected(url: str, **more: Any) -> None:
    from autogen_agentchat.teams import SelectorGroupChat

    async with client(url) as one:
        judge = assistant(one, "judge", "You rule.")
        team = SelectorGroupChat(
            [*writers(one), judge],
            model_client=one,
            selector_prompt=SELECTOR,
            termination_condition=ended(),
            **more,
        )
        said(await team.run(task="Write a line."))


@cases.add(
    **{
        **TEAM,
        "script": SELECTS,
        "others": ("SelectorGroupChat",),
        "stages": (
            Below("CHAIN", "select speaker", "SelectorGroupChat", 2),
            Below("LLM", "", "select speaker", 2),
        ),
    }
)
async def selector_by_model(url: str) -> None:
    await selected(url)


@cases.add(**{**TEAM, "script": SELECTS, "others": ("SelectorGroupChat",)})
async def selector_by_model_streamed(url: str) -> None:
    await selected(url, model_client_streaming=True)


@cases.add(**{**TEAM, "others": ("SelectorGroupChat",)})
async def selector_by_function(url: str) -> None:
    def choose(messages: Any) -> str | None:
        return "critic" if messages[-1].source == "writer" else "writer"

    await selected(url, selector_func=choose)


@cases.add(**{**TEAM, "script": SELECTS, "others": ("SelectorGroupChat",)})
async def selector_among_candidates(url: str) -> None:
    def candidates(messages: Any) -> list[str]:
        return ["writer", "critic"]

    await selected(url, candidate_func=candidates)


@cases.add(
    script=[
        Rule(Call("transfer_to_bob", {}), system="You are alice"),
        Rule("Bob is here. TERMINATE"),
    ],
    input="Go.",
    output="Bob is here",
    agents=("alice", "bob"),
    owners={"alice": "alice", "bob": "bob"},
    tools=(Called("transfer_to_bob"),),
    session=True,
)
async def swarm(url: str) -> None:
    from autogen_agentchat.teams import Swarm

    async with client(url) as one:
        agents = [
            assistant(one, "alice", "You are alice.", handoffs=["bob"]),
            assistant(one, "bob", "You are bob.", handoffs=["alice"]),
        ]
        said(await Swarm(agents, termination_condition=ended()).run(task="Go."))


@cases.add(
    script=[
        Rule(
            Call("transfer_to_user", {}),
            system="You are alice",
            when=lambda r: "Blu-ray" not in r.text,
        ),
        Rule("Clean it. TERMINATE"),
    ],
    traces=2,
    input="Help.",
    output="Clean it",
    agents=("alice",),
    tools=(Called("transfer_to_user"),),
    session=True,
    sessions=1,
)
async def a_swarm_asks_the_user_and_goes_on(url: str) -> None:
    from autogen_agentchat.conditions import HandoffTermination
    from autogen_agentchat.messages import HandoffMessage
    from autogen_agentchat.teams import Swarm

    async with client(url) as one:
        alice = assistant(one, "alice", "You are alice.", handoffs=["user"])
        team = Swarm([alice], termination_condition=HandoffTermination(target="user") | ended())
        said(await team.run(task="Help."))
        answer = HandoffMessage(source="user", target="alice", content="A Blu-ray.")
        said(await team.run(task=answer))


def ledger(request: Any) -> str:
    answers = {
        "is_request_satisfied": "A line." in request.text,
        "is_progress_being_made": True,
        "is_in_loop": False,
        "instruction_or_question": "Write it.",
        "next_speaker": "writer",
    }
    return json.dumps({key: {"reason": "r", "answer": value} for key, value in answers.items()})


@cases.add(
    script=[Rule(ledger, user="is_request_satisfied"), WRITES[0], Rule("Facts, plan, answer")],
    input="A poem?",
    output="Facts, plan, answer",
    agents=("writer", "MagenticOneOrchestrator"),
    owners={"You write": "writer"},
    session=True,
)
async def magentic_one(url: str) -> None:
    from autogen_agentchat.teams import MagenticOneGroupChat

    async with client(url) as one:
        team = MagenticOneGroupChat([writers(one)[0]], model_client=one)
        said(await team.run(task="A poem?"))


async def flow(url: str, draw: Callable[[Any, list[Any]], None], count: int = 3) -> None:
    from autogen_agentchat.teams import DiGraphBuilder, GraphFlow

    async with client(url) as one:
        agents = [assistant(one, f"step{n}", f"You do {n}.") for n in range(count)]
        builder = DiGraphBuilder()
        for agent in agents:
            builder.add_node(agent)
        draw(builder, agents)
        team = GraphFlow(
            participants=builder.get_participants(),
            graph=builder.build(),
            termination_condition=ended(12),
        )
        said(await team.run(task="Go."))


STEPS: Any = {
    "script": [
        Rule("No 0: yes", system="You do 0"),
        Rule("No 1", system="You do 1"),
        Rule("No 2", system="You do 2"),
        Rule("No 3"),
    ],
    "input": "Go.",
    "owners": {f"You do {n}": f"step{n}" for n in range(4)},
    "session": True,
}


@cases.add(agents=("step0", "step1", "step2"), **STEPS)
async def graph_in_a_line(url: str) -> None:
    await flow(url, lambda b, a: b.add_edge(a[0], a[1]) and b.add_edge(a[1], a[2]) and None)


@cases.add(
    agents=("step0", "step1", "step2", "step3"),
    parallel=True,
    stages=(Below("AGENT", "step[12]", "GraphFlow", 2),),
    **STEPS,
)
async def graph_fans_out_and_in(url: str) -> None:
    def draw(b: Any, a: list[Any]) -> None:
        b.add_edge(a[0], a[1])
        b.add_edge(a[0], a[2])
        b.add_edge(a[1], a[3])
        b.add_edge(a[2], a[3])

    await flow(url, draw, 4)


@cases.add(agents=("step0", "step2"), **STEPS)
async def graph_with_conditions(url: str) -> None:
    def draw(b: Any, a: list[Any]) -> None:
        b.add_edge(a[0], a[1], condition=lambda message: "no!" in message.to_model_text())
        b.add_edge(a[0], a[2], condition=lambda message: "yes" in message.to_model_text())

    await flow(url, draw)


@cases.add(
    script=WRITES,
    input="Write a line.",
    output="In short",
    agents=("writer", "critic", "society"),
    owners={**OWNERS, "": "society"},
    stages=(Below("AGENT", "writer", "^society$"), Below("AGENT", "critic", "^society$")),
)
async def society_of_mind(url: str) -> None:
    from autogen_agentchat.agents import SocietyOfMindAgent
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        inner = RoundRobinGroupChat(writers(one), termination_condition=ended())
        society = SocietyOfMindAgent("society", team=inner, model_client=one)
        outer = RoundRobinGroupChat([society], max_turns=1)
        said(await outer.run(task="Write a line."))


@cases.add(
    script=WRITES,
    input="Write a line.",
    agents=("writer", "critic"),
    owners=OWNERS,
    stages=(Below("AGENT", "writer", "^inner$"), Below("CHAIN", "^inner$", "^outer$")),
)
async def a_team_in_a_team(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        writer, critic = writers(one)
        inner = RoundRobinGroupChat([writer], name="inner", max_turns=1)
        outer = RoundRobinGroupChat([inner, critic], name="outer", termination_condition=ended(4))
        said(await outer.run(task="Write a line."))


@cases.add(
    script=[
        Rule(
            Call("writer", {"task": "Write a line."}),
            offers="writer",
            when=lambda r: r.answered_tool is None,
        ),
        *WRITES[:1],
        Rule("Here: a line."),
    ],
    input="A line?",
    output="Here",
    agents=("boss", "writer"),
    owners={"You write": "writer", "You lead": "boss"},
    tools=(Called("writer", {"task": "Write a line."}, "A line."),),
    stages=(Below("AGENT", "^writer$", "^boss$"),),
)
async def an_agent_as_a_tool(url: str) -> None:
    from autogen_agentchat.tools import AgentTool

    async with client(url, parallel_tool_calls=False) as one:
        tool = AgentTool(writers(one)[0])
        boss = assistant(one, "boss", "You lead.", tools=[tool], reflect_on_tool_use=True)
        said(await boss.run(task="A line?"))


@cases.add(
    script=[
        Rule(
            Call("writers", {"task": "Write a line."}),
            offers="writers",
            when=lambda r: r.answered_tool is None,
        ),
        *WRITES[:2],
        Rule("Here: a line."),
    ],
    input="A line?",
    output="Here",
    agents=("boss", "writer", "critic"),
    owners={**OWNERS, "You lead": "boss"},
    tools=(Called("writers", {"task": "Write a line."}),),
    stages=(Below("AGENT", "^writer$", "^boss$"),),
)
async def a_team_as_a_tool(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_agentchat.tools import TeamTool

    async with client(url, parallel_tool_calls=False) as one:
        team = RoundRobinGroupChat(writers(one), termination_condition=ended())
        tool = TeamTool(team, name="writers", description="They write.")
        boss = assistant(one, "boss", "You lead.", tools=[tool], reflect_on_tool_use=True)
        said(await boss.run(task="A line?"))


@cases.add(script=[Rule("Metric.")], input="Units?", output="Metric", agents=("helper",))
async def memory(url: str) -> None:
    from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType

    async with client(url) as one:
        held = ListMemory()
        await held.add(MemoryContent(content="Uses metres.", mime_type=MemoryMimeType.TEXT))
        said(await assistant(one, memory=[held]).run(task="Units?"))


@cases.add(
    script=[{"title": "Alien", "year": 1979}],
    input="What film?",
    output="Alien",
    agents=("helper",),
)
async def structured_output(url: str) -> None:
    from pydantic import BaseModel

    class Film(BaseModel):
        title: str
        year: int

    async with client(url) as one:
        helper = assistant(one, output_content_type=Film)
        print((await helper.run(task="What film?")).messages[-1].content)


@cases.add(
    script=["One.", "Two.", "Three."],
    traces=3,
    input="Hello",
    output="Three.",
    agents=("helper",),
    session=True,
)
async def state_is_saved_and_loaded(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        team = RoundRobinGroupChat([assistant(one)], max_turns=1)
        said(await team.run(task="Hello"))
        said(await team.run(task="More"))
        state = await team.save_state()
        again = RoundRobinGroupChat([assistant(one)], max_turns=1)
        await again.load_state(state)
        said(await again.run(task="And?"))


@cases.add(
    script=["One.", "Two.", "Three."],
    traces=3,
    input="Hello",
    output="Three.",
    agents=("writer", "critic"),
    session=True,
)
async def paused_resumed_and_reset(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        team = RoundRobinGroupChat(writers(one), max_turns=1)
        said(await team.run(task="Hello"))
        said(await team.run())
        await team.reset()
        said(await team.run(task="Anew"))


@cases.add(
    script=[
        Rule("```python\nprint(6 * 7)\n```", user="Compute"),
        Rule("It printed 42. TERMINATE"),
    ],
    input="Compute",
    output="42",
    agents=("helper", "coder"),
    owners={"": "helper"},
    tools=(Called("execute code", None, "42"),),
)
async def code_that_runs(url: str) -> None:
    from autogen_agentchat.agents import CodeExecutorAgent
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

    with tempfile.TemporaryDirectory() as folder:
        async with client(url) as one, LocalCommandLineCodeExecutor(work_dir=folder) as executor:
            coder = CodeExecutorAgent("coder", executor)
            team = RoundRobinGroupChat([assistant(one), coder], termination_condition=ended(4))
            said(await team.run(task="Compute."))


@cases.add(
    script=[
        Rule("```python\nraise SystemExit(3)\n```", user="Compute"),
        Rule("It failed. TERMINATE"),
    ],
    output="It failed",
    agents=("helper", "coder"),
    tools=(Called("execute code"),),
    failed=(Failed("TOOL", "execute code"),),
)
async def code_that_fails(url: str) -> None:
    from autogen_agentchat.agents import CodeExecutorAgent
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

    with tempfile.TemporaryDirectory() as folder:
        async with client(url) as one, LocalCommandLineCodeExecutor(work_dir=folder) as executor:
            coder = CodeExecutorAgent("coder", executor)
            team = RoundRobinGroupChat([assistant(one), coder], termination_condition=ended(4))
            said(await team.run(task="Compute."))


@cases.add(
    script=[
        Rule("```python\nprint(6 * 7)\n```", user="Compute", times=1),
        Rule("It printed 42. TERMINATE"),
    ],
    input="Compute",
    output="It printed 42",
    agents=("coder",),
    owners={"": "coder"},
    tools=(Called("execute code", None, "42"),),
)
async def a_coder_that_writes_its_code(url: str) -> None:
    from autogen_agentchat.agents import CodeExecutorAgent
    from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

    with tempfile.TemporaryDirectory() as folder:
        async with client(url) as one, LocalCommandLineCodeExecutor(work_dir=folder) as executor:
            coder = CodeExecutorAgent("coder", executor, model_client=one)
            said(await coder.run(task="Compute."))


@cases.add(
    script=[Rule("Which disc?", user="Help"), Rule("Clean it. TERMINATE")],
    input="Help",
    output="Clean it",
    agents=("helper", "person"),
    owners={"": "helper"},
)
async def a_person_answers(url: str) -> None:
    from autogen_agentchat.agents import UserProxyAgent
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        person = UserProxyAgent("person", input_func=lambda prompt: "The Blu-ray.")
        team = RoundRobinGroupChat([assistant(one), person], termination_condition=ended(6))
        said(await team.run(task="Help"))


@cases.add(
    script=[Rule("A line of words that goes on and on and on for a while.")],
    token_delay_s=0.002,
    input="Write.",
    agents=("helper",),
)
async def a_stream_left_half_way(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        team = RoundRobinGroupChat([assistant(one, model_client_stream=True)], max_turns=1)
        stream = team.run_stream(task="Write.")
        count = 0
        async for item in stream:
            count += 1
            print(type(item).__name__)
            if count == 4:
                break
        await stream.aclose()


late = Held("A line.")


@cases.add(
    script=[Rule(late)],
    unheard=1,
    input="Write.",
    agents=("helper",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
)
async def a_run_is_cancelled_by_its_token(url: str) -> None:
    from autogen_core import CancellationToken

    async with client(url) as one:
        token = CancellationToken()
        task = asyncio.create_task(assistant(one).run(task="Write.", cancellation_token=token))
        await late.asked()
        token.cancel()
        try:
            await task
        except asyncio.CancelledError:
            print("cancelled")
        late.let_go()


@cases.add(
    script=[Rule("A line.")],
    faults=[Fault(status=429, retry_after_s=0.01), Fault(status=500, retry_after_s=0.01)],
    output="A line.",
    agents=("helper",),
)
async def retries(url: str) -> None:
    async with client(url, max_retries=3) as one:
        said(await assistant(one).run(task="Write."))


@cases.add(
    script=[WRITES[0]],
    faults=[Fault(status=500, when=lambda b: "You judge" in str(b), times=None)],
    input="Write a line.",
    agents=("writer", "critic"),
    owners=OWNERS,
    failed=(Failed("LLM", "gpt-4o", "*"),),
    raises="told to fail",
)
async def a_model_fails_in_a_team(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:
        team = RoundRobinGroupChat(writers(one), termination_condition=ended())
        await team.run(task="Write a line.")


@cases.add(
    script=[],
    faults=[Fault(status=500, times=None)],
    agents=("helper",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
    raises="told to fail",
)
async def a_streamed_model_fails(url: str) -> None:
    async with client(url) as one:
        async for item in assistant(one, model_client_stream=True).run_stream(task="Write."):
            print(type(item).__name__)


@cases.add(
    script=[Rule("A line.")],
    agents=("helper",),
    parallel=True,
    stages=(Below("CHAIN", "RoundRobin", "branches", 3),),
)
async def teams_side_by_side(url: str) -> None:
    from autogen_agentchat.teams import RoundRobinGroupChat

    async with client(url) as one:

        async def work(number: int) -> str:
            team = RoundRobinGroupChat([assistant(one)], max_turns=1)
            return str((await team.run(task=f"Task {number}")).messages[-1].to_text())

        with pellucid.span("branches"):
            print(await asyncio.gather(*map(work, range(3))))


@cases.add(
    script=[Reply(text="A thought.", cached_tokens=3)],
    input="2 and 3?",
    output="A thought.",
    agents=("helper",),
)
async def called_by_its_messages(url: str) -> None:
    from autogen_agentchat.messages import TextMessage
    from autogen_core import CancellationToken

    async with client(url) as one:
        message = TextMessage(content="2 and 3?", source="user")
        response = await assistant(one).on_messages([message], CancellationToken())
        print(response.chat_message.content)


@cases.add(
    script=[*ADDS[:1], Rule("It is 5.")],
    input="2 and 3?",
    output="It is 5",
    agents=("helper",),
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
    manual="inside the tool",
    manual_tool="add",
)
async def a_workbench(url: str) -> None:
    from autogen_core.tools import FunctionTool, StaticWorkbench

    async with client(url) as one:
        bench = StaticWorkbench([FunctionTool(add, description="Add.")])
        helper = assistant(one, workbench=bench, reflect_on_tool_use=True)
        said(await helper.run(task="2 and 3?"))


@cases.add(script=[Rule("A line.")], output="A line.", agents=())
async def a_model_client_alone(url: str) -> None:
    from autogen_core.models import UserMessage

    async with client(url) as one:
        print((await one.create([UserMessage(content="Hi", source="user")])).content)


@cases.add(script=[Rule("A line of words.")], output="A line of words.")
async def a_model_client_alone_streamed(url: str) -> None:
    from autogen_core.models import UserMessage

    async with client(url) as one:
        async for item in one.create_stream([UserMessage(content="Hi", source="user")]):
            print(item if isinstance(item, str) else item.content)


@cases.add(
    script=[Call("subtract", {"a": 1}), "I cannot."],
    input="1 less?",
    output="I cannot.",
    agents=("helper",),
    tools=(Called("subtract", {"a": 1}, "not found"),),
    failed=(Failed("TOOL", "subtract"),),
)
async def tool_that_is_not_there(url: str) -> None:
    async with client(url) as one:
        helper = assistant(one, tools=[add], reflect_on_tool_use=True)
        said(await helper.run(task="1 less?"))


@cases.add(
    script=[Call("add", '{"a": 1,'), "I cannot."],
    input="1 more?",
    output="I cannot.",
    agents=("helper",),
    tools=(Called("add", '{"a": 1,'),),
    failed=(Failed("TOOL", "add"),),
)
async def tool_arguments_that_are_no_json(url: str) -> None:
    async with client(url) as one:
        helper = assistant(one, tools=[add], reflect_on_tool_use=True)
        said(await helper.run(task="1 more?"))


@cases.add(
    script=["In millimetres: 1.2."],
    input="How thick?",
    output="1.2",
    agents=("helper",),
    documents=(("metric", None), ("A Blu-ray disc is 1.2 mm thick.", 0.9)),
    stages=(Below("RETRIEVER", "ListMemory", "helper"),),
)
async def memories(url: str) -> None:
    from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType

    text = MemoryMimeType.TEXT
    one, two = ListMemory(), ListMemory()
    await one.add(MemoryContent(content="Units are metric.", mime_type=text))
    await two.add(
        MemoryContent(
            content="A Blu-ray disc is 1.2 mm thick.",
            mime_type=text,
            metadata={"id": "disc", "score": 0.9},
        )
    )
    async with client(url) as model:
        said(await assistant(model, memory=[one, two]).run(task="How thick?"))
