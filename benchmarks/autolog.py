"""What autolog costs: CPU per call of a framework, untraced, by Pellucid, and by OpenInference.

Each framework runs a small script of model and tool calls against a scripted model in a process of
its own, in rounds that alternate. Both ways of tracing export their spans in the same way, to a
collector on loopback. Prints CPU milliseconds a call (the lowest of the rounds)
and what tracing adds. Frameworks and instrumentors that are not installed are left out: the one for
ag2, `openinference-instrumentation-ag2`, is in none of the environments of requirements.

    python benchmarks/autolog.py [--calls 100] [--rounds 3] [--framework ag2 --framework openai …]
"""

import argparse
import asyncio
import contextlib
import importlib
import importlib.util
import io
import json
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

SIDES = ("none", "pellucid", "openinference")
INSTRUMENTORS = {
    "openai": [("openai", "OpenAIInstrumentor")],
    "ag2": [("ag2", "AG2Instrumentor"), ("openai", "OpenAIInstrumentor")],
    "ag2_next": [("openai", "OpenAIInstrumentor")],
    "agentchat": [
        ("autogen_agentchat", "AutogenAgentChatInstrumentor"),
        ("openai", "OpenAIInstrumentor"),
    ],
    "langgraph": [("langchain", "LangChainInstrumentor")],
    "llama_index": [("llama_index", "LlamaIndexInstrumentor"), ("openai", "OpenAIInstrumentor")],
    "dspy": [("dspy", "DSPyInstrumentor")],
}
"""What OpenInference has for a framework; of ag2 1.x it traces the model calls alone."""


class Sink(socketserver.StreamRequestHandler):
    """Reads OTLP requests and answers 200 to each."""

    def handle(self) -> None:
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n"
                b"content-length: 0\r\n\r\n"
            )


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def openai_calls(url: str) -> Callable[[], Any]:
    import openai

    client = openai.OpenAI(base_url=url, api_key="k")
    messages: Any = [{"role": "user", "content": "What would it take to store it? " * 20}]
    return lambda: client.chat.completions.create(model="gpt-4o", messages=messages)


def ag2_calls(url: str) -> Callable[[], Any]:
    import autogen

    config = {
        "config_list": [{"model": "gpt-4o", "base_url": url, "api_key": "k"}],
        "cache_seed": None,
    }
    helper = autogen.AssistantAgent("helper", llm_config=config)
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    autogen.register_function(add, caller=helper, executor=user, description="Add.")
    return lambda: user.initiate_chat(helper, message="2 and 3?", max_turns=3, silent=True)


def ag2_next_calls(url: str) -> Callable[[], Any]:
    import ag2
    from ag2.config import OpenAIConfig

    config = OpenAIConfig(model="gpt-4o", base_url=url, api_key="k")
    helper = ag2.Agent("helper", "Be brief.", config=config, tools=[add])
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(helper.ask("2 and 3?"))


def agentchat_calls(url: str) -> Callable[[], Any]:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(model="gpt-4o", base_url=url, api_key="k")
    loop = asyncio.new_event_loop()

    def call() -> Any:
        helper = AssistantAgent("helper", client, tools=[add], reflect_on_tool_use=True)
        critic = AssistantAgent("critic", client)
        team = RoundRobinGroupChat([helper, critic], max_turns=2)
        return loop.run_until_complete(team.run(task="2 and 3?"))

    return call


def langgraph_calls(url: str) -> Callable[[], Any]:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    agent = create_agent(ChatOpenAI(model="gpt-4o", base_url=url, api_key="k"), tools=[add])
    return lambda: agent.invoke({"messages": [("user", "2 and 3?")]})


def llama_index_calls(url: str) -> Callable[[], Any]:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.llms.openai import OpenAI

    agent = FunctionAgent(
        tools=[add], llm=OpenAI(model="gpt-4o", api_base=url, api_key="k"), streaming=False
    )
    loop = asyncio.new_event_loop()

    async def run() -> Any:
        return await agent.run("2 and 3?")

    return lambda: loop.run_until_complete(run())


