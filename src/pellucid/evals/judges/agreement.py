"""How far a judge agrees with people, and how worked examples bring it nearer."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreValue
from pellucid.evals.confusion import concordance
from pellucid.evals.judges.answer import ChoiceAnswer
from pellucid.evals.judges.judge import Judge
from pellucid.evals.models import shared_http_client
from pellucid.evals.score import Score
from pellucid.evals.statistics import Interval, mcnemar_test, shown_p


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """A person's score of one output, with what the judge needs to see to score it too."""

    value: ScoreValue
    """A label of the judge's, or the value that the label stands for."""
    fields: dict[str, Any]
    """`inputs`, `output`, `expected`, … as the judge's prompt asks."""
    rationale: str | None = None


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One output that person and judge see differently."""

    annotation: Annotation
    person: str
    judge: str
    rationale: str | None
    """The judge's."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A judge beside people, on the same outputs."""

    n: int
    accuracy: float
    interval: Interval | None
    """Of the accuracy, 95 %."""
    kappa: float | None
    """Cohen's κ: 0 = as by chance, 1 = always the same; None where nobody ever differs."""
    confusion: dict[str, dict[str, int]]
    """The person's label → the judge's label → how often."""
    disagreements: list[Disagreement]
    failures: list[str]
    """Why the judge gave no verdict, an entry each time."""
    verdicts: list[bool | None]
    """Annotation by annotation: the same, not the same, or no verdict."""

    def __str__(self) -> str:
        labels = sorted({*self.confusion, *(j for row in self.confusion.values() for j in row)})
        width = max((len(label) for label in [*labels, "person"]), default=6) + 2
        kappa = "–" if self.kappa is None else f"{self.kappa:.2f}"
        lines = [
            f"agrees in {self.accuracy:.1%} of {self.n}, kappa {kappa}",
            "".join(label.rjust(width) for label in ["person", *labels]),
        ]
        for person in labels:
            row = self.confusion.get(person, {})
            cells = [person, *(str(row.get(label, 0)) for label in labels)]
            lines.append("".join(cell.rjust(width) for cell in cells))
        return "\n".join(lines)


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """What worked examples do for a judge, measured on annotations that it was not shown."""

    judge: Judge
    """The judge with the examples in its prompt."""
    examples: list[dict[str, Any]]
    before: Agreement
    after: Agreement
    gain: float
    """The accuracy after less before, on the held-out annotations."""
    p_value: float
    """McNemar's, of the gain."""

    def __str__(self) -> str:
        return (
            f"agrees in {self.after.accuracy:.1%} of {self.after.n} held out, "
            f"{self.before.accuracy:.1%} before: {100 * self.gain:+.1f} points, "
            f"p {shown_p(self.p_value)}, with {len(self.examples)} worked examples"
        )


async def agreement(
    judge: Judge, annotations: Sequence[Annotation | Mapping[str, Any]], *, concurrency: int = 10
) -> Agreement:
    """Let a judge score what people annotated, and compare."""
    known = [as_annotation(one) for one in annotations]
    if not known:
        raise InvalidInput("There are no annotations to agree with.")
    slots = asyncio.Semaphore(concurrency)

    async def one(annotation: Annotation) -> Score | Exception:
        async with slots:
            try:
                score = await judge.ascore(**judge.arguments(_fields(annotation)))
            except Exception as error:  # recorded, as in an evaluation
                return error
        return score if isinstance(score, Score) else InvalidInput("It gave no single score.")

    async with shared_http_client():
        answers = await asyncio.gather(*(one(annotation) for annotation in known))
    return _compared(judge, known, answers)


