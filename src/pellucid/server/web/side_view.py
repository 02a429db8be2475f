"""Up to five evaluations side by side: the verdict, every score, every example, what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pellucid.core.query import Query
from pellucid.core.run import Run
from pellucid.core.run_diff import Word, diff_words
from pellucid.evals.compare import BETTER, NO_CLEAR_CHANGE, WORSE, Change, Comparison
from pellucid.evals.report import ExampleResult, Report
from pellucid.evals.statistics import Interval
from pellucid.server.services.evaluation_summary import interval_of
from pellucid.server.services.evaluations import Judgement
from pellucid.server.web.evaluation_opened import called
from pellucid.server.web.evaluation_rows import answered_of, asked_of, gist, show_score
from pellucid.server.web.evaluation_view import (
    OPERATIONS,
    figure,
    is_low,
    p_value,
    plain_name,
    signed,
    span,
)
from pellucid.server.web.example_query import Moved, meets
from pellucid.server.web.format import format_score, plural
from pellucid.server.web.gist import ANSWERED
from pellucid.server.web.values import TextView, json_line, view_text

STATES = ("error", "worse", "better", "same")
"""What an example may be, in the order in which it is shown."""
TITLES = {
    "error": "failed in one at least",
    "worse": "regressed in one at least",
    "better": "improved",
    "same": "same in all",
}
SHOWN_WORDS = 3000
"""Characters of an answer whose words are told apart."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One evaluation with what it says against the baseline."""

    run: Run
    report: Report
    judgement: Judgement | None
    """None for the baseline itself."""

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return called(self.run)

    @property
    def comparison(self) -> Comparison | None:
        """Against the baseline, where that is possible."""
        return self.judgement.comparison if self.judgement is not None else None

    def change(self, score: str | None) -> Change | None:
        """What happened to one score."""
        return self.comparison.changes.get(score or "") if self.comparison is not None else None


@dataclass(frozen=True, kw_only=True)
class ScoreCell:
    """One score of one evaluation; the interval lies on an axis that its row shares."""

    mean: str
    interval: str
    difference: str
    difference_interval: str
    p: str
    verdict: str
    """`better`, `worse`, `no clear change`, `same`, or empty for the baseline and where unknown."""
    counts: str
    at: float
    left: float
    width: float


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One score of all evaluations."""

    name: str
    lower_is_better: bool
    is_chosen: bool
    cells: list[ScoreCell]


@dataclass(frozen=True, kw_only=True)
class SaidCell:
    """What one evaluation said of an example."""

    text: str
    error: str
    score: str
    move: str
    is_low: bool
    is_same: bool
    """Whether it is what the baseline said."""


@dataclass(frozen=True, kw_only=True)
class SideRow:
    """One example."""

    id: str
    number: int
    state: str
    asked: str
    expected: str
    cells: list[SaidCell | None]
    """None where an evaluation has no such example."""


@dataclass(frozen=True, kw_only=True)
class SideGroup:
    """Rows of one page that want the same attention; `count` is of all pages."""

    key: str
    count: int
    title: str
    rows: list[SideRow]


@dataclass(frozen=True, kw_only=True)
class FullCell:
    """What one evaluation said of the open example, word by word against the baseline."""

    name: str
    words: list[Word]
    text: TextView | None
    error: str
    scores: list[tuple[str, str, str, str]]
    """Name, value, how it moved, and why."""
    trace_id: str | None
    is_same: bool


@dataclass(frozen=True, kw_only=True)
class SideVerdict:
    """The page's answer."""

    kind: str
    title: str
    lines: list[str]


def view_sides_verdict(sides: Sequence[Side], score: str | None) -> SideVerdict:
    """Say which evaluation is better than the baseline, the chosen score first."""
    base, others = sides[0], sides[1:]
    by_kind: dict[str, list[str]] = {}
    for side in others:
        by_kind.setdefault(_kind(side), []).append(side.name)
    better, worse = by_kind.get(BETTER, []), by_kind.get(WORSE, [])
    mixed, same = by_kind.get("mixed", []), by_kind.get(NO_CLEAR_CHANGE, [])
    parts = [
        _says(better, "better"),
        _says(worse, "worse"),
        f"{_names(mixed)} {_is(mixed)} better in part and worse in part" if mixed else "",
    ]
    told = [part for part in parts if part]
    kind = "mixed" if len(told) > 1 or mixed else BETTER if better else WORSE if worse else "none"
    title = f"{', '.join(told)} than {base.name}" if told and not mixed else ", ".join(told)
    if not told:
        title = (
            f"No clear change from {base.name}" if same else f"Nothing compares with {base.name}"
        )
    lines = [line for side in others if (line := _line(side, score))]
    if told and same:
        lines.append(f"No clear change in {_names(same)}.")
    return SideVerdict(kind=kind, title=title, lines=lines)


