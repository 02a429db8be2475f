"""ag2 from 1.0: agents, tools, agents as tools, subtasks, people, streams, networks, failures."""

import asyncio
import dataclasses
from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Fault, Reply, Rule
from pellucid.testing.held import Held
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("ag2_next", needs=("ag2",))

ADDS = [
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
]


def config(url: str, **more: Any) -> Any:
    from ag2.config import OpenAIConfig

    more = {"model": "gpt-4o", "max_retries": 0, "temperature": 0.1, **more}
    return OpenAIConfig(base_url=url, api_key="k", **more)


def agent(url: str, name: str = "helper", prompt: str = "You help.", **more: Any) -> Any:
    import ag2

    more.setdefault("config", config(url))
    return ag2.Agent(name, prompt, **more)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


ONE: Any = {
    "input": "2 and 3?",
    "output": "The sum is 5",
    "agents": ("helper",),
    "owners": {"": "helper"},
    "tools": (Called("add", {"a": 2, "b": 3}, "5"),),
    "manual": "inside the tool",
    "manual_tool": "add",
    "session": True,
}


@cases.add(script=ADDS, **ONE)
async def a_tool(url: str) -> None:
    print((await agent(url, tools=[add]).ask("2 and 3?")).body)


@cases.add(script=ADDS, **ONE)
async def an_async_tool_of_a_toolkit(url: str) -> None:
    import ag2

    @ag2.tool(name="add", description="Add two numbers.")
    async def added(a: int, b: int) -> str:
        await asyncio.sleep(0)
        with pellucid.span("inside the tool"):
            return str(a + b)

    print((await agent(url, tools=[ag2.Toolkit(added)]).ask("2 and 3?")).body)


@cases.add(script=ADDS, **ONE)
async def a_streamed_turn(url: str) -> None:
    streaming = dataclasses.replace(config(url), streaming=True)
    print((await agent(url, tools=[add], config=streaming).ask("2 and 3?")).body)


@cases.add(script=ADDS, **ONE)
async def the_responses_api(url: str) -> None:
    from ag2.config import OpenAIResponsesConfig

    responses = OpenAIResponsesConfig(
        model="gpt-4o", base_url=url, api_key="k", max_retries=0, temperature=0.1
    )
    print((await agent(url, tools=[add], config=responses).ask("2 and 3?")).body)


@cases.add(script=ADDS, **ONE)
async def run_and_watched(url: str) -> None:
    async with agent(url, tools=[add]).run("2 and 3?") as run:
        seen: list[str] = []
        run.stream.subscribe(lambda event: seen.append(type(event).__name__))
        run.start()
        print((await run.result()).body, seen)


@cases.add(
    script=[
        Rule(
            [Call("add", {"a": 2, "b": 3}), Call("add", {"a": 4, "b": 5})],
            when=lambda r: r.answered_tool is None,
        ),
        Rule("5 and 9."),
    ],
    output="5 and 9",
    agents=("helper",),
    tools=(Called("add", {"a": 2, "b": 3}, "5"), Called("add", {"a": 4, "b": 5}, "9")),
    manual="inside the tool",
    manual_tool="add",
)
async def two_tools_at_once(url: str) -> None:
    print((await agent(url, tools=[add]).ask("Both?")).body)


@cases.add(
    script=[ADDS[0], Rule("Sorry.")],
    input="2 and 3?",
    output="Sorry",
    agents=("helper",),
    tools=(Called("add", {"a": 2, "b": 3}, "no adding today"),),
    failed=(Failed("TOOL", "add"),),
)
async def a_tool_fails(url: str) -> None:
    def failing(a: int, b: int) -> int:
        """Add two numbers, in vain."""
        raise ValueError("no adding today")

    failing.__name__ = "add"
    print((await agent(url, tools=[failing]).ask("2 and 3?")).body)


