"""LangChain: chains, models, streams, retrievers, embeddings; the program stays as it was."""

import asyncio
import gc
import importlib.util
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.core.span import SpanKind, Status
from pellucid.demo.model_server import Rule, ScriptedModelServer
from pellucid.integrations import autolog
from pellucid.testing.conformance import Recording, shown

pytest.importorskip("langchain_core", reason="LangChain is in both environments")
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import BaseChatModel, FakeListLLM
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_openai.chat_models import _client_utils
from pydantic import BaseModel

pytestmark = pytest.mark.filterwarnings("default")

has_numpy = pytest.mark.skipif(
    importlib.util.find_spec("numpy") is None, reason="LangChain's store in memory needs numpy"
)
SCRIPT = [
    Rule("one two three four five six", user="Count"),
    Rule("Good day."),
]
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(script=SCRIPT) as scripted:
        yield scripted
    _client_utils._cached_async_httpx_client.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain closes no clients
        gc.collect()


@pytest.fixture
def model(server: ScriptedModelServer) -> Callable[..., Any]:
    def make(**more: Any) -> Any:
        return ChatOpenAI(
            **{"model": "gpt-4o", "base_url": server.base_url, "api_key": "k", **more}
        )

    return make


@pytest.fixture
def store(server: ScriptedModelServer) -> Any:
    vectors = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=server.base_url,
        api_key="k",
        check_embedding_ctx_length=False,
    )
    found = InMemoryVectorStore(vectors)
    found.add_documents(
        [
            Document("A Blu-ray disc holds 25 GB", id="b", metadata={"page": 7}),
            Document("A DVD holds 4.7 GB", id="d"),
            Document("Vinyl turns", id="v"),
        ]
    )
    server.log.clear()
    return found


@pytest.fixture(autouse=True)
def _traced(recording: Recording) -> Iterator[None]:
    autolog()
    yield
    autolog(disable=True)


def check(recording: Recording, server: ScriptedModelServer) -> None:
    recording.check_structure()
    recording.check_model_calls(server.log)


