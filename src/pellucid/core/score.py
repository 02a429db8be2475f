"""Scores: what a scorer, a judge or a person says about a trace, span, session or run."""

from enum import StrEnum

import msgspec


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
