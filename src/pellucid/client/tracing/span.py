"""The span handle that users hold: OpenTelemetry's span, with the words of contracts.md §2."""

import logging
import time
from collections.abc import Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind as OtelKind

from pellucid.client.encoding import (
    MAX_PAIRS,
    Budget,
    attribute_of,
    json_text,
    name_of,
    pairs_of,
    simplify,
    taken,
)
from pellucid.client.images import data_url
from pellucid.client.masking import MASK, masked
from pellucid.client.tracing import exceptions
from pellucid.client.tracing.context import detach
from pellucid.client.tracing.messages import messages_attribute
from pellucid.client.tracing.propagation import extract
from pellucid.client.tracing.state import state
from pellucid.core.errors import TooLarge
from pellucid.core.span import Document, SpanKind
from pellucid.semconv import attributes as names

_log = logging.getLogger("pellucid")

_OPERATIONS = {
    "LLM": "chat",
    "TOOL": "execute_tool",
    "AGENT": "invoke_agent",
    "EMBEDDING": "embeddings",
    "RETRIEVER": "retrieval",
    "IMAGE": "generate_content",
}
_CLIENT_KINDS = frozenset({"LLM", "EMBEDDING", "IMAGE"})
_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "stop_sequences": "gen_ai.request.stop_sequences",
}
_MAX_EVENT_ATTRIBUTES = 100
"""Fewer than OpenTelemetry keeps of an event; it would drop the oldest."""
_MAX_ATTACHMENTS = 40 * 1024 * 1024
"""Characters of data URLs a span: a request that a server refuses as too large helps nobody."""


