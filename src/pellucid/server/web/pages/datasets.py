"""The list of datasets, and making a new one."""

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body

from pellucid.core.dataset_versions import DatasetSummary
from pellucid.core.dataset_views import VersionRequest
from pellucid.core.errors import InvalidInput
from pellucid.server.services.dataset_uses import DatasetUses, Use
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.dataset_view import dataset_url
from pellucid.server.web.page import Page, Place, doc

ROWS = 200
MAX_FILE_BYTES = 64 << 20
Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """One dataset of the list."""

    dataset: DatasetSummary
    href: str
    use: Use | None


@dataclass(frozen=True, kw_only=True)
class DatasetsPage(Page):
    """All datasets, the last changed first."""

    template = "datasets.html"

    rows: list[DatasetRow] = doc("The datasets")
    text: str = doc("What their names have to have")
    base: str = doc("The list's own address")
    next_url: str = doc("The next page of them, or empty")


@get("/datasets", include_in_schema=False)
async def list_datasets(
    traces: TraceService,
    datasets: DatasetService,
    uses: DatasetUses,
    text: str = "",
    cursor: str = "",
) -> Response[str]:
    """Show all datasets."""
    return await _list(traces, datasets, uses, text, cursor, "")


@get("/experiments/{slug:str}/datasets", include_in_schema=False)
async def list_datasets_in(
    traces: TraceService,
    datasets: DatasetService,
    uses: DatasetUses,
    slug: str,
    text: str = "",
    cursor: str = "",
) -> Response[str]:
    """Show all datasets, beside an experiment's other pages."""
    return await _list(traces, datasets, uses, text, cursor, slug)


@post(
    "/datasets",
    status_code=200,
    include_in_schema=False,
    request_max_body_size=MAX_FILE_BYTES,
)
async def create_dataset(data: Form, datasets: DatasetService) -> Response[str]:
    """Make a dataset, of a file or empty, and send the browser to it."""
    name = str(data.get("name") or "").strip()
    file = data.get("file")
    author = str(data.get("author") or "") or None
    if isinstance(file, UploadFile) and file.filename:
        await datasets.import_file(
            name,
            await file.read(),
            kind=file_kind(file.filename),
            file_name=file.filename[:200],
            base=0,
            author=author,
        )
    else:
        request = VersionRequest(base=0, author=author, source="page", examples=[])
        await datasets.write(name, request)
    slug = str(data.get("experiment") or "")
    return Response("", headers={"HX-Redirect": dataset_url(name, experiment=slug)})


async def place_of(traces: TraceService, slug: str) -> Place:
    """Return the place of a page about datasets, in the experiment that one came from."""
    if not slug:
        return Place(section="datasets")
    return Place.of(await traces.get_experiment(slug), "datasets")


def file_kind(name: str) -> str:
    """Return the format of an uploaded file. Raises InvalidInput for one without an ending."""
    kind = name.rpartition(".")[2] if "." in name else ""
    if not kind:
        raise InvalidInput(
            f"{name[:80]!r} has no ending that names its format: .jsonl, .json, .csv, .tsv or "
            ".parquet."
        )
    return kind


async def _list(
    traces: TraceService,
    datasets: DatasetService,
    uses: DatasetUses,
    text: str,
    cursor: str,
    slug: str,
) -> Response[str]:
    page = await datasets.list(text=text, limit=ROWS, cursor=cursor)
    counts = await uses.count()
    base = f"/experiments/{slug}/datasets" if slug else "/datasets"
    return DatasetsPage(
        title="Datasets",
        place=await place_of(traces, slug),
        rows=[
            DatasetRow(
                dataset=one,
                href=dataset_url(one.name, experiment=slug),
                use=counts.get(one.name),
            )
            for one in page.datasets
        ],
        text=text,
        base=base,
        next_url=f"{base}?cursor={page.next}" if page.next else "",
    ).respond()
