"""`/api/v1/snapshots`: objects by digest, manifests, files."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec

from pellucid.client.snapshots.packing import decode_objects, encode_objects
from pellucid.core.run_diff import FileDiff, RunDiff
from pellucid.core.run_paths import SNAPSHOTS_PATH
from pellucid.core.run_views import (
    MSGPACK,
    DigestList,
    FileListView,
    MissingView,
    SnapshotView,
)
from pellucid.server.services.diffs import DiffService
from pellucid.server.services.snapshots import SnapshotService

TAG = ["snapshots"]
_MAX_BODY_BYTES = 64 << 20
_FILE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "attachment",
}


@post(f"{SNAPSHOTS_PATH}/missing", tags=TAG, operation_id="find_missing", status_code=200)
async def find_missing(data: DigestList, snapshots: SnapshotService) -> MissingView:
    """Return those digests that the server has no object for."""
    return MissingView(missing=await snapshots.find_missing(data.digests))


@post(
    f"{SNAPSHOTS_PATH}/objects",
    tags=TAG,
    operation_id="put_objects",
    status_code=204,
    request_max_body_size=_MAX_BODY_BYTES,
)
async def put_objects(request: Request[Any, Any, Any], snapshots: SnapshotService) -> None:
    """Store objects: msgpack, an array of (digest, zstd bytes, plain size)."""
    await snapshots.put_objects(decode_objects(await request.body()))


@post(
    f"{SNAPSHOTS_PATH}/fetch",
    tags=TAG,
    operation_id="fetch_objects",
    status_code=200,
    responses={200: ResponseSpec(bytes, media_type=MSGPACK)},
)
async def fetch(data: DigestList, snapshots: SnapshotService) -> Response[bytes]:
    """Return objects from the front of the list, as many as fit into one answer."""
    return Response(encode_objects(await snapshots.fetch(data.digests)), media_type=MSGPACK)


@post(SNAPSHOTS_PATH, tags=TAG, operation_id="put_snapshot", status_code=200)
async def put_snapshot(
    request: Request[Any, Any, Any], snapshots: SnapshotService, snapshot_id: str | None = None
) -> dict[str, str]:
    """Store a manifest, the body, byte for byte; its objects must be here."""
    digest = await snapshots.put_manifest(await request.body(), snapshot_id)
    return {"snapshot_id": digest}


@get(SNAPSHOTS_PATH + "/{snapshot_id:str}", tags=TAG, operation_id="get_snapshot")
async def get_snapshot(snapshot_id: str, snapshots: SnapshotService) -> SnapshotView:
    """Return a snapshot: manifest, packages, configuration, environment, what was observed."""
    return await snapshots.get(snapshot_id)


@get(SNAPSHOTS_PATH + "/{snapshot_id:str}/files", tags=TAG, operation_id="list_snapshot_files")
async def list_files(snapshot_id: str, snapshots: SnapshotService) -> FileListView:
    """List a snapshot's files."""
    return FileListView(files=await snapshots.list_files(snapshot_id))


@get(
    SNAPSHOTS_PATH + "/{snapshot_id:str}/files/{path:path}",
    tags=TAG,
    operation_id="get_snapshot_file",
    responses={200: ResponseSpec(bytes, media_type="application/octet-stream")},
)
async def get_file(snapshot_id: str, path: str, snapshots: SnapshotService) -> Response[bytes]:
    """Return the bytes of one file of a snapshot."""
    content = await snapshots.read_file(snapshot_id, path.removeprefix("/"))
    return Response(content, media_type="application/octet-stream", headers=_FILE_HEADERS)


@get(
    SNAPSHOTS_PATH + "/{snapshot_id:str}/uncommitted",
    tags=TAG,
    operation_id="diff_to_commit",
)
async def diff_to_commit(snapshot_id: str, snapshots: SnapshotService) -> list[FileDiff]:
    """Return what a snapshot's code has beyond its commit."""
    return await snapshots.diff_to_commit(snapshot_id)


@get("/api/v1/diff", tags=TAG, operation_id="diff_runs")
async def diff_runs(a: str, b: str, diffs: DiffService) -> RunDiff:
    """Compare two runs: code, prompts, configuration, environment, data; metrics and scores."""
    return await diffs.diff(a, b)


route_handlers: list[Any] = [
    diff_runs,
    diff_to_commit,
    find_missing,
    put_objects,
    fetch,
    put_snapshot,
    get_snapshot,
    list_files,
    get_file,
]
