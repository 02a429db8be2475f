"""LlamaIndex: query and chat engines, agents, teams, workflows, streams left half-way, failures."""

import contextlib
from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Rule
from pellucid.testing.scenarios import Below, Called, Cases, Failed

cases = Cases(
    "llama_index",
    needs=("llama_index.core", "llama_index.llms.openai", "llama_index.embeddings.openai"),
)

ASKED = "How thick is a disc?"
SAID = "A disc is 1.2 mm thick, which is thin for what it holds."
SUM = Called("add", {"a": 2, "b": 3}, "5")
ADDS = [
    Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
    Rule(lambda request: f"The sum is {request.last.text}.", tool="add"),
]
SAYS = [
    Rule('[{"choice": 1, "reason": "Facts."}]', user="choices"),
    Rule("Doc: 1, Relevance: 9", user="Relevance"),
    Rule('{"items": [{"sub_question": "How thick?", "tool_name": "discs"}]}', user="sub_question"),
    Rule("YES", user="YES or NO"),
    Rule(SAID),
]
INSIDE: dict[str, Any] = {"manual": "inside the tool", "manual_tool": "add"}
FOUND = (("1.2 mm thick", None),)
ENGINE = (Below("LLM", "", "CompactAndRefine"), Below("EMBEDDING", "", "VectorIndexRetriever"))


def llm(url: str, **more: Any) -> Any:
    from llama_index.llms.openai import OpenAI

    more = {"max_retries": 0, "temperature": 0.2, "reuse_client": False, **more}
    return OpenAI(model="gpt-4o", api_base=url, api_key="k", **more)


def settings(url: str) -> None:
    from llama_index.core import Settings
    from llama_index.embeddings.openai import OpenAIEmbedding

    Settings.tokenizer = str.split  # the default one is downloaded
    Settings.llm = llm(url)
    Settings.embed_model = OpenAIEmbedding(
        api_base=url, api_key="k", max_retries=0, reuse_client=False
    )


def index(url: str) -> Any:
    from llama_index.core import Document, VectorStoreIndex

    settings(url)
    return VectorStoreIndex.from_documents(
        [Document(text="A disc is 1.2 mm thick."), Document(text="Cats sleep on a disc.")]
    )


def engine(url: str, **more: Any) -> Any:
    return index(url).as_query_engine(similarity_top_k=1, **more)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    with pellucid.span("inside the tool"):
        return a + b


def fail(a: int, b: int) -> int:
    """Add two numbers, in vain."""
    raise ValueError("no adding today")


fail.__name__ = "add"


def agent(url: str, name: str = "adder", **more: Any) -> Any:
    from llama_index.core.agent.workflow import FunctionAgent

    more = {"tools": [add], "description": f"The {name}.", **more}
    return FunctionAgent(name=name, llm=llm(url), **more)


@cases.add(script=SAYS, traces=2, output=SAID, documents=FOUND, stages=ENGINE)
def a_query(url: str) -> None:
    print(engine(url).query(ASKED))


@cases.add(script=SAYS, traces=2, output=SAID, documents=FOUND, stages=ENGINE)
async def an_async_query(url: str) -> None:
    print(await engine(url).aquery(ASKED))


@cases.add(script=SAYS, traces=2, output=SAID, documents=FOUND, token_delay_s=0.002)
def a_streamed_query(url: str) -> None:
    print("".join(engine(url, streaming=True).query(ASKED).response_gen))


@cases.add(script=SAYS, traces=2, documents=FOUND, left_streams=1, token_delay_s=0.01)
def a_streamed_query_that_is_left(url: str) -> None:
    for token in engine(url, streaming=True).query(ASKED).response_gen:
        if token:
            break


@cases.add(
    script=SAYS,
    traces=3,
    output=SAID,
    documents=FOUND,
    stages=(
        Below("LLM", "", "LLMSingleSelector"),
        Below("CHAIN", "^RetrieverQueryEngine$", "RouterQueryEngine"),
    ),
)
def a_router(url: str) -> None:
    from llama_index.core import Document, SummaryIndex
    from llama_index.core.query_engine import RouterQueryEngine
    from llama_index.core.selectors import LLMSingleSelector
    from llama_index.core.tools import QueryEngineTool

    facts = QueryEngineTool.from_defaults(engine(url), name="discs", description="Facts.")
    whole = SummaryIndex.from_documents([Document(text="All.")]).as_query_engine()
    tools = [facts, QueryEngineTool.from_defaults(whole, name="all", description="All.")]
    router = RouterQueryEngine(selector=LLMSingleSelector.from_defaults(), query_engine_tools=tools)
    print(router.query(ASKED))


