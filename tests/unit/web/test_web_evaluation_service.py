"""What pages read of evaluations: kept reports, baselines, and what is said without numpy."""

import asyncio
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from pellucid.core.errors import InvalidInput, MissingExtra, NotFound
from pellucid.core.run import Run, RunStatus
from pellucid.evals import statistics
from pellucid.evals.report import ExampleResult, Repeat, Report, RunInfo, ScoreResult
from pellucid.evals.run_files import EVALUATION, REPORT_FILE, SWEEP, SWEEP_FILE, TYPE_TAG
from pellucid.evals.stored_sweep import StoredConfig, StoredSweep, read_sweep
from pellucid.server.services.artifacts import ArtifactService
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.runs import RunService
from pellucid.server.services.threads import Threads


class Kept(NamedTuple):
    digest: str


class Page(NamedTuple):
    runs: list[Run]


class Store:
    """Runs and their files in memory, as far as the service asks."""

    def __init__(self, runs: list[Run], files: dict[tuple[str, str], bytes]) -> None:
        self.runs, self.files = runs, files
        self.reads = 0

    async def get_run(self, run: str) -> Run:
        return next(one for one in self.runs if one.id == run)

    async def search(self, **_: Any) -> Page:
        return Page(sorted(self.runs, key=lambda run: -run.start_ns))

    async def get_artifact(self, run_id: str, path: str) -> Kept:
        if (run_id, path) not in self.files:
            raise NotFound("no such file")
        return Kept(f"{run_id}/{path}")

    async def read(self, digest: str) -> bytes:
        self.reads += 1
        run_id, _, path = digest.partition("/")
        return self.files[run_id, path]


def run(name: str, start: int, kind: str = EVALUATION, **more: Any) -> Run:
    fields: dict[str, Any] = {
        "params": {"dataset": "d", "dataset_version": "v1"},
        "status": RunStatus.FINISHED,
        "parent_id": None,
        "error": None,
        **more,
    }
    return Run(
        id=name,
        experiment="e",
        number=start,
        name=name,
        start_ns=start,
        end_ns=start,
        heard_ns=start,
        metrics={},
        tags={TYPE_TAG: kind},
        scores={},
        notes="",
        snapshot_id=None,
        parent_snapshot_id=None,
        source={},
        conflicts=[],
        **fields,
    )


def report(name: str, values: list[float]) -> bytes:
    return Report(
        run=RunInfo(id=name),
        dataset="d",
        dataset_version="v1",
        task="t",
        scorers=[],
        examples=[
            ExampleResult(
                id=f"e{n}",
                inputs={"n": n},
                repeats=[Repeat(output=n, scores={"good": ScoreResult(value=value)})],
            )
            for n, value in enumerate(values)
        ],
    ).to_json()


RUNS = [
    run("a", 1),
    run("b", 2),
    run("c", 3, params={"dataset": "other", "dataset_version": "v9"}),
    run("s", 4, SWEEP),
    run("s1", 5, parent_id="s"),
    run("now", 6, status=RunStatus.RUNNING),
]
SWEPT = StoredSweep(
    objective="good", runs=[StoredConfig(run_id="s1", config={"k": 1}, metrics={"good": None})]
)
FILES = {
    ("a", REPORT_FILE): report("a", [0.1, 0.2, 0.3, 0.4, 0.1, 0.2]),
    ("b", REPORT_FILE): report("b", [0.6, 0.8, 0.7, 0.9, 0.7, 0.9]),
    ("c", REPORT_FILE): b'{"broken',
    ("s", SWEEP_FILE): msgspec.json.encode(SWEPT),
}


def opened() -> tuple[EvaluationService, Store]:
    store = Store(RUNS, FILES)

    class Runs:
        get, search, get_artifact = store.get_run, store.search, store.get_artifact

    class Artifacts:
        get = store.read

    threads = Threads("test", 1)
    service = EvaluationService(cast(RunService, Runs), cast(ArtifactService, Artifacts), threads)
    return service, store


def test_parts_of_a_sweep_are_not_listed_beside_it() -> None:
    service, _ = opened()
    listed = asyncio.run(service.list_runs("e"))
    assert [one.id for one in listed] == ["now", "s", "c", "b", "a"]


def test_baselines_have_the_same_data_and_have_ended() -> None:
    service, _ = opened()
    found = asyncio.run(service.list_baselines(RUNS[1]))
    assert [one.id for one in found] == ["a"]


def test_what_was_read_is_kept() -> None:
    service, store = opened()

    async def ask() -> None:
        for _ in range(3):
            judged = await service.compare(RUNS[1], RUNS[0])
            assert judged.comparison is not None
            assert judged.comparison.verdict == "better"
            summary = await service.summarise(RUNS[0])
            assert (summary.examples, summary.figures[0].name) == (6, "good")

    asyncio.run(ask())
    assert store.reads == 2


def test_without_numpy_the_page_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> Any:
        raise MissingExtra("Telling progress from luck", "evals")

    monkeypatch.setattr(statistics, "_numpy", missing)
    service, _ = opened()

    async def ask() -> None:
        judged = await service.compare(RUNS[1], RUNS[0])
        assert judged.comparison is None
        assert "pip install 'pellucid[evals]'" in judged.reason
        summary = await service.summarise(RUNS[0])
        assert summary.figures[0].interval is None
        assert summary.figures[0].mean == pytest.approx(1.3 / 6)

    asyncio.run(ask())


def test_a_report_that_cannot_be_read_leaves_the_list_whole() -> None:
    service, _ = opened()
    assert asyncio.run(service.summarise(RUNS[2])).examples == 0
    assert asyncio.run(service.summarise(RUNS[5])).examples == 0


def test_a_run_without_a_report_says_why() -> None:
    service, _ = opened()
    with pytest.raises(NotFound, match="is still running"):
        asyncio.run(service.get("now"))
    with pytest.raises(NotFound, match="is no evaluation"):
        asyncio.run(service.get("s"))
    with pytest.raises(NotFound, match="is no sweep"):
        asyncio.run(service.get_sweep("a"))


def test_a_sweep_is_read_and_another_file_is_refused() -> None:
    service, _ = opened()
    assert asyncio.run(service.get_sweep("s"))[1] == SWEPT
    with pytest.raises(InvalidInput):
        read_sweep(b"{}")
