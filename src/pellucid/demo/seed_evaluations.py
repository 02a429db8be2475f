"""A dataset, two real evaluations of one small agent and a sweep over it, to look at their pages.

    python -m pellucid.demo.seed_evaluations --url http://127.0.0.1:4380

Both versions answer 40 questions about storage media and are judged by a scripted model. The
second retrieves more and rounds up, as one must, though one too far where nothing is left over;
some of its calls fail.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import pellucid
from pellucid import Document, judges, scorers
from pellucid.core.dataset import Dataset
from pellucid.demo.model_server import Fault, ModelRequest, Reply, ScriptedModelServer
from pellucid.demo.model_server.script import ReplyLike
from pellucid.evals.models import OpenAIModel
from pellucid.evals.report import Report
from pellucid.evals.sweep import Sweep

EXPERIMENT = "media-qa"
DATASET = "media-questions"
JUDGE_MODEL = "gpt-4o-mini"
MEDIA = {
    "CD": (0.7, 1.2),
    "DVD": (4.7, 1.2),
    "dual-layer DVD": (8.5, 1.2),
    "Blu-ray disc": (25.0, 1.2),
    "dual-layer Blu-ray disc": (50.0, 1.2),
    "BDXL disc": (100.0, 1.2),
    "microSD card": (1000.0, 1.0),
    "LTO-9 tape": (18000.0, 21.5),
}
"""Capacity in GB and thickness in mm."""
LOADS = {
    "English Wikipedia's text": 24.0,
    "Wikipedia's images": 428_360.0,
    "a feature film": 38.0,
    "a day of telescope images": 20_000.0,
    "a genome": 115.0,
}
"""Sizes in GB."""
_FACT = re.compile(r"holds ([\d.]+) GB")
_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_EXPECTED = re.compile(r"<expected_answer>\s*(.*?)\s*</expected_answer>", re.DOTALL)
_COUNT = re.compile(r"\d[\d,]*")

Agent = Callable[..., dict[str, Any]]


def questions() -> list[dict[str, Any]]:
    """Return 40 examples: each load on each medium."""
    return [
        {
            "inputs": {"question": f"How many {medium}s does it take to keep {load}?"},
            "expected": f"{math.ceil(size / MEDIA[medium][0]):,}",
            "gold_documents": [f"media/{medium.replace(' ', '-')}"],
            "metadata": {
                "medium": medium,
                "size": "large" if size > 1000 else "small",
                "kind": "disc" if "D" in medium and "microSD" not in medium else "other",
            },
            "split": "test" if len(medium + load) % 3 == 0 else "train",
        }
        for medium in MEDIA
        for load, size in LOADS.items()
    ]


def seed_dataset() -> Dataset:
    """Keep the questions on the server as people would: begun, corrected, and added to."""
    rows = questions()
    if any(one.name == DATASET for one in pellucid.list_datasets(DATASET)):
        return pellucid.create_dataset(DATASET, rows, author="ada")
    begun = rows[:-5]
    begun[3] = {**begun[3], "expected": str(math.floor(LOADS["a day of telescope images"] / 0.7))}
    extra = {"inputs": {"question": "How many discs does it take?"}, "expected": "it depends"}
    dataset = pellucid.create_dataset(
        DATASET, [*begun, extra], message="Each load on each disc and card", author="ada"
    )
    dataset = dataset.update(
        [rows[3]], message="A disc that is only partly filled still counts", author="ben"
    )
    dataset = dataset.remove(
        [dataset.examples[-1].id], message="Nobody can answer that one", author="ben"
    )
    return dataset.add(rows[-5:], message="Tapes too", author="ada")


@pellucid.trace(kind="RETRIEVER")
def find_media(question: str, k: int) -> list[Document]:
    """Return the facts whose names share most words with the question."""
    asked = set(re.findall(r"[\w-]+", question.lower()))

    def shared(medium: str) -> float:
        words = set(re.findall(r"[\w-]+", f"{medium}s".lower()))
        return len(words & asked) / len(words)

    ranked = sorted(MEDIA, key=shared, reverse=True)[:k]
    return [
        Document(
            id=f"media/{medium.replace(' ', '-')}",
            text=f"A {medium} holds {MEDIA[medium][0]:g} GB and is {MEDIA[medium][1]:g} mm thick.",
            score=round(shared(medium), 3),
        )
        for medium in ranked
    ]


def make_agent(*, k: int, rounds_up: bool, breaks_on: str | None = None) -> Agent:
    """Return one version of the agent."""

    def answer(question: str) -> dict[str, Any]:
        """Look up a medium's capacity and divide."""
        found = find_media(question, k)
        load = next(name for name in LOADS if name in question)
        if breaks_on is not None and breaks_on in question and "film" in question:
            raise TimeoutError(f"The lookup of {load!r} took longer than 2 s.")
        named = [d for d in found if d.text and d.text.partition(" holds")[0][2:] in question]
        best = max(named or found, key=lambda document: len(document.text or ""))
        match = _FACT.search(best.text or "")
        capacity = float(match[1]) if match else 1.0
        with pellucid.span("divide", kind="TOOL", input={"size": LOADS[load], "by": capacity}):
            count = LOADS[load] / capacity
        whole = math.floor(count) + 1 if rounds_up else math.floor(count + 0.5)
        note = "" if rounds_up else f" That is {count:,.2f}, rounded."
        return {"answer": f"{whole:,}.{note}", "documents": [d.id for d in found]}

    return answer