def dspy_calls(url: str) -> Callable[[], Any]:
    import dspy

    dspy.configure(lm=dspy.LM("openai/gpt-4o", api_base=url, api_key="k", cache=False))
    answer = dspy.Predict("question -> answer")
    return lambda: answer(question="2 and 3?")


FRAMEWORKS: dict[str, tuple[str, Callable[[str], Callable[[], Any]]]] = {
    "openai": ("openai", openai_calls),
    "ag2": ("autogen", ag2_calls),
    "ag2_next": ("ag2", ag2_next_calls),
    "agentchat": ("autogen_agentchat", agentchat_calls),
    "langgraph": ("langgraph", langgraph_calls),
    "llama_index": ("llama_index", llama_index_calls),
    "dspy": ("dspy", dspy_calls),
}


def trace_by(side: str, framework: str, sink: str) -> Callable[[], Any]:
    """Turn tracing on; return what flushes it."""
    if side == "pellucid":
        import pellucid

        pellucid.init(experiment="bench", url=sink)
        pellucid.autolog()
        return lambda: pellucid.flush(30)
    if side == "openinference":
        from opentelemetry.sdk.trace import TracerProvider

        import pellucid

        provider = TracerProvider(shutdown_on_exit=False)
        pellucid.init(experiment="bench", url=sink, provider=provider)
        for module, name in INSTRUMENTORS[framework]:
            if importlib.util.find_spec(f"openinference.instrumentation.{module}") is None:
                continue
            found = importlib.import_module(f"openinference.instrumentation.{module}")
            getattr(found, name)().instrument(tracer_provider=provider)
        return lambda: pellucid.flush(30)
    return lambda: None


def measure(side: str, framework: str, url: str, sink: str, calls: int) -> None:
    """Print the CPU milliseconds of one call, export included."""
    flush = trace_by(side, framework, sink)
    call = FRAMEWORKS[framework][1](url)
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(max(calls // 10, 3)):
            call()
        flush()
        start = time.process_time()
        for _ in range(calls):
            call()
        flush()
        spent = time.process_time() - start
    print(json.dumps(spent / calls * 1000))


def run(side: str, framework: str, url: str, sink: str, calls: int) -> float:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as spool:
        done = subprocess.run(
            [
                *(sys.executable, "-W", "ignore", __file__, "--side", side),
                *("--framework", framework, "--calls", str(calls)),
                *("--model-url", url, "--sink", sink),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={"PELLUCID_SPOOL_DIR": spool, "PATH": "/usr/bin:/bin", "HOME": spool},
        )
    if done.returncode:
        raise SystemExit(f"{framework} by {side} failed:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--framework", action="append", choices=FRAMEWORKS)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--model-url", default="")
    parser.add_argument("--sink", default="")
    options = parser.parse_args()
    if options.side:
        (framework,) = options.framework
        measure(options.side, framework, options.model_url, options.sink, options.calls)
        return
    from pellucid.demo.model_server import Call, Rule, ScriptedModelServer

    script = [
        Rule(Call("add", {"a": 2, "b": 3}), offers="add", when=lambda r: r.answered_tool is None),
        Rule("[[ ## answer ## ]]\nIt is 5.\n\n[[ ## completed ## ]]"),
    ]
    chosen = options.framework or [
        name for name, (module, _) in FRAMEWORKS.items() if importlib.util.find_spec(module)
    ]
    sink = Server(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{sink.server_address[1]}"
    print(
        f"{'CPU ms a call':14}" + "".join(f"{side:>15}" for side in SIDES) + "  added, ours/theirs"
    )
    for framework in chosen:
        best = dict.fromkeys(SIDES, float("inf"))
        for _ in range(options.rounds):
            for side in SIDES:
                with ScriptedModelServer(script=script) as server:
                    spent = run(side, framework, server.base_url, place, options.calls)
                best[side] = min(best[side], spent)
        ours, theirs = (best[side] - best["none"] for side in SIDES[1:])
        figures = "".join(f"{best[side]:15.2f}" for side in SIDES)
        print(
            f"{framework:14}{figures}  {ours:.2f} / {theirs:.2f} = {ours / theirs:.2f}", flush=True
        )


if __name__ == "__main__":
    main()
