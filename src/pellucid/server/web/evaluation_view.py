"""An evaluation as its page shows it: the verdict, a card a score, rows grouped by need."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pellucid.core.score import ScoreValue
from pellucid.evals.compare import BETTER, COMPLETED, NO_CLEAR_CHANGE, WORSE, Change, Comparison
from pellucid.evals.report import Report, ScoreSummary
from pellucid.evals.statistics import Interval
from pellucid.server.services.evaluation_summary import interval_of
from pellucid.server.web.format import plural

OPERATIONS = frozenset({"latency_s", "cost_usd", "tokens"})
"""What an answer took: never the score that a page goes by unless it is chosen."""
BINS = 10
LOW = 0.5
CATEGORIES = 6


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of a distribution; shares of the tallest bar in either evaluation."""

    share: float
    before: float | None
    is_low: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class ChangeView:
    """What happened to one score, in words and as a line about zero."""

    before: str
    difference: str
    interval: str
    p: str
    verdict: str
    wins: int
    losses: int
    ties: int
    advice: str
    """How many examples it would take, where nothing is clear."""
    at: float
    left: float
    width: float

    @property
    def is_equal(self) -> bool:
        """Whether nothing moved at all."""
        return not self.wins and not self.losses

    @property
    def arrow(self) -> str:
        """Which way the mean went."""
        return "↑" if self.difference.startswith("+") else "↓"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One score of the evaluation."""

    name: str
    lower_is_better: bool
    is_judge: bool
    mean: str
    interval: str
    n: int
    failures: int
    """Outputs that the scorer failed on."""
    bars: list[Bar]
    ends: tuple[str, str]
    counts: list[tuple[str, int, int | None]]
    """Categories: label, how often, how often in the baseline."""
    before: str
    """The baseline's mean."""
    change: ChangeView | None
    variance: str
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The page's answer: one line, and what it rests on."""

    kind: str
    """`better`, `worse`, `mixed`, `none` or `alone`."""
    title: str
    lines: list[str]


def pick_score(report: Report, asked: str | None) -> str | None:
    """Return the score that rows are grouped by: the one asked for, else the first of quality."""
    names = list(report.scores)
    if asked in names:
        return asked
    return next((name for name in names if name not in OPERATIONS), names[0] if names else None)


def view_verdict(
    report: Report,
    comparison: Comparison | None,
    *,
    here: str,
    there: str,
    why: str,
    chosen: str | None = None,
) -> Verdict:
    """Say whether this evaluation is better than its baseline, and by what, `chosen` first."""
    failed = len(report.errors)
    faults = f"{failed} of {plural(len(report.examples), 'example')} failed." if failed else ""
    if comparison is None:
        title = f"{here} stands alone" if not there else f"{here} and {there} cannot be compared"
        if failed and failed == len(report.examples):
            title, faults = f"{here} failed on every example", ""
        why = f"{why}." if why and not why.endswith(".") else why
        return Verdict(kind="alone", title=title, lines=[line for line in (why, faults) if line])
    changes = list(comparison.changes.values())
    better = [change for change in changes if change.verdict == BETTER]
    worse = [change for change in changes if change.verdict == WORSE]
    same = [change for change in changes if change.verdict == NO_CLEAR_CHANGE]
    moved = [*worse, *better]
    if better and worse:
        kind = "mixed"
        title = f"{here} is better at {_names(better)}, worse at {_names(worse)}"
    elif moved:
        kind = BETTER if better else WORSE
        aside = all(change.name in OPERATIONS for change in moved)
        title = f"{here} is {kind} than {there}{f' at {_names(moved)}' if aside else ''}"
    else:
        kind, title = "none", f"No clear change between {there} and {here}"
    told = [change for change in changes if change.name == chosen]
    told += [change for change in worse[:1] + moved[:1] if change not in told]
    lines = [_sentence(change) for change in told[:2]]
    lines += _also(better, worse, told[:2])
    untold = [change for change in same if change not in told[:2]]
    if untold and (moved or not told):
        lines.append(f"No clear change in {_names(untold)}.")
    main = comparison.changes.get(chosen or "")
    if main is not None and main.regressions:
        lines.append(f"{plural(len(main.regressions), 'example')} regressed by {main.name}.")
    lines += [line for line in (_partial(comparison), faults) if line]
    return Verdict(kind=kind, title=title, lines=lines)


def view_cards(
    report: Report, baseline: Report | None, comparison: Comparison | None, chosen: str | None
) -> list[Card]:
    """Return a card a score, in the scorers' order."""
    broken = sum(bool(repeat.error) for one in report.examples for repeat in one.repeats)
    cards = []
    for name, summary in report.scores.items():
        scorer = report.scorer_of(name)
        before = baseline.scores.get(name) if baseline is not None else None
        change = comparison.changes.get(name) if comparison is not None else None
        bars, ends = _bars(summary, before)
        cards.append(
            Card(
                name=name,
                lower_is_better=summary.lower_is_better,
                is_judge=scorer is not None and scorer.source == "MODEL",
                mean=figure(summary.mean) if summary.mean is not None else "",
                interval=span(interval_of(summary)),
                n=summary.n,
                failures=max(0, summary.failures - broken),
                bars=bars,
                ends=ends,
                counts=_counts(summary, before),
                before=figure(before.mean) if before and before.mean is not None else "",
                change=view_change(change) if change is not None else None,
                variance=figure(summary.variance) if summary.variance is not None else "",
                is_chosen=name == chosen,
            )
        )
    return cards