@cases.add(
    script=[
        Rule(Call("divide", {"x": 1}), when=lambda r: r.answered_tool is None),
        Rule("There is none."),
    ],
    output="There is none",
    agents=("helper",),
    tools=(Called("divide", {"x": 1}),),
    failed=(Failed("TOOL", "divide"),),
)
async def a_tool_that_is_not_there(url: str) -> None:
    print((await agent(url, tools=[add]).ask("Divide?")).body)


@cases.add(
    script=["One.", "Two.", "Three."],
    traces=3,
    input="Hello?",
    output="Three.",
    agents=("helper",),
    session=True,
    sessions=1,
)
async def a_conversation_of_turns(url: str) -> None:
    first = await agent(url).ask("Hello?")
    second = await first.ask("And?")
    async with second.run("So?") as run:
        print((await run.result()).body)


@cases.add(
    script=[
        Rule(
            Call("task_writer", {"objective": "Write a line."}),
            offers="task_writer",
            when=lambda r: r.answered_tool is None,
        ),
        Rule("A line.", system="You write"),
        Rule("Here: a line."),
    ],
    input="A line?",
    output="Here",
    agents=("boss", "writer"),
    owners={"You write": "writer", "You lead": "boss"},
    tools=(Called("task_writer", {"objective": "Write a line."}, "A line."),),
    stages=(Below("AGENT", "writer", "boss"),),
)
async def an_agent_as_a_tool(url: str) -> None:
    writer = agent(url, "writer", "You write.")
    boss = agent(url, "boss", "You lead.", tools=[writer.as_tool(description="Writes.")])
    print((await boss.ask("A line?")).body)


@cases.add(
    script=[
        Rule(
            [
                Call("task_writer", {"objective": "Write a line."}),
                Call("task_critic", {"objective": "Judge a line."}),
            ],
            system="You lead",
            when=lambda r: r.answered_tool is None,
        ),
        Rule("A line.", system="You write"),
        Rule("Fine.", system="You judge"),
        Rule("All done."),
    ],
    output="All done",
    agents=("boss", "writer", "critic"),
    owners={"You write": "writer", "You judge": "critic", "You lead": "boss"},
    tools=(Called("task_writer", None, "A line."), Called("task_critic", None, "Fine.")),
    parallel=True,
)
async def two_agents_as_tools_at_once(url: str) -> None:
    made = [
        agent(url, name, f"You {verb}.").as_tool(description=verb)
        for name, verb in (("writer", "write"), ("critic", "judge"))
    ]
    print((await agent(url, "boss", "You lead.", tools=made).ask("Work.")).body)


@cases.add(
    script=[
        Rule(
            Call("run_subtasks", {"tasks": ["First", "Second"]}),
            system="You lead",
            when=lambda r: r.answered_tool is None,
        ),
        Rule("Part done.", system="task agent"),
        Rule("All done."),
    ],
    input="Work.",
    output="All done",
    agents=("boss", "subtask"),
    owners={"task agent": "subtask", "You lead": "boss"},
    tools=(Called("run_subtasks", None, "Part done."),),
    parallel=True,
)
async def subtasks(url: str) -> None:
    import ag2

    print((await agent(url, "boss", "You lead.", tasks=ag2.TaskConfig()).ask("Work.")).body)


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

    reply = await agent(url, response_schema=Film).ask("What film?")
    print(await reply.content())


@cases.add(
    script=[
        Rule(Call("order", {"disc": "Alien"}), when=lambda r: r.answered_tool is None),
        Rule("Ordered."),
    ],
    input="Order.",
    output="Ordered",
    agents=("helper",),
    tools=(Called("order", {"disc": "Alien"}, "yes"),),
    stages=(Below("TASK", "human input", "order"),),
)
async def a_person_is_asked_in_a_tool(url: str) -> None:
    import ag2

    @ag2.tool
    async def order(disc: str, context: ag2.Context) -> str:
        """Order a disc."""
        return str(await context.input(f"Order {disc}?"))

    helper = agent(url, tools=[order], hitl_hook=lambda event: "yes")
    print((await helper.ask("Order.")).body)


