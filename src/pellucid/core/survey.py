"""What the traces that match a query have in common: counts for filters, charts and sessions."""

import msgspec

from pellucid.core.score import Score


class ValueCount(msgspec.Struct, frozen=True, kw_only=True):
    """A value, and how many traces have it."""

    value: str
    count: int


class ScoreSurvey(msgspec.Struct, frozen=True, kw_only=True):
    """The latest scores of one name on traces and their spans."""

    name: str
    count: int
    mean: float | None
    """Of numbers, with true as 1 and false as 0; None where all are words."""
    least: float | None
    greatest: float | None
    low_count: int
    """Traces with a number below 0.5."""
    high_count: int
    """Traces with a number of 0.5 and up."""
    words: list[ValueCount]


class TimeBin(msgspec.Struct, frozen=True, kw_only=True):
    """The traces that started within [`start_ns`, `end_ns`)."""

    start_ns: int
    end_ns: int
    count: int
    error_count: int


class TimeBins(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram without gaps, oldest first."""

    bins: list[TimeBin]
    partial: bool
    """Whether time ran out: the counts are estimated from a sample, spread over all of the time."""
    sampled: int = 0
    """Traces that were looked at, where the counts are estimated."""


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over the newest traces that match, the most frequent values first."""

    trace_count: int
    """How many traces were counted."""
    partial: bool
    """Whether there are, or may be, more matches that were not counted."""
    statuses: list[ValueCount]
    inside_count: int
    """Traces that ended well with a failed span inside."""
    kinds: list[ValueCount]
    """Traces with a span of the kind."""
    names: list[ValueCount]
    models: list[ValueCount]
    users: list[ValueCount]
    tags: dict[str, list[ValueCount]]
    """By tag."""
    scores: list[ScoreSurvey]


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The traces of one session, added up."""

    experiment: str
    session_id: str
    user_id: str | None
    """The newest trace's that has one."""
    trace_count: int
    error_count: int
    first_ns: int
    last_ns: int
    """Start of the newest trace."""
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    input_preview: str | None
    """Of the first trace."""
    output_preview: str | None
    """Of the last one."""
    scores: list[Score]
    """The latest on the session itself."""


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions, the one with the newest trace first."""

    sessions: list[SessionSummary]
    next: str | None


class SqlResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a query over the documented views gave."""

    columns: list[str]
    rows: list[list[str | int | float | bytes | None]]
    truncated: bool
    """Whether there were more rows than asked for."""
