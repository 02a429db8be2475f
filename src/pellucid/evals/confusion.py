"""Two raters of the same things, such as a judge and people: how far they agree."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from pellucid.core.score import ScoreValue
from pellucid.evals.statistics import Interval, cohen_kappa, wilson_interval

HALF = 0.5
YES, NO = "yes", "no"
LOW, HIGH = "below 0.5", "0.5 and more"


class Concordance(msgspec.Struct, frozen=True, kw_only=True):
    """How far two raters' labels agree."""

    n: int
    same: int
    accuracy: float
    interval: Interval | None
    """Of the accuracy, 95 %."""
    kappa: float | None
    """Cohen's κ: 0 = as by chance, 1 = always the same; None where nobody ever differs."""
    confusion: dict[str, dict[str, int]]
    """The first rater's label → the second's → how often."""


def concordance(pairs: Sequence[tuple[str, str]]) -> Concordance:
    """Measure how far the labels of pairs agree; `accuracy` is 0 without any."""
    same = sum(first == second for first, second in pairs)
    confusion: dict[str, dict[str, int]] = {}
    for (first, second), n in Counter(pairs).items():
        confusion.setdefault(first, {})[second] = n
    return Concordance(
        n=len(pairs),
        same=same,
        accuracy=same / len(pairs) if pairs else 0.0,
        interval=wilson_interval(same, len(pairs)) if pairs else None,
        kappa=cohen_kappa([first for first, _ in pairs], [second for _, second in pairs]),
        confusion=confusion,
    )


def label_pair(
    first: ScoreValue, second: ScoreValue, choices: Mapping[str, ScoreValue] | None = None
) -> tuple[str, str]:
    """Return two raters' values as labels that can be compared.

    Where one said yes or no, a number of the other's counts as yes from a half on. Values that
    stand for one of `choices` bear its label; whole numbers and words stand for themselves; of
    other numbers only the half of 0 to 1 counts in which they lie.
    """
    if isinstance(first, bool) or isinstance(second, bool):
        return _yes_or_no(first), _yes_or_no(second)
    labels = [_choice(value, choices or {}) for value in (first, second)]
    if labels[0] is not None and labels[1] is not None:
        return labels[0], labels[1]
    if all(isinstance(value, int | float) for value in (first, second)):
        if all(float(value).is_integer() for value in (first, second)):
            return str(int(first)), str(int(second))
        return _half(float(first)), _half(float(second))
    return labels[0] or str(first), labels[1] or str(second)


def _choice(value: ScoreValue, choices: Mapping[str, ScoreValue]) -> str | None:
    if isinstance(value, str):
        return value if value in choices else None
    return next((label for label, stands in choices.items() if stands == value), None)


def _yes_or_no(value: ScoreValue) -> str:
    if isinstance(value, str):
        return value
    return YES if value is True or float(value) >= HALF else NO


def _half(value: float) -> str:
    return HIGH if value >= HALF else LOW
