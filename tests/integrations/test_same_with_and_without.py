"""Programs print and ask the same whether they are traced, and whenever tracing is turned on."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pellucid.demo.model_server import Call, Rule, ScriptedModelServer
from pellucid.demo.model_server.request import ModelRequest


def fields(request: ModelRequest) -> str:
    """Answer as DSPy asks."""
    wanted = re.findall(r"\[\[ ## (\w+) ## \]\]", request.user.split("corresponding output")[-1])
    known = {"next_tool_name": "divide", "next_tool_args": '{"a": 1, "b": 0}'}
    said = [f"[[ ## {name} ## ]]\n{known.get(name, 'Thus.')}" for name in wanted]
    return "\n\n".join(said)


SCRIPT = [
    Rule(fields, user="corresponding output fields"),
    Rule("Poet", system="role play", user="Read the"),
    Rule(
        Call("divide", {"a": 1, "b": 0}, id="call_1"),
        offers="divide",
        when=lambda request: request.answered_tool is None,
    ),
    Rule(lambda request: f"It says: {request.last.text}", tool="divide"),
    Rule("A draft. TERMINATE"),
]

AG2 = """
import random
import autogen
random.seed(7)
AFTER
config = {"config_list": [{"model": "gpt-4o", "base_url": URL, "api_key": "k"}], "cache_seed": None}
writer = autogen.AssistantAgent("Writer", llm_config=config)
poet = autogen.AssistantAgent("Poet", llm_config=config)
critic = autogen.AssistantAgent("Critic", llm_config=config)
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)

def divide(a: int, b: int) -> float:
    return a / b

autogen.register_function(divide, caller=writer, executor=user, description="Divide.")
print(user.initiate_chat(writer, message="What is 1/0?", max_turns=3).summary)
for method in ("random", "auto"):
    group = autogen.GroupChat([poet, critic], [], max_round=3, speaker_selection_method=method)
    manager = autogen.GroupChatManager(groupchat=group, llm_config=config)
    result = user.initiate_chat(manager, message="Write a line.", max_turns=1)
    print(result.summary, [message["name"] for message in group.messages], random.random())
dead = {"config_list": [{"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key": "k",
                         "max_retries": 0}], "cache_seed": None}
try:
    user.initiate_chat(autogen.AssistantAgent("dead", llm_config=dead), message="Hi", max_turns=1)
except Exception as error:
    import traceback
    print(traceback.format_exc())
"""

AGENTCHAT = """
import asyncio
import logging
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_ext.models.openai import OpenAIChatCompletionClient
AFTER
logging.disable()

def client(url):
    return OpenAIChatCompletionClient(
        model="gpt-4o", base_url=url, api_key="k", max_retries=0
    )

async def divide(a: int, b: int) -> float:
    "Divide."
    return a / b

async def main():
    writer = AssistantAgent("writer", client(URL), tools=[divide], reflect_on_tool_use=True)
    critic = AssistantAgent("critic", client(URL), model_client_stream=True)
    team = RoundRobinGroupChat([writer, critic], termination_condition=MaxMessageTermination(4))
    async for message in team.run_stream(task="What is 1/0?"):
        print(type(message).__name__, getattr(message, "content", ""))
    for streams in (False, True):
        dead = AssistantAgent("dead", client("http://127.0.0.1:9/v1"), model_client_stream=streams)
        try:
            await RoundRobinGroupChat([dead], max_turns=1).run(task="Hello")
        except RuntimeError as error:
            print(error)

asyncio.run(main())
"""

AG2_NEXT = """
import asyncio
import traceback
import ag2
from ag2.config import OpenAIConfig
AFTER

def divide(a: int, b: int) -> float:
    "Divide."
    return a / b

async def main():
    for streaming in (False, True):
        config = OpenAIConfig(
            model="m", base_url=URL, api_key="k", max_retries=0, streaming=streaming
        )
        agent = ag2.Agent("helper", "Be brief.", config=config, tools=[divide])
        reply = await agent.ask("What is 1/0?")
        print(reply.body)
        print((await reply.ask("And again?")).body)
    dead = OpenAIConfig(model="m", base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0)
    try:
        await ag2.Agent("dead", config=dead).ask("Hello")
    except Exception:
        print(traceback.format_exc())

asyncio.run(main())
"""

LANGGRAPH = """
import asyncio
import traceback
from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
AFTER

def divide(a: int, b: int) -> float:
    "Divide."
    return a / b

def model(url):
    return ChatOpenAI(model="gpt-4o", base_url=url, api_key="k", max_retries=0)

