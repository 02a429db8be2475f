"""The dispatcher's span and event handlers: open, current, held while a stream lasts, ended."""

import asyncio
import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.instrument import (
    Integration,
    context_of,
    is_active,
    model_call_context,
    open_span,
)
from pellucid.client.stages import TaskListener, captures
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.llama_index import reading
from pellucid.integrations.llama_index.kinds import Call, call_of, event_of, is_openai, method_of
from pellucid.integrations.llama_index.records import Record
from pellucid.integrations.llama_index.streams import hold_chat, hold_response
from pellucid.integrations.llama_index.turns import Turns
from pellucid.semconv import attributes as names

_CALL = otel_context.create_key("pellucid-llama-index-call")


class Spans:
    """What LlamaIndex calls a span handler."""

    def __init__(self, integration: Integration) -> None:
        self.integration = integration
        self.open_spans: dict[str, Any] = {}
        self.records: dict[str, Record] = {}
        self._tokens: dict[str, Any] = {}
        self._turns = Turns()
        self._chats: dict[int, str] = {}
        """Streamed chat response → the call that waits for its end."""

    def span_enter(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        parent_id: str | None = None,
        **_: Any,
    ) -> None:
        """A call begins, in the frame that makes it."""
        if not self.integration.active:
            return
        arguments = dict(bound_args.arguments)
        call = call_of(id_, instance, arguments)
        if instance is None and event_of(arguments) is not None:
            # A step, in a task of its own: what the workflow cancels has not failed.
            otel_context.attach(TaskListener(otel_context.get_current()).context)
        turn = self._turns.enter(id_, call)
        if turn is not None and (call is None or call.kind is SpanKind.AGENT):
            self._tokens[id_] = otel_context.attach(turn.record.context)
            if turn.is_new and captures(self.integration):
                reading.show_arguments(turn.record.span, turn.record.call, arguments)
            return
        if call is None or self._is_shown_otherwise(call, instance):
            return
        parent = self._parent(parent_id) if turn is None else turn.record.context
        session = reading.session_of(instance, arguments)
        held = {names.AGENT_NAME: call.name} if call.kind is SpanKind.AGENT else {}
        if session and ambient.current().session_id is None:
            held[names.CONVERSATION_ID] = session
        title = "chat" if call.kind is SpanKind.LLM else call.name
        span = open_span(title, call.kind, parent=parent, attributes=held)
        context = (
            model_call_context(span, parent)
            if call.kind is SpanKind.LLM
            else context_of(span, parent)
        )
        context = otel_context.set_value(_CALL, call, context)
        record = self.records[id_] = Record(call, span, context, parent_id)
        self._tokens[id_] = otel_context.attach(record.context)
        if captures(self.integration):
            reading.show_arguments(span, call, arguments)

    def span_exit(
        self, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **_: Any
    ) -> None:
        """A call returned; what it returned may still be a stream."""
        record = self._leave(id_)
        turn = self._turns.leave(id_)
        if record is None:
            if turn is not None and method_of(id_) == "run_agent_step":
                if captures(self.integration):
                    reading.show_result(turn.span, turn.call, result)
            else:
                self._chat_written(id_, instance)
            return
        if self._is_held(record, id_, result):
            return
        error = reading.tool_error(result) if record.call.kind is SpanKind.TOOL else None
        if error is not None:
            _show_tool_error(record.span, error)
        if captures(self.integration) and record.call.kind is not SpanKind.LLM:
            reading.show_result(record.span, record.call, result)
        self.finish(id_)

    def span_drop(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        err: BaseException | None = None,
        **_: Any,
    ) -> None:
        """A call raised."""
        record = self._leave(id_)
        turn = self._turns.leave(id_)
        if turn is not None and err is not None and record is None:
            turn.fail(err)
        if record is None:
            self._chat_written(id_, instance, err)
            return
        self.records.pop(id_, None)
        if err is not None:
            record.fail(err)
        record.end()

    def capture_propagation_context(self) -> dict[str, Any]:
        """Nothing travels in LlamaIndex's own way; OpenTelemetry's context does."""
        return {}

    def restore_propagation_context(self, context: dict[str, Any]) -> None:
        """See `capture_propagation_context`."""

    def close(self) -> None:
        """End what is open."""
        for record in self.records.values():
            record.end()
        self.records.clear()

    def finish(
        self,
        id_: str,
        show: Callable[[Span], object] | None = None,
        error: BaseException | None = None,
    ) -> None:
        """End a call that was held for its stream; one that nobody reads on has not failed."""
        record = self.records.pop(id_, None)
        if record is None:
            return
        if show is not None:
            show(record.span)
        if error is not None and not isinstance(error, asyncio.CancelledError):
            record.fail(error)
        record.end()

    def _leave(self, id_: str) -> Record | None:
        token = self._tokens.pop(id_, None)
        if token is not None:
            otel_context.detach(token)
        return self.records.get(id_)

    def _parent(self, parent_id: str | None) -> Context | None:
        """A task that a runtime started elsewhere has LlamaIndex's parent, but no context."""
        if otel.get_current_span().get_span_context().is_valid or parent_id is None:
            return None
        record = self.records.get(parent_id)
        return record.context if record is not None else None

    def _is_shown_otherwise(self, call: Call, instance: Any) -> bool:
        """Leave to the OpenAI SDK's spans what they show better, and a tool to its step."""
        if call.kind in {SpanKind.LLM, SpanKind.EMBEDDING}:
            if is_openai(instance) and is_active("openai"):
                return True
        above = otel_context.get_value(_CALL)
        return (
            isinstance(above, Call)
            and above.kind is call.kind
            and (above.name == call.name or call.kind in {SpanKind.EMBEDDING, SpanKind.LLM})
            and call.kind in {SpanKind.TOOL, SpanKind.EMBEDDING, SpanKind.LLM}
        )

    def _is_held(self, record: Record, id_: str, result: Any) -> bool:
        """Keep a call open whose answer is still to be generated."""
        kind = type(result).__name__
        if record.call.kind is SpanKind.LLM and kind.endswith("generator"):
            # Its events end it; a stream that is let go ends with its last chunk.
            weakref.finalize(result, self._abandoned, id_)
            return True
        if kind in {"StreamingResponse", "AsyncStreamingResponse"}:
            hold_response(result, record.context, lambda text, e: self._streamed(id_, text, e))
            return True
        if kind == "StreamingAgentChatResponse":
            if hold_chat(result, record.context, lambda text, e: self._streamed(id_, text, e)):
                return True
            self._chats[id(result)] = id_
            if result.is_done:
                self._chat_written("StreamingAgentChatResponse.", result)
            return True
        return False

    def _streamed(self, id_: str, text: str, error: BaseException | None) -> None:
        def show(span: Span) -> None:
            if text and captures(self.integration):
                span.set_output(text)

        self.finish(id_, show, error)

    def _chat_written(self, id_: str, response: Any, error: BaseException | None = None) -> None:
        """A chat engine's thread or task has taken the stream, as far as it came."""
        if id_.startswith("StreamingAgentChatResponse."):
            held = self._chats.pop(id(response), None)
            if held is not None:
                self._streamed(held, str(response.response or response.unformatted_response), error)

    def _abandoned(self, id_: str) -> None:
        record = self.records.pop(id_, None)
        if record is not None:
            record.end(record.last_ns)


