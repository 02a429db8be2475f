"""`python -m pellucid.demo.seed_runs`: sixty iterations of a small project; number 12 is best."""

import math
import os
import random
import runpy
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import click

import pellucid
from pellucid.core.settings import DEFAULT_URL
from pellucid.demo.drawing import Scene, draw

EXPERIMENT = "bluray-agent"
BEST = 12
_STEPS = 20
_IMAGE = 320
_IDEAS = ("baseline", "rerank", "prompt", "chunking", "model")
_CHANGES = {
    "baseline": "as it was",
    "rerank": "reranker on top {k}",
    "prompt": "ask for exact figures",
    "chunking": "chunks of {chunk_size}",
    "model": "critic on {model}",
}
_PROMPTS = (
    "A stack of {discs:,} bare Blu-ray discs beside a house, daylight",
    "A stack of {discs:,} bare Blu-ray discs {height:.2f} m tall, one person for scale",
)
_AGENT = '''"""Answers how high a stack of discs is."""

import pellucid

CHUNK_SIZE = {chunk_size}
K = {k}


@pellucid.agent
def answer(question: str) -> str:
    """Answer a question about discs."""
    discs = {discs}
    return f"{{discs}} discs, {{discs * 0.0012:.2f}} m, found with k={{K}}"
'''
_RETRIEVER = '''"""Finds the chunks that a question needs."""


def retrieve(question: str, k: int = {k}) -> list[str]:
    """Return the {k} best chunks."""
    words = question.lower().split()
    return sorted(words, key=len, reverse=True)[:k]
'''
_PROMPT = "You are Engineer. {tone} State each figure with its source. Height is in metres."
_CAREFUL = "Work carefully. You may use the calculator if needed."
_EXACT = "Work in exact figures. Call the calculator for every sum."


class _Iteration(NamedTuple):
    number: int
    idea: str
    chunk_size: int
    k: int
    model: str
    discs: int
    accuracy: float


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The server.")
@click.option("--runs", "count", default=60, show_default=True, help="How many runs.")
@click.option("--seed", default=12, show_default=True, help="Another seed gives other runs.")
def main(url: str, count: int, seed: int) -> None:
    """Log the iterations of a project that changes a little each time."""
    pellucid.init(url=url, experiment=EXPERIMENT)
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="bluray-agent-") as folder:
        project = Path(folder) / "bluray-agent"
        os.environ["PELLUCID_PROJECT_DIR"] = str(project)
        _begin(project)
        for number in range(1, count + 1):
            _log(_iteration(number, rng), project, rng)
    click.echo(f"Logged {count} runs of {EXPERIMENT} to {url}; the best is number {BEST}")


def _iteration(number: int, rng: random.Random) -> _Iteration:
    idea = _IDEAS[0] if number == 1 else rng.choice(_IDEAS[1:])
    accuracy = 0.912 if number == BEST else 0.55 + 0.3 * (1 - math.exp(-number / 14))
    if number != BEST:
        accuracy = min(accuracy + rng.uniform(-0.07, 0.05), 0.895)
    return _Iteration(
        number=number,
        idea=idea,
        chunk_size=rng.choice((240, 480, 800, 1200)) if number != BEST else 480,
        k=rng.choice((3, 6, 9, 12)) if number != BEST else 6,
        model=rng.choice(("gpt-4o", "gpt-4o-mini")),
        discs=8568 if number == BEST else rng.choice((8340, 8568, 8600, 9120)),
        accuracy=accuracy,
    )


def _begin(project: Path) -> None:
    """Make the project; in git, so that a snapshot takes all of its files."""
    project.mkdir()
    (project / "README.md").write_text("# Blu-ray agent\n\nHow high is the stack?\n")
    git = shutil.which("git")
    if git:
        subprocess.run([git, "init", "-q", str(project)], check=True)


def _write(one: _Iteration, project: Path) -> str:
    """Write the project as it is in one iteration and return its prompt."""
    facts = one._asdict()
    prompt = _PROMPT.format(tone=_EXACT if one.number >= 9 else _CAREFUL)
    (project / "agent.py").write_text(_AGENT.format(**facts))
    (project / "retriever.py").write_text(_RETRIEVER.format(**facts))
    (project / "prompt.txt").write_text(prompt + "\n")
    return prompt


def _log(one: _Iteration, project: Path, rng: random.Random) -> None:
    prompt = _write(one, project)
    # Importing it declares the entry point, which a run can then be served by.
    runpy.run_path(str(project / "agent.py"))
    params = {
        "chunk_size": one.chunk_size,
        "k": one.k,
        "model": one.model,
        "embedder": "3-small" if one.number < 30 else "bge-m3",
        "temperature": 0.2,
    }
    name = _CHANGES[one.idea].format(**one._asdict())
    config = {"retriever": {"k": one.k, "chunk_size": one.chunk_size}, "max_turns": 5}
    with pellucid.start_run(name, params=params, tags={"idea": one.idea}, config=config) as run:
        run.log_prompt("engineer", prompt)
        run.log_dataset("bluray-qa", "v3")
        for step in range(1, _STEPS + 1):
            near = 1 - math.exp(-step / 6)
            noise = rng.uniform(-0.02, 0.02) if step < _STEPS else 0.0
            done = 1.0 if step == _STEPS else near
            pellucid.log_metric("accuracy", one.accuracy * done + noise, step=step)
            pellucid.log_metric("loss", 2.1 * (1 - 0.8 * near) + noise, step=step)
        pellucid.log_metric("recall@6", min(one.accuracy + rng.uniform(-0.08, 0.05), 1.0))
        pellucid.log_metric("cost_usd", round(rng.uniform(0.09, 0.26), 4))
        _log_files(one)
        if one.number == BEST:
            run.set_notes("Small chunks and exact figures: the answers are right at last.")
        _answer("How high is the stack that holds all of Wikipedia?", one.discs)


def _log_files(one: _Iteration) -> None:
    height = one.discs * 0.0012
    for step in (1, 2, 3) if one.number % 4 == 0 else (1,):
        pellucid.log_image(
            draw(_scene(one.discs, house_m=12.0 - step), _IMAGE, _IMAGE),
            "stack",
            prompt=_PROMPTS[one.number % 2].format(discs=one.discs, height=height),
            step=step,
            model="gpt-image-1",
        )
    rows = [{"question": "How high?", "answer": f"{height:.2f} m", "right": one.number == BEST}]
    pellucid.log_table(rows, "answers.csv")
    pellucid.log_dict({"discs": one.discs, "height_m": height}, "result.json")
    pellucid.log_text(f"<h1>Run {one.number}</h1><p>{height:.2f} m</p>", "report.html")


def _scene(discs: int, *, house_m: float) -> Scene:
    return Scene(
        discs=discs,
        stack_m=discs * 0.0012,
        diameter_m=0.12,
        thickness_m=0.0012,
        person_m=1.7,
        house_m=house_m,
    )


@pellucid.trace(name="answer", kind="AGENT")
def _answer(question: str, discs: int) -> str:
    return f"{discs:,} discs make a stack of {discs * 0.0012:.2f} m."


if __name__ == "__main__":
    main()
