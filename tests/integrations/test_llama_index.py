"""LlamaIndex: query and chat engines, streams, rerankers, agents, workflows, index building."""

import asyncio
import gc
import inspect
import time
from collections.abc import Iterator
from typing import Any

import pytest

import pellucid
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Call, Fault, Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.conformance import Recording, shown

pytest.importorskip("llama_index.core", reason="llama-index is in environment a")
pytestmark = pytest.mark.filterwarnings("default")

SCRIPT = [
    Rule(Call("handoff", {"to_agent": "writer", "reason": "Words."}), offers="handoff", times=1),
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(
        '[{"choice": 1, "reason": "Facts."}]',
        user="Which route",
        when=lambda r: "choices" in r.user,
    ),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
    Rule("A disc holds 50 GB."),
]


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted


@pytest.fixture
def llm(server: ScriptedModelServer) -> Any:
    from llama_index.core import Settings
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.llms.openai import OpenAI

    Settings.llm = OpenAI(
        model="gpt-4o", api_base=server.base_url, api_key="k", temperature=0.2, max_retries=0
    )
    Settings.embed_model = OpenAIEmbedding(api_base=server.base_url, api_key="k", max_retries=0)
    return Settings.llm


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    assert "llama_index" in autolog()
    yield
    autolog(disable=True)


@pytest.fixture
def index(llm: Any, server: ScriptedModelServer, recording: Recording) -> Any:
    from llama_index.core import Document, VectorStoreIndex

    made = VectorStoreIndex.from_documents(
        [
            Document(text="A Blu-ray disc holds 50 GB.", metadata={"page": 1}),
            Document(text="Cats sleep."),
        ]
    )
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert recording.root.name == "VectorStoreIndex.from_documents"
    recording.clear()
    server.log.clear()
    return made


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


def test_a_query_shows_documents_and_answer(
    index: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    index.as_query_engine(similarity_top_k=1).query("How much does a disc hold?")
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="How much does a disc hold?", output="50 GB")
    (retriever,) = recording.of_kind(SpanKind.RETRIEVER)
    assert retriever.input == "How much does a disc hold?"
    (document,) = retriever.documents
    assert document.text == "A Blu-ray disc holds 50 GB."
    assert document.score
    assert document.id
    assert document.metadata == {"page": 1}
    assert recording.of_kind(SpanKind.LLM)[0].parameters["temperature"] == 0.2
    recording.check_no_failure()


def test_a_streamed_query_is_one_trace_until_it_is_read(
    index: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    response = index.as_query_engine(streaming=True).query("How much?")
    text = "".join(response.response_gen)
    assert text == "A disc holds 50 GB."
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="How much?", output=text)
    (model,) = recording.of_kind(SpanKind.LLM)
    assert model.ttft_ns
    end = model.start_ns + model.duration_ns
    assert recording.root.start_ns + recording.root.duration_ns >= end


def test_an_abandoned_stream_ends(index: Any, recording: Recording) -> None:
    response = index.as_query_engine(streaming=True).query("How much?")
    next(iter(response.response_gen))
    response.response_gen.close()
    del response
    gc.collect()
    recording.check_structure()
    recording.check_no_failure()


async def test_async_queries(index: Any, server: ScriptedModelServer, recording: Recording) -> None:
    engine = index.as_query_engine()
    with pellucid.span("both"):
        await asyncio.gather(engine.aquery("One?"), engine.aquery("Two?"))
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert len(recording.children(recording.root)) == 2


def test_chat_engines_whole_and_streamed(
    index: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.memory import Memory

    memory = Memory.from_defaults(session_id="chat-7", token_limit=4000)
    engine = index.as_chat_engine(chat_mode="context", memory=memory)
    engine.chat("How much?")
    recording.check_structure()
    recording.check_root(input="How much?", output="50 GB")
    recording.check_session("chat-7")
    recording.clear()
    server.log.clear()
    streamed = engine.stream_chat("And now?")
    assert "".join(streamed.response_gen) == "A disc holds 50 GB."
    while recording.unended:  # a thread of the engine's own remembers the answer
        time.sleep(0.02)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="And now?", output="50 GB")