@cases.add(
    script=[
        Rule(Call("order", {"disc": "Alien"}), when=lambda r: r.answered_tool is None),
        Rule("As you wish."),
    ],
    output="As you wish",
    agents=("helper",),
    tools=(Called("order", {"disc": "Alien"}),),
)
async def a_tool_that_a_person_denies(url: str) -> None:
    import ag2
    from ag2.middleware.builtin.tools.approval import approval_required

    @ag2.tool(middleware=[approval_required(timeout=300)])
    async def order(disc: str) -> str:
        """Order a disc."""
        return "ordered"

    helper = agent(url, tools=[order], hitl_hook=lambda event: "no")
    print((await helper.ask("Order.")).body)


@cases.add(
    script=["A line."],
    faults=[Fault(status=429, retry_after_s=0.01), Fault(status=500, retry_after_s=0.01)],
    output="A line.",
    agents=("helper",),
)
async def retries_by_the_sdk(url: str) -> None:
    print((await agent(url, config=config(url, max_retries=3)).ask("Write.")).body)


@cases.add(
    script=["A line."],
    faults=[Fault(status=500)],
    output="A line.",
    agents=("helper",),
    failed=(Failed("LLM", "gpt-4o"),),
)
async def retries_by_middleware(url: str) -> None:
    from ag2.middleware.builtin.llm_retry import RetryMiddleware

    print((await agent(url, middleware=[RetryMiddleware(2)]).ask("Write.")).body)


