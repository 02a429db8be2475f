"""Every error as problem details; what was not expected is logged and shows no internals."""

import logging
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec

from pellucid.core.errors import InvalidInput, PellucidError
from pellucid.core.ids import new_id
from pellucid.core.views import Problem
from pellucid.server.auth.answers import PROBLEM_JSON, error_headers, problem_of

_log = logging.getLogger(__name__)


PROBLEMS = {
    status: ResponseSpec(
        Problem,
        description="What was asked, what is true and what to do, as problem details",
        media_type=PROBLEM_JSON,
        generate_examples=False,
    )
    for status in (400, 401, 404)
}
"""The `responses` of every API handler, for the description."""


class _Http(PellucidError):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _answer(error: PellucidError) -> Response[Any]:
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    return Response(
        problem_of(error), status_code=error.status, media_type=PROBLEM_JSON, headers=headers
    )


def answer_pellucid_error(request: Request[Any, Any, Any], error: PellucidError) -> Response[Any]:
    """Answer an error that was raised on purpose."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.status != 503:
        return answer_unexpected(request, error)
    return _answer(error)


def answer_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer an error of the web framework: no such path, wrong method, invalid parameters."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_unexpected(request, error)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = (
            f"There is no {request.url.path[:200]}. The API is described at /api/v1/openapi.json."
        )
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path[:200]}."
    elif error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = "The body is larger than this path takes; send it in parts."
    else:
        detail = _explain(error)
    return _answer(_Http(detail, error.status_code))


def answer_recursion(request: Request[Any, Any, Any], error: RecursionError) -> Response[Any]:
    """Answer JSON that is nested deeper than the decoder goes."""
    return _answer(InvalidInput("The JSON body is nested too deeply."))


def answer_not_text(request: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[Any]:
    """Answer a body that is no text."""
    return _answer(InvalidInput(f"The body is not valid UTF-8 at byte {error.start}."))


def answer_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a fault of our own, and log it under the reference that the answer names."""
    reference = new_id()
    _log.error("%s %s failed (%s)", request.method, request.url.path, reference, exc_info=error)
    return _answer(_Http(f"The server failed on this request; see its log: {reference}.", 500))


def _explain(error: HTTPException) -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    faults = [
        f"{entry.get('key') or entry.get('source') or 'body'}: {entry.get('message')}"
        for entry in extra
        if isinstance(entry, dict)
    ]
    return "; ".join(faults) or str(error.detail)


exception_handlers: dict[Any, Any] = {
    PellucidError: answer_pellucid_error,
    HTTPException: answer_http_exception,
    RecursionError: answer_recursion,
    UnicodeDecodeError: answer_not_text,
    Exception: answer_unexpected,
}