@cases.add(
    script=SAYS,
    traces=2,
    output=SAID,
    documents=FOUND,
    stages=(
        Below("LLM", "", "LLMQuestionGenerator"),
        Below("CHAIN", "^RetrieverQueryEngine$", "SubQuestionQueryEngine"),
    ),
)
async def sub_questions(url: str) -> None:
    from llama_index.core import Settings
    from llama_index.core.query_engine import SubQuestionQueryEngine
    from llama_index.core.question_gen import LLMQuestionGenerator
    from llama_index.core.tools import QueryEngineTool

    tool = QueryEngineTool.from_defaults(engine(url), name="discs", description="Facts.")
    asks = LLMQuestionGenerator.from_defaults(Settings.llm)
    whole = SubQuestionQueryEngine.from_defaults([tool], question_gen=asks, verbose=False)
    print(await whole.aquery(ASKED))


@cases.add(
    script=SAYS,
    traces=2,
    output=SAID,
    documents=FOUND,
    stages=(Below("RERANKER", "SimilarityPostprocessor", ""), Below("LLM", "", "LLMRerank")),
)
def rerankers(url: str) -> None:
    from llama_index.core.postprocessor import LLMRerank, SimilarityPostprocessor

    settings(url)
    keeps = [SimilarityPostprocessor(similarity_cutoff=-1.0), LLMRerank(top_n=1)]
    print(engine(url, node_postprocessors=keeps).query(ASKED))


def talk(url: str, mode: str) -> Any:
    return index(url).as_chat_engine(chat_mode=mode, similarity_top_k=1)


@cases.add(script=SAYS, traces=3, output=SAID, documents=FOUND)
def a_chat(url: str) -> None:
    chat = talk(url, "condense_plus_context")
    print(chat.chat(ASKED), chat.chat("And a cat?"))


@cases.add(script=SAYS, traces=2, output=SAID, documents=FOUND, token_delay_s=0.002)
async def a_streamed_chat(url: str) -> None:
    reply = await talk(url, "context").astream_chat(ASKED)
    print("".join([token async for token in reply.async_response_gen()]))


@cases.add(script=SAYS, traces=2, documents=FOUND, left_streams=1, token_delay_s=0.01)
async def a_chat_that_the_closing_loop_ends(url: str) -> None:
    reply = await talk(url, "context").astream_chat(ASKED)
    async for token in reply.async_response_gen():
        if token:
            break


@cases.add(
    script=ADDS, input="2 and 3", output="The sum is 5.", agents=("adder",), tools=(SUM,), **INSIDE
)
async def an_agent(url: str) -> None:
    print(await agent(url).run("2 and 3?"))


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
    run = agent(url, streaming=False).run("2 and 3?")
    # The two run side by side, in an order of their own.
    print(sorted([type(event).__name__ async for event in run.stream_events()]))
    print(await run)


@cases.add(
    script=ADDS,
    input="2 and 3",
    agents=("adder",),
    tools=(Called("add", {"a": 2, "b": 3}, "no adding today"),),
    failed=(Failed("TOOL", "add"),),
)
async def a_tool_that_fails(url: str) -> None:
    print(await agent(url, tools=[fail]).run("2 and 3?"))


def reasons(request: Any) -> str:
    if any(m.role == "user" and m.text.startswith("Observation:") for m in request.messages):
        return "Thought: I can answer without using any more tools.\nAnswer: It is 5."
    return 'Thought: I add.\nAction: add\nAction Input: {"a": 2, "b": 3}'


@cases.add(
    script=[Rule(reasons)],
    input="2 and 3",
    output="It is 5.",
    agents=("thinker",),
    tools=(SUM,),
    **INSIDE,
)
async def an_agent_that_reasons(url: str) -> None:
    from llama_index.core.agent.workflow import ReActAgent

    print(await ReActAgent(name="thinker", tools=[add], llm=llm(url)).run("2 and 3?"))


