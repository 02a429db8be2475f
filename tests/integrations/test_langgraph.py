"""LangGraph: nodes, edges, tools, interrupts, subgraphs, branches, retries, streams, failures."""

import asyncio
import gc
import operator
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pytest

import pellucid
from pellucid.core.span import Span, SpanKind, Status
from pellucid.demo.model_server import Call, Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.conformance import Recording, shown

pytest.importorskip("langgraph.graph", reason="LangGraph is in both environments")
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models import _client_utils
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, RetryPolicy, Send, interrupt

pytestmark = pytest.mark.filterwarnings("default")

SCRIPT = [
    Rule(Call("fail", {"why": "rain"}), offers="fail", when=lambda r: r.answered_tool is None),
    Rule(Call("approve", {"what": "it"}), offers="approve", when=lambda r: not r.answered_tool),
    Rule(Call("ask_adder", {"q": "2+3"}), offers="ask_adder", when=lambda r: not r.answered_tool),
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
    Rule(lambda request: f"So: {request.last.text}"),
]
QUESTION = {"messages": [("user", "What is 2 and 3?")]}


@tool
def add(a: int, b: int) -> int:
    """Add."""
    with pellucid.span("inside the tool"):
        return a + b


@tool
def fail(why: str) -> str:
    """Fail."""
    raise RuntimeError(f"because of {why}")


@tool
def approve(what: str) -> str:
    """Ask a human."""
    with pellucid.span("asking"):
        return str(interrupt({"approve": what}))


class State(TypedDict):
    items: Annotated[list[Any], operator.add]
    n: int


EMPTY: Any = {"items": [], "n": 0}


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted
    _client_utils._cached_async_httpx_client.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain closes no clients
        gc.collect()


@pytest.fixture
def llm(server: ScriptedModelServer) -> Any:
    return ChatOpenAI(model="gpt-4o", base_url=server.base_url, api_key="k", temperature=0.1)


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    assert "langchain" in autolog()
    autolog()
    yield
    autolog(disable=True)