def view_scores(sides: Sequence[Side], score: str | None) -> list[ScoreRow]:
    """Return a row a score that any of them has, in the baseline's order."""
    names = dict.fromkeys(name for side in sides for name in side.report.scores)
    rows = []
    for name in names:
        known = [side.report.scores[name] for side in sides if name in side.report.scores]
        reach = _reach([side.change(name) for side in sides])
        rows.append(
            ScoreRow(
                name=name,
                lower_is_better=known[0].lower_is_better,
                is_chosen=name == score,
                cells=[_score_cell(side, name, reach) for side in sides],
            )
        )
    return rows


def find_all_moved(sides: Sequence[Side], score: str | None) -> Moved:
    """Return the examples that became worse, and better, in any of them."""
    changes = [change for side in sides if (change := side.change(score)) is not None]
    return Moved(
        worse=frozenset(one.id for change in changes for one in change.regressions),
        better=frozenset(one.id for change in changes for one in change.improvements),
    )


def list_rows(
    sides: Sequence[Side], query: Query, score: str | None, moved: Moved
) -> list[tuple[str, str]]:
    """Return state and id of every example that meets a query in any of them, in their order."""
    by_id = _by_id(sides)
    drops = _drops(sides, score)
    found: list[tuple[int, float, int, str, str]] = []
    for number, key in enumerate(dict.fromkeys(one for known in by_id for one in known)):
        examples = [known[key] for known in by_id if key in known]
        if any(meets(query, one, moved) for one in examples):
            state = _state(examples, key, moved)
            rank = drops.get(key, 0.0) if state == "worse" else -drops.get(key, 0.0)
            found.append((STATES.index(state), rank, number, state, key))
    return [(state, key) for *_, state, key in sorted(found)]


def view_groups(
    sides: Sequence[Side],
    rows: Sequence[tuple[str, str]],
    score: str | None,
    *,
    first: int,
    most: int,
) -> list[SideGroup]:
    """Return one page of rows in groups that are not empty."""
    by_id = _by_id(sides)
    numbers = {key: n for n, key in enumerate(dict.fromkeys(k for one in by_id for k in one), 1)}
    groups = []
    for state in STATES:
        keys = [key for one, key in rows[first : first + most] if one == state]
        if keys:
            groups.append(
                SideGroup(
                    key=state,
                    count=sum(one == state for one, _ in rows),
                    title=TITLES[state],
                    rows=[_row(sides, by_id, key, numbers[key], state, score) for key in keys],
                )
            )
    return groups


def view_full(sides: Sequence[Side], key: str) -> list[FullCell]:
    """Return what each evaluation said of one example; empty where none has it."""
    found = [known.get(key) for known in _by_id(sides)]
    first = _text(found[0]) if found and found[0] is not None else None
    return [
        _full(side, example, first if side is not sides[0] else None)
        for side, example in zip(sides, found, strict=True)
        if example is not None
    ]


def _kind(side: Side) -> str:
    if side.comparison is None:
        return "unknown"
    changes = side.comparison.changes.values()
    verdicts = {change.verdict for change in changes if change.name not in OPERATIONS}
    if {BETTER, WORSE} <= verdicts:
        return "mixed"
    return next((one for one in (BETTER, WORSE) if one in verdicts), NO_CLEAR_CHANGE)


