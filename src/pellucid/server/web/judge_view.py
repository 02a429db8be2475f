"""Judges as pages show them: prompts to read, versions word by word, agreement with people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.core.run import Run
from pellucid.core.run_diff import Word, diff_words
from pellucid.core.score import ScoreValue
from pellucid.evals.confusion import Concordance
from pellucid.evals.report import ScorerInfo
from pellucid.server.services.judges import (
    JudgeRecord,
    JudgeVersion,
    Pair,
    Use,
    agreement_of,
    models_of,
)
from pellucid.server.web.evaluation_view import figure, span
from pellucid.server.web.format import format_score

DISAGREEMENTS = 50
SHORT = 7
"""Characters of a version's digest that are shown."""
_FIELD = re.compile(r"(\{\{[#/]?\s*\w+\s*\}\})")


@dataclass(frozen=True, kw_only=True)
class AgreementView:
    """How far a judge agrees with people; empty texts where nobody annotated."""

    n: int
    same: int
    accuracy: str
    interval: str
    kappa: str
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """People's labels down, the judge's across."""

    labels: list[str]
    rows: list[tuple[str, list[tuple[int, float, bool]]]]
    """Per label of people: count, share of the row, whether both said it."""


@dataclass(frozen=True, kw_only=True)
class PromptPiece:
    """A run of a prompt's text; a field is what gets filled in."""

    text: str
    is_field: bool


@dataclass(frozen=True, kw_only=True)
class PromptView:
    """One template, with its words marked where another version is held against it."""

    title: str
    pieces: list[PromptPiece]
    words: list[Word]
    is_same: bool


@dataclass(frozen=True, kw_only=True)
class VersionRow:
    """One version of a judge."""

    digest: str
    label: str
    models: str
    evaluations: int
    scores: int
    failures: int
    first_ns: int
    agreement: AgreementView
    is_shown: bool
    is_base: bool


@dataclass(frozen=True, kw_only=True)
class UseRow:
    """One evaluation that the judge scored."""

    run: Run
    models: str
    version: str
    n: int
    failures: int
    mean: str
    interval: str
    cost_usd: float | None
    agreement: AgreementView


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """One output that a person and the judge see differently."""

    trace_id: str
    run_id: str | None
    example_id: str | None
    score: str
    asked: str
    person: str
    author: str
    note: str
    judge: str
    rationale: str


def view_agreement(found: Concordance) -> AgreementView:
    """Write an agreement; with no annotations all of it is empty."""
    if not found.n:
        return AgreementView(n=0, same=0, accuracy="", interval="", kappa="", share=None)
    low, high = found.interval or (0.0, 0.0)
    return AgreementView(
        n=found.n,
        same=found.same,
        accuracy=f"{found.accuracy:.0%}",
        interval=f"{low:.0%} to {high:.0%}",
        kappa="" if found.kappa is None else f"{found.kappa:.2f}".replace("-", "−"),
        share=round(found.accuracy, 4),
    )


def view_matrix(found: Concordance, choices: Sequence[str] = ()) -> Matrix:
    """Return the confusion matrix; the judge's choices in their order, then by frequency."""
    counts: dict[str, int] = {}
    for person, row in found.confusion.items():
        for judge, n in row.items():
            counts[person] = counts.get(person, 0) + n
            counts[judge] = counts.get(judge, 0) + n
    places = {label: place for place, label in enumerate(choices)}
    last = len(places)
    labels = sorted(counts, key=lambda label: (places.get(label, last), -counts[label], label))
    rows = []
    for person in labels:
        row = found.confusion.get(person, {})
        total = sum(row.values())
        if total:
            cells = [(row.get(judge, 0), row.get(judge, 0) / total) for judge in labels]
            marked = [
                (n, round(share, 3), person == judge)
                for (n, share), judge in zip(cells, labels, strict=True)
            ]
            rows.append((person, marked))
    return Matrix(labels=labels, rows=rows)


