"""One version of a dataset: its examples in a table that can be edited, and its history."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State, UploadFile

from pellucid.core.dataset_versions import (
    DatasetDeletion,
    DatasetVersion,
    ExamplePage,
    PlacedExample,
)
from pellucid.core.errors import InvalidInput, QuerySyntaxError
from pellucid.server.services.completion import Completions
from pellucid.server.services.dataset_uses import DatasetUses, Evaluation
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService
from pellucid.server.web.dataset_completion import complete_query
from pellucid.server.web.dataset_view import (
    Column,
    ExampleRow,
    dataset_url,
    list_columns,
    view_rows,
)
from pellucid.server.web.evaluation_view import OPERATIONS, figure
from pellucid.server.web.page import Fragment, Page, doc
from pellucid.server.web.pages.datasets import MAX_FILE_BYTES, Form, file_kind, place_of
from pellucid.server.web.pages.traces import QueryFault, read_fault

ROWS = 100
VERSIONS = 100
LOOKED_THROUGH = 300
"""Examples whose values are proposed while a query is typed."""
MAX_PAGE_BYTES = 2 << 20
_NOT_SCORES = OPERATIONS | {"errors", "wall_s", "spent_usd"}
WebRequest = Request[object, object, State]


@dataclass(frozen=True, kw_only=True)
class VersionRow:
    """One version of the history."""

    version: DatasetVersion
    href: str
    diff_href: str
    is_shown: bool


@dataclass(frozen=True, kw_only=True)
class UseRow:
    """One evaluation that used the dataset."""

    evaluation: Evaluation
    href: str
    scores: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class DatasetPage(Page):
    """One version of a dataset."""

    template = "dataset.html"

    shown: DatasetVersion = doc("The version that is shown")
    newest: int = doc("The number of the newest version")
    version_count: int = doc("How many versions there are")
    columns: list[Column] = doc("The columns of the table")
    rows: list[ExampleRow] = doc("Examples of this page")
    query: str = doc("The filter, in the query language")
    fault: QueryFault | None = doc("Where the filter cannot be read")
    splits: list[tuple[str, int, str, bool]] = doc("Split, examples, its filter, whether it is on")
    versions: list[VersionRow] = doc("The history, the newest first")
    more_versions: str = doc("The older history, or empty")
    uses: list[UseRow] = doc("The evaluations that used any version")
    exports: list[tuple[str, str]] = doc("What the file is, and its address")
    base: str = doc("The page's own address, without version and filter")
    kept: dict[str, str] = doc("What the filter's form sends along")
    complete_url: str = doc("Where the filter asks how it may go on")
    list_url: str = doc("The list of datasets")
    clear_url: str = doc("This version without a filter")
    first_url: str = doc("The first examples, or empty where they are shown")
    next_url: str = doc("The next examples, or empty")


@dataclass(frozen=True, kw_only=True)
class DeleteDataset(Fragment):
    """What deleting a dataset would take away, and the button that does it."""

    template = "dataset_delete.html"

    deletion: DatasetDeletion = doc("Everything that would go")
    uses: int = doc("How many evaluations used it")
    action: str = doc("Where the button posts to")


@get("/datasets/{name:str}", include_in_schema=False)
async def show_dataset(
    request: WebRequest,
    name: str,
    datasets: DatasetService,
    uses: DatasetUses,
    traces: TraceService,
) -> Response[str]:
    """Show one version of a dataset."""
    asked = request.query_params
    slug, query = str(asked.get("experiment", "")), str(asked.get("query", "")).strip()
    summary = await datasets.get(name)
    version = await datasets.get_version(name, str(asked.get("version", "")))
    start, fault = str(asked.get("from", "")), None
    try:
        page = await datasets.list_examples(
            name, str(version.number), query=query, limit=ROWS, cursor=start
        )
    except QuerySyntaxError as error:
        page, fault = ExamplePage(examples=[]), read_fault(error, query)
    history = await datasets.list_versions(
        name, limit=VERSIONS, cursor=str(asked.get("before", ""))
    )
    shown, following = fit(page)
    columns = list_columns(one.example for one in shown)
    stay = {"experiment": slug, "version": _pinned(asked.get("version"))}
    place = await place_of(traces, slug)
    return DatasetPage(
        title=f"{version.spec} · Datasets",
        place=place,
        shown=version,
        newest=summary.latest.number,
        version_count=summary.version_count,
        columns=columns,
        rows=view_rows(shown, columns),
        query=query,
        fault=fault,
        splits=_splits(version, query, stay),
        versions=[_version_row(one, version, slug) for one in history.versions],
        more_versions=dataset_url(name, before=history.next, **stay) if history.next else "",
        uses=[_use(one) for one in await uses.list(name)],
        exports=_exports(version),
        base=dataset_url(name),
        kept={key: str(value) for key, value in stay.items() if value},
        complete_url=dataset_url(name, "/complete", version=version.number),
        list_url=f"/experiments/{place.slug}/datasets" if place.slug else "/datasets",
        clear_url=dataset_url(name, **stay),
        first_url=dataset_url(name, query=query, **stay) if start else "",
        next_url=dataset_url(name, query=query, **{"from": following}, **stay) if following else "",
    ).respond(status=400 if fault else 200)


@get("/datasets/{name:str}/complete", include_in_schema=False)
async def complete(
    request: WebRequest, name: str, datasets: DatasetService, threads: Threads
) -> Completions:
    """Propose how a query over the examples may go on."""
    asked = request.query_params
    at, version = str(asked.get("at", "")), str(asked.get("version", ""))
    page = await datasets.list_examples(name, version, limit=LOOKED_THROUGH)
    return await threads.run(
        complete_query,
        [one.example for one in page.examples],
        str(asked.get("query", "")),
        int(at[:9]) if at.isdigit() else None,
    )


@post(
    "/datasets/{name:str}/import",
    status_code=200,
    include_in_schema=False,
    request_max_body_size=MAX_FILE_BYTES,
)
async def import_file(name: str, data: Form, datasets: DatasetService) -> Response[str]:
    """Make a version of an uploaded file and send the browser to it."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidInput("Choose a file: .jsonl, .json, .csv, .tsv or .parquet.")
    await datasets.import_file(
        name,
        await file.read(),
        kind=file_kind(file.filename),
        file_name=file.filename[:200],
        mode=str(data.get("mode") or "append"),
        message=str(data.get("message") or ""),
        author=str(data.get("author") or "") or None,
    )
    return _go_on(name, data)


