"""Up to five runs side by side: the verdict, then what made the difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.run import Artifact, Run
from pellucid.core.run_diff import PromptDiff, RunDiff, ValueDiff
from pellucid.server.services.diffs import DiffService
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.charts import Chart, draw_metric
from pellucid.server.web.commands import restore_command
from pellucid.server.web.comparing import (
    FigureRow,
    SettingRow,
    Verdict,
    figure_rows,
    judge,
    setting_rows,
)
from pellucid.server.web.diff_lines import DiffLine, read_diff
from pellucid.server.web.measures import Goals, format_setting
from pellucid.server.web.page import Page, Place, doc

MOST_RUNS = 5
MOST_CHARTS = 12
MOST_IMAGES = 60


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file that differs, as lines; none for bytes that are no text."""

    path: str
    change: str
    added: int
    removed: int
    lines: list[DiffLine]
    is_cut: bool


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key that differs, as text."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """One key and step: an image a run, or None."""

    key: str
    step: int | None
    images: list[Artifact | None]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What differs between the first run and another one."""

    other: Run
    files: list[FileChange]
    prompts: list[PromptDiff]
    config: list[Setting]
    observed: list[Setting]
    environment: list[Setting]
    data: list[Setting]
    is_empty: bool
    lacks_snapshot: bool
    added: int
    removed: int


@dataclass(frozen=True, kw_only=True)
class ComparePage(Page):
    """Runs side by side; the first is the one that the others are measured against."""

    template = "compare.html"

    runs: list[Run] = doc("The runs; the first is the baseline")
    restores: list[str] = doc("The command that brings back each, empty without a snapshot")
    verdict: Verdict = doc("The conclusion in words")
    figures: list[FigureRow] = doc("Scores and metrics, what differs first")
    settings: list[SettingRow] = doc("Params, what differs first")
    changes: Changes | None = doc("What differs in the snapshot between two of them")
    charts: list[Chart] = doc("Metrics with several points, all runs in one chart")
    images: list[ImageRow] = doc("Images with the same key and step side by side")
    swap_url: str = doc("The same with the last run as the baseline")
    markdown: str = doc("The figures as a Markdown table")


@dataclass(frozen=True, kw_only=True)
class CompareEmptyPage(Page):
    """Nothing to compare yet."""

    template = "compare_empty.html"

    experiments: list[tuple[str, str]] = doc("Experiments with runs: name, address of their table")


@get("/compare", include_in_schema=False)
async def compare_runs(
    request: Request[object, object, State],
    runs: RunService,
    diffs: DiffService,
    traces: TraceService,
) -> Response[str]:
    """Compare the runs that `runs` names, ids or experiment@number, between commas."""
    asked = [one for one in str(request.query_params.get("runs", "")).split(",") if one.strip()]
    listed = await traces.list_experiments()
    if len(asked) < 2:
        return CompareEmptyPage(
            title="Compare",
            place=Place(section="runs"),
            experiments=[
                (one.name, f"/experiments/{one.slug}/runs") for one in listed if one.run_count
            ],
        ).respond()
    if len(asked) > MOST_RUNS:
        raise InvalidInput(
            f"{len(asked)} runs do not fit side by side; choose {MOST_RUNS} at most."
        )
    found = [await runs.get(one.strip()) for one in asked]
    against = str(request.query_params.get("with", "")) or found[-1].id
    other = next((run for run in found[1:] if run.id == against), found[-1])
    goals = Goals(await runs.list_measures(found[0].experiment))
    figures = figure_rows(found, goals)
    settings = setting_rows(found)
    experiment = next((one for one in listed if one.name == found[0].experiment), None)
    ids = [run.id for run in found]
    return ComparePage(
        title="Compare " + ", ".join(label(run, found) for run in found),
        place=Place.of(experiment, "runs", rail=True),
        runs=found,
        restores=[
            restore_command(f"{run.experiment}@{run.number}", run) if run.snapshot_id else ""
            for run in found
        ],
        verdict=judge(found, figures),
        figures=figures,
        settings=settings,
        changes=await _changes(diffs, found[0], other) if other.id != found[0].id else None,
        charts=await _charts(runs, found),
        images=await _images(runs, found),
        swap_url="/compare?runs=" + ",".join([ids[-1], *ids[1:-1], ids[0]]),
        markdown=_markdown(found, settings, figures),
    ).respond()


