"""Scores: what a scorer, a judge or a person says about a trace, span, session or run."""

from enum import StrEnum

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.ids import is_span_id, is_trace_id

MAX_NAME_CHARACTERS = 200
MAX_ID_CHARACTERS = 100
MAX_TIME_NS = 2**63 - 1


class ScoreSource(StrEnum):
    """Who made a score."""

    CODE = "CODE"
    MODEL = "MODEL"
    HUMAN = "HUMAN"


ScoreValue = bool | int | float | str


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One score. A category or a text is a string; a person's score is an annotation.

    The target is a span (`trace_id` and `span_id`), a trace, a session (`experiment` and
    `session_id`) or a run. The latest per (target, name, source, author) is the greatest
    (`time_ns`, `id`).
    """

    id: str
    name: str
    value: ScoreValue
    rationale: str | None = None
    source: ScoreSource = ScoreSource.CODE
    author: str | None = None
    time_ns: int
    """The client's clock."""
    trace_id: str | None = None
    span_id: str | None = None
    experiment: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    example_id: str | None = None
    """The dataset example it was made for."""
    score_trace_id: str | None = None
    """The trace of the scorer's own work, such as a judge's call."""


class Annotated(msgspec.Struct, frozen=True, kw_only=True):
    """A person's score, with what scorers gave to the same target under the same name."""

    annotation: Score
    beside: list[Score]


def check_score(score: Score, subject: str) -> None:
    """Raises InvalidInput, which says what is wrong with `subject`."""
    if not 1 <= len(score.name) <= MAX_NAME_CHARACTERS or not score.name.isprintable():
        raise InvalidInput(
            f"{subject} needs a name of 1 to {MAX_NAME_CHARACTERS} characters in one line."
        )
    if not 1 <= len(score.id) <= MAX_ID_CHARACTERS or not score.id.isprintable():
        raise InvalidInput(f"{subject} needs an id of 1 to {MAX_ID_CHARACTERS} characters.")
    if not 0 <= score.time_ns <= MAX_TIME_NS:
        raise InvalidInput(f"{subject} has a time_ns outside of 63 bits.")
    if isinstance(score.value, int) and not -(2**63) <= score.value < 2**63:
        raise InvalidInput(f"{subject} has a value that is no 64-bit integer.")
    if score.trace_id is not None and not is_trace_id(score.trace_id):
        raise InvalidInput(f"{subject} has a trace_id that is not 32 lower-case hex digits.")
    if score.span_id is not None:
        if not is_span_id(score.span_id):
            raise InvalidInput(f"{subject} has a span_id that is not 16 lower-case hex digits.")
        if score.trace_id is None:
            raise InvalidInput(f"{subject} names a span; name its trace_id too.")
    if score.session_id is not None and score.trace_id is None and not score.experiment:
        raise InvalidInput(f"{subject} names a session; name its experiment too.")
    if score.trace_id is None and score.session_id is None and score.run_id is None:
        raise InvalidInput(
            f"{subject} has no target. Name a trace_id (and span_id), an experiment with a "
            "session_id, or a run_id."
        )
