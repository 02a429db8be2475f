"""What a scorer returns, made uniform."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreValue

GREATEST = 1e100
"""The greatest figure that a score may be: sums and squares of such are still numbers."""


class Score(msgspec.Struct, frozen=True, omit_defaults=True):
    """A scorer's answer: a number, bool or category, and why."""

    value: ScoreValue
    rationale: str | None = None
    name: str | None = None
    """Where a scorer returns several; else the scorer's own name counts."""
    metadata: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)


def as_scores(answer: Any, name: str) -> list[Score]:
    """Return a scorer's answer as named scores; None is "does not apply" and gives none.

    Raises InvalidInput for what is no score.
    """
    if answer is None:
        return []
    if isinstance(answer, Score):
        return [_named(_one(answer, name), answer.name or name)]
    if isinstance(answer, Mapping):
        return [_named(_one(value, key), str(key)) for key, value in answer.items()]
    if isinstance(answer, Iterable) and not isinstance(answer, str | bytes):
        scores = [_one(value, name) for value in answer]
        return [_named(score, score.name or name) for score in scores]
    return [_named(_one(answer, name), name)]


def _one(value: Any, name: Any) -> Score:
    if isinstance(value, Score):
        return msgspec.structs.replace(value, value=_one(value.value, name).value)
    if hasattr(value, "item") and not isinstance(value, str):  # a numpy or torch scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"The scorer {name!r} returned {value}, which is no score.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidInput(f"The scorer {name!r} returned an integer beyond 64 bits.")
    if isinstance(value, float) and abs(value) > GREATEST:
        raise InvalidInput(f"The scorer {name!r} returned {value:g}; scores go to {GREATEST:g}.")
    if isinstance(value, bool | int | float | str):
        return Score(value)
    raise InvalidInput(
        f"The scorer {name!r} returned {type(value).__name__}; return a number, bool, category "
        "(a string), pellucid.Score, a dict of these by name, a list of Score, or None."
    )


def _named(score: Score, name: str) -> Score:
    return msgspec.structs.replace(score, name=name)
