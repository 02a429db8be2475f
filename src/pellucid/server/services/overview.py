"""What a list of traces adds up to: facets, a time histogram, sessions.

Read from the newest traces that match, a bounded number of them; what is beyond is said so, never
estimated.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import ceil

import msgspec

from pellucid.core.score import Score
from pellucid.core.span import Status
from pellucid.core.trace import TraceSummary
from pellucid.server.services.traces import MAX_LIMIT, TraceService

MOST_TRACES = 1_000
_SECOND = 1_000_000_000
_BUCKETS = 60
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS_S = [1, 2, 5, 10, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE]
_STEPS_S += [_HOUR, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY]


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest traces that match a query; `is_partial` when there are more."""

    traces: list[TraceSummary]
    is_partial: bool


class FacetValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a field: how many traces have it, and the words of the query that pick them."""

    label: str
    count: int
    terms: tuple[str, ...]


class Facet(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one field, the most frequent first; ranges and states keep their order."""

    title: str
    values: list[FacetValue]


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """The traces that started in [`start_ns`, `end_ns`)."""

    start_ns: int
    end_ns: int
    count: int
    errors: int
    p95_ns: int | None
    """Duration that 95 in 100 of them do not exceed; None where there are none."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Traces of one conversation, added up."""

    session_id: str
    trace_count: int
    error_count: int
    first_ns: int
    last_ns: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    user_id: str | None
    first_input: str | None
    last_output: str | None
    scores: list[Score]
    """The latest by name over its traces."""


async def read_newest(
    traces: TraceService, experiment: str, query: str, *, most: int = MOST_TRACES
) -> Newest:
    """Read the newest traces of an experiment that match. Raises what `list_traces` raises."""
    found: list[TraceSummary] = []
    cursor: str | None = None
    while len(found) < most:
        page = await traces.list_traces(
            experiment=experiment,
            query=query,
            limit=min(MAX_LIMIT, most - len(found)),
            cursor=cursor,
        )
        found += page.traces
        cursor = page.next
        if cursor is None or page.partial:
            break
    return Newest(traces=found, is_partial=cursor is not None)


def list_facets(traces: Sequence[TraceSummary], quote: Callable[[str], str]) -> list[Facet]:
    """Count what the traces have; `quote` writes a value for the query language."""
    names = Counter(trace.name for trace in traces)
    models = Counter(model for trace in traces for model in trace.models)
    users = Counter(trace.user_id for trace in traces if trace.user_id)
    tags = Counter((key, value) for trace in traces for key, value in trace.tags.items())
    facets = [
        Facet(title="Status", values=_statuses(traces)),
        Facet(title="Name", values=_top(names, lambda name: f"name={quote(name)}")),
        Facet(title="Model", values=_top(models, lambda model: f"model={quote(model)}")),
        Facet(title="Duration", values=_durations(traces)),
        *_scores(traces, quote),
        Facet(
            title="Tag",
            values=[
                FacetValue(
                    label=f"{key}:{value}" if value else key,
                    count=count,
                    terms=(f"tag.{_key(key, quote)}={quote(value)}",),
                )
                for (key, value), count in tags.most_common(8)
            ],
        ),
        Facet(title="User", values=_top(users, lambda user: f"user={quote(user)}")),
    ]
    return [facet for facet in facets if facet.values]


