"""The Python of README and guides runs as it is printed, and their commands exist.

A page is one program: its blocks in order, after what it takes for granted (`GIVEN`).
"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pellucid.cli.main import cli
from pellucid.demo.model_server import ModelRequest, ScriptedModelServer
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs" / "guide").glob("*.md"),
        ROOT / "docs" / "integrations" / "openai.md",
    ]
)
GIVEN = {
    "datasets.md": """
        import pellucid

        pellucid.init(experiment="bluray-agent")

        @pellucid.trace
        def agent(question):
            pellucid.score("quality", "wide" not in question, source="HUMAN")
            return "1.2 mm"

        agent("How wide is a disc?")
        """,
    "evaluation.md": """
        import pellucid

        pellucid.init(experiment="bluray-agent")

        def agent(question):
            return {"answer": "…", "documents": [{"id": "d1", "text": "…"}]}

        def answer(question, chunk_size, retriever, k):
            return split(chunk_size, overlap=0)

        def exact(output, expected):
            return output["answer"] == expected

        example = {"inputs": {"question": "…"}, "expected": "…", "gold_documents": ["d1"]}
        baseline = pellucid.evaluate(agent, [example], [pellucid.scorers.exact_match()])
        """,
}
"""Page → what its reader has by then."""

LEFT_OUT = {
    "pellucid.adapters.": "needs the other libraries; tests/evaluators runs each of them",
}
"""What a block has in it → why it is not run here."""

SAMPLE = {"inputs": {"question": "How thick?"}, "expected": "1.2 mm", "gold_documents": ["d1"]}


def _blocks(page: Path, language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    return found


def _runnable(page: Path) -> list[str]:
    return [
        block for block in _blocks(page, "python") if not any(word in block for word in LEFT_OUT)
    ]


def _reply(request: ModelRequest) -> str:
    if "<answer>" in request.user:
        return '{"rationale": "It says the same.", "choice": "correct"}'
    return "A Blu-ray disc is 1.2 mm thick."


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(_reply) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if _runnable(p)], ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, live_server: LiveServer, model: ScriptedModelServer
) -> None:
    project = Project(tmp_path / "project", live_server.url)
    project.write("questions.jsonl", f"{json.dumps(SAMPLE)}\n")
    script = project.write("page.py", GIVEN.get(page.name, ""))
    with script.open("a") as file:
        file.writelines(f"\n{block}" for block in _runnable(page))
    project.run("page.py", OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY="any")
    assert "Traceback" not in project.stderr


def _commands() -> Iterator[tuple[str, str]]:
    for page in [*PAGES, *sorted((ROOT / "docs").rglob("*.md"))]:
        for block in _blocks(page, "sh"):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                words = words[next((i for i, w in enumerate(words) if "=" not in w), 0) :]
                if words[:1] == ["pellucid"] and words[1:]:
                    yield f"{page.name}: {line}", shlex.join(words[1:])
        for words_in_text in re.findall(r"`pellucid ([^`|…\[]+)`", page.read_text()):
            yield f"{page.name}: {words_in_text}", words_in_text


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=at) for at, line in sorted(set(_commands()))]
)
def test_a_command_that_is_named_exists(line: str) -> None:
    found: click.Command = cli
    words = shlex.split(line)
    while isinstance(found, click.Group) and words:
        name, *words = words
        child = found.get_command(click.Context(found), name)
        assert child is not None, f"there is no command {name}"
        found = child
    if found.name == "run":
        return  # What follows the program's name is the program's.
    known = {option for param in found.params for option in param.opts}
    assert {word for word in words if word.startswith("-") and len(word) > 1} <= known
