"""HTML that a run logged, alone in a frame that can do nothing."""

from litestar import Response, get

from pellucid.core.errors import NotFound
from pellucid.server.services.artifacts import ArtifactService
from pellucid.server.services.runs import RunService
from pellucid.server.web.previews import is_html

# The sandbox takes away scripts, forms, our origin and its cookies; the policy everything that
# would be fetched from somewhere.
_HEADERS = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


@get("/runs/{run_id:str}/html", include_in_schema=False)
async def show_html(
    runs: RunService, artifacts: ArtifactService, run_id: str, path: str
) -> Response[bytes]:
    """Answer with an HTML artifact, for the sandboxed frame of the run's page."""
    artifact = await runs.get_artifact(await runs.resolve(run_id), path)
    if not is_html(artifact):
        raise NotFound(f"{path[:200]!r} is not HTML of at most 1 MiB, so it is not shown as such.")
    data = await artifacts.get(artifact.digest)
    return Response(data, media_type="text/html; charset=utf-8", headers=_HEADERS)
