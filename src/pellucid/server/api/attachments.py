"""`/api/v1/attachments/{digest}`: bytes that a producer chose, so a browser may not trust them."""

from typing import Any

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from pellucid.server.api.errors import PROBLEMS
from pellucid.server.services.attachments import BINARY, AttachmentService

_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The address is the digest: what it names never changes.
    "Cache-Control": "private, max-age=31536000, immutable",
}


@get(
    "/api/v1/attachments/{digest:str}",
    tags=["traces"],
    operation_id="get_attachment",
    responses={200: ResponseSpec(bytes, media_type=BINARY, generate_examples=False), **PROBLEMS},
)
async def get_attachment(digest: str, attachments: AttachmentService) -> Response[bytes]:
    """Return an attachment's bytes; shown inline only if they are of a known harmless type."""
    content = await attachments.get(digest)
    disposition = "attachment" if content.media_type == BINARY else "inline"
    return Response(
        content.data,
        media_type=content.media_type,
        headers={
            **_HEADERS,
            "ETag": f'"{digest}"',
            "Content-Disposition": f'{disposition}; filename="{digest[:12]}"',
        },
    )


route_handlers: list[Any] = [get_attachment]