def view_change(change: Change) -> ChangeView:
    """Put one change into words and onto a line whose middle is zero."""
    interval = change.interval or Interval(change.difference, change.difference)
    reach = max(abs(interval.low), abs(interval.high), abs(change.difference), 1e-12) * 1.1
    advice = ""
    if change.verdict == NO_CLEAR_CHANGE and change.needed_n and change.difference:
        advice = f"About {change.needed_n:,} examples would show it; there are {change.n:,}."
    return ChangeView(
        before=figure(change.baseline_mean),
        difference=signed(change.difference),
        interval=span(change.interval, signs=True),
        p=p_value(change.p_value),
        verdict=change.verdict,
        wins=change.wins,
        losses=change.losses,
        ties=change.ties,
        advice=advice,
        at=round((change.difference / reach + 1) / 2, 4),
        left=round((interval.low / reach + 1) / 2, 4),
        width=round((interval.high - interval.low) / reach / 2, 4),
    )


def is_low(value: ScoreValue | None, summary: ScoreSummary) -> bool:
    """Tell whether a value wants attention: a no, or less than half where others reach it."""
    if isinstance(value, bool):
        return value is summary.lower_is_better
    if not isinstance(value, int | float) or summary.lower_is_better:
        return False
    means = summary.example_means
    return 0 <= value < LOW and bool(means) and LOW <= max(means) <= 1


def figure(value: float | None) -> str:
    """Write a mean with three figures that can be read."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 0.01:
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return format(Decimal(f"{value:.2g}"), "f")


def signed(value: float) -> str:
    """Write a difference; a true minus sign."""
    text = figure(abs(value))
    return text if value == 0 else f"{'+' if value > 0 else '−'}{text}"


def span(interval: Interval | None, *, signs: bool = False) -> str:
    """Write an interval."""
    if interval is None:
        return ""
    write = signed if signs else figure
    return f"{write(interval.low)} to {write(interval.high)}"


def p_value(value: float) -> str:
    """Write a p-value."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _names(changes: Sequence[Change]) -> str:
    names = [plain_name(change.name) for change in changes]
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} other scores"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def plain_name(name: str) -> str:
    """Return what a metric is called in a sentence."""
    return "calls that succeed" if name == COMPLETED else name


def _also(better: list[Change], worse: list[Change], said: list[Change]) -> list[str]:
    found = []
    for word, changes in ((WORSE, worse), (BETTER, better)):
        left = [change for change in changes if change not in said]
        if left:
            found.append(f"Also {word}: {', '.join(plain_name(change.name) for change in left)}.")
    return found


def _sentence(change: Change) -> str:
    if change.difference == 0:
        return f"{plain_name(change.name)} is {figure(change.mean)} in both."
    went = "rose" if change.difference > 0 else "fell"
    sure = f" ({span(change.interval, signs=True)})" if change.interval else ""
    if change.verdict == NO_CLEAR_CHANGE:
        advice = view_change(change).advice
        return (
            f"{plain_name(change.name)} shows no clear change: {signed(change.difference)}{sure}, "
            f"p {p_value(change.p_value)}.{' ' if advice else ''}{advice}"
        )
    return (
        f"{plain_name(change.name)} {went} from {figure(change.baseline_mean)} to "
        f"{figure(change.mean)}: {signed(change.difference)}{sure}, p {p_value(change.p_value)}."
    )


def _partial(comparison: Comparison) -> str:
    here, there = len(comparison.only_here), len(comparison.only_baseline)
    if not here and not there:
        return ""
    parts = [f"{plural(here, 'example')} only here"] if here else []
    parts += [f"{plural(there, 'example')} only in the baseline"] if there else []
    return f"Compared are the shared examples; {' and '.join(parts)}."


def _bars(summary: ScoreSummary, before: ScoreSummary | None) -> tuple[list[Bar], tuple[str, str]]:
    values = summary.example_means
    if not values:
        return [], ("", "")
    others = before.example_means if before is not None else []
    everything = [*values, *others]
    low, high = min(everything), max(everything)
    if 0 <= low and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    yes_or_no = summary.is_binary and set(values) <= {0.0, 1.0}
    bins = 2 if yes_or_no else BINS
    now, past = _binned(values, low, high, bins), _binned(others, low, high, bins)
    tallest = max([*now, *past])
    width = (high - low) / bins
    return [
        Bar(
            share=round(share / tallest, 4),
            before=round(past[i] / tallest, 4) if others else None,
            is_low=_low_bin(summary, low + (i + 1) * width, yes_or_no, i),
            title=_bin_title(yes_or_no, i, low + i * width, low + (i + 1) * width)
            + f": {round(share * len(values))}"
            + (f", before {round(past[i] * len(others))}" if others else ""),
        )
        for i, share in enumerate(now)
    ], (("no", "yes") if yes_or_no else (f"{low:.3g}", f"{high:.3g}"))


def _binned(values: Sequence[float], low: float, high: float, bins: int) -> list[float]:
    shares = [0.0] * bins
    for value in values:
        shares[min(int((value - low) / (high - low) * bins), bins - 1)] += 1 / len(values)
    return shares


def _low_bin(summary: ScoreSummary, end: float, yes_or_no: bool, number: int) -> bool:
    if yes_or_no:
        return (number == 1) is summary.lower_is_better
    return end <= LOW + 1e-9 and is_low(0.0, summary)


def _bin_title(yes_or_no: bool, number: int, low: float, high: float) -> str:
    return ("no", "yes")[number] if yes_or_no else f"{figure(low)} to {figure(high)}"


def _counts(
    summary: ScoreSummary, before: ScoreSummary | None
) -> list[tuple[str, int, int | None]]:
    if summary.mean is not None:
        return []
    old = before.counts if before is not None else None
    return [
        (label, count, None if old is None else old.get(label, 0))
        for label, count in list(summary.counts.items())[:CATEGORIES]
    ]
