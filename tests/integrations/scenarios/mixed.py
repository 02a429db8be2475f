"""Frameworks within one another's tools, nodes and modules: one trace, nothing twice."""

from typing import Any

import pellucid
from pellucid.demo.model_server import Call, Rule
from pellucid.testing.scenarios import Below, Called, Cases

cases = Cases(
    "mixed",
    needs=("langgraph", "langchain_openai", "llama_index.core", "llama_index.llms.openai", "dspy"),
)

ASKED = "How thick is a disc?"
FINDS = [
    Rule(Call("find", {"what": "disc"}), offers="find", when=lambda r: r.answered_tool is None),
    Rule("It is 1.2 mm.", tool="find"),
    Rule("[[ ## answer ## ]]\nThin.\n\n[[ ## completed ## ]]", user=r"\[\[ ## answer"),
    Rule("A disc is 1.2 mm thick."),
]
QA = "question -> answer"


def agent(url: str, find: Any) -> Any:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="gpt-4o", base_url=url, api_key="k", max_retries=0)
    return create_agent(model, [find], name="finder")


def llama(url: str) -> Any:
    from llama_index.core import Settings
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.llms.openai import OpenAI

    Settings.tokenizer = str.split  # the default one is downloaded
    Settings.llm = OpenAI(
        model="gpt-4o", api_base=url, api_key="k", max_retries=0, reuse_client=False
    )
    Settings.embed_model = OpenAIEmbedding(
        api_base=url, api_key="k", max_retries=0, reuse_client=False
    )
    return Settings.llm


def index(url: str) -> Any:
    from llama_index.core import Document, VectorStoreIndex

    llama(url)
    return VectorStoreIndex.from_documents([Document(text="A disc is 1.2 mm thick.")])


@cases.add(
    script=FINDS,
    traces=2,
    output="1.2 mm",
    agents=("finder",),
    tools=(Called("find", {"what": "disc"}, "1.2 mm"),),
    documents=(("1.2 mm thick", None),),
    stages=(Below("RETRIEVER", "", "^find$"), Below("EMBEDDING", "", "VectorIndexRetriever")),
)
async def a_retriever_of_llama_index_in_a_tool_of_langgraph(url: str) -> None:
    search = index(url).as_retriever(similarity_top_k=1)

    async def find(what: str) -> str:
        """Find."""
        return "\n".join([node.text for node in await search.aretrieve(what)])

    found = await agent(url, find).ainvoke({"messages": [("user", ASKED)]})
    print(found["messages"][-1].content)


@cases.add(
    script=FINDS,
    traces=2,
    output="1.2 mm",
    agents=("finder",),
    tools=(Called("find", {"what": "disc"}, "1.2 mm"),),
    documents=(("1.2 mm thick", None),),
    stages=(Below("LLM", "", "CompactAndRefine"), Below("CHAIN", "QueryEngine", "^find$")),
)
def a_query_of_llama_index_in_a_tool_of_langgraph(url: str) -> None:
    engine = index(url).as_query_engine(similarity_top_k=1)

    def find(what: str) -> str:
        """Find."""
        return str(engine.query(what))

    print(agent(url, find).invoke({"messages": [("user", ASKED)]})["messages"][-1].content)


@cases.add(
    script=FINDS,
    input="thick",
    output="Thin.",
    stages=(Below("CHAIN", "^Predict$", "^think$"), Below("LLM", "", "^Predict$")),
)
async def a_predictor_of_dspy_in_a_node_of_langgraph(url: str) -> None:
    import dspy
    from langgraph.graph import START, MessagesState, StateGraph

    lm = dspy.LM("openai/gpt-4o", api_base=url, api_key="k", cache=False, num_retries=0)

    async def think(state: Any) -> Any:
        with dspy.context(lm=lm):
            found = await dspy.Predict(QA).acall(question=state["messages"][-1].content)
        return {"messages": [("ai", found.answer)]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    found = await graph.compile().ainvoke({"messages": [("user", ASKED)]})
    print(found["messages"][-1].content)


@cases.add(
    script=FINDS,
    input="thick",
    output="1.2 mm",
    agents=("finder",),
    tools=(Called("find", {"what": "disc"}, "1.2 mm"),),
    stages=(Below("LLM", "", "^find$"),),
    manual="inside the tool",
    manual_tool="find",
)
async def a_stream_of_openai_in_a_tool_of_langgraph(url: str) -> None:
    import openai

    async def find(what: str) -> str:
        """Find."""
        said: Any = [{"role": "user", "content": what}]
        with pellucid.span("inside the tool"):
            async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
                pieces = await client.chat.completions.create(
                    model="gpt-4o", messages=said, stream=True
                )
                return "".join([piece.choices[0].delta.content or "" async for piece in pieces])

    found = await agent(url, find).ainvoke({"messages": [("user", ASKED)]})
    print(found["messages"][-1].content)


@cases.add(
    script=FINDS,
    input="thick",
    output="1.2 mm",
    agents=("asker", "finder"),
    tools=(Called("find"), Called("find")),
    stages=(Below("AGENT", "^finder$", "^find$"), Below("LLM", "", "^finder$", 2)),
)
async def an_agent_of_langgraph_in_a_tool_of_llama_index(url: str) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    def inner(what: str) -> str:
        """Find."""
        return "1.2 mm"

    inner.__name__ = "find"

    async def find(what: str) -> str:
        """Find."""
        found = await agent(url, inner).ainvoke({"messages": [("user", what)]})
        return str(found["messages"][-1].content)

    print(await FunctionAgent(name="asker", tools=[find], llm=llama(url)).run(ASKED))
