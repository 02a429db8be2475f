"""An evaluation, what it is measured by, and what people said of it: read once for its pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.run import Run
from pellucid.evals.compare import Comparison
from pellucid.evals.report import Report
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.runs import RunService
from pellucid.server.services.scores import ScoreService
from pellucid.server.web.evaluation_rows import find_moved
from pellucid.server.web.evaluation_view import pick_score
from pellucid.server.web.example_query import Moved
from pellucid.server.web.review_view import Said, find_said

FIRST = "It is the first evaluation of these examples; the next is held against it."


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An evaluation, its baseline and what the two say together."""

    run: Run
    report: Report
    baseline: Run | None = None
    before: Report | None = None
    comparison: Comparison | None = None
    why: str = ""
    """Why there is no comparison."""
    score: str | None = None
    """The score that the page goes by."""
    said: Mapping[str, Said] = field(default_factory=dict)
    """What people said by that score, by example."""
    repeat: int = 1
    """Which of several repeats comes first in the report, from 1; in a review it is alone."""
    repeats: int = 1
    """How many the evaluation has."""

    @property
    def here(self) -> str:
        """What the evaluation is called."""
        return called(self.run)

    @property
    def there(self) -> str:
        """What the baseline is called."""
        return called(self.baseline) if self.baseline is not None else ""

    @property
    def moved(self) -> Moved:
        """What is known of examples beside the report."""
        return find_moved(self.comparison, self.score, self.said)

    def state_of(self, example_id: str) -> str:
        """Tell whether an example became `worse` or `better`; else nothing."""
        moved = self.moved
        if example_id in moved.worse:
            return "worse"
        return "better" if example_id in moved.better else ""


def called(run: Run) -> str:
    """Name a run in a sentence."""
    return f"#{run.number}" if run.number is not None else run.name or run.id[:8]


async def open_evaluation(
    evaluations: EvaluationService,
    runs: RunService,
    scores: ScoreService,
    run_id: str,
    asked: Mapping[str, Any],
) -> Opened:
    """Open an evaluation as the address asks: `baseline` (an id or `none`), `score`, `repeat`.

    Raises NotFound, and InvalidInput for a baseline that cannot be read.
    """
    run, report = await evaluations.get(run_id)
    repeat = _repeat(report, asked.get("repeat"))
    repeats = report.repeats
    report = _begun_with(report, repeat, alone=bool(asked.get("review")))
    score = pick_score(report, asked.get("score"))
    said: dict[str, Said] = {}
    if score is not None:
        trace_ids = [one.trace_id for one in report.examples if one.repeats and one.trace_id]
        said = find_said(report, score, await scores.list_annotated(trace_ids=trace_ids))
    alone = Opened(run=run, report=report, score=score, said=said, repeat=repeat, repeats=repeats)
    other, why = await _baseline(evaluations, runs, run, asked.get("baseline"))
    if other is None or other.id == run.id:
        return _with(alone, why=why)
    try:
        other, before = await evaluations.get(other.id)
    except (InvalidInput, NotFound) as error:
        if asked.get("baseline"):
            raise
        return _with(alone, why=error.message)
    judged = await evaluations.compare(run, other)
    return _with(
        alone, baseline=other, before=before, comparison=judged.comparison, why=judged.reason
    )


_ALONE = ("run", "report", "score", "said", "repeat", "repeats")


def _repeat(report: Report, asked: Any) -> int:
    """Return the repeat that is asked for, from 1; the first where there is none such."""
    number = int(asked) if str(asked or "").isdecimal() and len(str(asked)) < 6 else 1
    return number if 1 <= number <= report.repeats else 1


def _begun_with(report: Report, repeat: int, *, alone: bool) -> Report:
    """Return a report with one repeat before the others, or alone, where an example has it."""
    if report.repeats == 1 or (repeat == 1 and not alone):
        return report
    examples = [
        msgspec.structs.replace(
            one,
            repeats=sorted(one.repeats, key=lambda each: each.number != repeat - 1)[
                : 1 if alone else None
            ],
        )
        for one in report.examples
    ]
    return msgspec.structs.replace(report, examples=examples)


def _with(opened: Opened, **changes: Any) -> Opened:
    fields = {name: getattr(opened, name) for name in _ALONE}
    return Opened(**fields, **changes)


async def _baseline(
    evaluations: EvaluationService, runs: RunService, run: Run, asked: Any
) -> tuple[Run | None, str]:
    """Return the run to measure by, or why there is none."""
    if asked == "none":
        return None, "No baseline was chosen."
    if asked:
        return await runs.get(str(asked)), ""
    known = await evaluations.list_baselines(run)
    found = next((one for one in known if one.start_ns < run.start_ns), None)
    return found, "" if found else FIRST
