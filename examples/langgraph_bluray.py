"""The Blu-ray question, answered by a LangGraph agent; `autolog()` is all that tracing takes."""

from bluray import (
    INSTRUCTIONS,
    QUESTION,
    calculate,
    convert_units,
    model,
    search_encyclopedia,
    show,
)
from langchain_core.messages import SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

import pellucid

TOOLS = [search_encyclopedia, calculate, convert_units]


def main() -> None:
    pellucid.init(experiment="bluray-langgraph")
    pellucid.autolog()
    with model() as access:
        llm = ChatOpenAI(model=access.name, base_url=access.base_url, api_key=access.api_key)
        assistant = llm.bind_tools(TOOLS)

        def think(state: MessagesState) -> MessagesState:
            messages = [SystemMessage(INSTRUCTIONS), *state["messages"]]
            return {"messages": [assistant.invoke(messages)]}

        graph = StateGraph(MessagesState)
        graph.add_node("think", think)
        graph.add_node("tools", ToolNode(TOOLS))
        graph.add_edge(START, "think")
        graph.add_conditional_edges("think", tools_condition)
        graph.add_edge("tools", "think")
        agent = graph.compile(name="bluray_agent")

        state = agent.invoke(
            {"messages": [("user", QUESTION)]}, {"configurable": {"thread_id": "bluray-1"}}
        )
        show(state["messages"][-1].content)


if __name__ == "__main__":
    main()
