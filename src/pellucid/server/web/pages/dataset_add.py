"""Traces on their way into a dataset: what they would become, and the button that adds them."""

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body

from pellucid.core.dataset_versions import PlacedExample
from pellucid.core.dataset_views import AddedView, FromTracesRequest, TraceExamplesRequest
from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreSource
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.dataset_view import (
    Column,
    ExampleRow,
    dataset_url,
    list_columns,
    view_rows,
)
from pellucid.server.web.page import Fragment, doc

MOST = 500
FOUND = 100
"""Traces of a query that are added at once."""
SHOWN = 5
_LOOKED_AT = 20
"""Traces whose annotations are offered as what is expected."""
Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]


@dataclass(frozen=True, kw_only=True)
class AddPreview(Fragment):
    """What the traces would become."""

    template = "dataset_preview.html"

    columns: list[Column] = doc("The columns of the table")
    rows: list[ExampleRow] = doc("Some of the examples")
    count: int = doc("How many examples they make")
    skipped: int = doc("Traces without an input")
    without_expected: int = doc("Examples that say nothing of what is expected")


@dataclass(frozen=True, kw_only=True)
class AddTraces(Fragment):
    """The form that adds traces to a dataset."""

    template = "dataset_add.html"

    ids: str = doc("The traces, apart by commas")
    count: int = doc("How many they are")
    names: list[str] = doc("Datasets to choose from, the last changed first")
    suggested: str = doc("The dataset that is proposed")
    choices: list[tuple[str, str]] = doc("What may be expected: value and label")
    preview: AddPreview = doc("What would be added")


@dataclass(frozen=True, kw_only=True)
class Added(Fragment):
    """What was added, and the way there."""

    template = "dataset_added.html"

    added: AddedView = doc("The version, and what became of the traces")
    href: str = doc("The version's page")
    diff_href: str = doc("What it changed, or empty")


@get("/datasets/add", include_in_schema=False)
async def ask_add(
    request: Request[object, object, State], datasets: DatasetService, traces: TraceService
) -> Response[str]:
    """Ask which dataset traces are to be added to, and how.

    They are `ids`, apart by commas, or the newest of an `experiment` that meet a `query`.
    """
    asked = request.query_params
    ids = str(asked.get("ids", ""))
    if not ids:
        page = await traces.list_traces(
            experiment=str(asked.get("experiment", "")) or None,
            query=str(asked.get("query", "")),
            limit=FOUND,
        )
        ids = ",".join(trace.trace_id for trace in page.traces)
    wanted = split_ids(ids)
    names = [one.name for one in (await datasets.list(limit=100)).datasets]
    experiment, scores = "", set()
    for one in wanted[:_LOOKED_AT]:
        summary = await traces.get_summary(one)
        experiment = experiment or summary.experiment
        scores |= {s.name for s in summary.scores if s.source is ScoreSource.HUMAN}
    preview = await _preview(datasets, {"ids": ids})
    return AddTraces(
        ids=",".join(wanted),
        count=len(wanted),
        names=names,
        suggested=names[0] if names else f"{_plain(experiment)} examples",
        choices=[
            ("auto", "A correction, else the output unless it was called bad"),
            ("output", "The output"),
            ("none", "Nothing yet"),
            *((f"score.{name}", f"The annotation {name}") for name in sorted(scores)),
        ],
        preview=preview,
    ).respond()


@post("/datasets/add/preview", status_code=200, include_in_schema=False)
async def show_preview(data: Form, datasets: DatasetService) -> Response[str]:
    """Show what the traces would become."""
    return (await _preview(datasets, data)).respond()


@post("/datasets/add", status_code=200, include_in_schema=False)
async def add_traces(data: Form, datasets: DatasetService) -> Response[str]:
    """Add the traces, and say what became of them."""
    name = str(data.get("name") or "").strip()
    request = FromTracesRequest(
        trace_ids=split_ids(str(data.get("ids") or "")),
        expected=str(data.get("expected") or "auto"),
        gold_documents="retrieved" if data.get("gold") else "none",
        split=str(data.get("split") or "").strip() or None,
        message=str(data.get("message") or ""),
        author=str(data.get("author") or "").strip() or None,
    )
    added = await datasets.add_traces(name, request)
    version = added.version
    span = {"from": version.base, "to": version.number}
    return Added(
        added=added,
        href=dataset_url(name, version=version.number),
        diff_href=dataset_url(name, "/diff", **span) if added.added and version.base else "",
    ).respond()


def split_ids(ids: str) -> list[str]:
    """Return the ids of a list. Raises InvalidInput for none, and for too many."""
    wanted = list(dict.fromkeys(one.strip() for one in ids.split(",") if one.strip()))
    if not 1 <= len(wanted) <= MOST:
        raise InvalidInput(f"Name 1 to {MOST} traces; these are {len(wanted)}.")
    return wanted


async def _preview(datasets: DatasetService, data: dict[str, Any]) -> AddPreview:
    first = "expected" not in data
    wanted = split_ids(str(data.get("ids") or ""))
    read = await datasets.read_traces(
        TraceExamplesRequest(
            trace_ids=wanted,
            expected=str(data.get("expected") or "auto"),
            gold_documents="retrieved" if first or data.get("gold") else "none",
            split=str(data.get("split") or "").strip() or None,
        )
    )
    shown = read.examples[:SHOWN]
    columns = [
        column for column in list_columns(shown) if column.field not in ("metadata", "split")
    ]
    placed = [PlacedExample(position=n, example=one) for n, one in enumerate(shown, 1)]
    return AddPreview(
        columns=columns,
        rows=view_rows(placed, columns),
        count=len(read.examples),
        skipped=read.skipped,
        without_expected=sum(one.expected is None for one in read.examples),
    )


def _plain(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in " ._+()-" else "-" for c in name).strip(" .-")
    return kept[:80] or "traced"
