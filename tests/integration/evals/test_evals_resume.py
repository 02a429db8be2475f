"""A process that dies in the middle of an evaluation, and the one that takes up after it."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pellucid.demo.model_server import ModelRequest, Rule, ScriptedModelServer

PROGRAM = """
import os, sys, httpx, pellucid

def agent(question):
    body = {"model": "agent", "messages": [{"role": "user", "content": question}]}
    answer = httpx.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body, timeout=90)
    return answer.json()["choices"][0]["message"]["content"]

def fatal(output, question):
    if question == "question 17" and len(sys.argv) > 1:
        os._exit(9)
    return True

report = pellucid.evaluate(
    agent,
    [{"inputs": {"question": f"question {i}"}, "expected": "yes"} for i in range(30)],
    [fatal, pellucid.judges.correctness(model="openai:judge")],
    concurrency=4,
)
print(report.scores["correctness"].mean, report.scores["fatal"].n)
"""


def answer(request: ModelRequest) -> str:
    if request.model == "judge":
        return '{"rationale": "", "choice": "correct"}'
    return f"yes to {request.user}"


def test_a_killed_evaluation_resumes_without_paying_twice(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with ScriptedModelServer([Rule(answer)]) as server:
        env = {
            **os.environ,
            "PELLUCID_SPOOL_DIR": str(tmp_path / "spool"),
            "OPENAI_BASE_URL": server.base_url,
        }
        command = [sys.executable, str(tmp_path / "program.py")]
        assert subprocess.run([*command, "die"], env=env, check=False).returncode == 9
        paid = len(server.log)
        assert paid >= 17
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        assert done.stdout.split() == ["1.0", "30"]
        # A request that the dying process had only begun to send has no body.
        whole = [call.request for call in server.log if "messages" in call.request]
        asked = Counter(str(request["messages"]) for request in whole)
    # What was in flight when the process died is paid again: at most the four slots.
    assert len(asked) == 60
    assert asked.total() <= 60 + 4


INTERRUPTED = """
import asyncio, signal, sys, time, pellucid
from pathlib import Path

# A shell that started the tests in the background has Ctrl-C ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

def agent(n):
    with open("calls", "a") as file:
        print(n, file=file)
    if n == 12:
        Path("ready").touch()
        if len(sys.argv) > 1:
            time.sleep(600)
    return n

data = [{"inputs": {"n": n}, "expected": n} for n in range(20)]

async def cell():
    return pellucid.evaluate(agent, data, pellucid.scorers.exact_match(), concurrency=1)

inside = sys.argv[-1] == "inside"
try:
    report = asyncio.run(cell()) if inside else asyncio.run(
        pellucid.aevaluate(agent, data, pellucid.scorers.exact_match(), concurrency=1))
except KeyboardInterrupt:
    sys.exit(130)
print(report.scores["exact_match"].n)
"""


@pytest.mark.parametrize("mode", ["inside", "plain"])
def test_an_interrupted_evaluation_resumes(tmp_path: Path, mode: str) -> None:
    (tmp_path / "program.py").write_text(INTERRUPTED)
    env = {**os.environ, "PELLUCID_SPOOL_DIR": str(tmp_path / "spool")}
    command = [sys.executable, "program.py"]
    running = subprocess.Popen([*command, "die", mode], cwd=tmp_path, env=env)
    deadline = time.monotonic() + 120
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    try:
        assert running.wait(90) == 130
    finally:
        running.kill()
        running.wait()
    done = subprocess.run(
        command, cwd=tmp_path, env=env, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "20"
    calls = (tmp_path / "calls").read_text().split()
    assert len(set(calls)) == 20
    assert len(calls) <= 21  # the one in flight
