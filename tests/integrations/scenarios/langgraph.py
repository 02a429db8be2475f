"""LangGraph: graphs of every shape, agents, interrupts, streams left half-way, retries."""

import asyncio
import operator
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pellucid
from pellucid.demo.model_server import Call, Rule
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases("langgraph", needs=("langgraph", "langchain", "langchain_openai"))

SUM = Called("add", {"a": 2, "b": 3}, "5")
ASKED = {"messages": [("user", "What is 2 and 3?")]}
STORY = {"messages": [("user", "Tell me a story.")]}
ADDS = [
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
]
TELLS = [Rule(lambda request: f"Of {request.user} much could be told in many words.")]
INSIDE: dict[str, Any] = {"manual": "inside the tool", "manual_tool": "add"}


class State(TypedDict, total=False):
    topic: str
    parts: Annotated[list[str], operator.add]
    text: str


def llm(url: str, **more: Any) -> Any:
    from langchain_openai import ChatOpenAI

    more = {"max_retries": 0, "temperature": 0.2, **more}
    return ChatOpenAI(model="gpt-4o", base_url=url, api_key="k", **more)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


def fail(a: int, b: int) -> int:
    """Add two numbers, in vain."""
    raise ValueError("no adding today")


fail.__name__ = "add"


def agent(url: str, name: str = "adder", tools: Any = (add,), **more: Any) -> Any:
    from langchain.agents import create_agent

    return create_agent(llm(url), list(tools), name=name, **more)


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


def saver() -> Any:
    from langgraph.checkpoint.memory import InMemorySaver

    return InMemorySaver()


def graph(*nodes: Any, **more: Any) -> Any:
    """Return a graph of nodes, one after the other."""
    from langgraph.graph import START, StateGraph

    made = StateGraph(State)
    before = START
    for node in nodes:
        made.add_node(node.__name__, node, **more)
        made.add_edge(before, node.__name__)
        before = node.__name__
    return made