def chain_of(llm: Any) -> Any:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    return prompt | llm | StrOutputParser()


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch", "events"])
async def test_a_chain(
    way: str, model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    chain, given = chain_of(model(temperature=0.3)), {"question": "Hello"}
    if way == "invoke":
        assert chain.invoke(given) == "Good day."
    elif way == "ainvoke":
        assert await chain.ainvoke(given) == "Good day."
    elif way == "stream":
        assert "".join(chain.stream(given)) == "Good day."
    elif way == "astream":
        assert "".join([piece async for piece in chain.astream(given)]) == "Good day."
    elif way == "batch":
        assert chain.batch([given]) == ["Good day."]
    else:
        assert [event async for event in chain.astream_events(given, version="v2")]
    check(recording, server)
    recording.check_no_failure()
    recording.check_root(input="Hello", output="Good day.")
    (llm,) = recording.of_kind(SpanKind.LLM)
    assert (llm.model, llm.provider, llm.finish_reason) == ("gpt-4o", "openai", "stop")
    assert llm.parameters["temperature"] == 0.3
    assert [message.role for message in llm.input_messages] == ["system", "user"]
    assert llm.parent_id == recording.root.span_id
    if way in {"stream", "astream", "events"}:
        assert llm.ttft_ns


@has_numpy
@pytest.mark.parametrize("run_async", [False, True])
async def test_a_question_over_documents(
    run_async: bool, store: Any, model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    recording.clear()
    retriever = store.as_retriever(search_kwargs={"k": 2})

    def join(documents: list[Document]) -> str:
        return "\n".join(document.page_content for document in documents)

    chain = (
        {"context": retriever | join, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template("{context}\n{question}")
        | model()
        | StrOutputParser()
    )
    question = "How many GB does a Blu-ray disc hold?"
    result = await chain.ainvoke(question) if run_async else chain.invoke(question)
    assert result == "Good day."
    check(recording, server)
    (search,) = recording.of_kind(SpanKind.RETRIEVER)
    assert search.input == question
    first, second = search.documents
    assert (first.id, first.text) == ("b", "A Blu-ray disc holds 25 GB")
    assert first.metadata["page"] == 7
    assert first.score is not None
    assert second.score is not None
    assert first.score > second.score > 0
    (embedding,) = recording.of_kind(SpanKind.EMBEDDING)
    assert embedding.parent_id == search.span_id
    shown_names = [span.name for span in recording.spans]
    assert not [name for name in shown_names[1:] if name.startswith("Runnable")]
    assert pellucid.current_trace_id() is None


@has_numpy
def test_searches_without_a_retriever(store: Any, recording: Recording) -> None:
    recording.clear()
    with pellucid.span("outer"):
        store.similarity_search_with_score("GB", k=1)
    recording.check_structure()
    (search,) = recording.of_kind(SpanKind.RETRIEVER)
    assert (search.name, len(search.documents)) == ("InMemoryVectorStore", 1)
    assert search.documents[0].score
    assert [span.kind for span in recording.children(search)] == [SpanKind.EMBEDDING]


@has_numpy
def test_stores_and_embeddings_of_ones_own(recording: Recording) -> None:
    class Shelf(VectorStore):  # type: ignore[misc, unused-ignore]
        @classmethod
        def from_texts(cls, texts: Any, embedding: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
            return [found for found, _ in self.similarity_search_with_score(query, k)]

        def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Any:
            DeterministicFakeEmbedding(size=4).embed_query(query)
            return [(Document("x"), 0.75)]

    Shelf().as_retriever().invoke("what?")
    recording.check_structure()
    assert recording.root.documents[0].score == 0.75
    (embedding,) = recording.of_kind(SpanKind.EMBEDDING)
    assert (embedding.parent_id, embedding.input) == (recording.root.span_id, "what?")
    autolog(disable=True)
    recording.clear()
    Shelf().as_retriever().invoke("what?")
    assert not recording.spans


class Ranking(BaseDocumentCompressor):  # type: ignore[misc, unused-ignore]
    """Puts the last first, and asks a chain about it."""

    def compress_documents(self, documents: Any, query: str, callbacks: Any = None) -> Any:
        chain = RunnablePassthrough() | RunnableLambda(shout)
        chain.invoke(query, config={"callbacks": callbacks})
        last = documents[-1]
        return [Document(last.page_content, metadata={"relevance_score": 0.9}), documents[0]]


def shout(query: str) -> str:
    return query.upper()


class Ranked(BaseRetriever):  # type: ignore[misc, unused-ignore]
    """Ranks what another one found."""

    base: Any

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        callbacks = run_manager.get_child()
        found = self.base.invoke(query, config={"callbacks": callbacks})
        return list(Ranking().compress_documents(found, query, callbacks=callbacks))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        callbacks = run_manager.get_child()
        found = await self.base.ainvoke(query, config={"callbacks": callbacks})
        return list(await Ranking().acompress_documents(found, query, callbacks=callbacks))


@has_numpy
@pytest.mark.parametrize("run_async", [False, True])
async def test_a_reranker_shows_what_came_and_what_stayed(
    run_async: bool, store: Any, recording: Recording
) -> None:
    recording.clear()
    ranked = Ranked(base=store.as_retriever(search_kwargs={"k": 2}))
    asked = "How many GB?"
    found = await ranked.ainvoke(asked) if run_async else ranked.invoke(asked)
    assert found[0].metadata["relevance_score"] == 0.9
    recording.check_structure()
    (ranking,) = recording.of_kind(SpanKind.RERANKER)
    assert (ranking.name, ranking.input) == ("Ranking", asked)
    searched = recording.children(recording.root)[0]
    assert ranking.input_documents == searched.documents
    scores = [document.score for document in ranking.documents]
    assert scores == [0.9, searched.documents[0].score]
    assert recording.root.documents == ranking.documents
    assert [span.name for span in recording.children(ranking)] == ["shout"]


class Failing(BaseRetriever):  # type: ignore[misc, unused-ignore]
    """A retriever that finds nothing."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        raise LookupError("no shelf")


async def test_a_retriever_that_fails(recording: Recording) -> None:
    with pytest.raises(LookupError):
        Failing().invoke("x")
    with pytest.raises(LookupError):
        await Failing().ainvoke("x")
    with pellucid.span("after"):
        pass
    recording.check_structure(traces=3)
    for span in recording.of_kind(SpanKind.RETRIEVER):
        assert span.status is Status.ERROR
        assert span.events


async def test_models_of_other_makers(recording: Recording) -> None:
    usage: Any = {
        "input_tokens": 30,
        "output_tokens": 12,
        "total_tokens": 42,
        "input_token_details": {"cache_read": 20, "cache_creation": 5},
        "output_token_details": {"reasoning": 4},
    }
    said = AIMessage(
        [{"type": "reasoning", "reasoning": "Let me see."}, {"type": "text", "text": "Hello you"}],
        usage_metadata=usage,
        response_metadata={"finish_reason": "stop", "model_name": "fake-2"},
    )
    call = AIMessage("", tool_calls=[{"id": "c", "name": "look", "args": {"at": "it"}}])
    fake = GenericFakeChatModel(messages=iter([said, call, AIMessage("good bye")]))
    fake.invoke("Hi")
    await fake.ainvoke("Hi")
    pieces = [piece async for piece in fake.astream("Hi")]
    FakeListLLM(responses=["words"]).invoke("Say")
    recording.check_structure(traces=4)
    first, second, third, fourth = recording.of_kind(SpanKind.LLM)
    assert (first.tokens.input, first.tokens.output) == (30, 12)
    assert (first.tokens.cache_read, first.tokens.cache_write, first.tokens.reasoning) == (20, 5, 4)
    assert first.finish_reason == "stop"
    assert [part.type for part in first.output_messages[0].parts] == ["reasoning", "text"]
    (part,) = second.output_messages[0].parts
    assert (part.name, part.arguments) == ("look", {"at": "it"})
    assert len(pieces) >= 3
    assert shown(third.output) == "good bye"
    assert third.ttft_ns
    assert (fourth.input, fourth.output) == ("Say", "words")


def test_images_stay(model: Any, recording: Recording) -> None:
    image = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    GenericFakeChatModel(messages=iter([AIMessage("ok")])).invoke([HumanMessage([image])])
    (llm,) = recording.of_kind(SpanKind.LLM)
    (part,) = llm.input_messages[0].parts
    assert (part.type, part.uri) == ("image", "data:image/png;base64,iVBORw0KGgo=")


async def test_structured_output(
    model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    class Answer(BaseModel):
        text: str

    asked = model().with_structured_output(Answer, method="function_calling")
    assert (await asked.ainvoke("Hello")).text == "Good day."
    check(recording, server)
    recording.check_root(input="Hello", output="Good day.")
    (llm,) = recording.of_kind(SpanKind.LLM)
    assert [offered.name for offered in llm.tools] == ["Answer"]
    assert [span.kind for span in recording.children(recording.root)] == [
        SpanKind.LLM,
        SpanKind.PARSER,
    ]


def test_one_call_of_many_prompts(
    model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    model().generate([[HumanMessage("one")], [HumanMessage("two")]])
    recording.check_structure(traces=2)
    recording.check_model_calls(server.log)


def test_a_cached_answer_costs_nothing(
    model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    llm = model(cache=InMemoryCache())
    llm.invoke("Hello")
    llm.invoke("Hello")
    (first,), (second,) = recording.of_kind(SpanKind.LLM), recording.of_kind(SpanKind.MEMORY)
    assert first.tokens.has_usage
    assert not second.tokens.has_usage
    assert second.attributes["langchain.cache_hit"] is True


@pytest.mark.parametrize("run_async", [False, True])
async def test_a_stream_that_is_left(
    run_async: bool, model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    llm = model()
    if run_async:
        stream = llm.astream("Count")
        for _ in range(4):
            await anext(stream)
            assert pellucid.current_trace_id() is None
        left_ns = time.time_ns()
        await asyncio.sleep(0.3)
        await stream.aclose()
    else:
        stream = llm.stream("Count")
        for _ in range(4):
            next(stream)
            assert pellucid.current_trace_id() is None
        left_ns = time.time_ns()
        time.sleep(0.3)
        stream.close()
    recording.check_structure()
    recording.check_no_failure()
    (span,) = recording.of_kind(SpanKind.LLM)
    assert span.start_ns + span.duration_ns < left_ns + 0.2e9
    assert span.ttft_ns
    assert shown(span.output).startswith("one two")


@pytest.mark.parametrize("run_async", [False, True])
async def test_a_chain_whose_stream_is_left(
    run_async: bool, model: Any, recording: Recording
) -> None:
    chain = chain_of(model())
    if run_async:
        stream = chain.astream({"question": "Count"})
        await anext(stream)
        await anext(stream)
        left_ns = time.time_ns()
        await asyncio.sleep(0.3)
        await stream.aclose()
        while recording.unended:  # the event loop closes what is inside of it
            await asyncio.sleep(0.02)
    else:
        stream = chain.stream({"question": "Count"})
        next(stream)
        next(stream)
        left_ns = time.time_ns()
        time.sleep(0.3)
        stream.close()
    recording.check_structure()
    recording.check_no_failure()
    assert recording.root.start_ns + recording.root.duration_ns < left_ns + 0.2e9


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_model_that_fails(way: str, model: Any, recording: Recording) -> None:
    chain = chain_of(model(base_url=NOWHERE, max_retries=0))

    async def ask() -> Any:
        if way == "invoke":
            return chain.invoke({"question": "x"})
        if way == "ainvoke":
            return await chain.ainvoke({"question": "x"})
        if way == "stream":
            return list(chain.stream({"question": "x"}))
        return [piece async for piece in chain.astream({"question": "x"})]

    with pytest.raises(Exception, match="onnection") as raised:
        await ask()
    with pellucid.span("after"):
        pass
    recording.check_structure(traces=2)
    (failed,) = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert recording.ancestors(failed)[0].status is Status.ERROR
    frame = raised.value.__traceback__
    while frame is not None:
        assert "integrations/langchain" not in frame.tb_frame.f_code.co_filename
        frame = frame.tb_next


async def test_a_model_call_that_is_cancelled(model: Any, recording: Recording) -> None:
    is_asked, is_over = threading.Event(), threading.Event()

    def late(request: Any) -> str:
        is_asked.set()
        is_over.wait(60)
        return "late"

    with ScriptedModelServer(script=[Rule(late)]) as slow:
        call = asyncio.create_task(model(base_url=slow.base_url).ainvoke("x"))
        await asyncio.to_thread(is_asked.wait, 60)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        is_over.set()
        recording.check_structure()
        recording.check_failure(recording.root)


def test_fallbacks(model: Any, server: ScriptedModelServer, recording: Recording) -> None:
    bad = model(base_url=NOWHERE, max_retries=0, model="gpt-x")
    bad.with_fallbacks([model()]).invoke("Hello")
    check(recording, server)
    failed, answered = recording.of_kind(SpanKind.LLM)
    recording.check_failure(failed)
    assert answered.status is Status.OK
    assert recording.root.status is Status.OK


async def test_tools_by_themselves(recording: Recording) -> None:
    @tool
    async def look(at: str) -> str:
        """Look."""
        with pellucid.span("inside"):
            await asyncio.sleep(0)
        return f"saw {at}"

    await look.ainvoke({"type": "tool_call", "id": "c1", "name": "look", "args": {"at": "it"}})
    recording.check_structure()
    span = recording.check_tool("look", arguments={"at": "it"}, result="saw it")
    assert span.tool_call is not None
    assert span.tool_call.id == "c1"
    assert recording.named("inside").parent_id == span.span_id


def test_lambdas_without_a_name_are_not_shown(recording: Recording) -> None:
    def shout(text: str) -> str:
        return text.upper()

    (RunnableLambda(lambda text: text) | shout | RunnableLambda(lambda text: text)).invoke("a")
    assert [span.name for span in recording.children(recording.root)] == ["shout"]


def test_alone_it_counts_tokens_too(
    model: Any, server: ScriptedModelServer, recording: Recording
) -> None:
    autolog(disable=True)
    pellucid.langchain.autolog()
    chain_of(model()).invoke({"question": "Hello"})
    list(chain_of(model(stream_usage=True)).stream({"question": "Hello"}))
    recording.check_structure(traces=2)
    recording.check_model_calls(server.log)


def test_undo_restores_everything() -> None:
    from langchain_core.callbacks import manager
    from langchain_core.runnables import config
    from langchain_core.tracers import context

    assert hasattr(BaseChatModel._generate_with_cache, "__wrapped__")
    assert hasattr(InMemoryVectorStore.similarity_search, "__wrapped__")
    autolog(disable=True)
    patched = [
        BaseChatModel._generate_with_cache,
        BaseChatModel._agenerate_with_cache,
        InMemoryVectorStore.similarity_search,
        DeterministicFakeEmbedding.embed_query,
        config._set_config_context,
    ]
    assert not [one for one in patched if hasattr(one, "__wrapped__")]
    ended = manager.AsyncCallbackManagerForLLMRun.on_llm_end
    assert "pellucid" not in ended.__code__.co_filename
    assert "__init_subclass__" not in vars(VectorStore)
    assert not [hook for hook in context._configure_hooks if "pellucid" in hook[0].name]


PROGRAM = """
import sys, traceback
when = sys.argv[2]
def trace():
    import pellucid
    from pellucid.testing.conformance import record
    global recording
    recording = record()
    found = recording.__enter__()
    pellucid.autolog()
    pellucid.autolog()
    return found
found = trace() if when == "before" else None
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
if when == "after":
    found = trace()
llm = ChatOpenAI(model="gpt-4o", base_url=sys.argv[1], api_key="k", max_retries=0)
def node(state):
    return {"messages": [llm.invoke(state["messages"])]}
graph = StateGraph(MessagesState)
graph.add_node("node", node)
graph.add_edge(START, "node")
app = graph.compile()
print(app.invoke({"messages": ["Hello"]})["messages"][-1].content)
for piece in llm.stream("Count"):
    print(repr(piece.content), end=" ")
print((ChatPromptTemplate.from_template("{x}") | llm).invoke({"x": "Hello"}).usage_metadata)
def broken(state):
    raise ValueError("broken")
graph = StateGraph(MessagesState)
graph.add_node("broken", broken)
graph.add_edge(START, "broken")
try:
    graph.compile().invoke({"messages": ["x"]})
except ValueError:
    lines = traceback.format_exc().splitlines()
    print(len(lines), lines[-2])
if found is not None:
    with open(f"spans-{when}", "w") as file:
        print(sorted((str(span.kind), span.name) for span in found.spans), file=file)
"""


def test_the_program_stays_as_it_was(server: ScriptedModelServer, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    seen = {}
    for when in ("never", "before", "after"):
        server.log.clear()
        result = subprocess.run(
            [sys.executable, "program.py", server.base_url, when],
            cwd=tmp_path,
            env={**os.environ, "PELLUCID_SPOOL_DIR": str(tmp_path / "spool")},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        wire = [{**call.request, "stream_options": None} for call in server.log]
        spans = tmp_path / f"spans-{when}"
        seen[when] = (result.stdout, wire, spans.read_text() if spans.exists() else "")
    assert seen["before"][:2] == seen["never"][:2] == seen["after"][:2]
    assert seen["before"][2] == seen["after"][2]
    assert seen["after"][2].count("'LLM'") == 3