def exact_count(output: dict[str, Any], expected: str) -> bool:
    """Tell whether the first number of the answer is the expected one."""
    match = _COUNT.search(output["answer"])
    return match is not None and match[0] == expected


def concise(output: dict[str, Any]) -> float:
    """Return 1 for an answer of a few characters, less for longer ones."""
    return round(min(1.0, 12 / max(len(output["answer"]), 1)), 3)


def judge(request: ModelRequest) -> ReplyLike:
    """Judge as a model would: by the distance of the counts. One question it refuses."""
    answer, expected = _ANSWER.search(request.text), _EXPECTED.search(request.text)
    given = _COUNT.search(answer[1]) if answer else None
    wanted = _COUNT.search(expected[1]) if expected else None
    if given is None or wanted is None:
        return _judged("incorrect", "The answer names no number.")
    if "LTO-9" in request.text and "genome" in request.text:
        return Reply(fault=Fault(status=403, message="The request was refused."))
    a, b = int(given[0].replace(",", "")), int(wanted[0].replace(",", ""))
    if a == b:
        return _judged("correct", f"The answer gives {a:,}, as expected.")
    if a > b:
        why = f"{a:,} is {a - b:,} more than the {b:,} needed: nothing is left over for another."
    else:
        why = f"{a:,} is {b - a:,} short of {b:,}: one that is only partly filled still counts."
    if abs(a - b) / b < 0.01:
        return _judged("mostly_correct", why)
    return _judged("incorrect" if a == 0 else "partly_correct", why)


def seed(url: str) -> tuple[Report, Report]:
    """Run both evaluations against the server at `url`; return the earlier and the later."""
    pellucid.init(experiment=EXPERIMENT, url=url)
    dataset = seed_dataset()
    with ScriptedModelServer(judge, latency_s=0.01) as server:
        model = OpenAIModel(JUDGE_MODEL, base_url=server.base_url, api_key="any")
        by = [
            judges.correctness(model),
            exact_count,
            scorers.recall(k=5),
            scorers.precision(k=5),
            concise,
            scorers.latency(),
        ]
        first = pellucid.evaluate(
            make_agent(k=1, rounds_up=False),
            data=dataset,
            scorers=by,
            name="nearest whole number",
            resume=False,
            progress=False,
        )
        second = pellucid.evaluate(
            make_agent(k=5, rounds_up=True, breaks_on="DVD"),
            data=dataset,
            scorers=by,
            name="round up, k 5",
            resume=False,
            progress=False,
        )
    return first, second


def seed_sweep() -> Sweep:
    """Run a sweep of the agent, in the experiment that `seed` opened."""

    def task(question: str, k: int, rounding: str) -> dict[str, Any]:
        return make_agent(k=k, rounds_up=rounding == "up")(question)

    return pellucid.sweep(
        task,
        space={"k": [1, 2, 4, 8], "rounding": ["nearest", "up"]},
        data=seed_dataset(),
        scorers=[exact_count, scorers.recall(k=8), scorers.precision(k=8)],
        constraints=["latency_s <= 5"],
        name="k and rounding",
        resume=False,
        progress=False,
    )


def main(arguments: list[str] | None = None) -> int:
    """Seed a server and say where to look."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--url", default=os.environ.get("PELLUCID_URL", "http://127.0.0.1:4380"))
    chosen = parser.parse_args(arguments)
    first, second = seed(chosen.url)
    sweep = seed_sweep()
    pellucid.flush(timeout=10)
    for run, page in (
        (first.run, "evaluations"),
        (second.run, "evaluations"),
        (sweep.run, "sweeps"),
    ):
        print(f"{chosen.url}/{page}/{run.id}")
    pellucid.shutdown()
    return 0


def _judged(choice: str, rationale: str) -> str:
    return json.dumps({"rationale": rationale, "choice": choice})


if __name__ == "__main__":
    sys.exit(main())
