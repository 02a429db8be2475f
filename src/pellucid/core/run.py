"""Runs: one iteration of an experiment, and the writes that make it up.

A run is a pure function of the set of writes about it, in whatever order, how often and from how
many processes they arrive (`Run` says how each field follows). Times are nanoseconds since the
Unix epoch on the client's clock, unless it says otherwise.
"""

import math
from enum import StrEnum
from typing import Any

import msgspec

MAX_NAME = 250
MAX_VALUE_BYTES = 64 << 10
CRASHED_AFTER_NS = 60 * 1_000_000_000
"""A running run of which nothing was heard for this long has crashed."""

WireNumber = float | str | None
"""A metric's value in JSON, which knows no NaN or infinity: these are strings."""


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CRASHED = "crashed"
    """Running, but not heard of for `CRASHED_AFTER_NS`: killed, or its machine went down."""


class Direction(StrEnum):
    """Which way a metric or score is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Stamped(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a later one replaces: the greatest (time, value) holds."""

    value: str | None
    time_ns: int


class RunStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run begins, or goes on in another process (`resumed`)."""

    time_ns: int
    parent_id: str | None = None
    """The run that this one is part of, such as a sweep."""
    source: dict[str, Any] = {}
    """Host, process id, user, program: what the page shows about where it ran."""
    resumed: bool = False


class RunEnd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run ends; `error` tells why it failed."""

    time_ns: int
    status: RunStatus
    error: str | None = None


class ParamWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A param, a JSON value. It is written once; see `Run.conflicts`."""

    name: str
    value: Any
    time_ns: int


class MetricWrite(msgspec.Struct, frozen=True, array_like=True):
    """One point of a metric, in JSON an array in this order. Identity: (name, step, time)."""

    name: str
    value: WireNumber
    step: int
    time_ns: int


class TagWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A tag; None removes it. The greatest (time, value) holds."""

    name: str
    value: str | None
    time_ns: int


class ArtifactWrite(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a run, by digest; a later one of the same path replaces it.

    `kind` is `file`, `image`, `table`, `text`, `dict`, `html` or `figure`; an image has a `key`
    that its steps share, and the prompt and model that drew it.
    """

    path: str
    digest: str
    size_bytes: int
    media_type: str
    time_ns: int
    kind: str = "file"
    key: str | None = None
    step: int | None = None
    prompt: str | None = None
    model: str | None = None
    metadata: dict[str, Any] = {}


class MeasureWrite(msgspec.Struct, frozen=True, kw_only=True):
    """Which way a metric or score is better in an experiment; the greatest (time, value) holds."""

    name: str
    direction: Direction
    time_ns: int


class RunWrite(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something of one run, from one process. Sending it again changes nothing."""

    run_id: str
    experiment: str
    time_ns: int
    """When it was sent: a sign of life."""
    start: RunStart | None = None
    name: Stamped | None = None
    params: list[ParamWrite] = []
    metrics: list[MetricWrite] = []
    tags: list[TagWrite] = []
    notes: Stamped | None = None
    artifacts: list[ArtifactWrite] = []
    measures: list[MeasureWrite] = []
    """They hold for the whole experiment."""
    snapshot: Stamped | None = None
    """The manifest's digest."""
    parent_snapshot: Stamped | None = None
    """The snapshot that this one's code came from."""
    end: RunEnd | None = None


class RunReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says of a run after a write; `deleted` means that the write was dropped."""

    run_id: str
    number: int
    conflicts: list[str]
    """Names of params with more than one value."""
    deleted: bool = False


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run."""

    run_id: str
    path: str
    digest: str
    size_bytes: int
    media_type: str
    time_ns: int
    kind: str
    key: str | None
    step: int | None
    prompt: str | None
    model: str | None
    metadata: dict[str, Any]


class ParamConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A param that was written with several values: the one kept, and the others."""

    name: str
    kept: Any
    others: list[Any]


class MetricSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a run; `value` is the one of the greatest (step, time)."""

    value: float
    step: int
    time_ns: int
    least: float
    greatest: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it is read.

    `start_ns` is the least start; name, notes, tags and snapshot the latest; the status that of
    the latest start or end. A param is the one with the least (time, value), the others are in
    `conflicts`.
    """

    id: str
    experiment: str
    number: int | None
    """Counts the experiment's runs from 1; None until the server gave it."""
    name: str
    status: RunStatus
    start_ns: int
    end_ns: int | None
    heard_ns: int
    """The server's clock at the last sign of life."""
    parent_id: str | None
    params: dict[str, Any]
    metrics: dict[str, float]
    """The value at the greatest (step, time) of each."""
    tags: dict[str, str]
    scores: dict[str, bool | float | str]
    notes: str
    snapshot_id: str | None
    parent_snapshot_id: str | None
    error: str | None
    source: dict[str, Any]
    conflicts: list[ParamConflict]


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of runs in the order asked for; `next` is an opaque cursor, None on the last page."""

    runs: list[Run]
    next: str | None


class ArtifactPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of artifacts, newest first; `next` is an opaque cursor."""

    artifacts: list[Artifact]
    next: str | None


class MetricSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one run in columns, by (step, time)."""

    run_id: str
    name: str
    steps: list[int]
    times_ns: list[int]
    values: list[WireNumber]


class RunCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs an experiment has."""

    experiment: str
    run_count: int
    last_ns: int


class RunColumns(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment's newest runs have: names with how many of them, the most common first."""

    params: dict[str, int]
    metrics: dict[str, int]
    tags: dict[str, int]
    scores: dict[str, int]


class LineagePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One run in an experiment's history."""

    run_id: str
    number: int
    name: str
    start_ns: int
    snapshot_id: str | None
    parent_run_id: str | None
    """The latest earlier run with the same code, else the one whose snapshot its code came from."""
    value: WireNumber
    """Of the metric or score asked for; None if the run has none."""
    best: WireNumber
    """The best value up to this run; None before the first."""
    is_best: bool
    """Whether this run set it."""


def to_wire(value: float) -> WireNumber:
    """Return a metric's value as JSON can hold it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def from_wire(value: WireNumber) -> float:
    """Return the number that stands in JSON. Raises ValueError for a string that is none."""
    return math.nan if value is None else float(value)
