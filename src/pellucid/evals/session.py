"""One evaluation from its run's beginning to its end."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pellucid.core.clock import now_ns
from pellucid.core.dataset import digest
from pellucid.evals.data import Prepared
from pellucid.evals.fingerprint import fingerprint
from pellucid.evals.journal import DiskCache, Journal, default_folder
from pellucid.evals.judges.definition import describe_scorer
from pellucid.evals.limits import Limits
from pellucid.evals.plan import Plan
from pellucid.evals.progress import Progress
from pellucid.evals.report import Report, ScorerInfo
from pellucid.evals.run import EvaluationRun, open_run
from pellucid.evals.runner import Runner

DELIVERY_S = 5.0
"""How long a finished evaluation waits for the server to have its run."""


class Session:
    """A plan with its journal, run and progress; `open` it, then await its `report`."""

    def __init__(
        self,
        plan: Plan,
        prepared: Prepared,
        limits: Limits,
        *,
        name: str | None,
        cache: bool | str | Path,
        resume: bool,
    ) -> None:
        self._plan = plan
        self._prepared = prepared
        self._limits = limits
        self._name = name
        folder = Path(cache) if isinstance(cache, str | Path) else default_folder()
        path = folder / "journal" / f"{_identity(plan, prepared, name)}.jsonl"
        self._journal = Journal(path, resume=resume)
        self._cache = DiskCache(folder / "cache") if cache else None

    def open(
        self,
        *,
        experiment: str | None,
        params: Mapping[str, Any] | None,
        parent: EvaluationRun | None,
        progress: bool | None,
    ) -> None:
        """Begin the run and its bar."""
        plan, prepared = self._plan, self._prepared
        known = _params(plan, prepared, params)
        self._run = open_run(self._name, known, experiment=experiment, parent=parent)
        self._run.note_dataset(prepared.dataset.name, prepared.stated_version)
        total = len(plan.examples) * plan.repeats
        self._bar = Progress(total, show=progress, title=self._name or "evaluate")

    async def report(self) -> Report:
        """Run all that is not done yet and return what came of it; the run ends with it."""
        report = _report(self._plan, self._prepared, self._run)
        began = time.perf_counter()
        try:
            runner = self._runner()
            report.examples = await runner.results()
        except BaseException as error:  # the run must not stay open; the journal stays for the next
            self._run.fail(error)
            self._journal.close()
            raise
        finally:
            self._bar.close(self._limits.cost_usd)
        report.scorers = [_with_names(one, runner.given) for one in report.scorers]
        report.wall_s = time.perf_counter() - began
        report.calls, report.cost_usd = self._limits.calls, self._limits.cost_usd
        report.notes = _notes(report, self._journal.resumed)
        try:
            self._run.finish(report)
            await asyncio.to_thread(self._run.delivered, DELIVERY_S)
            report.run = self._run.info
        except BaseException:  # nobody gets the report: who runs this again need not pay again
            self._journal.close()
            raise
        self._journal.finish()
        return report

    def _runner(self) -> Runner:
        return Runner(
            self._plan,
            run=self._run,
            limits=self._limits,
            journal=self._journal,
            cache=self._cache,
            progress=self._bar,
        )


def _identity(plan: Plan, prepared: Prepared, name: str | None) -> str:
    """Say which evaluation this is: what is computed, not how fast or how often it is tried."""
    scorers = [[scorer.name, fingerprint(scorer.config)] for scorer in plan.scorers]
    given = [fingerprint(one.output) for one in prepared.given.values()]
    return digest([name, plan.task_key, prepared.version, scorers, plan.repeats, given])


def _params(plan: Plan, prepared: Prepared, params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "task": plan.task_name,
        "dataset": prepared.dataset.name,
        "dataset_version": prepared.version,
        **prepared.place,
        "examples": len(plan.examples),
        "repeats": plan.repeats,
        **(params or {}),
    }


def _report(plan: Plan, prepared: Prepared, run: EvaluationRun) -> Report:
    return Report(
        run=run.info,
        dataset=prepared.dataset.name,
        dataset_version=prepared.version,
        dataset_number=prepared.dataset.number,
        dataset_split=prepared.dataset.part,
        task=plan.task_name,
        scorers=[describe_scorer(scorer) for scorer in plan.scorers],
        examples=[],
        started_ns=now_ns(),
    )


def _with_names(scorer: ScorerInfo, given: Mapping[str, list[str]]) -> ScorerInfo:
    """Return a scorer with the names of its scores, where these are others than its own."""
    names = given.get(scorer.name, [scorer.name])
    if names == [scorer.name]:
        return scorer
    return msgspec.structs.replace(scorer, gives=names)


def _notes(report: Report, resumed: int) -> list[str]:
    notes = []
    reused = sum(repeat.reused for example in report.examples for repeat in example.repeats)
    if reused:
        why = "an earlier run that was cut short" if resumed else "the cache"
        notes.append(f"{reused} outputs were taken from {why}; resume=False or cache=False reruns.")
    notes += [
        f"{name}: no example has what this scorer needs."
        for name, summary in report.scores.items()
        if not summary.n and not summary.failures
    ]
    unspent = sum("budget" in (example.error or "") for example in report.errors)
    if unspent:
        notes.append(f"{unspent} examples were not run: the budget is spent.")
    return notes