@cases.add(
    script=[
        Rule(Call("handoff", {"to_agent": "writer", "reason": "Words."}), system="You plan"),
        Rule(Call("add", {"a": 2, "b": 3}), when=lambda r: r.answered_tool != "add"),
        *ADDS,
    ],
    input="2 and 3",
    output="The sum is 5.",
    agents=("planner", "writer"),
    owners={"You plan": "planner", "You write": "writer"},
    tools=(Called("handoff"), SUM),
    stages=(Below("TOOL", "^handoff$", "^planner$"), Below("TOOL", "^add$", "^writer$")),
    **INSIDE,
)
async def a_team(url: str) -> None:
    from llama_index.core.agent.workflow import AgentWorkflow

    planner = agent(url, "planner", tools=[], system_prompt="You plan.")
    writer = agent(url, "writer", system_prompt="You write.")
    team = AgentWorkflow(agents=[planner, writer], root_agent="planner")
    print(await team.run("2 and 3?"))


@cases.add(
    script=ADDS,
    traces=2,
    agents=("adder",),
    session="chat-7",
    sessions=1,
    tools=(SUM, SUM),
    **INSIDE,
)
async def a_memory(url: str) -> None:
    from llama_index.core.memory import Memory

    settings(url)
    memory = Memory.from_defaults(session_id="chat-7", token_limit=4000)
    adder = agent(url)
    print(await adder.run("2 and 3?", memory=memory))
    print(await adder.run("What was it?", memory=memory))


@cases.add(
    script=[
        Rule(Call("pay", {"amount": 7}), offers="pay", when=lambda r: r.answered_tool is None),
        Rule("It is paid."),
    ],
    input="Pay",
    output="It is paid.",
    agents=("payer",),
    tools=(Called("pay", {"amount": 7}, "yes"), Called("pay")),
)
async def a_person_who_approves(url: str) -> None:
    from llama_index.core.workflow import Context, HumanResponseEvent, InputRequiredEvent

    async def pay(ctx: Any, amount: int) -> str:
        """Pay."""
        asks = InputRequiredEvent(prefix="May I?")
        said = await ctx.wait_for_event(HumanResponseEvent, waiter_id="pay", waiter_event=asks)
        return f"{amount}: {said.response}"

    pay.__annotations__["ctx"] = Context
    run = agent(url, "payer", tools=[pay]).run("Pay 7.")
    async for event in run.stream_events():
        if isinstance(event, InputRequiredEvent):
            run.ctx.send_event(HumanResponseEvent(response="yes"))
    print(await run)


@cases.add(script=SAYS, input="2 and 3", agents=("adder",), left_streams=1, token_delay_s=0.02)
async def an_agent_that_is_cancelled(url: str) -> None:
    run = agent(url).run("2 and 3?")
    async for event in run.stream_events():
        if type(event).__name__ == "AgentStream" and event.delta:
            break
    await run.cancel_run()
    with contextlib.suppress(Exception):
        await run


@cases.add(
    script=SAYS,
    input="discs",
    output="A DISC",
    stages=(Below("LLM", "", "^draft$"), Below("CHAIN", "^finish$", "Flow")),
)
async def a_workflow(url: str) -> None:
    from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step

    class Drafted(Event):  # type: ignore[misc, unused-ignore]
        text: str

    class Flow(Workflow):  # type: ignore[misc, unused-ignore]
        @step
        async def draft(self, ev: StartEvent) -> Drafted:
            return Drafted(text=str(await llm(url).acomplete(ev.topic)))

        @step
        async def finish(self, ev: Drafted) -> StopEvent:
            return StopEvent(result=ev.text.upper())

    print(await Flow().run(topic="discs"))


@cases.add(script=SAYS, input="discs", raises="no", failed=(Failed("CHAIN", "draft", "*"),))
async def a_step_that_fails(url: str) -> None:
    from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

    class Flow(Workflow):  # type: ignore[misc, unused-ignore]
        @step
        async def draft(self, ev: StartEvent) -> StopEvent:
            raise ValueError("no")

    await Flow().run(topic="discs")


@cases.add(script=SAYS, input="discs", raises="Connection", failed=(Failed("LLM", "", "*"),))
async def a_model_that_is_away(url: str) -> None:
    await agent("http://127.0.0.1:9/v1").run("About discs?")


