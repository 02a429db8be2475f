"""Which of two answers is better, asked in both orders."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.evals.blocking import run_blocking
from pellucid.evals.judges.answer import ChoiceAnswer
from pellucid.evals.judges.asking import ask
from pellucid.evals.judges.judge import Judge
from pellucid.evals.judges.template import load_template
from pellucid.evals.models import DEFAULT_MODEL, shared_http_client
from pellucid.evals.report import Report
from pellucid.evals.score import Score
from pellucid.evals.scorer import Asked
from pellucid.evals.statistics import mcnemar_test

_SWAPPED = {"first": "second", "second": "first", "tie": "tie"}


class Pairwise(Judge):
    """Compares two answers in both orders; what changes with the order is a tie.

    Called with `inputs`, `first` and `second` it gives `first`, `second` or `tie`. As a scorer it
    compares `output` with `metadata["baseline"]`, else `expected`: 1 won, 0.5 tied, 0 lost.
    """

    criteria: str | None = None

    @staticmethod
    def _asked(prompt: str) -> Asked:
        return Asked(
            names=["inputs", "output", "expected", "metadata"],
            optional=frozenset({"expected", "metadata"}),
        )

    def render(self, **fields: Any) -> str:
        """Return the prompt in the order given."""
        return super().render(**{"criteria": self.criteria, **fields})

    async def ascore(self, **fields: Any) -> Score:
        """Judge both orders."""
        if "first" in fields:
            return await self._both(fields["inputs"], fields["first"], fields["second"])
        baseline = (fields.get("metadata") or {}).get("baseline", fields.get("expected"))
        if baseline is None:
            raise InvalidInput("pairwise() needs metadata['baseline'] or expected to compare with.")
        score = await self._both(fields["inputs"], fields["output"], baseline)
        value = {"first": 1.0, "tie": 0.5, "second": 0.0}[str(score.value)]
        return Score(value, score.rationale, metadata=score.metadata)

    async def _both(self, inputs: Any, first: Any, second: Any) -> Score:
        forward, backward = await asyncio.gather(
            self._once(inputs, first, second), self._once(inputs, second, first)
        )
        swapped = _SWAPPED[backward["choice"]]
        agreed = forward["choice"] == swapped
        return Score(
            forward["choice"] if agreed else "tie",
            forward["rationale"] if agreed else "The choice changed with the order.",
            metadata={"forward": forward["choice"], "swapped": swapped, "consistent": agreed},
        )

    async def _once(self, inputs: Any, first: Any, second: Any) -> Mapping[str, Any]:
        prompt = self.render(inputs=inputs, first=first, second=second)
        return await ask(self.model, prompt, self.answer.schema, read=self.answer.read)


def pairwise(
    model: Any = DEFAULT_MODEL, *, criteria: str | None = None, name: str = "pairwise"
) -> Pairwise:
    """Make a judge of two answers; `criteria` says by what measure."""
    template = load_template("pairwise")
    judge = Pairwise(
        name, template.text, ChoiceAnswer(template.choices), model=model, version=template.version
    )
    judge.criteria = criteria
    judge.config["criteria"] = criteria
    return judge


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """How often one report's outputs were preferred to a baseline's."""

    wins: int
    losses: int
    ties: int
    failures: int
    p_value: float
    """The sign test of wins against losses."""
    by_example: dict[str, str]
    """Example id → `win`, `loss`, `tie` or an error."""


def prefer(report: Report, baseline: Report, judge: Pairwise) -> Preference:
    """Let a pairwise judge compare two reports example by example (first repeats)."""
    return run_blocking(lambda: aprefer(report, baseline, judge))


async def aprefer(
    report: Report, baseline: Report, judge: Pairwise, *, concurrency: int = 10
) -> Preference:
    """Let a pairwise judge compare two reports example by example (first repeats)."""
    before = {example.id: example for example in baseline.examples}
    slots = asyncio.Semaphore(concurrency)

    async def one(example: Any) -> str:
        async with slots:
            try:
                score = await judge.ascore(
                    inputs=example.inputs, first=example.output, second=before[example.id].output
                )
            except Exception as error:  # recorded, as in an evaluation
                return f"{type(error).__name__}: {error}"
        return {"first": "win", "second": "loss", "tie": "tie"}[str(score.value)]

    pairs = [
        e for e in report.examples if e.id in before and not e.error and not before[e.id].error
    ]
    async with shared_http_client():
        answers = await asyncio.gather(*(one(example) for example in pairs))
    wins, losses, ties = (answers.count(word) for word in ("win", "loss", "tie"))
    return Preference(
        wins=wins,
        losses=losses,
        ties=ties,
        failures=len(answers) - wins - losses - ties,
        p_value=mcnemar_test(wins, losses),
        by_example={e.id: answer for e, answer in zip(pairs, answers, strict=True)},
    )
