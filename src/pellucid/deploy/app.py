"""A small ASGI application around one function.

    POST /invocations   {"inputs": {…}, "stream": false} → {"output": …, "trace_id": …, "run_id": …}
    GET  /health        200 while it takes requests
    GET  /openapi.json  what goes in and comes out, from the function's types

A body without `inputs` is the inputs themselves. With `"stream": true`, or `Accept:
text/event-stream`, the answer comes as server-sent events: `data: {"delta": …}` for each piece,
then `event: end` with trace and run id, or `event: error`.
"""

import asyncio
import contextvars
import hmac
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from pellucid.client.tracing import context
from pellucid.client.tracing.span import current_trace_id, span
from pellucid.core.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    PellucidError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from pellucid.deploy.entry import Entry, encode_output

MAX_BODY_BYTES = 16 << 20
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_log = logging.getLogger("pellucid")

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What is served."""

    run_id: str
    run: str
    """experiment@number."""
    experiment: str
    snapshot_id: str


class AgentApp:
    """Calls the entry point: at most `concurrency` at once, as many again wait, more are refused.

    With a key, `Authorization: Bearer KEY` is asked for everywhere but at /health.
    """

    def __init__(
        self,
        entry: Entry,
        served: Served,
        *,
        concurrency: int = 16,
        api_key: str | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._entry = entry
        self._served = served
        self._concurrency = concurrency
        self._api_key = api_key
        self._on_stop = on_stop
        self._slots = asyncio.Semaphore(concurrency)
        self._accepted = 0
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="pellucid-agent")
        self._stopping = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._stopping = True
                self._threads.shutdown(wait=False, cancel_futures=True)
                await asyncio.to_thread(self._on_stop)
                return

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        try:
            await self._route(scope["method"], scope["path"], headers, receive, send)
        except PellucidError as error:
            await _problem(send, error)
        except Exception as error:
            # The agent's own failure: its type and text go to the caller, its traceback here.
            _log.exception("%s failed", self._entry.name)
            await _problem(send, AgentFailed(f"{type(error).__name__}: {error}"))

    async def _route(
        self, method: str, path: str, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        check_host(headers.get("host", ""), has_key=self._api_key is not None)
        if path == "/health":
            await self._health(send)
            return
        self._check_key(headers)
        if path == "/openapi.json" and method == "GET":
            await _respond(send, 200, msgspec.json.encode(self._openapi()))
        elif path == "/invocations" and method == "POST":
            await self._invoke(headers, receive, send)
        else:
            raise NotFound(f"There is no {method} {path[:100]}. Ask POST /invocations.")

    async def _health(self, send: Send) -> None:
        if self._stopping:
            raise Unavailable("The agent is stopping.")
        await _respond(
            send,
            200,
            msgspec.json.encode({"status": "ok", **msgspec.structs.asdict(self._served)}),
        )

    def _check_key(self, headers: dict[str, str]) -> None:
        if self._api_key is None:
            return
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise Unauthorized("Send the key: Authorization: Bearer KEY")

    async def _invoke(self, headers: dict[str, str], receive: Receive, send: Send) -> None:
        # JSON alone: a page of another origin cannot send that without being asked first.
        if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise UnsupportedMediaType("Send the inputs as application/json.")
        body = _decode(await _read_body(receive))
        inputs = body.get("inputs", {k: v for k, v in body.items() if k != "stream"})
        arguments = self._entry.convert(inputs)
        wants_events = "text/event-stream" in headers.get("accept", "")
        streams = bool(body.get("stream", wants_events))
        if self._accepted >= 2 * self._concurrency:
            raise Unavailable(
                f"{self._concurrency} calls are running and as many wait. Try again in a moment."
            )
        self._accepted += 1
        try:
            async with self._slots:
                if streams:
                    await self._stream(arguments, send)
                else:
                    await self._call(arguments, send)
        finally:
            self._accepted -= 1

    async def _call(self, arguments: dict[str, Any], send: Send) -> None:
        trace_id = ""
        failure: Exception | None = None
        output: Any = None
        try:
            with context.use(run_id=self._served.run_id, experiment=self._served.experiment):
                with span(f"serve {self._entry.name}", kind="CHAIN", input=arguments) as root:
                    trace_id = current_trace_id() or ""
                    output = await self._result(arguments)
                    root.set_output(output)
        except Exception as error:
            # The caller learns the trace of a failure too.
            _log.exception("%s failed (trace %s)", self._entry.name, trace_id)
            failure = error
        if failure is not None:
            await _problem(
                send, AgentFailed(f"{type(failure).__name__}: {failure}"), trace_id=trace_id
            )
            return
        answer = {"output": output, "trace_id": trace_id, "run_id": self._served.run_id}
        await _respond(send, 200, encode_output(answer), trace_id=trace_id)

    async def _result(self, arguments: dict[str, Any]) -> Any:
        if self._entry.streams:
            pieces = [piece async for piece in self._pieces(arguments)]
            return "".join(pieces) if all(isinstance(p, str) for p in pieces) else pieces
        if self._entry.is_async:
            return await self._entry.function(**arguments)
        return await self._in_thread(lambda: self._entry.function(**arguments))

    async def _pieces(self, arguments: dict[str, Any]) -> AsyncIterator[Any]:
        if self._entry.is_async_generator:
            async for piece in self._entry.function(**arguments):
                yield piece
        elif self._entry.is_generator:
            # One context for all steps, as for one caller.
            held = contextvars.copy_context()
            pieces = self._entry.function(**arguments)
            while (piece := await self._step(held, pieces)) is not _END:
                yield piece
        else:
            yield await self._result(arguments)

    async def _stream(self, arguments: dict[str, Any], send: Send) -> None:
        started = False
        trace_id = ""
        try:
            with context.use(run_id=self._served.run_id, experiment=self._served.experiment):
                with span(f"serve {self._entry.name}", kind="CHAIN", input=arguments) as root:
                    trace_id = current_trace_id() or ""
                    pieces: list[Any] = []
                    async for piece in self._pieces(arguments):
                        if not started:
                            await _start_events(send, trace_id)
                            started = True
                        pieces.append(piece)
                        await _event(send, encode_output({"delta": piece}))
                    is_text = all(isinstance(piece, str) for piece in pieces)
                    root.set_output("".join(pieces) if is_text else pieces)
        except Exception as error:
            if not started:
                raise
            _log.exception("%s failed (trace %s)", self._entry.name, trace_id)
            told = {"detail": f"{type(error).__name__}: {error}", "trace_id": trace_id}
            await _event(send, msgspec.json.encode(told), name="error")
        else:
            if not started:
                await _start_events(send, trace_id)
            ids = {"trace_id": trace_id, "run_id": self._served.run_id}
            await _event(send, msgspec.json.encode(ids), name="end")
        await send({"type": "http.response.body", "body": b""})

    async def _step(self, held: contextvars.Context, pieces: Iterator[Any]) -> Any:
        def step() -> Any:
            return held.run(lambda: next(pieces, _END))

        return await asyncio.get_running_loop().run_in_executor(self._threads, step)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        held = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, held.run, call)

    def _openapi(self) -> dict[str, Any]:
        inputs, output = self._entry.input_schema, self._entry.output_schema
        answer = {
            "type": "object",
            "properties": {
                "output": output,
                "trace_id": {"type": "string"},
                "run_id": {"type": "string"},
            },
        }
        request = {
            "type": "object",
            "properties": {"inputs": inputs, "stream": {"type": "boolean", "default": False}},
            "required": ["inputs"],
        }
        return {
            "openapi": "3.1.0",
            "info": {"title": self._entry.name, "version": self._served.run},
            "paths": {
                "/invocations": {
                    "post": {
                        "operationId": "invoke",
                        "summary": self._entry.description.partition("\n")[0],
                        "requestBody": {
                            "required": True,
                            "content": {_JSON: {"schema": request}},
                        },
                        "responses": {
                            "200": {
                                "description": "The answer, with the id of its trace",
                                "content": {_JSON: {"schema": answer}, "text/event-stream": {}},
                            }
                        },
                    }
                },
                "/health": {
                    "get": {
                        "operationId": "health",
                        "responses": {"200": {"description": "It takes requests"}},
                    }
                },
            },
        }


class AgentFailed(PellucidError):
    """The agent raised."""

    status = 500


class _End:
    pass


_END = _End()


def check_host(host: str, *, has_key: bool) -> None:
    """Raise Forbidden for a foreign Host where no key protects (DNS rebinding)."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if not has_key and not is_loopback_host(name.strip("[]")):
        raise Forbidden(f"The host {host[:80]!r} is not this machine.")


