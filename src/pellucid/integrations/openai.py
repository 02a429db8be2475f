"""Trace the OpenAI SDK: chat, responses, completions, embeddings and images, sync, async, streamed.

One patch a client, on `request`, which every resource goes through, also `.parse()`, `.stream()`,
`with_raw_response` and Azure. The wire is read, not the SDK's classes: they change more often.
"""

import asyncio
import copy
import functools
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pellucid.client.encoding import json_text, simplify
from pellucid.client.instrument import (
    Integration,
    ModelCall,
    current,
    current_model_call,
    drop_frame,
    open_span,
)
from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import is_let_go
from pellucid.core.span import SpanKind, Tokens
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages, text_of
from pellucid.semconv.openai_wire import (
    Endpoint,
    Response,
    StreamReader,
    find_endpoint,
    read_request,
    read_response,
)
from pellucid.semconv.tools import encode_tools

SUPPORTED = "openai>=1.60,<4"

_log = logging.getLogger("pellucid")
_RAW_HEADER = "X-Stainless-Raw-Response"
_refuse_usage: set[str] = set()
"""Base URLs that answered 400 when a stream was asked for its usage."""


def autolog(*, disable: bool = False, capture_content: bool = True) -> None:
    """Trace every call of the OpenAI SDK; `disable=True` undoes it.

    `capture_content=False` leaves out messages, inputs, outputs and images. Streams are asked for
    their token usage; the program does not see the chunk that brings it.
    """
    INTEGRATION.switch(disable=disable, capture_content=capture_content)


def install() -> Undo:
    """Patch both clients until the returned undo runs."""
    return patch_all(
        Patch("openai._base_client:SyncAPIClient.request", _traced),
        Patch("openai._base_client:AsyncAPIClient.request", _traced_async),
    )


INTEGRATION = Integration("OpenAI", supported=SUPPORTED, module="openai", install=install)
INTEGRATIONS = (INTEGRATION,)


class _Call:
    """One request: its span, and what is known of its answer so far.

    The span is our own, or the framework's that made the call (`ModelCall`), which ends itself.
    """

    def __init__(self, client: Any, endpoint: Endpoint, options: Any) -> None:
        self.endpoint = endpoint
        self.base_url = str(getattr(client, "base_url", ""))
        self.options = options
        self.hides_usage = False
        self.watched = False
        """Whether its end is that of a stream that the program reads through us."""
        self.raw = _header(options, _RAW_HEADER)
        self.start_ns = time.time_ns()
        self.last_ns = self.start_ns
        self._content = bool(INTEGRATION.options.get("capture_content", True))
        self._ended = False
        body = _body(options)
        request = read_request(endpoint, simplify(body))
        held = current_model_call() if endpoint.kind is SpanKind.LLM else None
        beside = None if held is None else held.claim()
        self._framework: ModelCall | None = held if beside is None else None
        if self._framework is not None:
            self.span = self._framework.span
        else:
            title = f"{endpoint.operation} {request.model}".strip()
            self.span = open_span(title, endpoint.kind, parent=beside)
        self.start_ns = getattr(self.span.otel_span, "start_time", None) or self.start_ns
        self.span.set_model(request.model, _provider(client), **request.parameters)
        if self._content:
            self._show_request(request.messages, request.input)
        if request.tools:
            self.span.otel_span.set_attribute(names.TOOL_DEFINITIONS, encode_tools(request.tools))
        self.streams = bool(body.get("stream"))

    def active(self) -> AbstractContextManager[object]:
        """A block in which the span is current."""
        return nullcontext() if self._framework is not None else current(self.span)

    def ask_for_usage(self) -> None:
        """Have a chat stream end with its usage, unless the program asks or will see the bytes."""
        body = self.options.json_data
        stream_options = _body(self.options).get("stream_options") or {}
        if (
            self.endpoint.operation not in {"chat", "complete"}
            or not self.streams
            or self.raw == "stream"
            or stream_options.get("include_usage")
            or "stream_options" in (getattr(self.options, "extra_json", None) or {})
            or self.base_url in _refuse_usage
        ):
            return
        self.options = copy.copy(self.options)
        self.options.json_data = {
            **body,
            "stream_options": {**stream_options, "include_usage": True},
        }
        self.hides_usage = True

    def take(self, body: Any) -> None:
        """Take the whole answer and end."""
        if type(body) is dict and not self._ended:
            self._show_response(read_response(self.endpoint, body))
        self.end()

    def take_stream(self, reader: StreamReader, end_ns: int | None = None) -> None:
        """Take what came of a stream and end."""
        if not self._ended:
            self._show_response(read_response(self.endpoint, reader.body()))
            self.end(end_ns)

    def first_token(self) -> None:
        """Note that the first token is there."""
        self.span.otel_span.set_attribute(names.TTFT_NS, self.last_ns - self.start_ns)

    def fail(self, error: BaseException) -> None:
        """Record the error that ended the call."""
        if self._ended:
            return
        if self._framework is None:
            if isinstance(error, asyncio.CancelledError) and is_let_go():
                self.span.end()
            else:
                self.span.__exit__(type(error), error, None)
            self._ended = True
        else:
            self._framework.release()

    def end(self, end_ns: int | None = None) -> None:
        """End our own span; a framework's goes on."""
        if self._ended:
            return
        self._ended = True
        if self._framework is None:
            self.span.otel_span.end(end_ns)

    def _show_request(self, messages: list[Any], asked: Any) -> None:
        if messages:
            self.span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(messages))
        if asked is not None:
            self.span.set_input(asked)

    def _show_response(self, response: Response) -> None:
        otel_span = self.span.otel_span
        if not otel_span.is_recording():
            return
        if response.model:
            otel_span.set_attribute(names.RESPONSE_MODEL, response.model)
        if response.finish_reasons:
            otel_span.set_attribute(names.FINISH_REASONS, response.finish_reasons)
        self._show_usage(response.tokens)
        if not self._content:
            return
        if response.messages:
            otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(response.messages))
            if len(response.finish_reasons) > 1:  # several choices were asked for
                self.span.set_output([text_of([message]) for message in response.messages])
        elif response.output is not None:
            self.span.set_output(response.output)
        if response.images:
            shown = [
                {
                    "uri": uri,
                    "media_type": uri[5:].partition(";")[0] if uri[:5] == "data:" else None,
                }
                for uri in response.images
            ]
            otel_span.set_attribute(names.ATTACHMENTS, json_text(shown))

    def _show_usage(self, tokens: Tokens) -> None:
        if not tokens.has_usage:
            return
        figures = {
            names.INPUT_TOKENS: tokens.input,
            names.OUTPUT_TOKENS: tokens.output,
            names.CACHE_READ_TOKENS: tokens.cache_read,
            names.REASONING_TOKENS: tokens.reasoning,
            names.IMAGE_TOKENS: tokens.image,
        }
        held = getattr(self.span.otel_span, "attributes", None) or {}
        repeated = self._framework is not None and self._framework.seen > 1
        for name, figure in figures.items():
            if repeated:  # one span for several requests: all were paid for
                figure += held.get(name, 0)
            if figure or name in {names.INPUT_TOKENS, names.OUTPUT_TOKENS}:
                self.span.otel_span.set_attribute(name, figure)


