"""The Blu-ray question, answered by a LlamaIndex agent over a vector index of the encyclopedia."""

import asyncio

from bluray import INSTRUCTIONS, QUESTION, calculate, convert_units, model, show
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.schema import TextNode
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI

import pellucid
from pellucid.demo.corpus import load_corpus

Settings.tokenizer = str.split  # the default one is downloaded


async def main() -> None:
    pellucid.init(experiment="bluray-llama-index")
    pellucid.autolog()
    with model() as access:
        embedding = OpenAIEmbedding(api_base=access.base_url, api_key=access.api_key)
        nodes = [
            TextNode(id_=chunk.id, text=f"[{number}] {chunk.title}: {chunk.text}")
            for number, chunk in enumerate(load_corpus(), start=1)
        ]
        index = VectorStoreIndex(nodes, embed_model=embedding)
        retriever = index.as_retriever(similarity_top_k=4)

        async def search_encyclopedia(query: str) -> str:
            """Find paragraphs of the encyclopedia; each has a number to cite it by."""
            return "\n".join(node.text for node in await retriever.aretrieve(query))

        agent = FunctionAgent(
            name="bluray_agent",
            tools=[search_encyclopedia, calculate, convert_units],
            llm=OpenAI(model=access.name, api_base=access.base_url, api_key=access.api_key),
            system_prompt=INSTRUCTIONS,
        )
        show(str(await agent.run(QUESTION)))


if __name__ == "__main__":
    asyncio.run(main())
