"""OTLP over HTTP: `/v1/traces`, `/v1/logs`, `/v1/metrics` as one bare ASGI application.

It stands before the web framework, whose routing and injection would cost more than the decoding.
Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pellucid.core.errors import (
    NotFound,
    PellucidError,
    Unavailable,
    UnsupportedMediaType,
)
from pellucid.core.ids import new_id
from pellucid.server.auth.answers import JSON, PROTOBUF, Answer, rpc_status, send_answer
from pellucid.server.ingest import logs, otlp_json, protobuf
from pellucid.server.ingest.body import Disconnected, check_encoding, read_body, unpack
from pellucid.server.services.batch import WHOLE, Batch, Part, describe
from pellucid.server.services.ingest import IngestService

EXPERIMENT_HEADER = b"x-pellucid-experiment"
METRICS_NOT_KEPT = "Metrics are not kept by this server; traces and logs are."

_PROTOBUF_TYPES = {PROTOBUF, "application/protobuf", "application/vnd.google.protobuf"}
_log = logging.getLogger(__name__)


class Signal(NamedTuple):
    """How one of the paths is decoded and answered."""

    decoders: dict[str, Callable[[bytes, str | None], Batch]]
    response: type[Any]
    rejected: str
    """The field of the response that counts what was refused."""
    rejected_json: str


SIGNALS = {
    "/v1/traces": Signal(
        {PROTOBUF: protobuf.decode_traces, JSON: otlp_json.decode_traces},
        ExportTraceServiceResponse,
        "rejected_spans",
        "rejectedSpans",
    ),
    "/v1/logs": Signal(
        {PROTOBUF: logs.decode_protobuf, JSON: logs.decode_json},
        ExportLogsServiceResponse,
        "rejected_log_records",
        "rejectedLogRecords",
    ),
    "/v1/metrics": Signal(
        {}, ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"
    ),
}


class _MethodNotAllowed(PellucidError):
    status = 405


class _Request(NamedTuple):
    content_type: str
    encoding: str
    length: int | None
    experiment: str | None


class OtlpHttp:
    """The ASGI application behind `/v1/`."""

    def __init__(self, ingest: IngestService) -> None:
        self._ingest = ingest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; every error is a google.rpc.Status in the request's encoding."""
        content_type = JSON
        try:
            request = _read_headers(scope["headers"])
            content_type = request.content_type
            answer = await self._answer(scope, request, receive)
        except Disconnected:
            return
        except PellucidError as error:
            answer = rpc_status(error, content_type)
        except Exception:
            # An exporter drops what is answered with 500; 503 makes it try again or spool.
            reference = new_id()
            _log.exception("An OTLP request failed (%s)", reference)
            failure = Unavailable(f"The server failed on this request; see its log: {reference}.")
            answer = rpc_status(failure, content_type)
        await send_answer(send, answer)

    async def _answer(self, scope: Any, request: _Request, receive: Any) -> Answer:
        signal = SIGNALS.get(scope["path"].rstrip("/"))
        if signal is None:
            raise NotFound(
                f"There is no {scope['path'][:100]}. OTLP comes to /v1/traces and /v1/logs."
            )
        if scope["method"] != "POST":
            raise _MethodNotAllowed("OTLP is sent with POST.")
        if request.content_type not in {PROTOBUF, JSON}:
            raise UnsupportedMediaType(
                f"Content-Type {request.content_type[:60]!r} is not supported. "
                f"Send {PROTOBUF} or {JSON}."
            )
        check_encoding(request.encoding)
        if not signal.decoders:
            await read_body(receive, request.length, _ignore)
            return _success(signal, request.content_type, 0, METRICS_NOT_KEPT)
        batch = await self._store(signal, request, receive)
        message = describe(batch.faults, batch.warnings)
        rejected = len(batch.faults) + batch.left_out
        return _success(signal, request.content_type, rejected, message)

    async def _store(self, signal: Signal, request: _Request, receive: Any) -> Batch:
        reserved = 0

        def reserve(size_bytes: int) -> None:
            nonlocal reserved
            self._ingest.reserve(size_bytes)
            reserved += size_bytes

        try:
            body = await read_body(receive, request.length, reserve)
            decode = signal.decoders[request.content_type]
            return await self._ingest.ingest(partial(_decode, decode, body, request), len(body))
        finally:
            self._ingest.release(reserved)


def _decode(
    decode: Callable[..., Batch], body: bytes, request: _Request, part: Part = WHOLE
) -> Batch:
    body = unpack(body, request.encoding)
    if decode is protobuf.decode_traces:
        return protobuf.decode_traces(body, request.experiment, part)
    # The others do not come in such numbers that it would be worth while to divide them.
    return decode(body, request.experiment) if part.number == 0 else Batch()


def _ignore(size_bytes: int) -> None:
    pass


def _read_headers(headers: list[tuple[bytes, bytes]]) -> _Request:
    content_type = encoding = ""
    length: int | None = None
    experiment: str | None = None
    for name, value in headers:
        if name == b"content-type":
            content_type = value.decode("latin-1").partition(";")[0].strip().lower()
        elif name == b"content-encoding":
            encoding = value.decode("latin-1").strip().lower()
        elif name == b"content-length":
            length = int(value) if value.isdigit() else None
        elif name == EXPERIMENT_HEADER:
            experiment = value.decode("utf-8", "replace").strip()
    if content_type in _PROTOBUF_TYPES:
        content_type = PROTOBUF
    return _Request(content_type, encoding, length, experiment)


def _success(signal: Signal, content_type: str, rejected: int, message: str) -> Answer:
    if content_type == JSON:
        partial_success = {signal.rejected_json: str(rejected), "errorMessage": message}
        document = {"partialSuccess": partial_success} if rejected or message else {}
        return Answer(200, JSON, msgspec.json.encode(document))
    response = signal.response()
    if rejected or message:
        setattr(response.partial_success, signal.rejected, rejected)
        response.partial_success.error_message = message
    return Answer(200, PROTOBUF, response.SerializeToString())