class Span:
    """A span that runs while its `with` block does.

    Every method returns the span, does nothing when it is not recorded, and never raises for
    what a value is. Values are bounded and secrets in them masked.
    """

    __slots__ = ("_otel", "_start", "_token")

    def __init__(self, span: otel.Span, start: tuple[Any, ...] | None = None) -> None:
        self._otel = span
        self._start = start
        self._token: Token[Context] | None = None

    @property
    def trace_id(self) -> str:
        """32 hex digits; all zero when nothing is traced."""
        return f"{self._otel.get_span_context().trace_id:032x}"

    @property
    def span_id(self) -> str:
        """16 hex digits; all zero when nothing is traced."""
        return f"{self._otel.get_span_context().span_id:016x}"

    @property
    def is_recording(self) -> bool:
        """Whether anything that is set here will be kept."""
        return self._otel.is_recording()

    @property
    def otel_span(self) -> otel.Span:
        """The OpenTelemetry span, for what this class has no word for."""
        return self._otel

    def set_input(self, value: Any) -> "Span":
        """Set what the stage was given: text, or anything that JSON can show."""
        return self._set(names.INPUT, value)

    def set_output(self, value: Any) -> "Span":
        """Set what the stage gave back: text, or anything that JSON can show."""
        return self._set(names.OUTPUT, value)

    def set_model(
        self, model: str | None, provider: str | None = None, **parameters: Any
    ) -> "Span":
        """Set the model that was asked, whose it is, and the request's parameters."""
        if not self._otel.is_recording():
            return self
        if model is not None:
            self._otel.set_attribute(names.REQUEST_MODEL, name_of(model))
        if provider is not None:
            self._otel.set_attribute(names.PROVIDER, name_of(provider))
        others = {}
        for name, value in parameters.items():
            known = _PARAMETERS.get(name)
            if known is not None and type(value) in (int, float, str):
                self._otel.set_attribute(known, value)
            elif known is not None and type(value) in (list, tuple):
                self._otel.set_attribute(known, [name_of(item) for item in value])
            elif value is not None:
                others[name] = value
        if others:
            self._otel.set_attribute(names.PARAMETERS, json_text(simplify(others)))
        return self

    def set_usage(
        self,
        input: int | None = None,
        output: int | None = None,
        *,
        cache_read: int | None = None,
        cache_write: int | None = None,
        reasoning: int | None = None,
        image: int | None = None,
        cost_usd: float | None = None,
    ) -> "Span":
        """Set token counts: `input` includes both caches, `output` includes reasoning."""
        figures = {
            names.INPUT_TOKENS: input,
            names.OUTPUT_TOKENS: output,
            names.CACHE_READ_TOKENS: cache_read,
            names.CACHE_WRITE_TOKENS: cache_write,
            names.REASONING_TOKENS: reasoning,
            names.IMAGE_TOKENS: image,
            names.COST_USD: cost_usd,
        }
        for name, figure in figures.items():
            if figure is not None:
                self._set(name, figure)
        return self

    def set_messages(
        self, input: Iterable[Any] | None = None, output: Iterable[Any] | None = None
    ) -> "Span":
        """Set the chat messages sent and received, as OpenAI's dicts or `{role, parts}`."""
        if self._otel.is_recording():
            if input is not None:
                self._otel.set_attribute(names.INPUT_MESSAGES, messages_attribute(input))
            if output is not None:
                self._otel.set_attribute(names.OUTPUT_MESSAGES, messages_attribute(output))
        return self

    def set_tools(self, tools: Iterable[Any]) -> "Span":
        """Set the tools the model may call, as OpenAI's dicts or `{name, description, …}`."""
        if self._otel.is_recording():
            definitions = json_text(simplify(list(taken(tools))))
            self._otel.set_attribute(names.TOOL_DEFINITIONS, definitions)
        return self

    def set_first_token(self) -> "Span":
        """Note that a streamed answer's first piece is here; later calls change nothing."""
        started = getattr(self._otel, "start_time", None)
        if self._otel.is_recording() and isinstance(started, int):
            held = getattr(self._otel, "attributes", None) or {}
            if names.TTFT_NS not in held:
                waited = max(time.time_ns() - started, 0)
                self._otel.set_attribute(names.TTFT_NS, waited)
        return self

    def set_finish_reason(self, reason: str | None) -> "Span":
        """Set why the model stopped, as `stop`, `length` or `tool_calls`."""
        if reason is not None and self._otel.is_recording():
            self._otel.set_attribute(names.FINISH_REASONS, [name_of(reason)])
        return self

    def set_documents(self, documents: Iterable[Document | Mapping[str, Any] | str]) -> "Span":
        """Set what a retriever or reranker returned, the best first."""
        if self._otel.is_recording():
            self._otel.set_attribute(names.DOCUMENTS, documents_attribute(documents))
        return self

    def set_tool_call(
        self, name: str, arguments: Any = None, result: Any = None, id: str | None = None
    ) -> "Span":
        """Set the tool that was called, with what, and what it returned."""
        if not self._otel.is_recording():
            return self
        self._otel.set_attribute(names.TOOL_NAME, name_of(name))
        if id is not None:
            self._otel.set_attribute(names.TOOL_CALL_ID, name_of(id))
        if arguments is not None:
            self._set(names.TOOL_CALL_ARGUMENTS, arguments)
        if result is not None:
            self._set(names.TOOL_CALL_RESULT, result)
        return self

    def add_attachment(
        self, data: Any, name: str | None = None, media_type: str | None = None
    ) -> "Span":
        """Attach an image or other bytes: a PIL image, bytes, a path or a URL."""
        if not self._otel.is_recording():
            return self
        name = None if name is None else name_of(name)
        media_type = None if media_type is None else name_of(media_type)
        try:
            url = data_url(data, media_type)
            if name is None and type(getattr(data, "name", None)) is str:
                name = data.name
            held = self._attachments()
            if len(held) + len(url) > _MAX_ATTACHMENTS:
                raise TooLarge("The attachments of one span are too large together.")
        except Exception as error:  # a missing file must not stop an agent
            self._otel.add_event(
                "pellucid.attachment_failed",
                {"name": name or "", "reason": exceptions.message_of(error)},
            )
            return self
        found = url[5:].partition(";")[0] if url.startswith("data:") else None
        added = json_text({"uri": url, "media_type": media_type or found, "name": name})
        # Another handle of the span may have attached something: the attribute is the list.
        self._otel.set_attribute(
            names.ATTACHMENTS, f"{held[:-1]},{added}]" if held else f"[{added}]"
        )
        return self

    def set_attribute(self, name: str, value: Any) -> "Span":
        """Set an attribute; what OpenTelemetry has no type for becomes JSON text."""
        name = name_of(name)
        return self._set(name, MASK if masked(name, value) else value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> "Span":
        """Note that something happened now."""
        if self._otel.is_recording():
            self._otel.add_event(name_of(name), shown_attributes(attributes, _MAX_EVENT_ATTRIBUTES))
        return self

    def record_exception(self, error: BaseException) -> "Span":
        """Record an exception that was handled; one that leaves the block is recorded itself."""
        exceptions.record(self._otel, error, fail=False)
        return self

    def set_error(self, message: str) -> "Span":
        """Mark the span as failed without an exception."""
        self._otel.set_status(otel.Status(otel.StatusCode.ERROR, name_of(message)))
        return self

    def end(self) -> None:
        """End the span now; leaving the `with` block does it otherwise."""
        end(self._otel)

    def __enter__(self) -> "Span":
        if self._start is not None:
            name, attributes, kind, parent = self._start
            self._otel = start(name, attributes, kind, parent)
            self._start = None
        if self._otel.get_span_context().is_valid:
            self._token = otel_context.attach(otel.set_span_in_context(self._otel))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach(token)
        if error is not None:
            exceptions.record(self._otel, error)
        end(self._otel)

    def __repr__(self) -> str:
        return f"<Span {self.span_id} of trace {self.trace_id}>"

    def _attachments(self) -> str:
        held = (getattr(self._otel, "attributes", None) or {}).get(names.ATTACHMENTS)
        return held if type(held) is str else ""

    def _set(self, name: str, value: Any) -> "Span":
        if self._otel.is_recording():
            self._otel.set_attribute(name, attribute_of(value))
        return self


def span(
    name: str,
    *,
    kind: str | SpanKind = SpanKind.CHAIN,
    input: Any = None,
    attributes: Mapping[str, Any] | None = None,
    parent: Mapping[str, str] | Context | None = None,
) -> Span:
    """Return a span to be used in a `with` block; it starts there.

    `parent` is a mapping with a `traceparent` from another process (`pellucid.inject`), where the
    current span is not the parent.
    """
    if not state.active:
        return Span(otel.INVALID_SPAN)
    name = name_of(name)
    held = kind_attributes(kind, name)
    if input is not None:
        held[names.INPUT] = attribute_of(input)
    if attributes is not None:
        held.update(shown_attributes(attributes))
    return Span(otel.INVALID_SPAN, (name, held, kind, parent))


def current_span() -> Span:
    """Return a handle of the span that is current here, whoever started it."""
    return Span(otel.get_current_span())


def current_trace_id() -> str | None:
    """Return the current trace's id as 32 hex digits, or None outside of any."""
    context = otel.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def kind_attributes(kind: str | SpanKind, name: str = "") -> dict[str, Any]:
    """Return the attributes that say what kind a span is; an AGENT span's name is the agent's."""
    text = kind_text(kind)
    held: dict[str, Any] = {names.KIND: text}
    if name and text == "AGENT":
        held[names.AGENT_NAME] = name
    operation = _OPERATIONS.get(text)
    if operation is not None:
        held[names.OPERATION] = operation
    return held


def kind_text(kind: Any) -> str:
    """Return a kind as it is written: the words of `SpanKind`, or the user's own."""
    return kind._value_ if type(kind) is SpanKind else name_of(kind).upper()


def shown_attributes(attributes: Any, most: int = MAX_PAIRS) -> dict[str, Any]:
    """Return at most `most` attributes of the user's as a span takes them, secrets masked."""
    budget = Budget()
    return {
        name: MASK if masked(name, value) else attribute_of(value, budget)
        for name, value in pairs_of(attributes, most)
    }


def start(
    name: str,
    attributes: dict[str, Any],
    kind: str | SpanKind,
    parent: Mapping[str, str] | Context | None = None,
    start_ns: int | None = None,
) -> otel.Span:
    """Start an OpenTelemetry span, not yet current; what fails here is not the caller's concern."""
    try:
        context = parent if parent is None or isinstance(parent, Context) else extract(parent)
        return state.tracer.start_span(
            name,
            context=context,
            kind=OtelKind.CLIENT if kind_text(kind) in _CLIENT_KINDS else OtelKind.INTERNAL,
            attributes=attributes,
            start_time=start_ns,
        )
    except Exception:  # a sampler or processor of others'
        _log.exception("Span %r could not be started", name)
        return otel.INVALID_SPAN


def end(span: otel.Span) -> None:
    """End an OpenTelemetry span; what fails here is not the caller's concern."""
    try:
        if span.is_recording():  # it may have been ended by hand
            span.end()
    except Exception:  # a processor of others'
        _log.exception("Span %r could not be ended", getattr(span, "name", None))


def documents_attribute(documents: Iterable[Any]) -> str:
    """Return documents as the JSON text of `pellucid.documents`."""
    shown = [
        {"text": document} if type(document) is str else document for document in taken(documents)
    ]
    return json_text(simplify(shown))