@cases.add(
    script=SAYS,
    traces=3,
    documents=FOUND,
    stages=(Below("LLM", "", "FaithfulnessEvaluator"),),
)
def an_evaluator(url: str) -> None:
    from llama_index.core.evaluation import FaithfulnessEvaluator

    found = engine(url).query(ASKED)
    print(FaithfulnessEvaluator().evaluate_response(response=found).passing)


@cases.add(
    script=SAYS,
    stages=(Below("PARSER", "SentenceSplitter", "Pipeline"), Below("EMBEDDING", "", "Pipeline")),
)
async def ingestion(url: str) -> None:
    from llama_index.core import Document, Settings
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter

    settings(url)
    steps = [SentenceSplitter(chunk_size=100, chunk_overlap=0), Settings.embed_model]
    found = await IngestionPipeline(transformations=steps).arun(documents=[Document(text="One.")])
    print(len(found))


@cases.add(script=[Rule({"title": "Discs", "pages": 3})], traces=3, output="Discs")
async def a_model_that_fills_a_form(url: str) -> None:
    from llama_index.core.llms import ChatMessage
    from pydantic import BaseModel

    class Book(BaseModel):
        """A book."""

        title: str
        pages: int

    form = llm(url).as_structured_llm(Book)
    print(form.complete("About discs?").raw)
    print((await form.achat([ChatMessage(role="user", content="About discs?")])).raw)
    for part in form.stream_chat([ChatMessage(role="user", content="About discs?")]):
        last = part.raw
    print(last)


@cases.add(
    script=[Rule(Call("ask", {}), offers="ask", when=lambda r: r.answered_tool is None), *SAYS],
    input="discs",
    output=SAID,
    agents=("asker",),
    tools=(Called("ask", {}, "yes"), Called("ask", {})),
    manual="inside the tool",
    manual_tool="ask",
)
async def a_person_who_is_asked_within_a_span(url: str) -> None:
    from llama_index.core.workflow import Context, HumanResponseEvent, InputRequiredEvent

    async def ask(ctx: Any) -> str:
        """Ask."""
        with pellucid.span("inside the tool"):
            asks = InputRequiredEvent(prefix="May I?")
            said = await ctx.wait_for_event(HumanResponseEvent, waiter_id="a", waiter_event=asks)
        return str(said.response)

    ask.__annotations__["ctx"] = Context
    run = agent(url, "asker", tools=[ask]).run("About discs?")
    async for event in run.stream_events():
        if isinstance(event, InputRequiredEvent):
            run.ctx.send_event(HumanResponseEvent(response="yes"))
    print(await run)


def discs(url: str) -> Any:
    """Return an engine that asks a table of discs by SQL."""
    from llama_index.core import SQLDatabase
    from llama_index.core.query_engine import NLSQLTableQueryEngine
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import StaticPool

    settings(url)
    shared = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    held = create_engine("sqlite://", **shared)
    with held.begin() as connection:
        connection.execute(text("CREATE TABLE discs (thick FLOAT)"))
        connection.execute(text("INSERT INTO discs VALUES (1.2)"))
    return NLSQLTableQueryEngine(SQLDatabase(held), tables=["discs"], llm=llm(url))


ROWS: dict[str, Any] = {
    "script": [
        Rule("SELECT thick FROM discs", when=lambda r: "SQL Response" not in r.text),
        Rule(SAID),
    ],
    "input": "How thick",
    "output": SAID,
    "documents": (("1.2", None),),
    "stages": (
        Below("LLM", "", "^NLSQLRetriever$"),
        Below("RETRIEVER", "^SQLRetriever$", "^NLSQLRetriever$"),
        Below("RETRIEVER", "^NLSQLRetriever$", "^NLSQLTableQueryEngine$"),
    ),
}


@cases.add(**ROWS)
def a_question_to_a_database(url: str) -> None:
    print(discs(url).query(ASKED))


@cases.add(**ROWS)
async def an_async_question_to_a_database(url: str) -> None:
    print(await discs(url).aquery(ASKED))


@cases.add(
    script=ROWS["script"],
    input="How thick",
    documents=ROWS["documents"],
    stages=ROWS["stages"][:2],
)
def a_retriever_of_a_database(url: str) -> None:
    print([found.text for found in discs(url).sql_retriever.retrieve(ASKED)])
