"""autogen-core runtimes: agents that answer, that publish to each other, that use tools."""

import json
from dataclasses import dataclass
from typing import Any

from pellucid.demo.model_server import Call, Rule
from pellucid.testing.scenarios import Below, Called, Cases

cases = Cases("autogen_core", needs=("autogen_core", "autogen_ext"))


@dataclass
class Task:
    """What is to be written."""

    text: str


@dataclass
class Draft:
    """What was written."""

    text: str


@dataclass
class Review:
    """What was thought of it."""

    text: str


def client(url: str) -> Any:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    return OpenAIChatCompletionClient(model="gpt-4o", base_url=url, api_key="k", max_retries=0)


async def ask(model: Any, system: str, text: str) -> str:
    from autogen_core.models import SystemMessage, UserMessage

    messages = [SystemMessage(content=system), UserMessage(content=text, source="user")]
    return str((await model.create(messages)).content)


@cases.add(
    script=["A line."], input="Write a line", output="A line.", agents=("writer",), session="s-1"
)
async def an_agent_that_answers(url: str) -> None:
    from autogen_core import (
        AgentId,
        MessageContext,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        message_handler,
    )

    model = client(url)

    class Writer(RoutedAgent):
        @message_handler
        async def write(self, message: Task, ctx: MessageContext) -> Draft:
            return Draft(await ask(model, "You write.", message.text))

    runtime = SingleThreadedAgentRuntime()
    await Writer.register(runtime, "writer", lambda: Writer("Writes."))
    runtime.start()
    print(await runtime.send_message(Task("Write a line"), AgentId("writer", "s-1")))
    await runtime.stop()
    await model.close()


@cases.add(
    script=[Rule("A line.", system="You write"), Rule("Fine.", system="You judge")],
    input="Write a line",
    output="Fine.",
    agents=("writer", "critic"),
    owners={"You write": "writer", "You judge": "critic"},
    stages=(Below("AGENT", "critic", "writer"), Below("AGENT", "writer", "publish Task")),
)
async def agents_that_publish(url: str) -> None:
    from autogen_core import (
        DefaultTopicId,
        MessageContext,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        default_subscription,
        message_handler,
    )

    model = client(url)

    @default_subscription
    class Writer(RoutedAgent):
        @message_handler
        async def write(self, message: Task, ctx: MessageContext) -> None:
            draft = Draft(await ask(model, "You write.", message.text))
            await self.publish_message(draft, DefaultTopicId())

        @message_handler
        async def hear(self, message: Review, ctx: MessageContext) -> None:
            print(message.text)

    @default_subscription
    class Critic(RoutedAgent):
        @message_handler
        async def judge(self, message: Draft, ctx: MessageContext) -> None:
            review = Review(await ask(model, "You judge.", message.text))
            await self.publish_message(review, DefaultTopicId())

    runtime = SingleThreadedAgentRuntime()
    await Writer.register(runtime, "writer", lambda: Writer("Writes."))
    await Critic.register(runtime, "critic", lambda: Critic("Judges."))
    runtime.start()
    await runtime.publish_message(Task("Write a line"), DefaultTopicId())
    await runtime.stop_when_idle()
    await model.close()


@cases.add(
    script=[Rule(Call("add", {"a": 2, "b": 3}), offers="add"), "It is 5."],
    input="2 and 3?",
    output="It is 5.",
    agents=("helper",),
    tools=(Called("add", {"a": 2, "b": 3}, "5"),),
)
async def an_agent_with_a_tool(url: str) -> None:
    from autogen_core import (
        AgentId,
        CancellationToken,
        MessageContext,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        message_handler,
    )
    from autogen_core.models import (
        AssistantMessage,
        FunctionExecutionResult,
        FunctionExecutionResultMessage,
        UserMessage,
    )
    from autogen_core.tools import FunctionTool

    model = client(url)

    def add(a: int, b: int) -> int:
        return a + b

    tool = FunctionTool(add, description="Add.")

    class Helper(RoutedAgent):
        @message_handler
        async def help(self, message: Task, ctx: MessageContext) -> Draft:
            said: list[Any] = [UserMessage(content=message.text, source="user")]
            asked = (await model.create(said, tools=[tool])).content
            said.append(AssistantMessage(content=asked, source="helper"))
            for call in asked:
                result = await tool.run_json(
                    json.loads(call.arguments), CancellationToken(), call_id=call.id
                )
                done = FunctionExecutionResult(
                    content=str(result), call_id=call.id, name="add", is_error=False
                )
                said.append(FunctionExecutionResultMessage(content=[done]))
            return Draft(str((await model.create(said)).content))

    runtime = SingleThreadedAgentRuntime()
    await Helper.register(runtime, "helper", lambda: Helper("Helps."))
    runtime.start()
    print(await runtime.send_message(Task("2 and 3?"), AgentId("helper", "default")))
    await runtime.stop()
    await model.close()