def _says(names: Sequence[str], word: str) -> str:
    return f"{_names(names)} {_is(names)} {word}" if names else ""


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _names(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def _line(side: Side, score: str | None) -> str:
    if side.comparison is None:
        return f"{side.name}: {side.judgement.reason}" if side.judgement is not None else ""
    change = side.change(score)
    if change is None:
        return f"{side.name} has no {score} to compare."
    also = _also(side)
    if not change.wins and not change.losses:
        same = f"{change.name} is {figure(change.mean)}, the same in every example."
        return f"{side.name}{also}: {same}"
    sure = f" ({span(change.interval, signs=True)})" if change.interval else ""
    regressed = len(change.regressions)
    lost = f", {plural(regressed, 'regression')}" if regressed else ""
    return (
        f"{side.name}{also}: {change.name} {signed(change.difference)}{sure}, "
        f"p {p_value(change.p_value)}{lost}."
    )


def _also(side: Side) -> str:
    """Return at what it is better, and worse."""
    changes = side.comparison.changes.values() if side.comparison is not None else []
    parts = []
    for word in (BETTER, WORSE):
        names = [plain_name(change.name) for change in changes if change.verdict == word]
        if names:
            parts.append(f"{word} at {_names(names)}")
    return f", {', '.join(parts)}" if parts else ""


def _reach(changes: Sequence[Change | None]) -> float:
    ends = [abs(end) for one in changes if one is not None for end in _ends(one)]
    return max([*ends, 1e-12]) * 1.08


def _ends(change: Change) -> tuple[float, float, float]:
    interval = change.interval or Interval(change.difference, change.difference)
    return (interval.low, interval.high, change.difference)


def _score_cell(side: Side, name: str, reach: float) -> ScoreCell:
    summary = side.report.scores.get(name)
    mean = summary.mean if summary is not None else None
    change = side.change(name)
    low, high, middle = _ends(change) if change is not None else (0.0, 0.0, 0.0)
    is_equal = change is not None and not change.wins and not change.losses
    counts = ""
    if summary is not None and mean is None:
        top = list(summary.counts.items())[:2]
        counts = ", ".join(f"{label} {count}" for label, count in top)
    return ScoreCell(
        mean=figure(mean) if mean is not None else "",
        interval=span(interval_of(summary)) if summary is not None else "",
        difference=signed(change.difference) if change is not None and not is_equal else "",
        difference_interval=span(change.interval, signs=True) if change is not None else "",
        p=p_value(change.p_value) if change is not None and not is_equal else "",
        verdict="" if change is None else "same" if is_equal else change.verdict,
        counts=counts,
        at=round((middle / reach + 1) / 2, 4),
        left=round((low / reach + 1) / 2, 4),
        width=round((high - low) / reach / 2, 4),
    )


def _by_id(sides: Sequence[Side]) -> list[dict[str, ExampleResult]]:
    return [{one.id: one for one in side.report.examples if one.repeats} for side in sides]


def _drops(sides: Sequence[Side], score: str | None) -> dict[str, float]:
    """Return the greatest change of each example: of those that got worse, the worst."""
    found: dict[str, float] = {}
    for side in sides:
        change = side.change(score)
        for one in change.examples if change is not None else []:
            known = found.get(one.id)
            if known is None or (one.change < 0 and one.change < known) or 0 < known < one.change:
                found[one.id] = one.change
    return found


def _state(examples: Sequence[ExampleResult], key: str, moved: Moved) -> str:
    if any(one.error is not None for one in examples):
        return "error"
    if key in moved.worse:
        return "worse"
    return "better" if key in moved.better else "same"


def _row(
    sides: Sequence[Side],
    by_id: Sequence[Mapping[str, ExampleResult]],
    key: str,
    number: int,
    state: str,
    score: str | None,
) -> SideRow:
    found = [known.get(key) for known in by_id]
    one = next(example for example in found if example is not None)
    base = found[0]
    return SideRow(
        id=key,
        number=number,
        state=state,
        asked=asked_of(one),
        expected=gist(one.expected, ANSWERED),
        cells=[
            None if example is None else _said(side, example, base, score)
            for side, example in zip(sides, found, strict=True)
        ],
    )


def _said(
    side: Side, example: ExampleResult, base: ExampleResult | None, score: str | None
) -> SaidCell:
    result = example.repeats[0].scores.get(score or "")
    mean = example.mean(score or "")
    was = base.mean(score or "") if base is not None and base is not example else None
    move = ""
    summary = (
        side.report.scores[score] if score is not None and score in side.report.scores else None
    )
    if summary is not None and mean is not None and was is not None and mean != was:
        move = "worse" if (mean > was) is summary.lower_is_better else "better"
    several = len(example.repeats) > 1 and mean is not None
    value = mean if several else result.value if result is not None else None
    text = answered_of(example)
    return SaidCell(
        text=text,
        error=" ".join((example.error or "").split())[:200],
        score=format_score(mean) if several and mean is not None else show_score(result),
        move=move,
        is_low=summary is not None and is_low(value, summary),
        is_same=base is not None and base is not example and text == answered_of(base),
    )


def _text(example: ExampleResult) -> str:
    output = example.output
    if isinstance(output, dict) and isinstance(output.get("answer"), str):
        output = output["answer"]
    return output if isinstance(output, str) else json_line(output)


def _full(side: Side, example: ExampleResult, first: str | None) -> FullCell:
    text = _text(example)
    is_short = first is not None and max(len(text), len(first)) <= SHOWN_WORDS
    words = diff_words(first, text) if first is not None and is_short else []
    moves = {
        name: (
            next((one.change for one in change.examples if one.id == example.id), 0.0)
            if (change := side.change(name)) is not None
            else 0.0
        )
        for name in example.repeats[0].scores
    }
    return FullCell(
        name=side.name,
        words=[one for one in words if one.change != "removed"],
        text=view_text(text) if text and example.output is not None else None,
        error=example.error or "",
        scores=[
            (
                name,
                show_score(result),
                "worse" if moves[name] < 0 else "better" if moves[name] > 0 else "",
                result.rationale or result.error or "",
            )
            for name, result in example.repeats[0].scores.items()
        ],
        trace_id=example.trace_id,
        is_same=first is not None and first == text,
    )
