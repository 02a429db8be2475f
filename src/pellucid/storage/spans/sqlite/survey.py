"""Counts over the traces that match a query: for filters, histograms and lists of sessions."""

import math
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from pellucid.core.query.tree import fold
from pellucid.core.span import Status
from pellucid.core.survey import (
    ScoreSurvey,
    SessionPage,
    SessionSummary,
    Survey,
    TimeBin,
    TimeBins,
    ValueCount,
)
from pellucid.storage.spans.sqlite.codes import KINDS
from pellucid.storage.spans.sqlite.connection import rows
from pellucid.storage.spans.sqlite.cursor import Position, encode_cursor
from pellucid.storage.spans.sqlite.facts import LONG
from pellucid.storage.spans.sqlite.outline import status_at
from pellucid.storage.spans.sqlite.predicate import TRUE, Sql
from pellucid.storage.spans.sqlite.scores import scores_of_session
from pellucid.storage.spans.sqlite.search import Candidate, Search
from pellucid.storage.spans.sqlite.statements import statements

SURVEYED: Final = 3_000
"""Newest matches that are counted at most."""

EMPTY_SURVEY: Final = Survey(
    trace_count=0,
    partial=False,
    statuses=[],
    inside_count=0,
    kinds=[],
    names=[],
    models=[],
    users=[],
    tags={},
    scores=[],
)

_SECOND: Final = 1_000_000_000
_STEPS: Final = tuple(
    seconds * _SECOND
    for seconds in (
        *(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200),
        *(86_400, 172_800, 604_800, 2_592_000),
    )
)
_SQL = statements("survey")
_HIGH: Final = 0.5
_models = msgspec.json.Decoder(list[str])
_tags = msgspec.json.Decoder(dict[str, str])


class Budget:
    """Time that counting may take: of the processor, so that a busy machine counts as much."""

    def __init__(self, seconds: float) -> None:
        self._work_until = time.thread_time() + seconds
        self._wait_until = time.monotonic() + _PATIENCE * seconds

    @property
    def is_spent(self) -> bool:
        """Whether it is used up."""
        return time.thread_time() > self._work_until or time.monotonic() > self._wait_until


_PATIENCE: Final = 10