def chat(url: str) -> Any:
    from langgraph.graph import START, MessagesState, StateGraph

    model = llm(url)

    def think(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    made = StateGraph(MessagesState)
    made.add_node("think", think)
    made.add_edge(START, "think")
    return made.compile(checkpointer=saver())


def last(state: Any) -> Any:
    return state["messages"][-1].content


@cases.add(
    script=ADDS, input="2 and 3", output="The sum is 5.", agents=("adder",), tools=(SUM,), **INSIDE
)
def an_agent(url: str) -> None:
    print(last(agent(url).invoke(ASKED)))


@cases.add(
    script=ADDS, input="2 and 3", output="The sum is 5.", agents=("adder",), tools=(SUM,), **INSIDE
)
async def an_agent_in_events(url: str) -> None:
    async for event in agent(url).astream_events(ASKED, version="v2"):
        print(event["event"], event["name"])


@cases.add(
    script=[
        Rule(
            [Call("add", {"a": 2, "b": 3}), Call("add", {"a": 4, "b": 5})],
            when=lambda r: r.answered_tool is None,
        ),
        Rule("5 and 9."),
    ],
    input="2 and 3",
    output="5 and 9.",
    agents=("adder",),
    tools=(SUM, Called("add", {"a": 4, "b": 5}, "9")),
    **INSIDE,
)
async def two_tools_at_once(url: str) -> None:
    print(last(await agent(url).ainvoke(ASKED)))


@cases.add(
    script=ADDS,
    input="2 and 3",
    agents=("adder",),
    tools=(Called("add", {"a": 2, "b": 3}),),
    raises="no adding today",
    failed=(Failed("TOOL", "add", "*"),),
)
def a_tool_that_raises(url: str) -> None:
    agent(url, tools=[fail]).invoke(ASKED)


@cases.add(
    script=ADDS,
    input="2 and 3",
    output="The sum is",
    tools=(Called("add", {"a": 2, "b": 3}),),
    failed=(Failed("TOOL", "add"),),
)
def a_tool_whose_error_is_told_to_the_model(url: str) -> None:
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition

    model = llm(url).bind_tools([fail])
    made = StateGraph(MessagesState)
    made.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    made.add_node("tools", ToolNode([fail], handle_tool_errors=True))
    made.add_edge(START, "model")
    made.add_conditional_edges("model", tools_condition)
    made.add_edge("tools", "model")
    print(last(made.compile().invoke(ASKED)))


@cases.add(
    script=ADDS,
    traces=2,
    input="2 and 3",
    agents=("adder",),
    tools=(SUM,),
    session="t1",
    sessions=1,
    **INSIDE,
)
def a_person_who_approves(url: str) -> None:
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.types import Command

    asks = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    careful = agent(url, middleware=[asks], checkpointer=saver())
    print(careful.invoke(ASKED, thread("t1"))["__interrupt__"][0].value["action_requests"])
    resumed = Command(resume={"decisions": [{"type": "approve"}]})
    print(last(careful.invoke(resumed, thread("t1"))))


@cases.add(script=TELLS, traces=2, session="t2", sessions=1)
async def an_interrupt_in_a_stream(url: str) -> None:
    from langgraph.types import Command, interrupt

    model = llm(url)

    async def draft(state: State) -> Any:
        return {"text": (await model.ainvoke(state["topic"])).content}

    async def ask(state: State) -> Any:
        return {"text": interrupt({"may this be said?": state["text"]})}

    made = graph(draft, ask).compile(checkpointer=saver())
    async for update in made.astream({"topic": "discs"}, thread("t2"), stream_mode="updates"):
        print(list(update))
    async for update in made.astream(Command(resume="yes"), thread("t2"), stream_mode="updates"):
        print(update)


@cases.add(
    script=TELLS,
    input="discs",
    output="discs 2",
    parallel=True,
    stages=(Below("CHAIN", "^work$", "LangGraph", 3), Below("LLM", "", "^work$", 3)),
)
def sends(url: str) -> None:
    from langgraph.graph import START, StateGraph
    from langgraph.types import Send

    model = llm(url)

    def work(state: State) -> Any:
        return {"parts": [model.invoke(state["topic"]).content]}

    def join(state: State) -> Any:
        return {"text": " ".join(sorted(state["parts"]))}

    def split(state: State) -> Any:
        return [Send("work", {"topic": f"{state['topic']} {n}"}) for n in range(3)]

    made = StateGraph(State)
    made.add_node("work", work)
    made.add_node("join", join)
    made.add_conditional_edges(START, split, ["work"])
    made.add_edge("work", "join")
    print(made.compile().invoke({"topic": "discs"})["text"])


@cases.add(
    script=[
        Rule(Call("hand_over", {}), offers="hand_over"),
        Rule("Written.", system="You write"),
    ],
    input="story",
    output="Written.",
    agents=("planner", "writer"),
    owners={"You plan": "planner", "You write": "writer"},
    tools=(Called("hand_over"),),
)
def a_handover(url: str) -> None:
    from langchain.tools import InjectedState
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import InjectedToolCallId, tool
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.types import Command

    def hand_over(state: Any, call_id: Any) -> Any:
        """Hand over to the writer."""
        said = [*state["messages"], ToolMessage("Done.", tool_call_id=call_id)]
        return Command(goto="writer", graph=Command.PARENT, update={"messages": said})

    hand_over.__annotations__ = {
        "state": Annotated[dict, InjectedState],
        "call_id": Annotated[str, InjectedToolCallId],
    }
    planner = agent(url, "planner", [tool(hand_over)], system_prompt="You plan.")
    writer = agent(url, "writer", [], system_prompt="You write.")
    made = StateGraph(MessagesState)
    made.add_node("planner", planner, destinations=("writer",))
    made.add_node("writer", writer)
    made.add_edge(START, "planner")
    print(last(made.compile().invoke(STORY)))


@cases.add(
    script=[
        Rule(Call("ask", {"what": "2 and 3?"}), offers="ask", times=1),
        *ADDS,
        "It says 5.",
    ],
    input="2 and 3",
    output="It says 5.",
    agents=("boss", "adder"),
    owners={"You lead": "boss", "You add": "adder"},
    tools=(Called("ask", {"what": "2 and 3?"}, "The sum is 5."), SUM),
    **INSIDE,
)
def an_agent_as_a_tool(url: str) -> None:
    adder = agent(url, system_prompt="You add.")

    def ask(what: str) -> str:
        """Ask the adder."""
        return str(last(adder.invoke({"messages": [("user", what)]})))

    print(last(agent(url, "boss", [ask], system_prompt="You lead.").invoke(ASKED)))


@cases.add(
    script=TELLS,
    input="discs",
    output="much could be told",
    stages=(Below("CHAIN", "^work$", "^inner$"), Below("LLM", "", "^work$")),
)
def a_subgraph(url: str) -> None:
    model = llm(url)

    def work(state: State) -> Any:
        return {"text": model.invoke(state["topic"]).content}

    def finish(state: State) -> Any:
        return {"text": state["text"] + "!"}

    inner = graph(work).compile(name="inner")
    made = graph(finish)
    made.add_node("inner", inner)
    made.add_edge("finish", "inner")
    modes = ["values", "updates", "debug", "tasks", "checkpoints", "custom"]
    outer = made.compile()
    for place, mode, _ in outer.stream(
        {"topic": "discs", "text": ""}, stream_mode=modes, subgraphs=True
    ):
        print(len(place), mode)


@cases.add(
    script=TELLS, input="story", output="much could be told", session="t3", token_delay_s=0.002
)
def a_stream_of_messages(url: str) -> None:
    pieces = chat(url).stream(STORY, thread("t3"), stream_mode="messages")
    print("".join(piece.content for piece, _ in pieces))


def left(pieces: Iterator[Any]) -> None:
    for piece, _ in pieces:
        if piece.content:
            break


@cases.add(script=TELLS, input="story", session="t4", left_streams=1, token_delay_s=0.01)
def a_stream_that_is_left(url: str) -> None:
    left(chat(url).stream(STORY, thread("t4"), stream_mode="messages"))


@cases.add(script=TELLS, input="story", session="t5", left_streams=1, token_delay_s=0.01)
async def a_stream_that_the_closing_loop_ends(url: str) -> None:
    async for piece, _ in chat(url).astream(STORY, thread("t5"), stream_mode="messages"):
        if piece.content:
            break


@cases.add(script=TELLS, input="story", session="t6", left_streams=1, token_delay_s=0.01)
async def events_that_are_left(url: str) -> None:
    async for event in chat(url).astream_events(STORY, thread("t6"), version="v2"):
        if event["event"] == "on_chat_model_stream" and event["data"]["chunk"].content:
            break


@cases.add(
    script=TELLS,
    input="discs",
    output="at last",
    failed=(Failed("CHAIN", "shaky"), Failed("CHAIN", "shaky")),
    stages=(Below("CHAIN", "^shaky$", "LangGraph", 3),),
)
def a_node_that_is_tried_again(url: str) -> None:
    from langgraph.types import RetryPolicy

    tries: list[int] = []

    def shaky(state: State) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return {"text": "at last"}

    policy = RetryPolicy(max_attempts=3, initial_interval=0.01, jitter=False)
    print(graph(shaky, retry_policy=policy).compile().invoke({"topic": "discs"})["text"])


@cases.add(script=TELLS, input="discs", raises="no", failed=(Failed("CHAIN", "broken", "*"),))
async def a_node_that_fails(url: str) -> None:
    model = llm(url)

    async def before(state: State) -> Any:
        return {"text": (await model.ainvoke(state["topic"])).content}

    async def broken(state: State) -> Any:
        raise ValueError("no")

    await graph(before, broken).compile().ainvoke({"topic": "discs"})


@cases.add(
    script=TELLS,
    input="discs",
    output="MUCH",
    session="t7",
    parallel=True,
    stages=(Below("CHAIN", "^ask$", "flow", 2), Below("LLM", "", "^ask$", 2)),
)
async def tasks_of_an_entrypoint(url: str) -> None:
    from langgraph.func import entrypoint, task

    model = llm(url)

    @task  # type: ignore[untyped-decorator, unused-ignore]
    async def ask(what: str) -> Any:
        return (await model.ainvoke(what)).content

    @entrypoint(checkpointer=saver())  # type: ignore[untyped-decorator, unused-ignore]
    async def flow(topic: str) -> Any:
        found = await asyncio.gather(ask(f"{topic} 1"), ask(f"{topic} 2"))
        return " ".join(found).upper()

    print(await flow.ainvoke("discs", thread("t7")))


@cases.add(script=TELLS, input="discs", output="Shall it stay?", session="t9")
def an_entrypoint_that_asks_in_a_stream(url: str) -> None:
    from langgraph.func import entrypoint, task
    from langgraph.types import interrupt

    model = llm(url)

    @task  # type: ignore[untyped-decorator, unused-ignore]
    def draft(topic: str) -> str:
        return str(model.invoke(topic).content)

    @entrypoint(checkpointer=saver())  # type: ignore[untyped-decorator, unused-ignore]
    def write(topic: str) -> Any:
        text = draft(topic).result()
        return text if interrupt({"Shall it stay?": text}) else ""

    for piece in write.stream("discs", thread("t9")):
        print(list(piece))


@cases.add(script=TELLS, traces=3, session="t8", sessions=1)
def three_turns_and_a_replay(url: str) -> None:
    talk = chat(url)
    for said in ("one", "two"):
        print(last(talk.invoke({"messages": [("user", said)]}, thread("t8"))))
    history = list(talk.get_state_history(thread("t8")))
    before = next(state for state in history if state.next == ("think",))
    print(len(talk.invoke(None, before.config)["messages"]))


@cases.add(script=ADDS, traces=3, agents=("adder",), tools=(SUM,) * 3, parallel=True, **INSIDE)
def threads(url: str) -> None:
    adder = agent(url)
    with ThreadPoolExecutor(3) as pool:
        print([last(found) for found in pool.map(lambda _: adder.invoke(ASKED), range(3))])


@cases.add(
    script=TELLS,
    input="story",
    output="much could be told",
    failed=(Failed("LLM"),),
    stages=(Below("LLM", "", "LangGraph"),),
)
def a_model_that_another_stands_in_for(url: str) -> None:
    from langgraph.graph import START, MessagesState, StateGraph

    dead = llm("http://127.0.0.1:9/v1")
    model = dead.with_fallbacks([llm(url)])
    made = StateGraph(MessagesState)
    made.add_node("think", lambda state: {"messages": [model.invoke(state["messages"])]})
    made.add_edge(START, "think")
    print(last(made.compile().invoke(STORY)))


@cases.add(
    script=[
        Rule(Call("add", {"a": 2, "b": 3}), system="sums", offers="add", times=1),
        Rule("5", system="sums"),
        Rule("Five.", system="words"),
    ],
    input="2 and 3",
    output="Five.",
    agents=("adder", "writer"),
    owners={"sums": "adder", "words": "writer"},
    tools=(SUM,),
    stages=(Below("AGENT", "^adder$", "LangGraph"), Below("AGENT", "^writer$", "LangGraph")),
)
def agents_that_nodes_call(url: str) -> None:
    from langchain.agents import create_agent
    from langgraph.graph import START, MessagesState, StateGraph

    sums = create_agent(llm(url), [add], system_prompt="sums")  # named after its node
    words = create_agent(llm(url), [], system_prompt="words", name="writer")

    def adder(state: MessagesState) -> Any:
        return {"messages": sums.invoke(state)["messages"][-1:]}

    def writer(state: MessagesState) -> Any:
        return {"messages": words.invoke({"messages": state["messages"]})["messages"][-1:]}

    graph = StateGraph(MessagesState).add_node(adder).add_node(writer)
    graph.add_edge(START, "adder").add_edge("adder", "writer")
    print(graph.compile().invoke(ASKED)["messages"][-1].content)


@cases.add(
    script=["One.", "Two."],
    input="2 and 3",
    output="Two.",
    agents=("twice",),
    stages=(Below("AGENT", "^twice$", ""), Below("AGENT", "^twice$", "^twice$")),
)
def an_agent_that_a_node_calls_twice(url: str) -> None:
    from langchain.agents import create_agent
    from langgraph.graph import START, MessagesState, StateGraph

    asked = create_agent(llm(url), [], name="twice")

    def twice(state: MessagesState) -> Any:
        first = asked.invoke(state)
        return {"messages": asked.invoke(first)["messages"][-1:]}

    graph = StateGraph(MessagesState).add_node(twice).add_edge(START, "twice")
    print(graph.compile().invoke(ASKED)["messages"][-1].content)
