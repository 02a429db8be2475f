"""Twenty iterations, the twelfth best: found in one query, restored, served, the same answer."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project

AGENT = '''
"""An agent that changes with every iteration."""

import json
from collections.abc import Iterator
from pathlib import Path

import pellucid
from prompts import PROMPT

pellucid.init(experiment="twenty")
SETTINGS = json.loads((Path(__file__).parent / "settings.json").read_text())


@pellucid.agent
def answer(question: str, times: int = 1) -> str:
    """Answer a question."""
    pellucid.log_metric("asked", 1)
    return f"{PROMPT} {question}" * times + f" k={SETTINGS['k']}"


def main() -> None:
    with pellucid.start_run(params={"k": SETTINGS["k"]}, config=SETTINGS) as run:
        run.log_prompt("answer", PROMPT)
        text = answer("how tall?")
        run.log_metric("accuracy", 1 - abs(SETTINGS["k"] - 12) / 100)
        run.log_text(text, "answer.txt")
        print(run.id)


if __name__ == "__main__":
    main()
'''


@contextmanager
def serving(project: Project, run: str, *arguments: str) -> Iterator[str]:
    """Give the address of a served run."""
    process = project.start("-m", "pellucid", "serve", run, "--port", "0", *arguments)
    lines: queue.Queue[str] = queue.Queue()
    stdout = process.stdout
    assert stdout is not None
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=120)
        assert " is at http://" in line
        yield line.rsplit(" ", 1)[1].strip().removesuffix("/invocations")
    finally:
        process.terminate()
        code = process.wait(timeout=90)
        stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
    assert code == 0, said


@pytest.mark.slow
def test_the_twelfth_of_twenty_comes_back(
    project: Project, live_server: LiveServer, tmp_path: Path
) -> None:
    project.write("agent.py", AGENT)
    project.write("tools/run.sh", "#!/bin/sh\necho hi\n").chmod(0o755)
    project.write("prompts.py", 'PROMPT = "0"\n')
    project.write("settings.json", "{}")
    project.commit()
    # One process an iteration would take a minute; the loop changes the same files.
    project.write(
        "loop.py",
        """
        import json, subprocess, sys
        from pathlib import Path
        for number in range(1, int(sys.argv[1]) + 1):
            Path("prompts.py").write_text(f'PROMPT = "Answer exactly, draft {number}:"\\n')
            Path("settings.json").write_text(json.dumps({"k": number}))
            subprocess.run([sys.executable, "agent.py"], check=True)
        """,
    )
    ids = project.run("loop.py", "20").split()
    found = json.loads(
        project.run(
            *("-m", "pellucid", "runs", "list", "--experiment", "twenty", "--json"),
            *("--order", "metric.accuracy desc", "--limit", "1"),
        )
    )["runs"]
    assert [(run["number"], run["id"]) for run in found] == [(12, ids[11])]
    with live_server.client() as http:
        artifacts = http.get(f"/api/v1/runs/{ids[11]}/artifacts").json()["artifacts"]
        then = http.get(f"/api/v1/artifacts/{artifacts[0]['digest']}").text

    target = tmp_path / "run-12"
    out = project.run("-m", "pellucid", "restore", "twenty@12", "--to", str(target))
    assert "agent.py" in out.splitlines()[-1]
    assert (target / "prompts.py").read_text() == 'PROMPT = "Answer exactly, draft 12:"\n'
    assert (target / "agent.py").read_text() == AGENT
    assert (target / "tools" / "run.sh").stat().st_mode & 0o777 == 0o755

    with (
        serving(project, "twenty@12") as url,
        httpx.Client(base_url=url, timeout=90, trust_env=False) as http,
    ):
        answer = http.post("/invocations", json={"inputs": {"question": "how tall?"}})
        body = answer.json()
        assert (answer.status_code, body["output"]) == (200, then)
        assert body["run_id"] == ids[11]
        health = http.get("/health").json()
        assert (health["status"], health["run"]) == ("ok", "twenty@12")
        described = http.get("/openapi.json").json()
        schema = described["paths"]["/invocations"]["post"]["requestBody"]
        inputs = schema["content"]["application/json"]["schema"]["properties"]["inputs"]
        assert inputs["required"] == ["question"]
        bad: list[Any] = [{"inputs": {}}, {"inputs": {"question": 1}}, {"inputs": {"no": "x"}}, []]
        for wrong in bad:
            assert http.post("/invocations", json=wrong).status_code == 400
        assert http.post("/invocations", content=b"{}").status_code == 415
        assert http.get("/", headers={"Host": "evil.example"}).status_code == 403
    with live_server.client() as http:
        trace = http.get(f"/api/v1/traces/{body['trace_id']}").json()
    assert trace["trace"]["run_id"] == ids[11]
    assert [span["kind"] for span in trace["spans"]] == ["CHAIN", "AGENT"]

    diff = project.run("-m", "pellucid", "diff", "twenty@12", "twenty@20")
    assert '-PROMPT = "Answer exactly, draft 12:"' in diff
    assert '+PROMPT = "Answer exactly, draft 20:"' in diff
    assert "answer: Answer exactly, draft [-12-]{+20+}:" in diff
    assert "k: 12 → 20" in diff