def is_loopback_host(name: str) -> bool:
    """Tell whether a host name or address is this machine's loopback."""
    if name.lower() in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _decode(body: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"The body is not JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise InvalidInput('Send an object: {"inputs": {…}}')
    return decoded


async def _read_body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("The request was not complete.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES >> 20} MiB.")
        if not message.get("more_body"):
            return b"".join(pieces)


async def _respond(
    send: Send, status: int, body: bytes, *, media_type: str = _JSON, trace_id: str = ""
) -> None:
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
    headers.append((b"x-content-type-options", b"nosniff"))
    if trace_id:
        headers.append((b"x-pellucid-trace-id", trace_id.encode()))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _problem(send: Send, error: PellucidError, *, trace_id: str = "") -> None:
    problem: dict[str, Any] = {
        "title": type(error).__name__,
        "status": error.status,
        "detail": error.message,
    }
    if trace_id:
        problem["trace_id"] = trace_id
    await _respond(
        send,
        error.status,
        msgspec.json.encode(problem),
        media_type=_PROBLEM,
        trace_id=trace_id,
    )


async def _start_events(send: Send, trace_id: str) -> None:
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-pellucid-trace-id", trace_id.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _event(send: Send, data: bytes, *, name: str | None = None) -> None:
    head = b"" if name is None else b"event: %s\n" % name.encode()
    body = head + b"data: " + data + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})