def view_prompts(info: ScorerInfo, before: ScorerInfo | None) -> list[PromptView]:
    """Return a judge's templates, its steps first, each against the same of another version."""
    now = {**info.steps, "": info.prompt or ""}
    was = {**before.steps, "": before.prompt or ""} if before is not None else {}
    return [
        PromptView(
            title=name,
            pieces=[
                PromptPiece(text=piece, is_field=bool(_FIELD.fullmatch(piece)))
                for piece in _FIELD.split(text)
                if piece
            ],
            words=diff_words(was.get(name, ""), text) if before is not None else [],
            is_same=before is not None and was.get(name) == text,
        )
        for name, text in now.items()
        if text or was.get(name)
    ]


def view_versions(record: JudgeRecord, shown: JudgeVersion, base: str) -> list[VersionRow]:
    """Return a row a version, the latest first."""
    return [
        VersionRow(
            digest=one.digest,
            label=version_label(one.digest),
            models=", ".join(one.models),
            evaluations=len(one.uses),
            scores=sum(one_score.n for use in one.uses for one_score in use.judge.figures),
            failures=failures_of(one.uses),
            first_ns=one.first_ns,
            agreement=view_agreement(one.agreement),
            is_shown=one is shown,
            is_base=bool(base) and one.digest == base,
        )
        for one in record.versions
    ]


def view_uses(record: JudgeRecord) -> list[UseRow]:
    """Return a row an evaluation, the newest first."""
    digests = {use.run.id: one.digest for one in record.versions for use in one.uses}
    rows = []
    for use in record.uses:
        first = use.judge.figures[0] if use.judge.figures else None
        own = [pair for pair in record.pairs if pair.judged.run_id == use.run.id]
        rows.append(
            UseRow(
                run=use.run,
                models=", ".join(models_of(use.judge)),
                version=version_label(digests[use.run.id]),
                n=sum(one.n for one in use.judge.figures),
                failures=sum(one.failures for one in use.judge.figures),
                mean=_mean(use),
                interval=span(first.interval) if first is not None else "",
                cost_usd=use.judge.cost_usd,
                agreement=view_agreement(agreement_of(own)),
            )
        )
    return rows


def view_disputes(pairs: Sequence[Pair], asked: dict[str, str]) -> list[Dispute]:
    """Return what person and judge see differently; `asked` tells a trace's question."""
    return [
        Dispute(
            trace_id=pair.annotation.trace_id or "",
            run_id=pair.judged.run_id,
            example_id=pair.judged.example_id,
            score=pair.judged.name,
            asked=asked.get(pair.annotation.trace_id or "", ""),
            person=_said(pair.person, pair.annotation.value),
            author=pair.annotation.author or "",
            note=pair.annotation.rationale or "",
            judge=_said(pair.judge, pair.judged.value),
            rationale=pair.judged.rationale or "",
        )
        for pair in find_disputes(pairs)
    ]


def find_disputes(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that differ and are shown, the newest first."""
    return [pair for pair in pairs if not pair.agrees][:DISAGREEMENTS]


def version_label(digest: str) -> str:
    """Name a version: the beginning of its digest."""
    return digest[:SHORT] or "no prompt kept"


def failures_of(uses: Sequence[Use]) -> int:
    """Count the outputs that were not scored, in all these evaluations."""
    return sum(max((one.failures for one in use.judge.figures), default=0) for use in uses)


def _mean(use: Use) -> str:
    first = use.judge.figures[0] if use.judge.figures else None
    if first is None:
        return ""
    if first.mean is not None:
        return figure(first.mean)
    return ", ".join(f"{label} {count}" for label, count in list(first.counts.items())[:2])


def _said(label: str, value: ScoreValue) -> str:
    """Write a label, with the value beside it where that says more."""
    if isinstance(value, bool | str):
        return label
    text = format_score(value)
    return label if text == label else f"{label} {text}"