class Events:
    """What LlamaIndex calls an event handler."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def handle(self, event: Any, **_: Any) -> None:
        """Take one event."""
        record = self._spans.records.get(event.span_id or "")
        kind = type(event).__name__
        if record is not None and kind == "SpanCancelledEvent":
            record.span.add_event("cancelled", {"reason": getattr(event, "reason", None)})
        if record is None or record.call.kind is not SpanKind.LLM:
            return
        content = captures(self._spans.integration)
        if kind in {"LLMChatStartEvent", "LLMCompletionStartEvent"}:
            reading.show_request(record.span, event, record.call.name, content=content)
        elif kind in {"LLMChatInProgressEvent", "LLMCompletionInProgressEvent"}:
            record.last_ns = time.time_ns()
            held = getattr(record.span.otel_span, "attributes", None) or {}
            if names.TTFT_NS not in held:
                record.span.set_attribute(names.TTFT_NS, record.last_ns - record.start_ns)
        elif kind in {"LLMChatEndEvent", "LLMCompletionEndEvent"} and event.response is not None:
            reading.show_answer(record.span, event.response, content=content)
            if "stream" in record.call.method:
                self._spans.finish(event.span_id)

    async def ahandle(self, event: Any, **_: Any) -> None:
        """Take one event."""
        self.handle(event)


def _show_tool_error(span: Span, error: Any) -> None:
    if isinstance(error, BaseException):
        span.record_exception(error)
        span.set_error(f"{type(error).__name__}: {error}")
    else:
        span.add_event("exception", {"exception.type": "Error", "exception.message": str(error)})
        span.set_error(str(error))
