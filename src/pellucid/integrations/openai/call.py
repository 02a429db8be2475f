"""One request of the OpenAI SDK: its span, and what is known of its answer so far."""

import asyncio
import copy
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pellucid.client.encoding import json_text, simplify
from pellucid.client.instrument import (
    ModelCall,
    current,
    current_model_call,
    drop_frame,
    open_span,
)
from pellucid.client.stages import is_let_go
from pellucid.core.span import SpanKind, Tokens
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages, text_of
from pellucid.semconv.openai_wire import (
    Endpoint,
    Response,
    StreamReader,
    read_request,
    read_response,
)
from pellucid.semconv.tools import encode_tools

_RAW_HEADER = "X-Stainless-Raw-Response"
_refuse_usage: set[str] = set()
"""Base URLs that answered 400 when a stream was asked for its usage."""


class Call:
    """One request: its span, and what is known of its answer so far.

    The span is our own, or the framework's that made the call (`ModelCall`), which ends itself.
    """

    def __init__(self, client: Any, endpoint: Endpoint, options: Any, *, captures: bool) -> None:
        self.endpoint = endpoint
        self.base_url = str(getattr(client, "base_url", ""))
        self.options = options
        self.hides_usage = False
        self.watched = False
        """Whether its end is that of a stream that the program reads through us."""
        self.whole: Any = None
        """The answer before it is parsed, which may fail."""
        self.raw = _header(options, _RAW_HEADER)
        self.start_ns = time.time_ns()
        self.last_ns = self.start_ns
        self._content = captures
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

    def keep_unparsed(self) -> None:
        """Have an answer that the SDK parses for the program, as by `.parse()`, kept unparsed."""
        parse = getattr(self.options, "post_parser", None)
        if not callable(parse):
            return

        def parsed(raw: Any) -> Any:
            self.whole = plain(raw)
            try:
                return parse(raw)
            except BaseException as error:
                drop_frame(error)
                raise

        self.options = copy.copy(self.options)
        self.options.post_parser = parsed

    def is_refused(self, error: BaseException) -> bool:
        """Tell whether a request failed because of `ask_for_usage`; then never ask there again."""
        if not self.hides_usage or getattr(error, "status_code", None) not in {400, 404, 422}:
            return False
        if "stream_options" not in str(error):
            return False
        _refuse_usage.add(self.base_url)
        self.hides_usage = False
        return True

    def take(self, body: Any) -> None:
        """Take the whole answer and end."""
        if type(body) is dict and not self._ended:
            self._show_response(read_response(self.endpoint, body))
        self.end()

    def let_go(self, reader: StreamReader | None = None) -> None:
        """End with the last that came of an answer that the program reads no further."""
        if reader is not None:
            self.take_stream(reader, self.last_ns)
        elif not self.watched:
            self.end(self.last_ns)

    def take_part(self, reader: StreamReader) -> None:
        """Take what came of a stream before it failed."""
        self._show_response(read_response(self.endpoint, reader.body()))

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
        if self.whole is not None:  # it was answered, and paid for
            self._show_response(read_response(self.endpoint, self.whole))
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
            elif type(response.output) is str and not text_of(response.messages):
                self.span.set_output(response.output)  # a refusal
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


def plain(value: Any) -> Any:
    """Return what the SDK gave, a pydantic model or a text or a sound, as plain JSON values."""
    if type(value) is dict:
        return value
    if type(value) is str:
        return {"text": value}
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_unset=True, warnings=False)
    http = getattr(value, "response", None)
    return None if http is None else body_of(http)


def body_of(http: Any) -> dict[str, Any] | None:
    """Return what is to be known of an answer that is no JSON, if it was read."""
    content = getattr(http, "_content", None)
    if type(content) is not bytes:
        return None
    media_type = str(http.headers.get("content-type", ""))
    if media_type.startswith("text/"):
        return {"text": http.text}
    return {"bytes": len(content), "media_type": media_type}


def _header(options: Any, name: str) -> str | None:
    headers = options.headers
    if not hasattr(headers, "items"):
        return None
    return next((str(v) for k, v in headers.items() if str(k).lower() == name.lower()), None)


def _body(options: Any) -> dict[str, Any]:
    """Return what a request sends: what the SDK made of its arguments, and `extra_body`."""
    extra = getattr(options, "extra_json", None)
    body = {**options.json_data, **extra} if type(extra) is dict else dict(options.json_data)
    name = _file_name(getattr(options, "files", None))
    return {**body, "file": name} if name else body


def _file_name(files: Any) -> str | None:
    """Return the name of the file that a request sends, such as a recording to transcribe."""
    for field, file in files if isinstance(files, list) else ():
        name = file[0] if isinstance(file, tuple) else getattr(file, "name", None)
        if field == "file" and isinstance(name, str):
            return name
    return None


def _provider(client: Any) -> str:
    azure = ".azure.com" in str(getattr(client, "base_url", ""))
    azure = azure or any("Azure" in kind.__name__ for kind in type(client).__mro__)
    return "azure.ai.openai" if azure else "openai"