def draw_histogram(traces: Sequence[TraceSummary], now_ns: int) -> list[Bucket]:
    """Count traces by time, in at most about sixty equal steps from the oldest of them to now."""
    if not traces:
        return []
    first = min(trace.start_ns for trace in traces)
    last = max(now_ns, max(trace.start_ns for trace in traces))
    step = _step(last - first)
    start = first // step * step
    count = max(ceil((last + 1 - start) / step), 1)
    inside: list[list[TraceSummary]] = [[] for _ in range(count)]
    for trace in traces:
        inside[(trace.start_ns - start) // step].append(trace)
    return [
        Bucket(
            start_ns=start + index * step,
            end_ns=start + (index + 1) * step,
            count=len(held),
            errors=sum(trace.status is Status.ERROR for trace in held),
            p95_ns=percentile([trace.duration_ns for trace in held], 0.95),
        )
        for index, held in enumerate(inside)
    ]


def group_sessions(traces: Iterable[TraceSummary]) -> list[Session]:
    """Add traces up by session, the session that was active last first."""
    held: dict[str, list[TraceSummary]] = {}
    for trace in traces:
        if trace.session_id:
            held.setdefault(trace.session_id, []).append(trace)
    sessions = [_session(name, turns) for name, turns in held.items()]
    return sorted(sessions, key=lambda session: (-session.last_ns, session.session_id))


def percentile(durations: list[int], share: float) -> int | None:
    """Return the duration that `share` of those given do not exceed; None of none."""
    if not durations:
        return None
    return sorted(durations)[max(ceil(share * len(durations)) - 1, 0)]


def _step(length_ns: int) -> int:
    for seconds in _STEPS_S:
        if length_ns <= seconds * _SECOND * _BUCKETS:
            return seconds * _SECOND
    return max(length_ns // _BUCKETS, _SECOND)


def _session(session_id: str, turns: list[TraceSummary]) -> Session:
    turns = sorted(turns, key=lambda trace: (trace.start_ns, trace.trace_id))
    costs = [trace.cost_usd for trace in turns if trace.cost_usd is not None]
    scores = {score.name: score for trace in turns for score in trace.scores}
    return Session(
        session_id=session_id,
        trace_count=len(turns),
        error_count=sum(trace.status is Status.ERROR for trace in turns),
        first_ns=turns[0].start_ns,
        last_ns=turns[-1].start_ns,
        tokens_in=sum(trace.tokens_in for trace in turns),
        tokens_out=sum(trace.tokens_out for trace in turns),
        cost_usd=sum(costs) if costs else None,
        user_id=next((trace.user_id for trace in turns if trace.user_id), None),
        first_input=turns[0].input_preview,
        last_output=turns[-1].output_preview,
        scores=list(scores.values()),
    )


def _top(counts: Counter[str], term: Callable[[str], str]) -> list[FacetValue]:
    return [
        FacetValue(label=value, count=count, terms=(term(value),))
        for value, count in counts.most_common(8)
    ]


def _statuses(traces: Sequence[TraceSummary]) -> list[FacetValue]:
    counts = Counter(trace.status for trace in traces)
    values = [
        FacetValue(label=status.value, count=counts[status], terms=(f"status:{status.value}",))
        for status in Status
        if counts[status]
    ]
    survived = sum(trace.status is Status.OK and trace.error_count > 0 for trace in traces)
    if survived:
        values.append(
            FacetValue(label="error inside", count=survived, terms=("errors>0", "status:ok"))
        )
    return values


def _durations(traces: Sequence[TraceSummary]) -> list[FacetValue]:
    ranges = (
        ("under 1 s", 0, 1, ("duration<1s",)),
        ("1–5 s", 1, 5, ("duration>=1s", "duration<5s")),
        ("5–30 s", 5, 30, ("duration>=5s", "duration<30s")),
        ("30 s–5 min", 30, 300, ("duration>=30s", "duration<5m")),
        ("over 5 min", 300, float("inf"), ("duration>=5m",)),
    )
    values = [
        FacetValue(label=label, count=count, terms=terms)
        for label, low, high, terms in ranges
        if (count := sum(low * _SECOND <= t.duration_ns < high * _SECOND for t in traces))
    ]
    return values if len(values) > 1 else []


def _scores(traces: Sequence[TraceSummary], quote: Callable[[str], str]) -> list[Facet]:
    held: dict[str, list[bool | int | float | str]] = {}
    for trace in traces:
        for score in {score.name: score for score in trace.scores}.values():
            held.setdefault(score.name, []).append(score.value)
    names = sorted(held, key=lambda name: (-len(held[name]), name))[:3]
    return [Facet(title=name, values=_score_values(name, held[name], quote)) for name in names]


def _score_values(
    name: str, values: list[bool | int | float | str], quote: Callable[[str], str]
) -> list[FacetValue]:
    field = f"score.{_key(name, quote)}"
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    found = [
        FacetValue(label=label, count=count, terms=(f"{field}={number}",))
        for label, truth, number in (("yes", True, 1), ("no", False, 0))
        if (count := sum(value is truth for value in values))
    ]
    words = Counter(value for value in values if isinstance(value, str))
    found += _top(words, lambda word: f"{field}={quote(word)}")[:4]
    if not numbers:
        return found
    ranges = (
        ("below 0.5", float("-inf"), 0.5, (f"{field}<0.5",)),
        ("0.5–0.8", 0.5, 0.8, (f"{field}>=0.5", f"{field}<0.8")),
        ("0.8 and up", 0.8, float("inf"), (f"{field}>=0.8",)),
    )
    return [
        FacetValue(label=label, count=count, terms=terms)
        for label, low, high, terms in ranges
        if (count := sum(low <= number < high for number in numbers))
    ] + found


def _key(key: str, quote: Callable[[str], str]) -> str:
    plain = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if plain else '"' + quote(key + " ").strip('"').rstrip(" ") + '"'
