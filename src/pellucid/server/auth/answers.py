"""Errors as answers: problem details (RFC 9457), or google.rpc.Status on the OTLP paths."""

import math
from http import HTTPStatus
from typing import Any

import msgspec

from pellucid.core.errors import PellucidError, QuerySyntaxError, Unavailable
from pellucid.core.views import Problem

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
OTLP_PREFIX = "/v1/"

# google/rpc/code.proto
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 6, 413: 8, 415: 3, 503: 14}
_RPC_INTERNAL = 13

Headers = list[tuple[bytes, bytes]]


class Answer(msgspec.Struct, frozen=True):
    """A whole response."""

    status: int
    media_type: str
    body: bytes
    headers: Headers = []


async def send_answer(send: Any, answer: Answer) -> None:
    """Send a response over ASGI."""
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def answer_error(error: PellucidError, path: str, content_type: str) -> Answer:
    """Return the answer for an error on a path, in the encoding that the path speaks."""
    if path.startswith(OTLP_PREFIX):
        return rpc_status(error, content_type)
    return problem_details(error)


def problem_of(error: PellucidError) -> Problem:
    """Return an error as problem details."""
    if isinstance(error, QuerySyntaxError):
        return Problem(
            title=HTTPStatus(error.status).phrase,
            status=error.status,
            detail=error.message,
            position=error.position,
            length=error.length,
            proposal=error.proposal,
        )
    return Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.message,
    )


def problem_details(error: PellucidError) -> Answer:
    """Return an error as a whole RFC 9457 response."""
    body = msgspec.json.encode(problem_of(error))
    return Answer(error.status, PROBLEM_JSON, body, error_headers(error))


def rpc_status(error: PellucidError, content_type: str) -> Answer:
    """Return an error as google.rpc.Status: in protobuf if the request was, else in JSON."""
    code = _RPC_CODES.get(error.status, _RPC_INTERNAL)
    if content_type == PROTOBUF:
        text = error.message.encode("utf-8", "replace")
        body = b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text
        return Answer(error.status, PROTOBUF, body, error_headers(error))
    body = msgspec.json.encode({"code": code, "message": error.message})
    return Answer(error.status, JSON, body, error_headers(error))


def error_headers(error: PellucidError) -> Headers:
    """Return the headers that an error's status asks for."""
    if isinstance(error, Unavailable):
        return [(b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode())]
    if error.status == HTTPStatus.UNAUTHORIZED:
        return [(b"www-authenticate", b'Bearer realm="pellucid"')]
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # The rest of the body is not read.
        return [(b"connection", b"close")]
    return []


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