async def align(
    judge: Judge,
    annotations: Sequence[Annotation | Mapping[str, Any]],
    *,
    shots: int = 4,
    held_out: float = 0.5,
    seed: int = 0,
    concurrency: int = 10,
) -> Alignment:
    """Choose worked examples among a part of the annotations; measure on the rest.

    Examples are first those that the judge got wrong, spread evenly over the labels. The judge
    in the result has them in its prompt; whether to use it is the caller's to decide.
    """
    known = [as_annotation(one) for one in annotations]
    random.Random(seed).shuffle(known)
    cut = len(known) - round(len(known) * held_out)
    if not 0 < cut < len(known):
        raise InvalidInput("align() needs annotations on both sides: to learn from, and held out.")
    shown, kept = known[:cut], known[cut:]
    learnt = await agreement(judge, shown, concurrency=concurrency)
    examples = [_worked(judge, one) for one in _chosen(judge, shown, learnt, shots)]
    aligned = judge.with_examples([*judge.examples, *examples])
    before = await agreement(judge, kept, concurrency=concurrency)
    after = await agreement(aligned, kept, concurrency=concurrency)
    pairs = list(zip(before.verdicts, after.verdicts, strict=True))
    return Alignment(
        judge=aligned,
        examples=examples,
        before=before,
        after=after,
        gain=after.accuracy - before.accuracy,
        p_value=mcnemar_test(
            sum(bool(b) and not a for b, a in pairs), sum(bool(a) and not b for b, a in pairs)
        ),
    )


def as_annotation(one: Annotation | Mapping[str, Any]) -> Annotation:
    """Read an annotation from a dict with `value`, optional `rationale`, and the rest fields."""
    if isinstance(one, Annotation):
        return one
    if "value" not in one:
        raise InvalidInput("An annotation is a dict with value beside inputs, output, ….")
    fields = {key: item for key, item in one.items() if key not in ("value", "rationale")}
    return Annotation(value=one["value"], rationale=one.get("rationale"), fields=fields)


def _fields(annotation: Annotation) -> dict[str, Any]:
    return {"expected": None, "documents": [], **annotation.fields}


def _label(judge: Judge, value: ScoreValue) -> str:
    """Return the judge's label for a value; a label stands for itself."""
    if isinstance(judge.answer, ChoiceAnswer):
        for label, stands_for in judge.answer.choices.items():
            if value == label or (value == stands_for and isinstance(value, str) is False):
                return label
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _compared(
    judge: Judge, known: list[Annotation], answers: Sequence[Score | Exception]
) -> Agreement:
    pairs: list[tuple[str, str]] = []
    disagreements, failures = [], []
    verdicts: list[bool | None] = []
    for annotation, answer in zip(known, answers, strict=True):
        if isinstance(answer, Exception):
            failures.append(f"{type(answer).__name__}: {answer}")
            verdicts.append(None)
            continue
        person = _label(judge, annotation.value)
        verdict = _label(judge, answer.metadata.get("choice", answer.value))
        pairs.append((person, verdict))
        verdicts.append(person == verdict)
        if person != verdict:
            disagreements.append(
                Disagreement(
                    annotation=annotation, person=person, judge=verdict, rationale=answer.rationale
                )
            )
    measured = concordance(pairs)
    return Agreement(
        n=measured.n,
        accuracy=measured.accuracy,
        interval=measured.interval,
        kappa=measured.kappa,
        confusion=measured.confusion,
        disagreements=disagreements,
        failures=failures,
        verdicts=verdicts,
    )


def _chosen(
    judge: Judge, shown: list[Annotation], learnt: Agreement, shots: int
) -> list[Annotation]:
    """Pick annotations label by label in turn, those that the judge got wrong first."""
    wrong = [one.annotation for one in learnt.disagreements]
    ordered = [*wrong, *(one for one in shown if one not in wrong)]
    by_label: dict[str, list[Annotation]] = {}
    for one in ordered:
        by_label.setdefault(_label(judge, one.value), []).append(one)
    chosen: list[Annotation] = []
    while len(chosen) < shots and any(by_label.values()):
        for waiting in by_label.values():
            if waiting and len(chosen) < shots:
                chosen.append(waiting.pop(0))
    return chosen


def _worked(judge: Judge, annotation: Annotation) -> dict[str, Any]:
    fields = {
        name: annotation.fields[name]
        for name in judge.asks.names
        if annotation.fields.get(name) is not None
    }
    worked = {**fields, "judgement": _label(judge, annotation.value)}
    if annotation.rationale:
        worked["reason"] = annotation.rationale
    return worked