agent = create_agent(model(URL), [divide], name="helper")
asked = {"messages": [("user", "What is 1/0?")]}
try:
    agent.invoke(asked)
except ZeroDivisionError as error:
    print([frame.name for frame in traceback.extract_tb(error.__traceback__)])
chain = ChatPromptTemplate.from_template("Tell of {topic}.") | model(URL)
print([piece.content for piece in chain.stream({"topic": "discs"})])

async def main():
    async for event in chain.astream_events({"topic": "discs"}, version="v2"):
        print(event["event"], event["name"])
        if event["event"] == "on_chat_model_stream":
            break
    try:
        await model("http://127.0.0.1:9/v1").ainvoke("Hello")
    except Exception:
        print(traceback.format_exc())

asyncio.run(main())
"""

LLAMA_INDEX = """
import asyncio
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
AFTER

def divide(a: int, b: int) -> float:
    "Divide."
    return a / b

Settings.tokenizer = str.split
Settings.llm = OpenAI(model="gpt-4o", api_base=URL, api_key="k", max_retries=0)
Settings.embed_model = OpenAIEmbedding(api_base=URL, api_key="k")
index = VectorStoreIndex.from_documents([Document(text="A disc.", doc_id="1")])
reply = index.as_query_engine(streaming=True).query("What is it?")
print(list(reply.response_gen))

async def main():
    run = FunctionAgent(tools=[divide], llm=Settings.llm).run("What is 1/0?")
    async for event in run.stream_events():
        print(type(event).__name__)
    print(await run)

asyncio.run(main())
"""

DSPY = """
import dspy
AFTER

def divide(a: int, b: int) -> float:
    "Divide."
    return a / b

dspy.configure(lm=dspy.LM("openai/gpt-4o", api_base=URL, api_key="k", cache=False, num_retries=0))
found = dspy.ReAct("question -> answer", tools=[divide], max_iters=2)(question="What is 1/0?")
print(found.answer, found.trajectory)
print([type(one).__name__ for one in dspy.settings.callbacks])
"""

_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

WAYS = {
    "never": ("", ""),
    "after": ("", "import pellucid\npellucid.autolog()\n"),
    "twice": ("import pellucid\npellucid.autolog()\n", "pellucid.autolog()\n"),
}


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed here")


PROGRAMS = [
    pytest.param(AG2, marks=needs("autogen"), id="ag2"),
    pytest.param(AGENTCHAT, marks=needs("autogen_agentchat", "autogen_ext"), id="agentchat"),
    pytest.param(
        LANGGRAPH, marks=needs("langgraph", "langchain", "langchain_openai"), id="langgraph"
    ),
    pytest.param(LLAMA_INDEX, marks=needs("llama_index"), id="llama_index"),
    pytest.param(DSPY, marks=needs("dspy"), id="dspy"),
    pytest.param(AG2_NEXT, marks=needs("ag2"), id="ag2 1.x"),
]


def run(program: str, path: Path, before: str = "", after: str = "") -> tuple[str, list[Any]]:
    """Return what a program printed and what it asked the model."""
    with ScriptedModelServer(script=SCRIPT) as server:
        # The lines stand for others of the same number, so that tracebacks name the same ones.
        before = before.replace("\n", ";") or "pass;"
        after = after.replace("\n", ";") or "pass;"
        path.write_text(
            f"{before} URL = {server.base_url!r}\n{program.replace('AFTER', after)}", "utf-8"
        )
        environment = {
            **os.environ,
            "PELLUCID_SPOOL_DIR": str(path.parent / "spool"),
            "PELLUCID_URL": "http://127.0.0.1:9",
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(path)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # A traceback that a model is shown names the program's file.
        asked = [
            (call.path, _without_options(call.request).replace(str(path), path.name))
            for call in server.log
        ]
        printed = done.stdout.replace(str(path), path.name)
        return _RANDOM.sub("ID", printed.replace(before, "").replace(after, "")), asked


def _without_options(request: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in request.items() if k != "stream_options"}, sort_keys=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_and_asks_the_same(program: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = {
            way: pool.submit(run, program, _place(tmp_path / way), *lines)
            for way, lines in WAYS.items()
        }
    printed, asked = found.pop("never").result()
    assert printed
    assert asked
    for way, traced in found.items():
        traced_printed, traced_asked = traced.result()
        assert traced_printed == printed, way
        assert traced_asked == asked, way


def _place(folder: Path) -> Path:
    folder.mkdir()
    return folder / "program.py"
