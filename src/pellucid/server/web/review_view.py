"""What people said of an evaluation's outputs, beside its scores; and how it is said by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pellucid.core.errors import InvalidInput
from pellucid.core.score import Annotated, Score, ScoreValue
from pellucid.evals.confusion import Concordance, concordance, label_pair
from pellucid.evals.report import ExampleResult, Report, ScorerInfo, ScoreSummary
from pellucid.server.web.format import format_score

STEPS = 5
"""Answers on the way from 0 to 1, for scores that are such numbers."""
MOST_KEYS = 9


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a person said of one output."""

    id: str
    score: str
    label: str
    value: ScoreValue
    agrees: bool | None
    """With the scorer; None where that gave no score."""
    author: str
    note: str

    @property
    def words(self) -> tuple[str, ...]:
        """What a filter finds it by."""
        found = {True: "agree", False: "disagree", None: "alone"}[self.agrees]
        return (found, format_score(self.value))

    @property
    def title(self) -> str:
        """The person, the note, and whether it is what the scorer said."""
        stands = {True: "as the scorer", False: "not as the scorer", None: ""}[self.agrees]
        who = self.author or "a person"
        said = f"{who}, {stands}" if stands else who
        return f"{said}: {self.note}" if self.note else said


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One answer that a reviewer can give."""

    keys: tuple[str, ...]
    label: str
    value: str
    """As a form sends it."""


@dataclass(frozen=True, kw_only=True)
class ReviewView:
    """The review of one score."""

    score: str
    is_judge: bool
    choices: list[Choice]
    reviewed: int
    total: int
    disagreed: int
    summary: str
    """How far scorer and people agree, in words; empty before the first answer."""


def find_said(report: Report, score: str, annotated: Sequence[Annotated]) -> dict[str, Said]:
    """Return by example what was said last of one score, on the example's first output."""
    by_trace = {one.trace_id: one for one in report.examples if one.repeats and one.trace_id}
    choices = choices_of(report, score)
    found: dict[str, Said] = {}
    for one in annotated:  # the newest first
        given = one.annotation
        example = by_trace.get(given.trace_id or "")
        if example is None or given.name != score or example.id in found:
            continue
        found[example.id] = view_said(given, example, score, choices)
    return found


def view_said(
    given: Score, example: ExampleResult, score: str, choices: Mapping[str, ScoreValue]
) -> Said:
    """Hold one annotation against the score of its example."""
    result = example.repeats[0].scores.get(score) if example.repeats else None
    value = result.value if result is not None else None
    person, scorer = label_pair(given.value, given.value if value is None else value, choices)
    return Said(
        id=given.id,
        score=score,
        label=person if not isinstance(given.value, int | float) else _short(given.value, choices),
        value=given.value,
        agrees=None if value is None else person == scorer,
        author=given.author or "",
        note=given.rationale or "",
    )


def view_review(report: Report, score: str, said: Mapping[str, Said]) -> ReviewView:
    """Return the review of one score: which keys answer, and how far it has come."""
    info = report.scorer_of(score)
    known = [one for one in said.values() if one.agrees is not None]
    return ReviewView(
        score=score,
        is_judge=info is not None and info.source == "MODEL",
        choices=list_choices(report.scores[score], info),
        reviewed=len(said),
        total=sum(_can_be_judged(one) or one.id in said for one in report.examples),
        disagreed=sum(not one.agrees for one in known),
        summary=_summary(_agreement(report, score, said)),
    )


def _can_be_judged(example: ExampleResult) -> bool:
    """Whether there is an answer, and a trace for what is said of it to stand on."""
    return bool(example.repeats and example.trace_id and example.repeats[0].error is None)


def list_choices(summary: ScoreSummary, info: ScorerInfo | None) -> list[Choice]:
    """Return the answers to choose from, by the form of the score."""
    choices = info.choices if info is not None and info.name == summary.name else {}
    if choices:
        return _by_label(choices)
    if info is not None and info.scale is not None and info.name == summary.name:
        low, high = info.scale
        if 0 <= low and high <= MOST_KEYS and low == int(low) and high == int(high):
            steps = range(int(low), int(high) + 1)
            return [Choice(keys=(str(n),), label=str(n), value=str(n)) for n in steps]
    if summary.mean is None and summary.counts:
        labels = list(summary.counts)[:MOST_KEYS]
        return _by_label({label: label for label in labels})
    yes_or_no = [
        Choice(keys=("y",), label="yes", value="yes"),
        Choice(keys=("n",), label="no", value="no"),
    ]
    means = summary.example_means
    if summary.is_binary or not means or min(means) < 0 or max(means) > 1:
        return yes_or_no
    steps_up = [n / (STEPS - 1) for n in range(STEPS)]
    return yes_or_no + [
        Choice(keys=(str(n),), label=f"{value:g}", value=f"{value:g}")
        for n, value in enumerate(steps_up, 1)
    ]


def choices_of(report: Report, score: str) -> Mapping[str, ScoreValue]:
    """Return a judge's labels by their values."""
    info = report.scorer_of(score)
    return info.choices if info is not None and info.name == score else {}


def read_choice(report: Report, score: str, text: str) -> ScoreValue:
    """Read what a form sent: a label of the judge's, yes or no, or a number.

    Raises InvalidInput for what is none of these.
    """
    choices = choices_of(report, score)
    if text in choices:
        return choices[text]
    if text in ("yes", "no"):
        return text == "yes"
    if text in report.scores[score].counts and report.scores[score].mean is None:
        return text
    try:
        number = float(text)
    except ValueError:
        raise InvalidInput(f"{text[:80]!r} is no answer about {score}.") from None
    if not -1e300 < number < 1e300:
        raise InvalidInput(f"{text[:80]!r} is no answer about {score}.")
    return number


def _by_label(choices: Mapping[str, ScoreValue]) -> list[Choice]:
    """Number the labels; of figures Y is the greatest and N the least."""
    figures = {k: float(v) for k, v in choices.items() if isinstance(v, int | float)}
    best = max(figures, key=lambda label: figures[label]) if len(figures) > 1 else None
    worst = min(figures, key=lambda label: figures[label]) if len(figures) > 1 else None
    return [
        Choice(
            keys=tuple(
                key
                for key, on in (("y", label == best), ("n", label == worst), (str(number), True))
                if on
            ),
            label=label,
            value=label,
        )
        for number, label in enumerate(list(choices)[:MOST_KEYS], 1)
    ]


def _agreement(report: Report, score: str, said: Mapping[str, Said]) -> Concordance:
    choices = choices_of(report, score)
    pairs = []
    for example in report.examples:
        one = said.get(example.id)
        result = example.repeats[0].scores.get(score) if example.repeats else None
        if one is not None and result is not None and result.value is not None:
            pairs.append(label_pair(one.value, result.value, choices))
    return concordance(pairs)


def _summary(found: Concordance) -> str:
    if not found.n:
        return ""
    kappa = "" if found.kappa is None else f", κ {found.kappa:.2f}".replace("-", "−")
    return f"agrees in {found.accuracy:.0%}{kappa}"


def _short(value: float, choices: Mapping[str, ScoreValue]) -> str:
    label = next((key for key, stands in choices.items() if stands == value), None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return label if label is not None else format_score(value)
