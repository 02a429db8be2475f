"""The Blu-ray question, answered by a team of two AutoGen agents: one searches, one calculates."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient
from bluray import (
    INSTRUCTIONS,
    QUESTION,
    calculate,
    convert_units,
    model,
    search_encyclopedia,
    show,
)

import pellucid


async def main() -> None:
    pellucid.init(experiment="bluray-autogen")
    pellucid.autolog()
    with model() as access:
        client = OpenAIChatCompletionClient(
            model=access.name, base_url=access.base_url, api_key=access.api_key
        )
        researcher = AssistantAgent(
            "researcher",
            client,
            tools=[search_encyclopedia],
            system_message="Find every paragraph that the engineer will need.",
        )
        engineer = AssistantAgent(
            "engineer",
            client,
            tools=[calculate, convert_units],
            system_message=INSTRUCTIONS,
            max_tool_iterations=10,
            reflect_on_tool_use=True,
        )
        team = RoundRobinGroupChat(
            [researcher, engineer], termination_condition=MaxMessageTermination(3)
        )
        result = await team.run(task=QUESTION)
        await client.close()
        show(result.messages[-1].to_text())


if __name__ == "__main__":
    asyncio.run(main())
