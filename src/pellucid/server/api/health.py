"""`/health` and `/version`: open to everybody, also where a key is set."""

from typing import Any

from litestar import MediaType, get

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


route_handlers: list[Any] = [health, version]