@cases.add(
    script=[],
    faults=[Fault(status=500, times=None)],
    input="Write.",
    agents=("helper",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
    raises="told to fail",
)
async def a_model_fails(url: str) -> None:
    await agent(url).ask("Write.")


@cases.add(
    script=[
        Rule(
            Call("task_writer", {"objective": "Write a line."}),
            system="You lead",
            when=lambda r: r.answered_tool is None,
        ),
        Rule("It could not.", system="You lead"),
    ],
    faults=[Fault(status=500, when=lambda b: "You write" in str(b["messages"]), times=None)],
    output="It could not",
    agents=("boss", "writer"),
    tools=(Called("task_writer"),),
    failed=(Failed("LLM", "gpt-4o", "^writer$"),),
)
async def the_model_of_an_agent_as_a_tool_fails(url: str) -> None:
    writer = agent(url, "writer", "You write.")
    boss = agent(url, "boss", "You lead.", tools=[writer.as_tool(description="Writes.")])
    print((await boss.ask("A line?")).body)


late = Held("A line.")


@cases.add(
    script=[Rule(late)],
    unheard=1,
    input="Write.",
    agents=("helper",),
    failed=(Failed("LLM", "gpt-4o", "*"),),
)
async def a_turn_that_times_out(url: str) -> None:
    async with agent(url).run("Write.") as run:
        result = asyncio.create_task(run.result())
        await late.asked()
        try:
            await asyncio.wait_for(result, 0.1)
        except TimeoutError:
            print("timed out")
    late.let_go()


@cases.add(
    script=[Rule("A line.")],
    agents=("helper",),
    parallel=True,
    stages=(Below("AGENT", "helper", "branches", 3),),
)
async def turns_side_by_side(url: str) -> None:
    with pellucid.span("branches"):
        replies = await asyncio.gather(*(agent(url).ask(f"Task {n}") for n in range(3)))
        print([reply.body for reply in replies])


@cases.add(
    script=[Reply(text="A line.", cached_tokens=4)],
    input="Write.",
    output="A line.",
    agents=("helper",),
)
async def plugins_and_observers(url: str) -> None:
    import ag2
    from ag2.events import ModelResponse

    async def noted(event: ModelResponse) -> None:
        print(type(event).__name__)

    plugin = ag2.Plugin(prompt="Be brief.", observers=[ag2.observer(ModelResponse, noted)])
    print((await agent(url, plugins=[plugin]).ask("Write.")).body)


@cases.add(
    script=["One.", "Two."], output="Two.", traces=2, agents=("helper",), sessions=1, session=True
)
async def resumed_from_its_events(url: str) -> None:
    import ag2
    from ag2.events import ModelRequest, TextInput

    stream = ag2.MemoryStream()
    reply = await agent(url).ask("Hello?", stream=stream)
    events = list(await reply.history.get_events())
    trigger = ModelRequest([TextInput("And?")])
    again = await agent(url).resume(*events, trigger, stream=stream)
    print(again.body)


@cases.add(
    script=[
        Rule("A line.", system="You write"),
        Rule("Fine.", system="You judge", when=lambda r: "A line" in r.text),
        Rule("Hm.", system="You judge"),
    ],
    input="Write a line.",
    output="A line.",
    agents=("writer",),
    others=("person",),
    owners={"You write": "writer"},
    session=True,
)
async def a_channel_of_two(url: str) -> None:
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import Hub, HubClient, LocalLink

    async with await Hub.open(MemoryKnowledgeStore()) as hub:
        async with HubClient(LocalLink(hub), hub=hub) as network:
            person = await network.register_human(name("person"))
            await network.register(agent(url, "writer", "You write."))
            channel = await person.open(type="consulting", target="writer")
            await channel.send("Write a line.")
            reply = await person.next_envelope(predicate=said, timeout=300)
            print(reply.event_data)


def said(envelope: Any) -> bool:
    return bool(envelope.event_type == "ag2.msg.text")


def name(known: str) -> Any:
    from ag2.network import Passport

    return Passport(name=known, kind="human")


@cases.add(
    script=[
        Rule(
            Call("delegate", {"target": "writer", "prompt": "Write a line."}),
            system="You lead",
            when=lambda r: r.answered_tool is None,
        ),
        Rule("A line.", system="You write"),
        Rule("Here: a line.", system="You lead"),
    ],
    input="A line?",
    output="Here",
    agents=("boss", "writer"),
    owners={"You write": "writer", "You lead": "boss"},
    tools=(Called("delegate", None, "A line."),),
    stages=(Below("AGENT", "writer", "delegate"),),
    session=True,
)
async def an_agent_delegates_over_the_network(url: str) -> None:
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import Hub, HubClient, LocalLink

    async with await Hub.open(MemoryKnowledgeStore()) as hub:
        async with HubClient(LocalLink(hub), hub=hub) as network:
            boss = agent(url, "boss", "You lead.")
            await network.register(boss)
            await network.register(agent(url, "writer", "You write."))
            print((await boss.ask("A line?")).body)


@cases.add(
    script=[
        Rule("A line.", system="You write"),
        Rule("Fine.", system="You judge"),
    ],
    input="Write a line.",
    output="Fine.",
    agents=("writer", "critic"),
    owners={"You write": "writer", "You judge": "critic"},
    session=True,
)
async def a_workflow_of_two(url: str) -> None:
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import (
        AgentTarget,
        FromSpeaker,
        Hub,
        HubClient,
        LocalLink,
        TerminateTarget,
        Transition,
        TransitionGraph,
    )

    async with await Hub.open(MemoryKnowledgeStore()) as hub:
        async with HubClient(LocalLink(hub), hub=hub) as network:
            boss = await network.register(agent(url, "boss", "You lead."), attach_plugin=False)
            writer = await network.register(agent(url, "writer", "You write."), attach_plugin=False)
            critic = await network.register(agent(url, "critic", "You judge."), attach_plugin=False)
            graph = TransitionGraph(
                initial_speaker=boss.agent_id,
                transitions=[
                    Transition(FromSpeaker(boss.agent_id), AgentTarget(writer.agent_id)),
                    Transition(FromSpeaker(writer.agent_id), AgentTarget(critic.agent_id)),
                ],
                default_target=TerminateTarget(),
            )
            channel = await boss.open(
                type="workflow", target=["writer", "critic"], knobs={"graph": graph.to_dict()}
            )
            await channel.send("Write a line.")
            while not (await network.get_channel(channel.channel_id)).is_terminal():
                await asyncio.sleep(0.02)
            wal = await network.read_wal(channel.channel_id)
            print([envelope.event_type for envelope in wal])
