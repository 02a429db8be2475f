"""`/api/v1/datasets`: datasets, their versions and examples, as rows and as files."""

import asyncio
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from litestar import MediaType, Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream

from pellucid.core.dataset_versions import (
    DATASETS_PATH,
    DatasetDeletion,
    DatasetPage,
    DatasetSummary,
    DatasetVersion,
    DiffPage,
    ExamplePage,
    VersionPage,
)
from pellucid.core.dataset_views import (
    EXAMPLES_PATH,
    TRACE_EXAMPLES_PATH,
    AddedView,
    DigestList,
    ExampleList,
    ExamplesRequest,
    FromTracesRequest,
    TraceExamplesRequest,
    VersionRequest,
)
from pellucid.core.errors import InvalidInput
from pellucid.server.api.errors import PROBLEMS
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.threads import Threads

TAG = ["datasets"]
MAX_BODY_BYTES = 64 << 20
"""Of a file or of rows; more is sent in parts, as `pellucid datasets import` does."""
MEDIA_TYPES = {
    "jsonl": "application/x-ndjson",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_VERSION = DATASETS_PATH + "/{name:str}/versions/{version:str}"
_SMALL_BODY = 64 << 10
T = TypeVar("T")

# Litestar keeps the name `query` for itself.
Query = Annotated[
    str, Parameter(query="query", description="A query, such as `split:test has:expected`")
]
DryRun = Annotated[bool, Parameter(description="Only say what would be deleted")]


@get(DATASETS_PATH, tags=TAG, operation_id="list_datasets", responses=PROBLEMS)
async def list_datasets(
    datasets: DatasetService, text: str = "", limit: int = 50, cursor: str | None = None
) -> DatasetPage:
    """List datasets whose names have a text, the last changed first."""
    return await datasets.list(text=text, limit=limit, cursor=cursor)


@get(DATASETS_PATH + "/{name:str}", tags=TAG, operation_id="get_dataset", responses=PROBLEMS)
async def get_dataset(name: str, datasets: DatasetService) -> DatasetSummary:
    """Return one dataset with its newest version."""
    return await datasets.get(name)


@delete(
    DATASETS_PATH + "/{name:str}",
    status_code=200,
    tags=TAG,
    operation_id="delete_dataset",
    responses=PROBLEMS,
)
async def delete_dataset(
    name: str, datasets: DatasetService, dry_run: DryRun = False
) -> DatasetDeletion:
    """Delete a dataset with all versions; its numbers are not given again."""
    return await datasets.delete(name, dry_run=dry_run)


@get(
    DATASETS_PATH + "/{name:str}/versions",
    tags=TAG,
    operation_id="list_dataset_versions",
    responses=PROBLEMS,
)
async def list_versions(
    name: str, datasets: DatasetService, limit: int = 50, cursor: str | None = None
) -> VersionPage:
    """List a dataset's versions, the newest first."""
    return await datasets.list_versions(name, limit=limit, cursor=cursor)


@post(
    DATASETS_PATH + "/{name:str}/versions",
    status_code=200,
    tags=TAG,
    operation_id="write_dataset_version",
    request_max_body_size=MAX_BODY_BYTES,
    responses=PROBLEMS,
)
async def write_version(
    name: str, request: Request[Any, Any, Any], datasets: DatasetService
) -> DatasetVersion:
    """Make a version (a VersionRequest): of rows, of digests, or of edits of the newest.

    A new name makes a dataset. Content that equals the newest version's makes no version, nor does
    a request with the `id` of an earlier one: that version is answered.
    """
    return await datasets.write(name, await _decode(request, VersionRequest))


@get(_VERSION, tags=TAG, operation_id="get_dataset_version", responses=PROBLEMS)
async def get_version(name: str, version: str, datasets: DatasetService) -> DatasetVersion:
    """Return one version, by number or as `latest`."""
    return await datasets.get_version(name, version)


@get(_VERSION + "/examples", tags=TAG, operation_id="list_examples", responses=PROBLEMS)
async def list_examples(
    name: str,
    version: str,
    datasets: DatasetService,
    threads: Threads,
    text: Query = "",
    limit: int = 100,
    cursor: str | None = None,
) -> Response[ExamplePage]:
    """List examples of a version that meet a query, in its order."""
    page = await datasets.list_examples(name, version, query=text, limit=limit, cursor=cursor)
    body = await threads.run(msgspec.json.encode, page)
    return Response(body, media_type=MediaType.JSON)  # type: ignore[arg-type]


@get(
    _VERSION + "/export",
    tags=TAG,
    operation_id="export_dataset",
    responses={200: ResponseSpec(bytes, media_type="application/x-ndjson"), **PROBLEMS},
)
async def export(
    name: str,
    version: str,
    datasets: DatasetService,
    kind: Annotated[
        str, Parameter(query="format", description="jsonl, json, csv or parquet")
    ] = "jsonl",
    split: str | None = None,
    spreadsheet: Annotated[
        bool, Parameter(description="CSV only: keep cells from being read as formulas")
    ] = False,
) -> Stream:
    """Return a version as a file."""
    number = (await datasets.get_version(name, version)).number
    pieces = await datasets.export(
        name, str(number), kind=kind, split=split, for_spreadsheets=spreadsheet
    )
    ending = kind.lower()
    file_name = f"{name}-{number}{f'-{split}' if split else ''}.{ending}"
    return Stream(
        pieces,
        media_type=MEDIA_TYPES.get(ending, "application/octet-stream"),
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )


@get(DATASETS_PATH + "/{name:str}/diff", tags=TAG, operation_id="diff_dataset", responses=PROBLEMS)
async def diff(
    name: str,
    datasets: DatasetService,
    before: Annotated[str, Parameter(query="from", description="The earlier version")],
    after: Annotated[str, Parameter(query="to", description="The later version")] = "latest",
    limit: int = 100,
    cursor: str | None = None,
) -> DiffPage:
    """Say what changed between two versions; order does not count."""
    return await datasets.diff(name, before, after, limit=limit, cursor=cursor)


@post(
    DATASETS_PATH + "/{name:str}/import",
    status_code=200,
    tags=TAG,
    operation_id="import_dataset",
    request_max_body_size=MAX_BODY_BYTES,
    responses=PROBLEMS,
)
async def import_file(
    name: str,
    request: Request[Any, Any, Any],
    datasets: DatasetService,
    kind: Annotated[str, Parameter(query="format", description="jsonl, json, csv or parquet")],
    mode: Annotated[str, Parameter(description="replace or append")] = "replace",
    file: Annotated[str, Parameter(description="The file's name, for messages")] = "",
    base: int | None = None,
    message: str = "",
    author: str | None = None,
) -> DatasetVersion:
    """Make a version of a file, which is the body; a fault names its line."""
    return await datasets.import_file(
        name,
        await request.body(),
        kind=kind,
        mode=mode,
        file_name=file[:200],
        base=base,
        message=message,
        author=author,
    )


@post(
    DATASETS_PATH + "/{name:str}/traces",
    status_code=200,
    tags=TAG,
    operation_id="add_traces_to_dataset",
    responses=PROBLEMS,
)
async def add_traces(name: str, data: FromTracesRequest, datasets: DatasetService) -> AddedView:
    """Make a version with traces as examples at its end; known inputs stay as they are."""
    return await datasets.add_traces(name, data)


@post(
    TRACE_EXAMPLES_PATH,
    status_code=200,
    tags=TAG,
    operation_id="read_traces_as_examples",
    responses=PROBLEMS,
)
async def read_traces(data: TraceExamplesRequest, datasets: DatasetService) -> ExampleList:
    """Read traces as examples, and store nothing."""
    return await datasets.read_traces(data)


@post(
    EXAMPLES_PATH,
    status_code=200,
    tags=TAG,
    operation_id="put_examples",
    request_max_body_size=MAX_BODY_BYTES,
    responses=PROBLEMS,
)
async def put_examples(request: Request[Any, Any, Any], datasets: DatasetService) -> DigestList:
    """Store examples ahead of a version that names them by digest (an ExamplesRequest)."""
    sent = await _decode(request, ExamplesRequest)
    return DigestList(digests=list(await datasets.put_examples(sent.examples)))


async def _decode(request: Request[Any, Any, Any], kind: type[T]) -> T:
    body = await request.body()
    try:
        if len(body) <= _SMALL_BODY:
            return msgspec.json.decode(body, type=kind)
        return await asyncio.to_thread(msgspec.json.decode, body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The body is not what is expected here: {error}") from None


route_handlers: list[Any] = [
    list_datasets,
    get_dataset,
    delete_dataset,
    list_versions,
    write_version,
    get_version,
    list_examples,
    export,
    diff,
    import_file,
    add_traces,
    read_traces,
    put_examples,
]
