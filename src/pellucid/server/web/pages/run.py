"""One run: what it was, what came out, and how to get it back."""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from litestar import Response, get

from pellucid.core.errors import NotFound
from pellucid.core.leaves import flatten_params
from pellucid.core.run import Artifact, LineagePoint, MetricSummary, Run
from pellucid.core.run_views import SnapshotView
from pellucid.core.score import Score
from pellucid.core.snapshot import EntryPoint, TreeFile
from pellucid.core.trace import ExperimentSummary, TraceSummary
from pellucid.server.services.artifacts import ArtifactService
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.runs import MAX_LINEAGE, RunService
from pellucid.server.services.snapshots import SnapshotService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.charts import Chart, draw_metric
from pellucid.server.web.commands import restore_command, serve_command
from pellucid.server.web.measures import Goals, format_measure, format_setting, read_value
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.pages.runs import find_best
from pellucid.server.web.pages.traces import pick_scores
from pellucid.server.web.previews import Preview, preview_artifact, preview_bytes
from pellucid.server.web.runs_table import pick_columns, pick_value

TABS = ("overview", "metrics", "traces", "images", "files", "snapshot")
SMOOTHINGS = (("0", "None"), ("0.6", "Some"), ("0.9", "Strong"))
MOST_TRACES = 100
MOST_CHARTS = 60
MOST_CHILDREN = 50


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One metric in figures."""

    name: str
    value: str
    least: str
    greatest: str
    step: int


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One tab; an empty one stays, dimmed."""

    key: str
    label: str
    count: int | None
    href: str


class DatasetLink(NamedTuple):
    """A dataset that the run used: its name, which version, and its page if it is here."""

    name: str
    version: str
    href: str


@dataclass(frozen=True, kw_only=True)
class SnapshotPane:
    """What the snapshot's tab shows."""

    view: SnapshotView
    files: list[TreeFile]
    shown: Preview | None
    shown_path: str
    facts: list[tuple[str, str]]
    datasets: list["DatasetLink"]
    prompts: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """One run."""

    template = "run.html"

    run: Run = doc("The run")
    spec: str = doc("What commands call it: experiment@number")
    restore: str = doc("The command that brings its snapshot back")
    serve: str = doc("The command that serves it; empty without an entry point")
    tabs: list[Tab] = doc("The tabs")
    tab: str = doc("The one that is shown")
    params: list[tuple[str, str]] = doc("Params with their values as text")
    metrics: list[MetricRow] = doc("Metrics in figures")
    charts: list[Chart] = doc("Metrics that have several points")
    more_charts: int = doc("How many metrics have points but no chart, for want of room")
    axis: str = doc("`step` or `time`")
    smoothing: str = doc("How strongly lines are smoothed")
    smoothings: tuple[tuple[str, str], ...] = doc("The choices of that")
    scores: list[Score] = doc("The latest on the run itself")
    traces: list[TraceSummary] = doc("Its traces, newest first")
    trace_query: str = doc("The query that finds them in the trace list")
    marked: str = doc("The words that a trace's page is to mark: none here", default="")
    score_names: list[str] = doc("Scores of the traces that have a column")
    longest_ns: int = doc("The longest of them")
    images: list[Artifact] = doc("Its images, newest first")
    files: list[Artifact] = doc("Its artifacts by path")
    shown: Preview | None = doc("The artifact that is looked into")
    shown_path: str = doc("Its path")
    snapshot: SnapshotPane | None = doc("Its snapshot, on that tab")
    parent: Run | None = doc("The run that this one is part of")
    children: list[Run] = doc("The runs that are part of this one")
    conflicts: list[tuple[str, str, str]] = doc("Params with several values: name, kept, others")
    best_in: str = doc("The metric or score in which it is the best of its experiment, if it is")
    best: Run | None = doc("The best run of the experiment, if it is another one")
    came_from: LineagePoint | None = doc("The run whose code it began with, on the snapshot's tab")
    run_count: int = doc("How many runs the experiment has")
    before: Run | None = doc("The run before it in the experiment")
    after: Run | None = doc("The run after it")


class _Held(NamedTuple):
    """What every tab of a run's page counts or shows."""

    files: list[Artifact]
    summaries: dict[str, MetricSummary]
    scores: list[Score]
    children: list[Run]
    traces: list[TraceSummary]

    @property
    def images(self) -> list[Artifact]:
        found = [one for one in self.files if one.kind == "image"]
        return sorted(found, key=lambda one: (one.key or "", one.step or 0))


class _Shown(NamedTuple):
    """What the chosen tab shows besides."""

    charts: list[Chart]
    more_charts: int
    path: str
    preview: Preview | None
    snapshot: SnapshotPane | None
    entry: EntryPoint | None