def label(run: Run, runs: Sequence[Run]) -> str:
    """Name a run by its number, and its experiment where the runs have several."""
    several = len({one.experiment for one in runs}) > 1
    return f"{run.experiment}@{run.number}" if several else f"#{run.number}"


async def _changes(diffs: DiffService, first: Run, other: Run) -> Changes:
    lacks = first.snapshot_id is None or other.snapshot_id is None
    try:
        diff: RunDiff = await diffs.diff(first.id, other.id)
    except NotFound:
        return Changes(
            other=other,
            files=[],
            prompts=[],
            config=[],
            observed=[],
            environment=[],
            data=[],
            is_empty=True,
            lacks_snapshot=True,
            added=0,
            removed=0,
        )
    files = []
    for one in diff.code:
        lines = read_diff(one.unified) if one.unified else []
        files.append(
            FileChange(
                path=one.path,
                change=one.change,
                added=one.added,
                removed=one.removed,
                lines=lines,
                is_cut=bool(one.unified) and len(lines) < len((one.unified or "").splitlines()),
            )
        )
    return Changes(
        other=other,
        files=files,
        prompts=diff.prompts,
        config=_settings(diff.config),
        observed=_settings(diff.observed),
        environment=_settings(diff.environment),
        data=_settings(diff.data),
        is_empty=not any(
            (diff.code, diff.prompts, diff.config, diff.observed, diff.environment, diff.data)
        ),
        lacks_snapshot=lacks,
        added=sum(one.added for one in diff.code),
        removed=sum(one.removed for one in diff.code),
    )


def _settings(values: Sequence[ValueDiff]) -> list[Setting]:
    return [
        Setting(
            key=one.key,
            before="" if one.before is None else format_setting(one.before),
            after="" if one.after is None else format_setting(one.after),
        )
        for one in values
    ]


async def _charts(runs: RunService, found: Sequence[Run]) -> list[Chart]:
    series = await runs.list_series(list(dict.fromkeys(run.id for run in found)))
    names = dict.fromkeys(
        one.name for one in series if len(one.values) > 1 and not one.name.startswith("system.")
    )
    held = {(one.run_id, one.name): one for one in series}
    return [
        draw_metric(
            name,
            [(label(run, found), held[run.id, name]) for run in found if (run.id, name) in held],
            by_time=False,
            smoothing=0.0,
        )
        for name in list(names)[:MOST_CHARTS]
    ]


async def _images(runs: RunService, found: Sequence[Run]) -> list[ImageRow]:
    held: dict[tuple[str, int], dict[str, Artifact]] = {}
    for run in found:
        for one in await runs.list_artifacts(run.id):
            if one.kind == "image":
                place = (one.key or one.path, -1 if one.step is None else one.step)
                held.setdefault(place, {})[run.id] = one
    rows = [
        ImageRow(
            key=key,
            step=None if step < 0 else step,
            images=[by_run.get(run.id) for run in found],
        )
        for (key, step), by_run in sorted(held.items())
    ]
    return sorted(rows, key=lambda row: sum(one is None for one in row.images))[:MOST_IMAGES]


def _markdown(
    found: Sequence[Run], settings: Sequence[SettingRow], figures: Sequence[FigureRow]
) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    lines = [line(["", *(label(run, found) for run in found)])]
    lines.append(line(["---", *("---:" for _ in found)]))
    lines += [line([row.name, *row.values]) for row in settings if row.differs]
    lines += [line([row.name, *(one.text for one in row.figures)]) for row in figures]
    return "\n".join(lines)