@post("/datasets/{name:str}/restore", status_code=200, include_in_schema=False)
async def restore(name: str, data: Form, datasets: DatasetService) -> Response[str]:
    """Make the examples of an earlier version the newest again."""
    await datasets.restore(
        name, str(data.get("version") or ""), author=str(data.get("author") or "") or None
    )
    return _go_on(name, data)


@get("/datasets/{name:str}/delete", include_in_schema=False)
async def ask_delete(name: str, datasets: DatasetService, uses: DatasetUses) -> Response[str]:
    """Say what deleting a dataset would take away."""
    return DeleteDataset(
        deletion=await datasets.delete(name, dry_run=True),
        uses=len(await uses.list(name)),
        action=dataset_url(name, "/delete"),
    ).respond()


@post("/datasets/{name:str}/delete", status_code=200, include_in_schema=False)
async def delete_dataset(name: str, datasets: DatasetService) -> Response[str]:
    """Delete a dataset and send the browser to the others."""
    await datasets.delete(name)
    return Response("", headers={"HX-Redirect": "/datasets"})


def fit(page: ExamplePage) -> tuple[list[PlacedExample], str]:
    """Return as many examples as fit into a page, at least one, and where the next begin."""
    size = 0
    for count, one in enumerate(page.examples):
        size += len(msgspec.json.encode(one.example))
        if size > MAX_PAGE_BYTES and count:
            return page.examples[:count], str(page.examples[count - 1].position)
    return page.examples, page.next or ""


def _go_on(name: str, data: dict[str, Any]) -> Response[str]:
    target = dataset_url(name, experiment=str(data.get("experiment") or ""))
    return Response("", headers={"HX-Redirect": target})


def _pinned(asked: str | None) -> str:
    return asked if asked and asked != "latest" else ""


def _splits(
    version: DatasetVersion, query: str, stay: dict[str, str]
) -> list[tuple[str, int, str, bool]]:
    if not version.splits:
        return []
    found = [("All", version.example_count, dataset_url(version.name, **stay), not query)]
    for name, count in version.splits.items():
        term = f'split="{name}"'
        is_on = query == term
        found.append((name, count, dataset_url(version.name, query=term, **stay), is_on))
    return found


def _version_row(one: DatasetVersion, shown: DatasetVersion, slug: str) -> VersionRow:
    diff = ""
    if one.base is not None:
        span = {"from": one.base, "to": one.number}
        diff = dataset_url(one.name, "/diff", experiment=slug, **span)
    return VersionRow(
        version=one,
        href=dataset_url(one.name, version=one.number, experiment=slug),
        diff_href=diff,
        is_shown=one.number == shown.number,
    )


def _use(one: Evaluation) -> UseRow:
    scores = [
        (name, figure(value))
        for name, value in one.run.metrics.items()
        if name not in _NOT_SCORES and value == value
    ]
    page = "sweeps" if one.is_sweep else "evaluations"
    return UseRow(
        evaluation=one,
        href=f"/{page}/{one.run.id}",
        scores=[] if one.is_sweep else scores[:2],
    )


def _exports(version: DatasetVersion) -> list[tuple[str, str]]:
    path = dataset_url(version.name).removeprefix("/datasets/")
    address = f"/api/v1/datasets/{path}/versions/{version.number}/export?format="
    return [
        ("JSON lines", f"{address}jsonl"),
        ("CSV, read back exactly", f"{address}csv"),
        ("CSV for spreadsheets", f"{address}csv&spreadsheet=true"),
        ("Parquet", f"{address}parquet"),
    ]
