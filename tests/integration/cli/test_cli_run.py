"""`pellucid run`: the same program, the same output and exit, and its trace."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pellucid.demo.model_server import Rule, ScriptedModelServer
from pellucid.testing.live import LiveServer

PROGRAM = """
import pickle, sys
from pathlib import Path
import neighbour
class Thing: pass
pickle.dumps(Thing())
print(sys.argv, __name__, __file__, sys.path[0], neighbour.VALUE)
what = sys.argv[1] if len(sys.argv) > 1 else ""
if what == "fail":
    raise ValueError("no such luck")
if what == "exit":
    sys.exit(7)
if what == "say":
    sys.exit("that was it")
if what == "interrupt":
    raise KeyboardInterrupt
if what == "late":
    import atexit
    atexit.register(lambda: print("late", Thing, sys.modules["__main__"].Thing))
"""
ASKS = """
import openai
client = openai.OpenAI(base_url={url!r}, api_key="k")
answer = client.chat.completions.create(
    model="gpt-4o", messages=[{{"role": "user", "content": "Hello"}}])
print(answer.choices[0].message.content)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "neighbour.py").write_text("VALUE = 'neighbour'")
    return tmp_path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **LiveServer(tmp_path).environ(),
        "PELLUCID_URL": "http://127.0.0.1:9",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def execute(folder: Path, environment: dict[str, str], *arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [["--flag", "-m", "x"], ["fail"], ["exit"], ["say"], ["interrupt"], ["late"]]
)
@pytest.mark.parametrize("name", [["program.py"], ["-m", "program"]])
def test_a_program_runs_as_python_runs_it(
    folder: Path, environment: dict[str, str], name: list[str], arguments: list[str]
) -> None:
    plain = execute(folder, environment, *name, *arguments)
    traced = execute(folder, environment, "-m", "pellucid", "run", *name, *arguments)
    assert traced.returncode == plain.returncode
    if name == ["program.py"]:
        assert (traced.stdout, traced.stderr) == (plain.stdout, plain.stderr)
    elif arguments != ["late"]:
        assert traced.stdout == plain.stdout
    if arguments == ["interrupt"]:
        assert traced.returncode == -signal.SIGINT


def test_a_folder_with_a_main_runs(folder: Path, environment: dict[str, str]) -> None:
    (folder / "app").mkdir()
    (folder / "app" / "__main__.py").write_text("import sys; print(sys.argv[1:], __name__)")
    traced = execute(folder, environment, "-m", "pellucid", "run", "app", "-x", "y")
    assert traced.stdout == "['-x', 'y'] __main__\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Name a script"),
        (["absent.py"], 2, "There is no file 'absent.py'"),
        (["-m", "absent"], 1, "No module named absent"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(
    folder: Path, environment: dict[str, str], arguments: list[str], code: int, said: str
) -> None:
    result = execute(folder, environment, "-m", "pellucid", "run", *arguments)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_its_trace_arrives(live_server: LiveServer, tmp_path: Path) -> None:
    with ScriptedModelServer(script=[Rule("Good day.")]) as model:
        (tmp_path / "asks.py").write_text(ASKS.format(url=model.base_url))
        environment = {**live_server.environ(), "PELLUCID_URL": live_server.url}
        arguments = ("-m", "pellucid", "run", "--experiment", "asking", "asks.py")
        result = execute(tmp_path, environment, *arguments)
    assert (result.returncode, result.stdout) == (0, "Good day.\n"), result.stderr
    with live_server.client() as client:
        found = client.get("/api/v1/traces", params={"experiment": "asking"}).json()["traces"]
    assert [trace["name"] for trace in found] == ["chat gpt-4o"]
    assert found[0]["output_preview"] == "Good day."