def test_a_router_shows_its_selector(
    index: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.query_engine import RouterQueryEngine
    from llama_index.core.selectors import LLMSingleSelector
    from llama_index.core.tools import QueryEngineTool

    tool = QueryEngineTool.from_defaults(index.as_query_engine(), name="f", description="facts")
    router = RouterQueryEngine(
        selector=LLMSingleSelector.from_defaults(), query_engine_tools=[tool, tool]
    )
    router.query("Which route holds the most?")
    recording.check_structure()
    recording.check_model_calls(server.log)
    selector = recording.named("LLMSingleSelector")
    assert selector.input == "Which route holds the most?"
    assert [span.kind for span in recording.children(selector)] == [SpanKind.LLM]


def test_a_transform_is_a_stage(index: Any, recording: Recording) -> None:
    from llama_index.core.indices.query.query_transform import HyDEQueryTransform
    from llama_index.core.query_engine import TransformQueryEngine

    TransformQueryEngine(index.as_query_engine(), HyDEQueryTransform()).query("How much?")
    recording.check_structure()
    assert recording.named("HyDEQueryTransform").input == "How much?"


def test_changes_of_an_index(index: Any, server: ScriptedModelServer, recording: Recording) -> None:
    from llama_index.core import Document

    index.insert(Document(text="More.", id_="d3"))
    recording.check_structure()
    recording.check_model_calls(server.log)
    assert recording.root.name == "VectorStoreIndex.insert"
    recording.clear()
    index.delete_ref_doc("d3")
    assert recording.root.input == {"documents": 1}


def test_an_evaluator_holds_what_it_asks(index: Any, recording: Recording) -> None:
    from llama_index.core.evaluation import RelevancyEvaluator

    found = RelevancyEvaluator().evaluate(query="How much?", response="50", contexts=["50 GB."])
    recording.check_structure()
    assert recording.root.name == "RelevancyEvaluator"
    assert recording.root.kind is SpanKind.EVALUATOR
    assert recording.root.output["passing"] is found.passing


def test_a_streamed_answer_stays_a_generator_and_fails_with_its_model(
    index: Any, llm: Any, recording: Recording
) -> None:
    fault = Fault(disconnect_after=3, path="*/chat/completions", times=None)
    engine = index.as_query_engine(streaming=True)
    with ScriptedModelServer(script=[Rule("One two three four.")], faults=[fault]) as broken:
        llm.api_base = broken.base_url
        response = engine.query("How much?")
        assert inspect.isgenerator(response.response_gen)
        with pytest.raises(Exception):  # noqa: B017, PT011 - the HTTP library's own
            list(response.response_gen)
    recording.check_structure()
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert recording.root.status is Status.ERROR


def test_an_abandoned_chat_ends(llm: Any, recording: Recording) -> None:
    from llama_index.core.chat_engine import SimpleChatEngine

    async def abandon() -> None:
        chat = await SimpleChatEngine.from_defaults(llm=llm).astream_chat("How much?")
        async for _ in chat.async_response_gen():
            break

    asyncio.run(abandon())
    gc.collect()
    recording.check_structure()
    assert recording.root.status is Status.OK
    assert recording.root.name == "SimpleChatEngine"


def test_predict_and_call_is_one_trace(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.tools import FunctionTool

    llm.predict_and_call([FunctionTool.from_defaults(add)], "2 and 3?")
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")


def test_a_reranker_shows_what_came_and_what_stayed(index: Any, recording: Recording) -> None:
    from llama_index.core.postprocessor import SimilarityPostprocessor

    nodes = index.as_retriever(similarity_top_k=2).retrieve("disc")
    recording.clear()
    kept = SimilarityPostprocessor(similarity_cutoff=nodes[1].score + 1e-6).postprocess_nodes(
        nodes, query_str="disc"
    )
    (span,) = recording.of_kind(SpanKind.RERANKER)
    assert len(span.input_documents) == 2
    assert [d.id for d in span.documents] == [n.node.node_id for n in kept]
    assert len(span.documents) == 1


async def test_an_agent_with_a_tool(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    agent = FunctionAgent(name="adder", description="Adds.", tools=[add], llm=llm)
    answer = await agent.run("What is 2 and 3?")
    assert "The sum is 5" in str(answer)
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="What is 2 and 3?", output="The sum is 5")
    recording.check_owner("adder")
    tool = recording.check_tool("add", arguments={"a": 2, "b": 3}, result="5")
    assert recording.named("inside the tool").parent_id == tool.span_id
    assert len(recording.of_kind(SpanKind.TOOL)) == 1
    recording.check_no_failure()


async def test_a_tool_that_fails(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.tools import FunctionTool

    def broken(a: int, b: int) -> int:
        """Add two numbers, in vain."""
        raise ValueError("no adding today")

    tool = FunctionTool.from_defaults(broken, name="add")
    await FunctionAgent(name="adder", tools=[tool], llm=llm).run("2 and 3?")
    (failed,) = recording.of_kind(SpanKind.TOOL)
    recording.check_failure(failed)
    assert "no adding today" in failed.status_message
    assert recording.root.status is Status.OK


async def test_a_team_hands_over_by_name(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent

    planner = FunctionAgent(name="planner", description="Plans.", llm=llm, tools=[])
    writer = FunctionAgent(name="writer", description="Writes.", llm=llm, tools=[])
    team = AgentWorkflow(agents=[planner, writer], root_agent="planner")
    await team.run(user_msg="Go.")
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_owner("planner", "writer")
    handed = recording.check_tool("handoff")
    assert handed.parent_id == recording.named("planner").span_id
    turns = [span.name for span in recording.children(recording.root)]
    assert turns == ["planner", "writer"]


async def test_a_run_that_is_cancelled_has_not_failed(llm: Any, recording: Recording) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    run = FunctionAgent(name="adder", tools=[add], llm=llm).run("2 and 3?")
    async for _ in run.stream_events():
        break
    await run.cancel_run()
    errors = pytest.importorskip("workflows.errors")
    with pytest.raises(errors.WorkflowCancelledByUser):
        await run
    recording.check_structure()
    recording.check_no_failure()


def test_a_run_that_the_closing_loop_cancels_has_not_failed(llm: Any, recording: Recording) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    async def leave() -> None:
        run = FunctionAgent(name="adder", tools=[add], llm=llm).run("2 and 3?")
        async for event in run.stream_events():
            if type(event).__name__ == "AgentStream":
                break

    asyncio.run(leave())
    recording.check_structure()
    recording.check_no_failure()


async def test_a_workflow_of_the_users(
    llm: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step

    class Drafted(Event):
        text: str

    class Flow(Workflow):
        @step
        async def draft(self, ev: StartEvent) -> Drafted:
            return Drafted(text=str(await llm.acomplete(ev.topic)))

        @step
        async def finish(self, ev: Drafted) -> StopEvent:
            return StopEvent(result=ev.text.upper())

    assert await Flow().run(topic="discs") == "A DISC HOLDS 50 GB."
    recording.check_structure()
    recording.check_model_calls(server.log)
    recording.check_root(input="discs", output="A DISC HOLDS 50 GB.")
    assert [span.name for span in recording.children(recording.root)] == ["draft", "finish"]


async def test_a_step_that_fails_fails_the_workflow(recording: Recording) -> None:
    from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

    class Flow(Workflow):
        @step
        async def fall(self, ev: StartEvent) -> StopEvent:
            raise ValueError("no step today")

    with pytest.raises(Exception, match="no step today"):
        await Flow().run()
    recording.check_failure(recording.named("fall"))
    assert recording.root.status is Status.ERROR


def test_a_model_that_is_not_openais(recording: Recording) -> None:
    from llama_index.core.llms import ChatMessage, MockLLM

    model = MockLLM(max_tokens=5)
    model.chat([ChatMessage(role="user", content="one two three")])
    recording.check_structure()
    (span,) = recording.of_kind(SpanKind.LLM)
    assert "one two three" in shown(span.input_messages)
    assert span.output_messages
    recording.clear()
    assert list(model.stream_complete("one two three"))
    recording.check_structure()
    recording.clear()
    stream = model.stream_chat([ChatMessage(role="user", content="one two three")])
    next(stream)
    del stream
    recording.check_structure()


def test_llama_index_alone_traces_its_models_too(
    index: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    autolog(disable=True)
    pellucid.llama_index.autolog()
    index.as_query_engine().query("How much?")
    recording.check_structure()
    (model,) = recording.of_kind(SpanKind.LLM)
    served = server.log.served("/chat/completions")[0]
    assert (model.tokens.input, model.tokens.output) == (served.input_tokens, served.output_tokens)
    assert model.model == "gpt-4o"
    pellucid.llama_index.autolog(disable=True)
    recording.clear()
    index.as_query_engine().query("How much?")
    assert recording.spans == []


async def test_a_step_that_waits_shows_what_it_asks_and_gets(recording: Recording) -> None:
    from llama_index.core.workflow import (
        Context,
        HumanResponseEvent,
        InputRequiredEvent,
        StartEvent,
        StopEvent,
        Workflow,
        step,
    )

    class Flow(Workflow):  # type: ignore[misc, unused-ignore]
        @step
        async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent:
            asks = InputRequiredEvent(prefix="May I?")
            said = await ctx.wait_for_event(HumanResponseEvent, waiter_event=asks)
            return StopEvent(result=said.response)

    run = Flow().run(topic="discs")
    async for event in run.stream_events():
        if isinstance(event, InputRequiredEvent):
            run.ctx.send_event(HumanResponseEvent(response="yes"))
    assert await run == "yes"
    recording.check_structure()
    flow = recording.named("Flow")
    assert [event.name for event in flow.events] == ["interrupt", "resume"]
    assert flow.input == {"topic": "discs"}
    asked, answered = (event.attributes for event in flow.events)
    assert asked["llama_index.waits_for"] == "HumanResponseEvent"
    assert "May I?" in asked["llama_index.event"]
    assert "yes" in answered["llama_index.event"]
    waited, went_on = recording.children(flow)
    assert [event.name for event in waited.events] == ["interrupt"]
    assert [event.name for event in went_on.events] == ["resume"]
    assert {span.status for span in recording.spans} == {Status.OK}


async def test_what_a_timeout_cancels_is_marked(recording: Recording) -> None:
    from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

    class Flow(Workflow):  # type: ignore[misc, unused-ignore]
        @step
        async def wait(self, ev: StartEvent) -> StopEvent:
            await asyncio.Event().wait()
            return StopEvent()

    with pytest.raises(Exception, match="timed out"):
        await Flow(timeout=2).run()
    recording.check_structure()
    assert recording.named("Flow").status is Status.ERROR
    assert "cancelled" in [event.name for event in recording.named("wait").events]
