"""The JSON of `/api/v1` about runs, artifacts and snapshots, shared by server and clients."""

from typing import Any

import msgspec

from pellucid.core.run import (
    Artifact,
    Direction,
    LineagePoint,
    MetricSeries,
    ParamConflict,
    Run,
    RunReceipt,
    RunStatus,
    RunWrite,
    WireNumber,
    from_wire,
    to_wire,
)
from pellucid.core.snapshot import Manifest, TreeFile

MSGPACK = "application/msgpack"


class RunWriteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Writes about any number of runs; sending them again changes nothing."""

    writes: list[RunWrite]


class RunReceiptList(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt a run, in order of first mention."""

    runs: list[RunReceipt]


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run. A metric that is no finite number is a string: NaN, Infinity, -Infinity."""

    id: str
    experiment: str
    number: int | None
    name: str
    status: RunStatus
    start_ns: int
    end_ns: int | None
    heard_ns: int
    parent_id: str | None
    params: dict[str, Any]
    metrics: dict[str, WireNumber]
    tags: dict[str, str]
    scores: dict[str, bool | float | str]
    notes: str
    snapshot_id: str | None
    parent_snapshot_id: str | None
    error: str | None
    source: dict[str, Any]
    conflicts: list[ParamConflict]


class RunListView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of runs; `next` is the cursor of the page after it."""

    runs: list[RunView]
    next: str | None


class RunCountView(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs match."""

    count: int


class MetricSummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a run."""

    value: WireNumber
    step: int
    time_ns: int
    least: WireNumber
    greatest: WireNumber


class MeasuresView(msgspec.Struct, frozen=True, kw_only=True):
    """Which way metrics and scores of an experiment were declared better, by name."""

    measures: dict[str, Direction]


class LineageView(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment's runs, oldest first."""

    runs: list[LineagePoint]


class SeriesListView(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics in columns."""

    series: list[MetricSeries]


class ArtifactListView(msgspec.Struct, frozen=True, kw_only=True):
    """Artifacts; `next` is the cursor of the page after it."""

    artifacts: list[Artifact]
    next: str | None = None


class UploadView(msgspec.Struct, frozen=True, kw_only=True):
    """How far an upload is: it goes on at byte `received`."""

    digest: str
    received: int
    complete: bool


class DigestList(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of objects."""

    digests: list[str]


class MissingView(msgspec.Struct, frozen=True, kw_only=True):
    """Those that the server lacks."""

    missing: list[str]


class SnapshotView(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot with its small parts resolved."""

    snapshot_id: str
    manifest: Manifest
    packages: dict[str, str]
    config: Any
    environment: dict[str, Any]
    observed: dict[str, Any]


class FileListView(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot's files, in order of their paths' parts."""

    files: list[TreeFile]


def view_run(run: Run) -> RunView:
    """Return a run as the API shows it."""
    fields = msgspec.structs.asdict(run)
    fields["metrics"] = {name: to_wire(value) for name, value in run.metrics.items()}
    return RunView(**fields)


def run_of(view: RunView) -> Run:
    """Return the run that the API showed."""
    fields = msgspec.structs.asdict(view)
    fields["metrics"] = {name: from_wire(value) for name, value in view.metrics.items()}
    return Run(**fields)
