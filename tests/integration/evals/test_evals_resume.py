"""A process that dies in the middle of an evaluation, and the one that takes up after it."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from pellucid.demo.model_server import ModelRequest, Rule, ScriptedModelServer

PROGRAM = """
import os, sys, httpx, pellucid

def agent(question):
    body = {"model": "agent", "messages": [{"role": "user", "content": question}]}
    answer = httpx.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body)
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
        asked = Counter(str(call.request["messages"]) for call in server.log)
    # What was in flight when the process died is paid again: at most the four slots.
    assert len(asked) == 60
    assert asked.total() <= 60 + 4
