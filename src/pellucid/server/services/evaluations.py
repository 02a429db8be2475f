"""Evaluations and sweeps as pages read them: the reports that their runs keep, compared.

The statistics are those of `pellucid.compare`. What was read or computed is kept by content, so a
page that is opened again costs little.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

from pellucid.core.errors import InvalidInput, MissingExtra, NotFound
from pellucid.core.run import Run, RunStatus
from pellucid.evals.compare import Comparison, compare, compare_all
from pellucid.evals.report import Report
from pellucid.evals.run_files import EVALUATION, REPORT_FILE, SWEEP, SWEEP_FILE, TYPE_TAG
from pellucid.evals.stored_sweep import StoredSweep, read_sweep
from pellucid.server.services.artifacts import ArtifactService
from pellucid.server.services.evaluation_summary import Summary, head_of, in_short
from pellucid.server.services.runs import RunService
from pellucid.server.services.threads import Threads

LISTED = 200
"""Evaluations and sweeps of an experiment that are looked at, the newest."""
ALONE = "It shares no example with the baseline."
Kept = TypeVar("Kept")


class Judgement(NamedTuple):
    """A comparison, or why there is none."""

    comparison: Comparison | None
    reason: str = ""


class EvaluationService:
    """What pages ask about evaluations. RUN is an id, a prefix, or experiment@number."""

    def __init__(self, runs: RunService, artifacts: ArtifactService, threads: Threads) -> None:
        self._runs = runs
        self._artifacts = artifacts
        self._threads = threads
        self._reports: _Cache[Report] = _Cache(12)
        self._figures: _Cache[dict[str, Any]] = _Cache(1000)
        self._comparisons: _Cache[Judgement] = _Cache(32)
        self._several: _Cache[list[Judgement]] = _Cache(16)

    async def list_runs(self, experiment: str) -> list[Run]:
        """List an experiment's newest evaluations and sweeps, but not the parts of sweeps."""
        query = f'tag."{TYPE_TAG}":({EVALUATION}, {SWEEP})'
        page = await self._runs.search(experiment=experiment, query=query, limit=LISTED)
        sweeps = {run.id for run in page.runs if run.tags.get(TYPE_TAG) == SWEEP}
        return [run for run in page.runs if run.parent_id not in sweeps]

    async def summarise(self, run: Run) -> Summary:
        """Return an evaluation in short; one whose report cannot be read has no figures."""
        try:
            key = (await self._runs.get_artifact(run.id, REPORT_FILE)).digest
            found = self._figures.get(key)
            if found is None:
                found = await self._in_short(key)
                self._figures.put(key, found)
        except (InvalidInput, NotFound):
            return Summary(run=run)
        return Summary(run=run, **found)

    async def get(self, run: str) -> tuple[Run, Report]:
        """Return an evaluation. Raises NotFound for a run that keeps no report."""
        found = await self._runs.get(run)
        try:
            key = (await self._runs.get_artifact(found.id, REPORT_FILE)).digest
        except NotFound:
            raise NotFound(_why_no_report(found)) from None
        return found, await self._read(key)

    async def list_baselines(self, run: Run) -> list[Run]:
        """List other evaluations of the same data, the newest first."""
        return [
            other
            for other in await self.list_runs(run.experiment)
            if other.id != run.id
            and other.tags.get(TYPE_TAG) == EVALUATION
            and other.status is RunStatus.FINISHED
            and _same_data(run, other)
        ]

    async def compare(self, run: Run, baseline: Run) -> Judgement:
        """Compare an evaluation with another; say why where that is not possible."""
        digests = [
            (await self._runs.get_artifact(one.id, REPORT_FILE)).digest for one in (run, baseline)
        ]
        key = tuple(digests)
        found = self._comparisons.get(key)
        if found is None:
            report, other = [await self._read(one) for one in digests]
            found = await self._threads.run(_compared, report, other)
            self._comparisons.put(key, found)
        return found

    async def compare_all(self, baseline: Run, runs: Sequence[Run]) -> list[Judgement]:
        """Compare several evaluations with one, corrected for all of them together.

        One that shares no example with the baseline has a reason instead.
        """
        keys = [
            (await self._runs.get_artifact(one.id, REPORT_FILE)).digest for one in (baseline, *runs)
        ]
        found = self._several.get(tuple(keys))
        if found is None:
            first, *others = [await self._read(one) for one in keys]
            found = await self._threads.run(_all_compared, others, first)
            self._several.put(tuple(keys), found)
        return found

    async def get_sweep(self, run: str) -> tuple[Run, StoredSweep]:
        """Return a sweep. Raises NotFound for a run that is none."""
        found = await self._runs.get(run)
        try:
            key = (await self._runs.get_artifact(found.id, SWEEP_FILE)).digest
        except NotFound:
            raise NotFound(f"{_called(found)} is no sweep, or has not ended yet.") from None
        return found, read_sweep(await self._artifacts.get(key))

    async def _read(self, key: str) -> Report:
        report = self._reports.get(key)
        if report is None:
            data = await self._artifacts.get(key)
            report = await self._threads.run(Report.from_json, data)
            self._reports.put(key, report)
        return report

    async def _in_short(self, key: str) -> dict[str, Any]:
        known = self._reports.get(key)
        if known is None:
            data = await self._artifacts.get(key)
            found = await self._threads.run(head_of, data)
            if found is not None:
                return found
            known = await self._threads.run(Report.from_json, data)
            self._reports.put(key, known)
        return await self._threads.run(in_short, known)


class _Cache(Generic[Kept]):
    """The values that were used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = Lock()  # guards _kept

    def get(self, key: Hashable) -> Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: Kept) -> None:
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _compared(report: Report, baseline: Report) -> Judgement:
    try:
        return Judgement(compare(report, baseline))
    except (InvalidInput, MissingExtra) as error:
        return Judgement(None, error.message)


def _all_compared(reports: Sequence[Report], baseline: Report) -> list[Judgement]:
    known = {example.id for example in baseline.examples}
    sharing = [one for one in reports if any(e.id in known for e in one.examples)]
    try:
        found = iter(compare_all(sharing, baseline))
    except MissingExtra as error:
        return [Judgement(None, error.message)] * len(reports)
    return [
        Judgement(next(found)) if any(one is other for other in sharing) else Judgement(None, ALONE)
        for one in reports
    ]


def _same_data(run: Run, other: Run) -> bool:
    mine, theirs = run.params, other.params
    if mine.get("dataset_version") == theirs.get("dataset_version"):
        return mine.get("dataset_version") is not None
    name = mine.get("dataset")
    return name not in (None, "dataset") and name == theirs.get("dataset")


def _called(run: Run) -> str:
    return f"Run #{run.number}" if run.number is not None else f"Run {run.id}"


def _why_no_report(run: Run) -> str:
    if run.tags.get(TYPE_TAG) != EVALUATION:
        return f"{_called(run)} is no evaluation."
    if run.status is RunStatus.RUNNING:
        return f"{_called(run)} is still running; its results come when it ends."
    return f"{_called(run)} ended without results: {run.error or run.status.value}."