def _begin(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
    """Return the call that a request is, or None if it is not traced."""
    try:
        options = args[1] if len(args) > 1 else kwargs["options"]
        if not INTEGRATION.active or str(options.method).lower() != "post":
            return None
        endpoint = find_endpoint(str(options.url))
        if endpoint is None or type(options.json_data) is not dict:
            return None
        call = _Call(client, endpoint, options)
        call.ask_for_usage()
        return call
    except Exception:
        _log.debug("Pellucid could not read an OpenAI request", exc_info=True)
        return None


def _with_options(
    args: tuple[Any, ...], kwargs: dict[str, Any], options: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if len(args) > 1:
        return (args[0], options, *args[2:]), kwargs
    return args, {**kwargs, "options": options}


def _refused(call: _Call, error: BaseException) -> bool:
    """Tell whether a request failed because we asked for the usage; then never ask there again."""
    if not call.hides_usage or getattr(error, "status_code", None) not in {400, 404, 422}:
        return False
    if "stream_options" not in str(error):
        return False
    _refuse_usage.add(call.base_url)
    call.hides_usage = False
    return True


def _traced(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        if call is None:
            return original(self, *args, **kwargs)
        sent_args, sent_kwargs = _with_options(args, kwargs, call.options)
        with call.active():
            try:
                result = original(self, *sent_args, **sent_kwargs)
            except BaseException as error:
                if not _refused(call, error):
                    call.fail(error)
                    drop_frame(error)
                    raise
                result = None
            if result is None:
                try:
                    result = original(self, *args, **kwargs)
                except BaseException as error:
                    call.fail(error)
                    drop_frame(error)
                    raise
        return _received(call, result)

    return request


def _traced_async(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        if call is None:
            return await original(self, *args, **kwargs)
        sent_args, sent_kwargs = _with_options(args, kwargs, call.options)
        with call.active():
            try:
                result = await original(self, *sent_args, **sent_kwargs)
            except BaseException as error:
                if not _refused(call, error):
                    call.fail(error)
                    drop_frame(error)
                    raise
                result = None
            if result is None:
                try:
                    result = await original(self, *args, **kwargs)
                except BaseException as error:
                    call.fail(error)
                    drop_frame(error)
                    raise
        return _received(call, result)

    return request


def _received(call: _Call, result: Any) -> Any:
    """Take an answer of any shape that the SDK gives; what it holds stays as it is."""
    try:
        if call.raw:
            _watch_raw(call, result)
        elif call.streams and hasattr(result, "_iterator"):
            _watch_stream(call, result)
        else:
            call.take(_plain(result))
    except Exception:
        _log.debug("Pellucid could not read an OpenAI response", exc_info=True)
        call.end()
    return result


def _watch_raw(call: _Call, result: Any) -> None:
    """`with_raw_response` and `with_streaming_response`: the body is read when the user does."""
    http = getattr(result, "http_response", None)
    if call.raw == "true" and not call.streams and http is not None:
        call.take(json.loads(http.text))
        return
    parse = result.parse

    def parsed(*args: Any, **kwargs: Any) -> Any:
        value = parse(*args, **kwargs)
        if hasattr(value, "__await__"):
            return _parsed_later(call, value)
        _take_parsed(call, value)
        return value

    result.parse = parsed
    # A streamed response is closed by its own block; a legacy one only by reading its stream.
    closing = result if hasattr(result, "close") else http
    for name in ("close", "aclose"):
        if closing is not None and hasattr(closing, name):
            _end_after(call, closing, name, http)


async def _parsed_later(call: _Call, value: Any) -> Any:
    value = await value
    _take_parsed(call, value)
    return value


def _take_parsed(call: _Call, value: Any) -> None:
    if hasattr(value, "_iterator"):
        if not call.watched:
            _watch_stream(call, value)
    else:
        call.take(_plain(value))


def _end_after(call: _Call, closing: Any, name: str, http: Any) -> None:
    close = getattr(closing, name)
    if hasattr(close, "__func__") and close.__func__.__code__.co_flags & 0x80:  # a coroutine

        async def closed_later() -> None:
            await close()
            _take_read(call, http)

        setattr(closing, name, closed_later)
        return

    def closed() -> None:
        close()
        _take_read(call, http)

    setattr(closing, name, closed)


def _take_read(call: _Call, http: Any) -> None:
    """Take what the program read of a raw response before it closed it."""
    if call.watched:
        return
    try:
        call.take(None if call.streams else json.loads(http.content))
    except Exception:  # not read, or not JSON
        call.end()


def _watch_stream(call: _Call, stream: Any) -> None:
    """Read a stream's chunks as the program does; it ends when they do, or when it is let go."""
    reader = StreamReader(call.endpoint)
    call.watched = True
    if hasattr(stream._iterator, "__anext__"):
        stream._iterator = _chunks_async(call, reader, stream._iterator)
    else:
        stream._iterator = _chunks(call, reader, stream._iterator)
    close = stream.close

    if hasattr(stream, "__aiter__"):

        async def close_later() -> None:
            await close()
            call.take_stream(reader)

        stream.close = close_later
    else:

        def close_now() -> None:
            close()
            call.take_stream(reader)

        stream.close = close_now


def _chunks(call: _Call, reader: StreamReader, chunks: Iterator[Any]) -> Iterator[Any]:
    end_ns: int | None = None
    try:
        for chunk in chunks:
            if not _feed(call, reader, chunk):
                yield chunk
    except GeneratorExit:
        end_ns = call.last_ns
        raise
    except BaseException as error:
        _fail_stream(call, reader, error)
        drop_frame(error)
        raise
    finally:
        call.take_stream(reader, end_ns)


async def _chunks_async(
    call: _Call, reader: StreamReader, chunks: AsyncIterator[Any]
) -> AsyncIterator[Any]:
    end_ns: int | None = None
    try:
        async for chunk in chunks:
            if not _feed(call, reader, chunk):
                yield chunk
    except GeneratorExit:
        end_ns = call.last_ns
        raise
    except BaseException as error:
        _fail_stream(call, reader, error)
        drop_frame(error)
        raise
    finally:
        call.take_stream(reader, end_ns)


def _fail_stream(call: _Call, reader: StreamReader, error: BaseException) -> None:
    call._show_response(read_response(call.endpoint, reader.body()))
    call.fail(error)


def _feed(call: _Call, reader: StreamReader, chunk: Any) -> bool:
    """Read one chunk; return whether it only brings the usage that we asked for."""
    call.last_ns = time.time_ns()
    try:
        body = _plain(chunk)
        had_token = reader.has_token
        reader.feed(body)
        if reader.has_token and not had_token:
            call.first_token()
        return bool(call.hides_usage and body.get("usage") and not body.get("choices"))
    except Exception:
        _log.debug("Pellucid could not read a chunk of an OpenAI stream", exc_info=True)
        return False


def _plain(value: Any) -> Any:
    """Return a pydantic model of the SDK as plain JSON values."""
    if type(value) is dict:
        return value
    dump = getattr(value, "model_dump", None)
    if dump is None:
        return None
    return dump(mode="json", exclude_unset=True, warnings=False)


def _header(options: Any, name: str) -> str | None:
    headers = options.headers
    if not hasattr(headers, "items"):
        return None
    return next((str(v) for k, v in headers.items() if str(k).lower() == name.lower()), None)


def _body(options: Any) -> dict[str, Any]:
    """Return what a request sends: what the SDK made of its arguments, and `extra_body`."""
    extra = getattr(options, "extra_json", None)
    return {**options.json_data, **extra} if type(extra) is dict else dict(options.json_data)


def _provider(client: Any) -> str:
    azure = ".azure.com" in str(getattr(client, "base_url", ""))
    azure = azure or any("Azure" in kind.__name__ for kind in type(client).__mro__)
    return "azure.ai.openai" if azure else "openai"