class _Counts:
    """What was counted so far."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.inside = 0
        self.kinds: Counter[int] = Counter()
        self.names: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.tags: Counter[tuple[str, str]] = Counter()
        self.scores: dict[str, list[tuple[float | None, str | None]]] = {}
        # By name of the score: traces with a low number, and with a high one.
        self.low: Counter[str] = Counter()
        self.high: Counter[str] = Counter()

    def add(self, db: apsw.Connection, matches: list[Candidate], now: int) -> None:
        keys = (_json([match.key for match in matches]),)
        for row in rows(db, _SQL["fields_of_some"], keys):
            code, seen, kinds, name, models, user, tags, errors = row
            status = status_at(code, seen, now)
            self.statuses[status.value] += 1
            self.inside += status is Status.OK and errors > 0
            self.kinds[kinds] += 1
            self.names[name] += 1
            if models != "[]":
                self.models.update(_models.decode(models))
            if user:
                self.users[user] += 1
            if tags != "{}":
                self.tags.update(_tags.decode(tags).items())
        low: set[tuple[str, int]] = set()
        high: set[tuple[str, int]] = set()
        for name, key, figure, word in rows(db, _SQL["scores_of_some"], keys):
            self.scores.setdefault(name, []).append((figure, word))
            if figure is not None:
                (high if figure >= _HIGH else low).add((name, key))
        self.low.update(name for name, _ in low)
        self.high.update(name for name, _ in high)


def survey(search: Search, after: Position, *, now: int, budget: Budget, most: int) -> Survey:
    """Count what the newest matches have; `most` values a field are given."""
    counts = _Counts()
    total, partial = 0, False
    for chunk in search.chunks(after, many=True):
        matches = chunk.matches[: SURVEYED - total]
        total += len(matches)
        counts.add(search.connection, matches, now)
        if len(matches) < len(chunk.matches) or budget.is_spent or total == SURVEYED:
            partial = True
            break
    tags: dict[str, list[ValueCount]] = {}
    for (name, value), count in counts.tags.most_common():
        values = tags.setdefault(name, [])
        if len(values) < most:
            values.append(ValueCount(value=value, count=count))
    return Survey(
        trace_count=total,
        partial=partial,
        statuses=_top(counts.statuses, most),
        inside_count=counts.inside,
        kinds=_top(_kinds(counts.kinds), len(KINDS)),
        names=_top(counts.names, most),
        models=_top(counts.models, most),
        users=_top(counts.users, most),
        tags=tags,
        scores=[_score(name, counts, most) for name in sorted(counts.scores)],
    )


def _kinds(bits: Counter[int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for mask, count in bits.items():
        for code, kind in enumerate(KINDS):
            if mask >> code & 1:
                found[kind.value] += count
    return found


def _score(name: str, counts: _Counts, most: int) -> ScoreSurvey:
    values = counts.scores[name]
    truth = {"true": 1.0, "false": 0.0}
    figures = [
        figure if figure is not None else truth[word or ""]
        for figure, word in values
        if figure is not None or word in truth
    ]
    words = Counter(word for _, word in values if word is not None)
    return ScoreSurvey(
        name=name,
        count=len(values),
        mean=math.fsum(figures) / len(figures) if figures else None,
        least=min(figures, default=None),
        greatest=max(figures, default=None),
        low_count=counts.low[name],
        high_count=counts.high[name],
        words=_top(words, most),
    )


def _top(counts: Counter[str], most: int) -> list[ValueCount]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [ValueCount(value=value, count=count) for value, count in ordered[:most]]


def count_by_time(search: Search, *, bins: int, budget: Budget) -> TimeBins:
    """Count matches by time, from the first start there is to the last, in round steps.

    Exact where columns and index tell; where bodies must be read, estimated when time runs out.
    """
    db, experiment = search.connection, search.experiment
    if experiment is None:
        ((first, last),) = rows(db, _SQL["range"])
    else:
        ((first, last),) = rows(db, _SQL["range_of"], (experiment,))
    if first is None:
        return TimeBins(bins=[], partial=False)
    first, last = max(first, search.bounds.since_ns), min(last, search.bounds.until_ns - 1)
    if first > last:
        return TimeBins(bins=[], partial=False)
    step = next((s for s in _STEPS if (last - first) // s < bins), (last - first) // bins + 1)
    start = first - first % step
    span = _Span(first, last + 1, start, step)
    sampled = 0
    if search.is_plain:
        found = _count_all(search, span, TRUE)
    elif (keys := search.few_keys()) is not None:
        found = [
            row
            for matches in search.matches_among(keys)
            for row in rows(db, _SQL["bins_of_some"], (start, step, _keys_of(matches)))
        ]
    elif (predicate := search.predicate_of_all()) is not None:
        found = _count_all(search, span, predicate)
    else:
        found, sampled = _estimate(search, span, budget)
    counts: Counter[int] = Counter()
    errors: Counter[int] = Counter()
    for place, count, failed in found:
        counts[place] += count
        errors[place] += failed
    return TimeBins(
        bins=[
            TimeBin(
                start_ns=start + place * step,
                end_ns=start + (place + 1) * step,
                count=counts[place],
                error_count=errors[place],
            )
            for place in range((last - start) // step + 1)
        ],
        partial=sampled > 0,
        sampled=sampled,
    )


class _Span(NamedTuple):
    """A stretch of time, `first_ns` ≤ start < `end_ns`, in steps from `start_ns`."""

    first_ns: int
    end_ns: int
    start_ns: int
    step_ns: int


def _count_all(search: Search, span: _Span, predicate: Sql) -> list[Any]:
    """Count what matches by step, in one statement."""
    values: tuple[Any, ...] = (span.start_ns, span.step_ns, span.first_ns, span.end_ns)
    name = "bins"
    if search.experiment is not None:
        name, values = "bins_of", (*values, search.experiment)
    sql = _SQL[name].format(predicate=predicate.text)
    return rows(search.connection, sql, values + predicate.values)


def _estimate(search: Search, span: _Span, budget: Budget) -> tuple[list[Any], int]:
    """Estimate counts by step from as many traces as there is time for, evenly spread."""
    values: tuple[Any, ...] = (span.first_ns, span.end_ns)
    name = "spread"
    if search.experiment is not None:
        name, values = "spread_of", (*values, search.experiment)
    total = rows(search.connection, _SQL[f"count_{name}"], values)[0][0]
    apart = max(total // _SAMPLE, 1)
    keys = [key for (key,) in rows(search.connection, _SQL[name], (*values, apart))]
    # By a fixed rule, so that the same question has the same answer.
    keys.sort(key=lambda key: key * _SPREAD % 2**32)
    looked, found = 0, []
    for at in range(0, len(keys), _STRIDE):
        some = set(keys[at : at + _STRIDE])
        for matches in search.matches_among(some):
            found += rows(
                search.connection,
                _SQL["bins_of_some"],
                (span.start_ns, span.step_ns, _keys_of(matches)),
            )
        looked += len(some)
        if budget.is_spent:
            break
    if looked == total:
        return found, 0
    factor = total / max(looked, 1)
    sums: dict[int, list[int]] = {}
    for place, count, failed in found:
        both = sums.setdefault(place, [0, 0])
        both[0] += count
        both[1] += failed
    return [(place, round(a * factor), round(b * factor)) for place, (a, b) in sums.items()], looked


_SAMPLE: Final = 2_000
"""Traces that an estimate looks at, at most about."""
_SPREAD: Final = 2_654_435_761
_STRIDE: Final = 16


def _keys_of(matches: Iterable[Candidate]) -> str:
    return _json([match.key for match in matches])


def list_sessions(search: Search, after: Position, *, limit: int, deadline: float) -> SessionPage:
    """List sessions that have a match, each where its newest match stands in the order."""
    found: list[tuple[int, str]] = []
    last: Candidate | None = None
    seen: set[tuple[int, str]] = set()
    db = search.connection
    for chunk in search.chunks(after):
        sessions = {
            key: (experiment, session)
            for key, experiment, session in rows(
                db, _SQL["newest_of_sessions"], (_json([m.key for m in chunk.matches]),)
            )
        }
        for match in chunk.matches:
            session = sessions.get(match.key)
            if session is None or session in seen:
                continue
            seen.add(session)
            if _was_listed(search, session, after):
                continue
            if len(found) == limit and last is not None:
                cursor = encode_cursor(Position(last.start_ns, last.trace_id))
                return SessionPage(sessions=[_session(db, *one) for one in found], next=cursor)
            found.append(session)
            last = match
        if time.monotonic() > deadline:
            cursor = encode_cursor(Position(chunk.seen[-1].start_ns, chunk.seen[-1].trace_id))
            return SessionPage(sessions=[_session(db, *one) for one in found], next=cursor)
    return SessionPage(sessions=[_session(db, *one) for one in found], next=None)


def _was_listed(search: Search, session: tuple[int, str], after: Position) -> bool:
    """Tell whether a page before had the session: by a match at or before the cursor's place."""
    before = (after.start_ns, after.trace_id)
    newer = rows(search.connection, _SQL["newer_of_session"], (*session, *before))
    return bool(newer) and search.any_matches([key for (key,) in newer])


