"""The HTTP side: a threaded server on loopback with faults on demand."""

import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.images import Painter, paint_stripes
from pellucid.demo.model_server.log import RequestLog, ServedCall
from pellucid.demo.model_server.script import Fault, Rule, Script, ScriptLike
from pellucid.demo.model_server.service import Answer, ModelService

DEFAULT_SCRIPT: ScriptLike = [Rule(lambda request: f"You said: {request.user}")]

DEFAULT_MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1-mini",
    "gpt-image-1",
    "text-embedding-3-small",
)

_SECRET_HEADERS = {"authorization", "api-key", "cookie"}
_MAX_BODY = 64 * 1024 * 1024


class ScriptedModelServer:
    """An OpenAI-compatible server that says what its script says.

        with ScriptedModelServer(script=["Hello."]) as server:
            client = openai.OpenAI(base_url=server.base_url, api_key="any")

    `script` is a list of rules and replies (see `Script`) or one function from a request to a
    reply. `faults` strike in order, each as often as it says. `latency_s` passes before every
    answer, `token_delay_s` before every event of a stream. `aliases` are models that answer under
    another name, as `gpt-4o-mini` does with a date. `log` tells what was served.
    """

    def __init__(
        self,
        script: ScriptLike = DEFAULT_SCRIPT,
        *,
        faults: Sequence[Fault] = (),
        latency_s: float = 0.0,
        token_delay_s: float = 0.0,
        painter: Painter = paint_stripes,
        embedding_dimensions: int = 256,
        models: tuple[str, ...] = DEFAULT_MODELS,
        aliases: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.log = RequestLog()
        self.latency_s = latency_s
        self.token_delay_s = token_delay_s
        self.service = ModelService(
            Script(script), painter, embedding_dimensions, models, dict(aliases or {})
        )
        self._faults = tuple(faults)
        self._struck = [0] * len(self._faults)
        self._lock = threading.Lock()  # guards _struck
        self.stopping = threading.Event()
        self._http = _Http(("127.0.0.1", port), self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="scripted-model", daemon=True
        )

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` must be to reach this server."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def start(self) -> Self:
        """Begin to answer; returns at once."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and close every connection."""
        self.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.close_connections()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def take_fault(self, path: str, body: dict[str, Any]) -> Fault | None:
        """Return the fault that strikes this request, and count it."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if (
                    (fault.times is None or self._struck[index] < fault.times)
                    and fnmatchcase(path, fault.path)
                    and (fault.when is None or fault.when(body))
                ):
                    self._struck[index] += 1
                    return fault
        return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: ScriptedModelServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()  # guards _open
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the kept-alive connections, on which handlers would wait for ever."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Cut(Exception):
    """The connection is to be closed without another byte."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ScriptedModel/1"
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms.
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `log` holds it all."""

    def do_GET(self) -> None:
        self._serve(ServedCall(path=self.path.split("?")[0], started_ns=time.time_ns()), None)

    def do_POST(self) -> None:
        call = ServedCall(path=self.path.split("?")[0], started_ns=time.time_ns())
        body: Any = {}
        error: ApiError | None = None
        try:
            body = self._read_body()
        except ApiError as refused:
            error = refused
        call.request = body
        call.model = str(body.get("model", ""))
        call.headers = {
            name.lower(): value
            for name, value in self.headers.items()
            if name.lower() not in _SECRET_HEADERS
        }
        self.server.owner.log.add(call)
        self._serve(call, error)

    def _read_body(self) -> dict[str, Any]:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > _MAX_BODY:
            self.close_connection = True
            raise ApiError("A body of known length up to 64 MiB is needed.", status=411)
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise ApiError("We could not parse the JSON body of your request.") from error
        if not isinstance(body, dict):
            raise ApiError("The JSON body of a request must be an object.")
        return body

    def _serve(self, call: ServedCall, error: ApiError | None) -> None:
        owner = self.server.owner
        try:
            if error is not None:
                raise error
            fault = owner.take_fault(call.path, call.request)
            self._strike_first(fault)
            answer = self._answer(call)
            if answer.fault is not None:
                fault = answer.fault
                self._strike_first(fault)
            self._send_answer(call, answer, fault)
        except ApiError as refused:
            self._send_body(call, refused.status, refused.body(), refused.retry_after_s)
        except _Cut:
            self._cut()
        except OSError:
            self.close_connection = True  # the client went away
        finally:
            call.ended_ns = call.ended_ns or time.time_ns()

    def _answer(self, call: ServedCall) -> Answer:
        owner = self.server.owner
        if self.command == "GET":
            return owner.service.get(call.path)
        self._wait(owner.latency_s)
        try:
            return owner.service.post(call.path, call.request, owner.base_url, call)
        except ApiError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"Invalid request: {type(error).__name__}: {error}"
            raise ApiError(message) from error
        except Exception as error:
            message = f"The script or painter raised {type(error).__name__}: {error}"
            raise ApiError(message, status=500, kind="server_error") from error

    def _strike_first(self, fault: Fault | None) -> None:
        """Apply what a fault does before an answer."""
        if fault is None:
            return
        self._wait(fault.latency_s)
        if fault.disconnect_after == 0:
            raise _Cut
        if fault.status is not None:
            limited = fault.status == 429
            raise ApiError(
                fault.message,
                status=fault.status,
                kind="requests" if limited else "server_error",
                code="rate_limit_exceeded" if limited else None,
                retry_after_s=fault.retry_after_s,
            )

    def _send_answer(self, call: ServedCall, answer: Answer, fault: Fault | None) -> None:
        cut_after = fault.disconnect_after if fault is not None else None
        if answer.events is not None:
            self._send_events(call, answer, cut_after)
        elif cut_after is not None:
            raise _Cut
        elif answer.file is not None:
            self._send_bytes(call, 200, answer.file, {"content-type": "image/png"})
        else:
            self._send_body(call, 200, answer.body or {})

    def _send_events(self, call: ServedCall, answer: Answer, cut_after: int | None) -> None:
        assert answer.events is not None
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("x-request-id", call.id)
        self.end_headers()
        call.status = 200
        events = list(answer.events)
        for number, event in enumerate(events):
            if number == cut_after:
                raise _Cut
            self._wait(self.server.owner.token_delay_s)
            if event.tokens and call.first_token_ns is None:
                call.first_token_ns = time.time_ns()
            call.streamed_tokens += event.tokens
            data = event.encode()
            framed = b"%x\r\n%s\r\n" % (len(data), data)
            if number == len(events) - 1:
                self._write_last(call, framed + b"0\r\n\r\n")
            else:
                self.wfile.write(framed)

    def _write_last(self, call: ServedCall, data: bytes) -> None:
        """Write the end of an answer; whoever has read it finds it noted in the log."""
        call.complete = True
        call.ended_ns = time.time_ns()
        try:
            self.wfile.write(data)
        except OSError:
            call.complete = False
            raise

    def _send_body(
        self,
        call: ServedCall,
        status: int,
        body: dict[str, Any],
        retry_after_s: float | None = None,
    ) -> None:
        headers = {"content-type": "application/json"}
        if retry_after_s is not None:
            headers["retry-after-ms"] = str(round(retry_after_s * 1000))
            headers["retry-after"] = str(math.ceil(retry_after_s))
        self._send_bytes(call, status, json.dumps(body).encode(), headers)

    def _send_bytes(
        self, call: ServedCall, status: int, data: bytes, headers: dict[str, str]
    ) -> None:
        call.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", call.id or "refused")
        self.end_headers()
        call.streamed_tokens = call.output_tokens if status == 200 else 0
        self._write_last(call, data)

    def _wait(self, seconds: float) -> None:
        if seconds and self.server.owner.stopping.wait(seconds):
            raise _Cut

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
