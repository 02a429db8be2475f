"""Sixty iterations of a project, the twelfth best: found, restored, served, and the same again."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project

AGENT = '''
"""An agent whose code, prompt and params change with every iteration."""

import json
from pathlib import Path

import pellucid
from prompts import PROMPT
from ranking import rank

SETTINGS = json.loads((Path(__file__).parent / "settings.json").read_text())


@pellucid.agent
def answer(question: str, times: int = 1) -> str:
    """Answer a question."""
    return f"{PROMPT} {rank(question)} k={SETTINGS['k']}. " * times


def iterate() -> str:
    with pellucid.start_run(params=SETTINGS, config=SETTINGS, tags={"idea": "draft"}) as run:
        run.define_metric("gap", direction="minimize")
        run.log_prompt("answer", PROMPT)
        text = answer("how tall?")
        for step in range(3):
            run.log_metric("gap", abs(SETTINGS["k"] - 12) / 10 + (2 - step), step)
        run.log_metric("accuracy", 1 - abs(SETTINGS["k"] - 12) / 100)
        run.log_text(text, "answer.txt")
    return run.id
'''
LOOP = """
import importlib, json, sys
from pathlib import Path
import pellucid
pellucid.init(experiment=sys.argv[2])
sys.dont_write_bytecode = True
names = ("prompts", "ranking", "agent")
for number in range(1, int(sys.argv[1]) + 1):
    Path("prompts.py").write_text(f'PROMPT = "Answer exactly, draft {number}:"\\n')
    code = f"def rank(text):\\n    return sorted(text.split())[{number} % 2:] + [{number}]\\n"
    Path("ranking.py").write_text(code)
    Path("settings.json").write_text(json.dumps({"k": number}))
    for name in names:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    print(importlib.import_module("agent").iterate(), flush=True)
"""


@contextmanager
def serving(project: Project, run: str) -> Iterator[str]:
    """Give the address of a served run."""
    process = project.start("-m", "pellucid", "serve", run, "--port", "0")
    stdout = process.stdout
    assert stdout is not None
    assert process.stderr is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=120)
        assert " is at http://" in line, process.stderr.read() if not line else line
        yield line.rsplit(" ", 1)[1].strip().removesuffix("/invocations")
    finally:
        process.terminate()
        process.wait(timeout=90)
        stdout.close()
        process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("in_git", [True, False], ids=["git", "folder"])
def test_the_twelfth_of_sixty_comes_back(
    page: Page, tmp_path: Path, live_server: LiveServer, in_git: bool
) -> None:
    project = Project(tmp_path / "project", live_server.url)
    project.write("agent.py", AGENT)
    project.write("loop.py", LOOP)
    if in_git:
        project.write("tools/run.sh", "#!/bin/sh\necho hi\n").chmod(0o755)
        project.commit()
    else:
        # Outside git a project is its modules, not the files that they read.
        text = AGENT.replace(
            'SETTINGS = json.loads((Path(__file__).parent / "settings.json").read_text())',
            "SETTINGS = {'k': int(PROMPT.split()[-1].strip(':'))}",
        )
        project.write("agent.py", text)
    ids = project.run("loop.py", "60", "sixty").split()
    assert len(ids) == 60

    # One query, on the command line.
    order = ("--order", "metric.accuracy desc", "--limit", "1", "--json")
    listed = project.run("-m", "pellucid", "runs", "list", "--experiment", "sixty", *order)
    (best,) = json.loads(listed)["runs"]
    assert (best["number"], best["id"], best["params"]) == (12, ids[11], {"k": 12})

    # Three clicks from home, in the browser.
    page.goto(live_server.url)
    page.get_by_role("link", name="sixty").first.click()
    page.get_by_role("link", name="Runs").first.click()
    page.get_by_role("link", name="Best: #12").click()
    expect(page).to_have_url(f"{live_server.url}/runs/{ids[11]}")
    expect(page.get_by_text("pellucid restore sixty@12")).to_be_visible()

    with live_server.client() as http:
        artifacts = http.get(f"/api/v1/runs/{ids[11]}/artifacts").json()["artifacts"]
        then = http.get(f"/api/v1/artifacts/{artifacts[0]['digest']}").text
    target = tmp_path / "run-12"
    project.run("-m", "pellucid", "restore", "sixty@12", "--to", str(target))
    assert (target / "prompts.py").read_text() == 'PROMPT = "Answer exactly, draft 12:"\n'
    assert "[12 % 2:] + [12]" in (target / "ranking.py").read_text()
    if in_git:
        assert (target / "settings.json").read_text() == '{"k": 12}'
        assert (target / "tools" / "run.sh").stat().st_mode & 0o111

    with serving(project, "sixty@12") as url:
        asked = {"inputs": {"question": "how tall?"}}
        answer = httpx.post(f"{url}/invocations", json=asked, timeout=90)
        assert (answer.status_code, answer.json()["output"]) == (200, then)
        assert answer.json()["run_id"] == ids[11]

    diff = project.run("-m", "pellucid", "diff", "sixty@12", "sixty@52")
    for told in ('-PROMPT = "Answer exactly, draft 12:"', "draft [-12-]{+52+}:", "k: 12 → 52"):
        assert told in diff
    page.goto(f"{live_server.url}/compare?runs={ids[11]},{ids[51]}")
    expect(page.get_by_role("heading", level=1)).to_have_text("#52 is worse in both measures")
