"""`/health` and `/version`, open to everybody also where a key is set; `openapi.json`."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get

import pellucid
from pellucid.core.views import VersionView


@get("/health", media_type=MediaType.TEXT, tags=["server"], operation_id="health")
async def health() -> str:
    """Answer `ok` while the server takes requests."""
    return "ok"


@get("/version", tags=["server"], operation_id="version")
async def version() -> VersionView:
    """Return the product's name and version."""
    return VersionView(name="pellucid", version=pellucid.__version__)


@get("/api/v1/openapi.json", include_in_schema=False)
async def describe(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the API's description in OpenAPI."""
    schema = request.app.openapi_schema.to_schema()
    return Response(msgspec.json.encode(schema), media_type=MediaType.JSON)


route_handlers: list[Any] = [health, version, describe]
