"""`/api/v1/artifacts`: bytes by digest, uploaded in pieces and downloaded as a stream."""

from typing import Any

from litestar import Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from pellucid.core.run_paths import ARTIFACTS_PATH
from pellucid.core.run_views import UploadView
from pellucid.server.services.artifacts import SVG, ArtifactService
from pellucid.server.services.attachments import BINARY

TAG = ["artifacts"]
_HEADERS = {
    # Whatever was logged, a browser must not take it for a page of ours.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=31536000, immutable",
}


@get(
    ARTIFACTS_PATH + "/{digest:str}",
    tags=TAG,
    operation_id="get_artifact_bytes",
    responses={200: ResponseSpec(bytes, media_type="application/octet-stream")},
)
async def get_bytes(digest: str, artifacts: ArtifactService, offset: int = 0) -> Stream:
    """Return an artifact's bytes from `offset`; a damaged one breaks off before its end.

    Shown inline only if they are of a known harmless type, whatever they were logged as. An SVG is
    named as such for the images of a page; a browser that is led to it alone downloads it.
    """
    stored = await artifacts.read(digest, offset=offset)
    disposition = "attachment" if stored.media_type in {BINARY, SVG} else "inline"
    return Stream(
        stored.pieces,
        media_type=stored.media_type,
        headers={
            **_HEADERS,
            "Content-Length": str(stored.size_bytes),
            "Content-Disposition": f'{disposition}; filename="{digest[:12]}"',
            "ETag": f'"{digest}"',
        },
    )


@get(ARTIFACTS_PATH + "/{digest:str}/upload", tags=TAG, operation_id="get_upload")
async def get_upload(digest: str, artifacts: ArtifactService) -> UploadView:
    """Return how much of an artifact is here; a broken upload goes on there."""
    return await artifacts.get_upload(digest)


@post(
    ARTIFACTS_PATH + "/{digest:str}",
    tags=TAG,
    operation_id="upload_artifact",
    status_code=200,
    request_max_body_size=None,
)
async def upload(
    digest: str,
    request: Request[Any, Any, Any],
    artifacts: ArtifactService,
    size: int,
    offset: int = 0,
) -> UploadView:
    """Take the body as the bytes from `offset` of an artifact of `size` bytes."""
    return await artifacts.upload(digest, request.stream(), offset=offset, size=size)


route_handlers: list[Any] = [get_bytes, get_upload, upload]