@get("/runs/{run_id:str}", include_in_schema=False)
async def show_run(
    runs: RunService,
    traces: TraceService,
    artifacts: ArtifactService,
    snapshots: SnapshotService,
    datasets: DatasetService,
    run_id: str,
    tab: str = "overview",
    axis: str = "step",
    smooth: str = "0",
    path: str = "",
) -> Response[str]:
    """Show one run, by its id or a unique prefix of it."""
    run = await runs.get(run_id)
    tab = tab if tab in TABS else "overview"
    held = await _held(runs, traces, run)
    sources = _Sources(runs, artifacts, snapshots, datasets)
    shown = await _shown(sources, run, held, tab=tab, axis=axis, smooth=smooth, path=path)
    spec = f"{run.experiment}@{run.number}" if run.number is not None else run.id
    experiment = await _experiment(traces, run)
    standing = await _standing(runs, run)
    return RunPage(
        title=f"#{run.number} {run.name}".strip(),
        place=Place.of(experiment, "runs", rail=tab in {"files", "snapshot"}),
        run=run,
        spec=spec,
        restore=restore_command(spec, run) if run.snapshot_id else "",
        serve=serve_command(spec) if shown.entry else "",
        tabs=_tabs(run, held),
        tab=tab,
        params=[
            (name, format_setting(value)) for name, value in flatten_params(run.params).items()
        ],
        metrics=[_row(name, one) for name, one in held.summaries.items()],
        charts=shown.charts,
        more_charts=shown.more_charts,
        axis="time" if axis == "time" else "step",
        smoothing=smooth,
        smoothings=SMOOTHINGS,
        scores=held.scores,
        traces=held.traces,
        trace_query=f"run={run.id}",
        score_names=pick_scores(held.traces),
        longest_ns=max((one.duration_ns for one in held.traces), default=0) or 1,
        images=held.images,
        files=held.files,
        shown=shown.preview,
        shown_path=shown.path,
        snapshot=shown.snapshot,
        parent=await _find(runs, run.parent_id),
        children=held.children,
        conflicts=_conflicts(run),
        best_in=standing.best_in,
        best=standing.best,
        came_from=await _came_from(runs, run) if tab == "snapshot" else None,
        run_count=experiment.run_count if experiment else 0,
        before=await _neighbour(runs, run, -1),
        after=await _neighbour(runs, run, 1),
    ).respond()


class _Sources(NamedTuple):
    """Where the parts of the page come from."""

    runs: RunService
    artifacts: ArtifactService
    snapshots: SnapshotService
    datasets: DatasetService


async def _held(runs: RunService, traces: TraceService, run: Run) -> _Held:
    files, summaries, scores, child_ids, found = await asyncio.gather(
        runs.list_artifacts(run.id),
        runs.list_metrics(run.id),
        runs.list_scores(run.id),
        runs.list_children(run.id),
        traces.list_traces(experiment=run.experiment, query=f"run={run.id}", limit=MOST_TRACES),
    )
    children = [await runs.get(child) for child in child_ids[:MOST_CHILDREN]]
    return _Held(files, summaries, scores, children, found.traces)


async def _shown(
    sources: _Sources, run: Run, held: _Held, *, tab: str, axis: str, smooth: str, path: str
) -> _Shown:
    charts: list[Chart] = []
    if tab in {"overview", "metrics"}:
        charts = await _charts(sources.runs, run, by_time=axis == "time", smoothing=_weight(smooth))
    most = 6 if tab == "overview" else MOST_CHARTS
    snapshot = await _snapshot(sources, run, path) if tab == "snapshot" else None
    shown_path = path if tab == "files" and path else held.files[0].path if held.files else ""
    preview = None
    if tab == "files" and shown_path:
        artifact = await sources.runs.get_artifact(run.id, shown_path)
        preview = await preview_artifact(sources.artifacts, artifact)
    entry = snapshot.view.manifest.entry_point if snapshot else None
    if snapshot is None and run.snapshot_id:
        entry = await _entry_point(sources.snapshots, run.snapshot_id)
    return _Shown(charts[:most], max(len(charts) - most, 0), shown_path, preview, snapshot, entry)


def _conflicts(run: Run) -> list[tuple[str, str, str]]:
    return [
        (
            one.name,
            format_setting(one.kept),
            ", ".join(format_setting(value) for value in one.others),
        )
        for one in run.conflicts
    ]


def _tabs(run: Run, held: _Held) -> list[Tab]:
    counts = {
        "metrics": len(held.summaries),
        "traces": len(held.traces),
        "images": len(held.images),
        "files": len(held.files),
    }
    labels = {"files": "Artifacts"}
    return [
        Tab(
            key=key,
            label=labels.get(key, key.capitalize()),
            count=counts.get(key, (1 if run.snapshot_id else 0) if key == "snapshot" else None),
            href=f"/runs/{run.id}" + (f"?tab={key}" if key != "overview" else ""),
        )
        for key in TABS
    ]