def _session(db: apsw.Connection, experiment: int, session_id: str) -> SessionSummary:
    target = (experiment, session_id)
    ((count, errors, first, last, tokens_in, tokens_out, cost),) = rows(db, _SQL["session"], target)
    oldest = rows(db, _SQL["session_ends"].format(order="ASC"), target)
    newest = rows(db, _SQL["session_ends"].format(order="DESC"), target)
    name: str = db.execute(_SQL["experiment_name"], (experiment,)).get
    return SessionSummary(
        experiment=name,
        session_id=session_id,
        user_id=next((user for user, _, _ in newest if user), None),
        trace_count=count,
        error_count=errors,
        first_ns=first,
        last_ns=last,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost,
        input_preview=oldest[0][1],
        output_preview=newest[0][2],
        scores=scores_of_session(db, name, session_id),
    )


def list_values(db: apsw.Connection, field: str, beginning: str, limit: int) -> list[str]:
    """List values that a field has, in order, that begin so in any case; numbers are left out."""
    at = start = fold(beginning)
    found: list[str] = []
    while len(found) < limit:
        row = db.execute(_SQL["first_value"], (field, at, start + "\U0010ffff")).fetchone()
        if row is None:
            break
        value, shown = str(row[0]), str(row[1])
        if value != LONG:
            found.append(shown or value)
        at = value + "\x00"  # the text that follows it in order
    return found


def list_keys(db: apsw.Connection, family: str, beginning: str, limit: int) -> list[str]:
    """List the keys of a family that begin so, in order."""
    if family == "score":
        names = rows(db, _SQL["score_names"], (beginning, limit))
        return [name for (name,) in names if name.startswith(beginning)]
    start = f"{family}.{beginning}"
    names = rows(db, _SQL["keys"], (start, start + "\U0010ffff", limit))
    return [name.removeprefix(f"{family}.") for (name,) in names]


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()
