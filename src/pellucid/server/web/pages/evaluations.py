"""The list of an experiment's evaluations: each score's mean with how sure it is."""

from dataclasses import dataclass

from litestar import Response, get

from pellucid.core.run import Run
from pellucid.core.trace import ExperimentSummary
from pellucid.evals.run_files import SWEEP, TYPE_TAG
from pellucid.server.services.dataset_uses import number_of
from pellucid.server.services.evaluation_summary import Summary
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.evaluation_view import OPERATIONS, figure, span
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.values import json_line

ROWS = 50
COLUMNS = 5


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One score's mean; `left` and `width` draw its interval where it lies between 0 and 1."""

    mean: str
    interval: str
    at: float | None
    left: float
    width: float


@dataclass(frozen=True, kw_only=True)
class EvaluationRow:
    """One evaluation or sweep."""

    run: Run
    is_sweep: bool
    href: str
    dataset: str
    examples: int
    repeats: int
    failed: int
    unscored: int
    cost_usd: float | None
    marks: list[Mark | None]


@dataclass(frozen=True, kw_only=True)
class EvaluationsPage(Page):
    """The evaluations of one experiment, the newest first."""

    template = "evaluations.html"

    experiment: ExperimentSummary = doc("The experiment")
    rows: list[EvaluationRow] = doc("Evaluations and sweeps, the newest first")
    columns: list[str] = doc("The scores that have a column, most frequent first")
    is_partial: bool = doc("Whether there are older ones than those")


@get("/experiments/{slug:str}/evaluations", include_in_schema=False)
async def list_evaluations(
    traces: TraceService, evaluations: EvaluationService, slug: str
) -> Response[str]:
    """Show an experiment's evaluations."""
    experiment = await traces.get_experiment(slug)
    found = await evaluations.list_runs(experiment.name)
    shown = [await evaluations.summarise(run) for run in found[:ROWS]]
    columns = _columns(shown)
    return EvaluationsPage(
        title=f"Evaluations · {experiment.name}",
        place=Place.of(experiment, "evaluations"),
        experiment=experiment,
        rows=[_row(one, columns) for one in shown],
        columns=columns,
        is_partial=len(found) > ROWS,
    ).respond()


def _columns(found: list[Summary]) -> list[str]:
    counts: dict[str, int] = {}
    for one in found:
        for score in one.figures:
            counts[score.name] = counts.get(score.name, 0) + 1
    order = list(counts)
    return sorted(order, key=lambda name: (-counts[name], order.index(name)))[:COLUMNS]


def _dataset(run: Run) -> str:
    number, split = number_of(run), run.params.get("dataset_split")
    name = json_line(run.params.get("dataset", ""))
    return (
        f"{name}{'' if number is None else f'@{number}'}{f' {json_line(split)}' if split else ''}"
    )


def _row(one: Summary, columns: list[str]) -> EvaluationRow:
    run = one.run
    is_sweep = run.tags.get(TYPE_TAG) == SWEEP
    by_name = {score.name: score for score in one.figures}
    marks: list[Mark | None] = []
    for name in columns:
        score = by_name.get(name)
        if score is None or (score.mean is None and not score.counts):
            marks.append(None)
            continue
        low, high = score.interval or (score.mean or 0.0, score.mean or 0.0)
        fits = score.mean is not None and low >= 0 and high <= 1 and name not in OPERATIONS
        label, count = next(iter(score.counts.items()), ("", 0))
        marks.append(
            Mark(
                mean=figure(score.mean) if score.mean is not None else f"{label} {count}",
                interval=span(score.interval),
                at=score.mean if fits else None,
                left=round(low, 4),
                width=round(high - low, 4),
            )
        )
    return EvaluationRow(
        run=run,
        is_sweep=is_sweep,
        href=f"/{'sweeps' if is_sweep else 'evaluations'}/{run.id}",
        dataset=_dataset(run),
        examples=one.examples,
        repeats=one.repeats,
        failed=one.errors,
        unscored=max((score.failures for score in one.figures), default=0) - one.errors,
        cost_usd=one.cost_usd,
        marks=marks,
    )
