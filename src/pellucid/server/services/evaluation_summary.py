"""An evaluation in short, for lists: its figures and judges without its examples."""

from typing import Any, NamedTuple

import msgspec

from pellucid.core.dataset import digest
from pellucid.core.errors import MissingExtra
from pellucid.core.run import Run
from pellucid.evals.report import Figures, Report, ScorerInfo, ScoreSummary
from pellucid.evals.statistics import Interval


class Figure(NamedTuple):
    """One score of an evaluation in short."""

    name: str
    mean: float | None
    interval: Interval | None
    n: int
    failures: int
    lower_is_better: bool
    counts: dict[str, int]


class JudgeUse(NamedTuple):
    """A judge in one evaluation."""

    info: ScorerInfo
    figures: list[Figure]
    cost_usd: float | None

    @property
    def version(self) -> str:
        """What tells its prompts from others; empty where the report keeps no prompt."""
        if self.info.digest is not None:
            return self.info.digest
        return digest(self.info.prompt) if self.info.prompt else ""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation in short; without figures where it has no report (yet)."""

    run: Run
    examples: int = 0
    repeats: int = 1
    errors: int = 0
    figures: list[Figure] = []
    judges: list[JudgeUse] = []
    cost_usd: float | None = None


def interval_of(summary: ScoreSummary) -> Interval | None:
    """Return a score's interval; None where numpy, which it needs, is not installed."""
    try:
        return summary.interval
    except MissingExtra:
        return None


class _Repeat(msgspec.Struct, frozen=True):
    error: str | None = None


class _Example(msgspec.Struct, frozen=True):
    repeats: list[_Repeat] = []


class _Head(msgspec.Struct, frozen=True):
    """A stored report but for what was asked and answered, which is nearly all of it."""

    scorers: list[ScorerInfo]
    examples: list[_Example]
    figures: dict[str, Figures] = {}
    cost_usd: float = 0.0


def head_of(data: bytes) -> dict[str, Any] | None:
    """Read what a Summary holds of a stored report; None where its figures are not in it."""
    try:
        head = msgspec.json.decode(data, type=_Head)
    except msgspec.MsgspecError:
        return None
    return _shortened(head) if head.figures else None


def in_short(report: Report) -> dict[str, Any]:
    """Return what a Summary holds of a report."""
    figures = {name: summary.figures for name, summary in report.scores.items()}
    examples = [_Example([_Repeat(r.error) for r in one.repeats]) for one in report.examples]
    return _shortened(_Head(report.scorers, examples, figures, report.cost_usd))


def _shortened(head: _Head) -> dict[str, Any]:
    figures = [_figure(name, one) for name, one in head.figures.items()]
    return {
        "examples": len(head.examples),
        "repeats": max((len(one.repeats) for one in head.examples), default=0),
        "errors": sum(any(r.error for r in one.repeats) for one in head.examples),
        "figures": figures,
        "judges": [
            _use(info, figures, head.figures) for info in head.scorers if info.source == "MODEL"
        ],
        "cost_usd": head.cost_usd or None,
    }


def _figure(name: str, known: Figures) -> Figure:
    ends = known.low is not None and known.high is not None
    return Figure(
        name=name,
        mean=known.mean,
        interval=Interval(known.low or 0.0, known.high or 0.0) if ends else None,
        n=known.n,
        failures=known.failures,
        lower_is_better=known.lower_is_better,
        counts=known.counts if known.mean is None else {},
    )


def _use(info: ScorerInfo, figures: list[Figure], known: dict[str, Figures]) -> JudgeUse:
    own = [one for one in figures if one.name in info.gives or is_score_of(one.name, info.name)]
    costs = [cost for one in own if (cost := known[one.name].cost_usd) is not None]
    return JudgeUse(info=info, figures=own, cost_usd=sum(costs) if costs else None)


def is_score_of(score: str, judge: str) -> bool:
    """Tell whether a score's name is that of a judge, or of one of its several scores."""
    return score == judge or score.startswith(f"{judge}.")