def adder(llm: Any, tools: Any = (add,), **compiled: Any) -> Any:
    """Build a model and its tools as a graph by hand."""
    bound = llm.bind_tools(list(tools))

    def think(state: Any) -> Any:
        return {"messages": [bound.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(list(tools), handle_tool_errors=True))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph.compile(**compiled)


def line(*nodes: tuple[str, Any], **compiled: Any) -> Any:
    """Build a graph of nodes one after the other."""
    graph: Any = StateGraph(State)
    before = START
    for name, node in nodes:
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    return graph.compile(**compiled)


def events(span: Span, name: str) -> list[dict[str, Any]]:
    return [event.attributes for event in span.events if event.name == name]


def names(spans: list[Span]) -> list[str]:
    return [span.name for span in spans]


def check_adder(recording: Recording, server: ScriptedModelServer) -> None:
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_no_failure()
    recording.check_root(input="What is 2 and 3?", output="The sum is 5.")
    recording.check_owner("adder")
    found = recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.named("inside the tool").parent_id == found.span_id
    steps = names(recording.children(recording.root))
    assert steps == ["think", "tools", "think"]
    first = recording.children(recording.root)[0]
    assert shown(events(first, "route")[0]["langgraph.to"]) == '["tools"]'
    for model in recording.of_kind(SpanKind.LLM):
        assert (model.model, model.parameters["temperature"]) == ("gpt-4o", 0.1)
        assert names_of_tools(model) == ["add"]


def names_of_tools(span: Span) -> list[str]:
    return [offered.name for offered in span.tools]


def test_a_graph_with_a_tool(llm: Any, server: ScriptedModelServer, recording: Recording) -> None:
    config: Any = {"configurable": {"thread_id": "thread-7"}}
    state = adder(llm, name="adder").invoke(QUESTION, config)
    assert state["messages"][-1].content == "The sum is 5."
    check_adder(recording, server)
    recording.check_session("thread-7")


async def test_a_graph_with_a_tool_async(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    bound = llm.bind_tools([add])

    async def think(state: Any) -> Any:
        return {"messages": [await bound.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    await graph.compile(name="adder").ainvoke(QUESTION)
    check_adder(recording, server)


@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom", "debug"])
async def test_stream_modes(
    mode: Any, llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    graph = adder(llm, name="adder")
    for _ in graph.stream(QUESTION, stream_mode=mode):
        assert pellucid.current_trace_id() is None
    check_adder(recording, server)
    if mode == "messages":
        assert all(span.ttft_ns for span in recording.of_kind(SpanKind.LLM))
    recording.clear()
    server.log.clear()
    async for _ in graph.astream(QUESTION, stream_mode=mode):
        assert pellucid.current_trace_id() is None
    check_adder(recording, server)


async def test_an_agent_of_langchain(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    agent = create_agent(llm, [add], system_prompt="Be brief.", name="adder")
    agent.invoke(QUESTION)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("adder")
    recording.check_root(input="What is 2 and 3?", output="The sum is 5.")
    recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.root.kind is SpanKind.AGENT
    recording.clear()
    server.log.clear()
    await agent.ainvoke(QUESTION)
    recording.check_structure()
    recording.check_model_calls(server.log)


def test_a_tool_that_fails_is_the_only_failure(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    adder(llm, tools=[fail]).invoke(QUESTION)
    recording.check_structure()
    recording.check_model_calls(server.log)
    (failed,) = recording.of_kind(SpanKind.TOOL)
    recording.check_failure(failed)
    assert "because of rain" in failed.status_message
    assert recording.root.status is Status.OK


def test_a_tool_that_fails_the_agent(llm: Any, recording: Recording) -> None:
    with pytest.raises(RuntimeError, match="because of rain") as raised:
        create_agent(llm, [fail]).invoke(QUESTION)
    (failed,) = recording.of_kind(SpanKind.TOOL)
    recording.check_structure()
    recording.check_failure(failed)
    for span in [failed, *recording.ancestors(failed)]:
        assert span.status is Status.ERROR
        assert events(span, "exception")[0]["exception.type"] == "RuntimeError"
    assert "pellucid/integrations" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("run_async", [False, True])
async def test_interrupts_and_resumes_are_no_failures(
    run_async: bool, llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    agent = create_agent(llm, [approve], checkpointer=InMemorySaver(), name="asker")
    config: Any = {"configurable": {"thread_id": "t"}}

    async def run(given: Any) -> Any:
        return await agent.ainvoke(given, config) if run_async else agent.invoke(given, config)

    await run(QUESTION)
    recording.check_structure()
    recording.check_no_failure()
    recording.check_session("t")
    assert next(iter(recording.root.output)) == "interrupts"
    for span in (recording.root, recording.named("tools"), recording.named("approve")):
        assert '"approve":"it"' in shown(events(span, "interrupt")[0]["langgraph.interrupts"])
    recording.clear()
    result = await run(Command(resume="yes"))
    assert result["messages"][-1].content == "So: yes"
    recording.check_structure()
    recording.check_no_failure()
    recording.check_session("t")
    recording.check_root(input="yes", output="So: yes")
    assert events(recording.root, "resume") == [{"langgraph.resume": "yes"}]
    recording.check_tool("approve", result="yes")


def test_a_graph_that_stops_before_a_node(recording: Recording) -> None:
    nodes = (("a", lambda s: {"n": 1}), ("b", lambda s: {"n": 2}))
    graph = line(*nodes, checkpointer=InMemorySaver(), interrupt_before=["b"])
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke(EMPTY, config)
    recording.check_structure()
    recording.check_no_failure()
    (event,) = events(recording.root, "interrupt")
    assert event["langgraph.reason"] == "interrupt_before"
    recording.clear()
    graph.invoke(None, config)
    assert events(recording.root, "resume")
    assert names(recording.children(recording.root)) == ["b"]


@pytest.mark.parametrize("run_async", [False, True])
async def test_parallel_branches(
    run_async: bool, llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    def fan_out(state: Any) -> Any:
        return [Send("work", {"n": number}) for number in range(3)]

    def work(state: Any) -> Any:
        with pellucid.span(f"work {state['n']}"):
            return {"items": [llm.invoke(f"Number {state['n']}").content]}

    graph = StateGraph(State)
    graph.add_node("plan", lambda state: {"n": 3})
    graph.add_node("work", work)  # type: ignore[arg-type, unused-ignore]
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", fan_out, ["work"])
    compiled: Any = graph.compile(name="fan")
    state = await compiled.ainvoke(EMPTY) if run_async else compiled.invoke(EMPTY)
    assert len(state["items"]) == 3
    recording.check_structure()
    recording.check_model_calls(server.log)
    works = [span for span in recording.children(recording.root) if span.name == "work"]
    assert len(works) == 3
    for span in works:
        (manual,) = recording.children(span)
        assert manual.name == f"work {span.input['n']}"
        (model,) = recording.children(manual)
        assert f"Number {span.input['n']}" in shown(model.input)
    plan = recording.named("plan")
    assert shown(events(plan, "route")[0]["langgraph.to"]) == '["work","work","work"]'


def test_agents_as_nodes_tools_and_calls(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    inner = create_agent(llm, [add], name="adder")

    @tool
    def ask_adder(q: str) -> str:
        """Ask the adder."""
        return str(inner.invoke({"messages": [("user", q)]})["messages"][-1].content)

    outer = create_agent(llm, [ask_adder], name="outer")

    def route(state: Any) -> Command[str]:
        return Command(goto="outer")

    graph: Any = StateGraph(MessagesState)
    graph.add_node("supervisor", route, destinations=("outer",))
    graph.add_node("outer", outer)
    graph.add_edge(START, "supervisor")
    graph.compile(name="team").invoke(QUESTION)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("adder", "outer")
    assert names(recording.of_kind(SpanKind.AGENT)) == ["outer", "adder"]
    assert recording.ancestors(recording.named("adder"))[0].name == "ask_adder"
    assert recording.named("outer").parent_id == recording.root.span_id
    supervisor = recording.named("supervisor")
    assert events(supervisor, "route")[0]["langgraph.to"] == "outer"


def test_subgraphs(recording: Recording) -> None:
    inner = line(("inside", lambda s: {"items": ["x"]}))
    graph = line(("node", inner), ("call", lambda s: inner.invoke(s)), name="outer")
    graph.invoke(EMPTY)
    recording.check_structure()
    assert names(recording.children(recording.root)) == ["node", "call"]
    inside = [span for span in recording.spans if span.name == "inside"]
    assert recording.ancestors(inside[0])[0].name == "node"
    assert names(recording.ancestors(inside[1]))[:2] == ["LangGraph", "call"]


def test_retries(recording: Recording) -> None:
    tries = []

    def flaky(state: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("down")
        return {"n": 1}

    graph: Any = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=4)
    graph.add_node("flaky", flaky, retry_policy=policy)
    graph.add_edge(START, "flaky")
    graph.compile().invoke(EMPTY)
    recording.check_structure()
    attempts = recording.children(recording.root)
    assert [span.status for span in attempts] == [Status.ERROR, Status.ERROR, Status.OK]
    assert [span.attributes.get("langgraph.attempt") for span in attempts] == [None, 2, 3]
    assert recording.root.status is Status.OK


@pytest.mark.parametrize("run_async", [False, True])
async def test_a_node_that_fails(run_async: bool, recording: Recording) -> None:
    def boom(state: Any) -> Any:
        raise ValueError("boom")

    graph = line(("good", lambda s: {"n": 1}), ("boom", boom))
    with pytest.raises(ValueError, match="boom"):
        await graph.ainvoke(EMPTY) if run_async else graph.invoke(EMPTY)
    recording.check_structure()
    recording.check_failure(recording.named("boom"))
    assert recording.root.status is Status.ERROR
    assert recording.named("good").status is Status.OK


def slow(state: Any) -> Any:
    time.sleep(0.03)
    return {"n": 1}


@pytest.mark.parametrize("run_async", [False, True])
async def test_a_stream_that_is_left_ends_when_it_last_said_something(
    run_async: bool, recording: Recording
) -> None:
    graph = line(("a", slow), ("b", slow))
    if run_async:
        stream = graph.astream(EMPTY)
        await anext(stream)
        left_ns = time.time_ns()
        await asyncio.sleep(0.3)
        await stream.aclose()
    else:
        stream = graph.stream(EMPTY)
        next(stream)
        left_ns = time.time_ns()
        time.sleep(0.3)
        stream.close()
    recording.check_structure()
    recording.check_no_failure()
    assert recording.root.duration_ns >= 0.03e9
    assert recording.root.start_ns + recording.root.duration_ns < left_ns + 0.2e9


def test_a_stream_that_is_held_until_the_program_ends(recording: Recording) -> None:
    stream = line(("a", slow), ("b", slow)).stream(EMPTY)
    next(stream)
    held = pellucid.langgraph._tracer()
    assert held is not None
    held.runs.end_all()
    recording.check_structure()
    recording.check_no_failure()
    stream.close()


async def test_a_stream_of_messages_that_is_left(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    async def say(state: Any) -> Any:
        return {"messages": [await llm.ainvoke(state["messages"])]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("say", say)
    graph.add_edge(START, "say")
    stream = graph.compile().astream(QUESTION, stream_mode="messages")
    async for _ in stream:
        break
    await stream.aclose()
    recording.check_structure()
    recording.check_no_failure()


async def test_a_graph_that_is_cancelled(recording: Recording) -> None:
    waits = asyncio.Event()

    async def wait(state: Any) -> Any:
        waits.set()
        await asyncio.sleep(600)

    run = asyncio.create_task(line(("wait", wait)).ainvoke(EMPTY))
    await waits.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    recording.check_structure()
    recording.check_failure(recording.named("wait"))
    assert recording.root.status is Status.ERROR


def test_threads_in_a_node(llm: Any, server: ScriptedModelServer, recording: Recording) -> None:
    def work(state: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(llm.invoke, ["one", "two"]))
        return {"n": 1}

    line(("work", work)).invoke(EMPTY)
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert len(recording.children(recording.named("work"))) == 2


def test_tasks_and_entrypoints(recording: Recording) -> None:
    @task
    def double(number: int) -> int:
        with pellucid.span(f"double {number}"):
            return 2 * number

    @entrypoint(checkpointer=InMemorySaver())
    def flow(count: int) -> list[int]:
        return [future.result() for future in [double(n) for n in range(count)]]

    config: Any = {"configurable": {"thread_id": "t"}}
    assert flow.invoke(2, config) == [0, 2]
    recording.check_structure()
    recording.check_session("t")
    doubles = [span for span in recording.spans if span.name == "double"]
    found = {recording.children(span)[0].name for span in doubles}
    assert found == {"double 0", "double 1"}


def test_a_program_that_has_spans_of_its_own(llm: Any, recording: Recording) -> None:
    graph = line(("a", lambda s: {"n": 1}), ("b", lambda s: {"n": 2}))
    with pellucid.span("outer"):
        for _ in graph.stream(EMPTY):
            with pellucid.span("reads"):
                pass
    recording.check_structure()
    assert names(recording.children(recording.root)) == ["LangGraph", "reads", "reads"]


def test_content_can_be_left_out(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    pellucid.openai.autolog(capture_content=False)
    pellucid.langgraph.autolog(capture_content=False)
    adder(llm, name="adder").invoke(QUESTION)
    recording.check_structure()
    for span in recording.spans:
        assert span.input is None, span.name
        assert span.output is None, span.name
        assert not span.input_messages, span.name


def test_undone_it_traces_nothing(llm: Any, recording: Recording) -> None:
    autolog(disable=True)
    adder(llm).invoke(QUESTION)
    names_left = {span.name for span in recording.spans}
    assert names_left == {"inside the tool"}
