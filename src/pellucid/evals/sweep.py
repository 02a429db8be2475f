"""`pellucid.sweep`: one evaluation a configuration, and which configuration to choose."""

import asyncio
import functools
import json
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.evals.blocking import run_blocking
from pellucid.evals.data import prepare
from pellucid.evals.evaluate import aevaluate
from pellucid.evals.gate import holds, read_bound
from pellucid.evals.report import Report, RunInfo, data_frame
from pellucid.evals.run import open_run
from pellucid.evals.run_files import SWEEP, SWEEP_FILE
from pellucid.evals.scorer import as_scorers
from pellucid.evals.session import DELIVERY_S
from pellucid.evals.space import Config, make_sampler
from pellucid.evals.stage import StageFigures, figures

MOST_GROUPS = 6
LATENCY = "latency_s"
COST = "cost_usd"


class SweepRun(msgspec.Struct, kw_only=True):
    """One configuration with its evaluation."""

    config: Config
    report: Report
    metrics: dict[str, float]
    """Means of scores; `latency_s` (median of an example) and `cost_usd` (of an example) too."""
    broken: list[str]
    """The constraints that it breaks."""
    on_front: bool = False
    """No other configuration is as good in everything and better in something."""


class Sweep(msgspec.Struct, kw_only=True):
    """All configurations that were tried, the best first."""

    run: RunInfo
    objective: str
    runs: list[SweepRun]
    stages: dict[str, StageFigures]
    """What each stage was asked for and computed in this sweep."""

    @property
    def best(self) -> SweepRun:
        """The best configuration that breaks no constraint; of equal ones, one on the front.

        Raises InvalidInput if all break one.
        """
        for run in self.runs:
            if not run.broken and self.objective.lstrip("-") in run.metrics:
                return run
        raise InvalidInput(_why_none(self.runs))

    @property
    def front(self) -> list[SweepRun]:
        """The Pareto front of objective, latency and cost, the best objective first."""
        return [run for run in self.runs if run.on_front]

    @property
    def importance(self) -> dict[str, float]:
        """Each parameter's share of the objective's variance (η²), the greatest first.

        The values of a number that has many are put into four groups, or each would explain its
        own configuration.
        """
        name = self.objective.lstrip("-")
        known = [run for run in self.runs if name in run.metrics]
        found = {
            parameter: _explained(
                _groups([run.config[parameter] for run in known]),
                [run.metrics[name] for run in known],
            )
            for parameter in (known[0].config if known else {})
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def to_pandas(self) -> Any:
        """Return a DataFrame with a row a configuration."""
        return data_frame(
            [{**run.config, **run.metrics, "on_front": run.on_front} for run in self.runs]
        )

    def __str__(self) -> str:
        from pellucid.evals.sweep_view import as_text

        return as_text(self)

    def __rich__(self) -> Any:
        from pellucid.evals.sweep_view import as_table

        return as_table(self)

    def _repr_html_(self) -> str:
        from pellucid.evals.sweep_view import as_html

        return as_html(self)


def sweep(
    task: Callable[..., Any],
    space: Mapping[str, Any],
    data: Any,
    scorers: Any,
    **options: Any,
) -> Sweep:
    """Evaluate `task` under many configurations; the options are those of `asweep`."""
    return run_blocking(lambda: asweep(task, space, data, scorers, **options))


async def asweep(
    task: Callable[..., Any],
    space: Mapping[str, Any],
    data: Any,
    scorers: Any,
    *,
    sampler: str = "grid",
    runs: int | None = None,
    objective: str | None = None,
    constraints: Sequence[str] = (),
    seed: int = 0,
    name: str | None = None,
    experiment: str | None = None,
    **options: Any,
) -> Sweep:
    """Evaluate `task` under many configurations of a space.

    `space` gives each parameter's values; the task takes them as keyword arguments beside its
    inputs. `sampler` is `grid` (all), `random` (`runs` distinct ones) or `tpe` (Optuna chooses
    `runs`, 30 by default). `objective` is the score to maximise (the first by default), or to
    minimise with a `-` before it. `constraints` are rules such as `latency_s <= 0.5` that the
    chosen configuration must keep. Other options go to each evaluation.

    The sweep is a run, its evaluations are that run's children. Steps of the task declared with
    `@pellucid.stage` are computed once for all configurations that share their input.
    """
    prepared, known = prepare(data), as_scorers(scorers)
    if not known:
        raise InvalidInput("A sweep needs scorers, to tell configurations apart.")
    objective = objective or f"{'-' if known[0].lower_is_better else ''}{known[0].name}"
    wanted = [objective.lstrip("-"), *(read_bound(rule).name for rule in constraints)]
    chooser = make_sampler(sampler, space, count=runs, seed=seed)
    before = figures()
    about = {"sampler": sampler, "objective": objective, "space": space}
    run = open_run(name or "sweep", about, kind=SWEEP, experiment=experiment)
    tried: list[SweepRun] = []
    try:
        while (config := chooser.propose()) is not None:
            report = await aevaluate(
                functools.partial(task, **config),
                prepared,
                known,
                name=_label(config),
                params=config,
                experiment=experiment,
                parent=run,
                **options,
            )
            if not tried:
                _check_names(wanted, report)
            done = _summarised(config, report, constraints)
            tried.append(done)
            chooser.tell(config, None if done.broken else _goal(done, objective))
    except BaseException as error:  # the run must not stay open
        run.fail(error)
        raise
    _mark_front(tried, objective)
    tried.sort(
        key=lambda one: (bool(one.broken), -_sortable(_goal(one, objective)), not one.on_front)
    )
    found = Sweep(run=run.info, objective=objective, runs=tried, stages=_since(before))
    run.end({SWEEP_FILE: msgspec.json.encode(_summary(found), enc_hook=repr)})
    await asyncio.to_thread(run.delivered, DELIVERY_S)
    found.run = run.info
    return found


def _check_names(wanted: Sequence[str], report: Report) -> None:
    """Raises InvalidInput for a score that the first configuration shows not to be there.

    Better then than when all have been paid for. Where every example failed nothing is known.
    """
    known = [*report.scores, LATENCY, COST]
    unknown = [name for name in wanted if name not in known]
    if unknown and len(report.errors) < len(report.examples):
        raise InvalidInput(
            f"The sweep has no score {unknown[0]!r}; it has {', '.join(dict.fromkeys(known))}."
        )


def _why_none(runs: Sequence[SweepRun]) -> str:
    rules = Counter(rule for run in runs for rule in run.broken)
    if not rules:
        return "Every configuration of the sweep failed."
    broken = ", ".join(f"{rule} by {count}" for rule, count in rules.most_common())
    return f"No configuration keeps the constraints; of {len(runs)} are broken: {broken}."


def _summarised(config: Config, report: Report, constraints: Sequence[str]) -> SweepRun:
    metrics = {
        name: summary.mean for name, summary in report.scores.items() if summary.mean is not None
    }
    repeats = [repeat for example in report.examples for repeat in example.repeats]
    times = [repeat.duration_s for repeat in repeats if repeat.duration_s is not None]
    costs = [repeat.cost_usd for repeat in repeats if repeat.cost_usd is not None]
    if times:
        metrics.setdefault(LATENCY, statistics.median(times))
    if costs:
        metrics.setdefault(COST, statistics.fmean(costs))
    broken = [rule for rule in constraints if not holds(rule, metrics)]
    return SweepRun(config=config, report=report, metrics=metrics, broken=broken)


def _goal(run: SweepRun, objective: str) -> float | None:
    value = run.metrics.get(objective.removeprefix("-"))
    return -value if value is not None and objective.startswith("-") else value


def _sortable(value: float | None) -> float:
    return float("-inf") if value is None else value


def _mark_front(runs: list[SweepRun], objective: str) -> None:
    """Mark those that none other beats in objective, latency and cost together."""
    points = [
        (
            _sortable(_goal(run, objective)),
            -run.metrics.get(LATENCY, 0.0),
            -run.metrics.get(COST, 0.0),
        )
        for run in runs
    ]
    for run, point in zip(runs, points, strict=True):
        run.on_front = not run.broken and not any(
            other != point and all(o >= p for o, p in zip(other, point, strict=True))
            for other, rival in zip(points, runs, strict=True)
            if not rival.broken
        )


def _since(before: dict[str, StageFigures]) -> dict[str, StageFigures]:
    spent = {name: now.since(before.get(name, StageFigures())) for name, now in figures().items()}
    return {name: figure for name, figure in spent.items() if figure.calls}


def _groups(values: list[Any]) -> list[str]:
    """Return the group of each value: itself, or the quarter in which a number of many lies."""
    different = sorted({v for v in values if isinstance(v, int | float)})
    if len(different) <= MOST_GROUPS or len(different) < len(
        {json.dumps(v, default=repr) for v in values}
    ):
        return [json.dumps(value, default=repr) for value in values]
    ends = statistics.quantiles(sorted(values), n=4, method="inclusive")
    return [str(sum(value > end for end in ends)) for value in values]


def _explained(groups: list[str], values: list[float]) -> float:
    mean = statistics.fmean(values)
    total = sum((value - mean) ** 2 for value in values)
    if total == 0:
        return 0.0
    between = 0.0
    for group in set(groups):
        inside = [v for g, v in zip(groups, values, strict=True) if g == group]
        between += len(inside) * (statistics.fmean(inside) - mean) ** 2
    return between / total


def _label(config: Config) -> str:
    return ", ".join(f"{key}={getattr(value, '__name__', value)}" for key, value in config.items())


def _summary(found: Sweep) -> dict[str, Any]:
    """Return what pages draw: a row a configuration."""
    return {
        "objective": found.objective,
        "importance": found.importance,
        "stages": found.stages,
        "runs": [
            {
                "run_id": run.report.run.id,
                "config": run.config,
                "metrics": run.metrics,
                "broken": run.broken,
                "on_front": run.on_front,
            }
            for run in found.runs
        ],
    }
