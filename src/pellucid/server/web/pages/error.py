"""Errors as pages, for browsers; programs get problem details from the API's handlers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from pellucid.core.errors import PellucidError
from pellucid.server.web.page import Page, doc

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]
_PROGRAM_PATHS = ("/api/", "/v1/", "/static/", "/health", "/version")
_TITLES = {400: "That cannot be read", 404: "Nothing is here", 405: "Not possible here"}
_TITLES |= {500: "The server failed on this", 503: "The server is busy"}


@dataclass(frozen=True, kw_only=True)
class ErrorPage(Page):
    """What was asked, what is true, and the way on."""

    template = "error.html"

    status: int = doc("The HTTP status")
    message: str = doc("The sentence that explains it")


def with_pages(handlers: Mapping[Any, Handler]) -> dict[Any, Handler]:
    """Wrap an application's exception handlers: who asks for a page gets the error as one.

    The wrapped handler still decides status, headers and wording, and logs what it logs.
    """
    return {kind: _as_page(handler) for kind, handler in handlers.items()}


def _as_page(handler: Handler) -> Handler:
    def handle(request: Request[Any, Any, Any], error: Any) -> Response[Any]:
        answer = handler(request, error)
        if not wants_page(request):
            return answer
        detail = getattr(answer.content, "detail", None)
        status = answer.status_code or 500
        return ErrorPage(
            title=_TITLES.get(status) or HTTPStatus(status).phrase,
            status=status,
            message=_explain(request, error, detail),
        ).respond(status=status, headers=dict(answer.headers))

    return handle


def _explain(request: Request[Any, Any, Any], error: Any, detail: str | None) -> str:
    if isinstance(error, PellucidError) and detail:
        return detail
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND:
        path = request.url.path[:200]
        return f"There is no page {path}. It may have been deleted, or the address is mistyped."
    return detail or "It was logged on the server."


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Tell whether a browser asked for a page, rather than a program for data."""
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(_PROGRAM_PATHS)