def _row(name: str, one: MetricSummary) -> MetricRow:
    return MetricRow(
        name=name,
        value=format_measure(one.value),
        least=format_measure(one.least),
        greatest=format_measure(one.greatest),
        step=one.step,
    )


async def _charts(runs: RunService, run: Run, *, by_time: bool, smoothing: float) -> list[Chart]:
    series = await runs.list_series([run.id])
    several = [one for one in series if len(one.values) > 1]
    several.sort(key=lambda one: one.name.startswith("system."))
    return [
        draw_metric(one.name, [(run.name, one)], by_time=by_time, smoothing=smoothing)
        for one in several
    ]


def _weight(smooth: str) -> float:
    return float(smooth) if smooth in {key for key, _ in SMOOTHINGS} else 0.0


async def _snapshot(sources: _Sources, run: Run, path: str) -> SnapshotPane | None:
    if run.snapshot_id is None:
        return None
    snapshots = sources.snapshots
    try:
        view = await snapshots.get(run.snapshot_id)
        files = await snapshots.list_files(run.snapshot_id)
    except NotFound:
        return None
    entry = view.manifest.entry_point
    guess = entry.file if entry else next((f.path for f in files if f.path.endswith(".py")), "")
    shown_path = path or guess or (files[0].path if files else "")
    shown = None
    if shown_path:
        data = await snapshots.read_file(run.snapshot_id, shown_path)
        shown = preview_bytes(shown_path, data)
    prompts = view.observed.get("prompts")
    return SnapshotPane(
        view=view,
        files=files,
        shown=shown,
        shown_path=shown_path,
        facts=_facts(view),
        datasets=[
            await _dataset_link(sources.datasets, name, version)
            for name, version in view.manifest.datasets.items()
        ],
        prompts=[
            (name, str(prompt.get("template", "")))
            for name, prompt in (prompts.items() if isinstance(prompts, dict) else ())
            if isinstance(prompt, dict)
        ],
    )


def _facts(view: SnapshotView) -> list[tuple[str, str]]:
    manifest, git = view.manifest, view.manifest.git
    commit = ""
    if git:
        commit = (git.commit or "none yet")[:10] + (", with changes" if git.dirty else "")
    facts = [
        ("Snapshot", view.snapshot_id[:12]),
        ("Commit", commit),
        ("Branch", (git.branch or "") if git else ""),
        ("Command", " ".join(manifest.command)),
        ("Entry point", f"{manifest.entry_point.name}()" if manifest.entry_point else ""),
    ]
    facts += [
        (
            name.replace("_", " ").capitalize(),
            ", ".join(map(str, value)) if isinstance(value, list) else format_setting(value),
        )
        for name, value in view.environment.items()
    ]
    return [(name, value) for name, value in facts if value]


async def _dataset_link(datasets: DatasetService, name: str, version: str) -> DatasetLink:
    """Find a version by its digest, or by its number: `3`, or `@3 test DIGEST` of a split."""
    first, *part = version.removeprefix("@").split(" ")
    number = int(first) if first.isdecimal() and len(first) < 10 else None
    found = await datasets.find_used(name, number, version)
    if found is None:
        return DatasetLink(name, version[:16], "")
    href = f"/datasets/{quote(name, safe='')}?version={found.number}"
    split = f", {' '.join(part[:-1])}" if len(part) > 1 else ""
    return DatasetLink(name, f"version {found.number}{split}", href)


async def _entry_point(snapshots: SnapshotService, snapshot_id: str) -> EntryPoint | None:
    try:
        return (await snapshots.get(snapshot_id)).manifest.entry_point
    except NotFound:
        return None


class _Standing(NamedTuple):
    best_in: str
    best: Run | None


async def _standing(runs: RunService, run: Run) -> _Standing:
    """Tell in which value a run is its experiment's best, or which run is."""
    goals = Goals(await runs.list_measures(run.experiment))
    value = pick_value([run], pick_columns([run]), goals)
    best = await find_best(runs, run.experiment, "", value, goals.of(value)) if value else None
    if best is not None and read_value(best, value) == read_value(run, value):
        return _Standing(value.partition(".")[2], None)
    return _Standing("", best)


async def _came_from(runs: RunService, run: Run) -> LineagePoint | None:
    points = {p.run_id: p for p in await runs.list_lineage(run.experiment, limit=MAX_LINEAGE)}
    point = points.get(run.id)
    return points.get(point.parent_run_id or "") if point else None


async def _find(runs: RunService, run_id: str | None) -> Run | None:
    if run_id is None:
        return None
    try:
        return await runs.get(run_id)
    except NotFound:
        return None


async def _neighbour(runs: RunService, run: Run, step: int) -> Run | None:
    if run.number is None:
        return None
    try:
        return await runs.get(f"{run.experiment}@{run.number + step}")
    except NotFound:
        return None


async def _experiment(traces: TraceService, run: Run) -> ExperimentSummary | None:
    listed = await traces.list_experiments()
    return next((one for one in listed if one.name == run.experiment), None)
