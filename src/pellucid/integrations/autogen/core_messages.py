"""Trace the agents of autogen-core runtimes: who handled which message, below who sent it.

A runtime handles messages in tasks of its own, so the context of each is kept here by the message's
id. A message published from outside any span is a trace: its span ends when it and all messages
that it caused have been handled. AgentChat's own messages are left to its integration.
"""

import contextlib
import functools
import time
import uuid
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import Integration, context_of, drop_frame, open_span
from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import Stage, captures, traced_async
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names

_RUNTIME = "autogen_core._single_threaded_agent_runtime:SingleThreadedAgentRuntime"
_FLOW = otel_context.create_key("pellucid-autogen-flow")
_SAID = otel_context.create_key("pellucid-autogen-said")
_NO_SESSION = {"", "default"}
"""Sources of topics that say nothing of whose they are."""


class _Flow:
    """All that one published message causes."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.output: Any = None
        self._open = 0

    def began(self) -> None:
        self._open += 1

    def ended(self) -> bool:
        """Note that a message has been handled; return whether it was the last."""
        self._open -= 1
        if self._open <= 0:
            self.close()
        return self._open <= 0

    def close(self) -> None:
        if self.output is not None:
            self.span.set_output(self.output)
        self.span.otel_span.end(time.time_ns())


class Messages:
    """The patches of a runtime, and the messages that are on their way."""

    def __init__(self, integration: Integration) -> None:
        self._integration = integration
        self._contexts: dict[str, Context] = {}
        self._flows: set[_Flow] = set()

    def install(self) -> Undo:
        """Patch autogen-core until the returned undo runs."""
        undo = Undo(self._close_all)
        undo.add(
            patch_all(
                Patch(f"{_RUNTIME}.send_message", self._sending),
                Patch(f"{_RUNTIME}.publish_message", self._publishing),
                Patch(f"{_RUNTIME}._process_send", self._handling),
                Patch(f"{_RUNTIME}._process_publish", self._handling),
                Patch(
                    "autogen_core._base_agent:BaseAgent.on_message",
                    traced_async(self._integration, self._handled),
                ),
                Patch("autogen_core._telemetry._tracing:TraceHelper.trace_block", self._silent),
                Patch("autogen_core._telemetry._genai:trace", self._no_tracers),
            )
        )
        return undo

    def _sending(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def send_message(runtime: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
            if self._integration.active and not _is_inner(message):
                kwargs["message_id"] = self._keep(otel_context.get_current(), kwargs)
            try:
                return await original(runtime, message, *args, **kwargs)
            except BaseException as error:
                drop_frame(error)
                raise

        return send_message

    def _publishing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def publish_message(
            runtime: Any, message: Any, topic_id: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if self._integration.active and not _is_inner(message):
                context = self._published(message, topic_id)
                kwargs["message_id"] = self._keep(context, kwargs)
            try:
                return await original(runtime, message, topic_id, *args, **kwargs)
            except BaseException as error:
                drop_frame(error)
                raise

        return publish_message

    def _published(self, message: Any, topic_id: Any) -> Context:
        """Return the context in which a published message is handled."""
        said = _text(message) if captures(self._integration) else None
        flow = otel_context.get_value(_FLOW)
        speaker = otel_context.get_value(_SAID)
        if isinstance(speaker, list):
            speaker.append(said)
        if isinstance(flow, _Flow):
            flow.output = said
            flow.began()
        context = otel_context.get_current()
        if isinstance(flow, _Flow) or otel.get_current_span(context).get_span_context().is_valid:
            return context
        held = _session(getattr(topic_id, "source", ""))
        span = open_span(f"publish {type(message).__name__}", SpanKind.CHAIN, attributes=held)
        if said is not None:
            span.set_input(said)
        flow = _Flow(span)
        flow.began()
        self._flows.add(flow)
        return otel_context.set_value(_FLOW, flow, context_of(span, context))

    def _keep(self, context: Context, kwargs: dict[str, Any]) -> str:
        message_id = kwargs.get("message_id") or str(uuid.uuid4())
        self._contexts[message_id] = context
        return str(message_id)

    def _handling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        publishes = original.__name__ == "_process_publish"

        @functools.wraps(original)
        async def process(runtime: Any, message_envelope: Any) -> Any:
            context = self._contexts.pop(message_envelope.message_id, None)
            if context is None:
                return await original(runtime, message_envelope)
            token = otel_context.attach(context)
            try:
                return await original(runtime, message_envelope)
            finally:
                otel_context.detach(token)
                flow = otel_context.get_value(_FLOW, context)
                if publishes and isinstance(flow, _Flow) and flow.ended():
                    self._flows.discard(flow)

        return process

    def _handled(self, agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
        message = args[0] if args else kwargs.get("message")
        if type(agent).__module__.startswith("autogen_agentchat.") or _is_inner(message):
            return None
        handlers = getattr(agent, "_handlers", None)
        if handlers is not None and not handlers.get(type(message)):
            return None  # it hears of what is not for it
        name = str(agent.id.type)
        held = {names.AGENT_NAME: name}
        if not otel.get_current_span().get_span_context().is_valid:
            held |= _session(str(agent.id.key))
        span = open_span(name, SpanKind.AGENT, attributes=held)
        description = (agent.metadata or {}).get("description")
        if description:
            span.set_attribute("gen_ai.agent.description", description)
        if captures(self._integration):
            span.set_input(_text(message))
        said: list[Any] = []

        def show(span: Span, result: Any) -> None:
            if not captures(self._integration):
                return
            if result is not None:
                span.set_output(_text(result))
            elif said:
                span.set_output(said[-1])

        return Stage(
            span, result=show, context=otel_context.set_value(_SAID, said, context_of(span))
        )

    def _silent(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def trace_block(helper: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._integration.active:
                return original(helper, *args, **kwargs)
            return contextlib.nullcontext(otel.INVALID_SPAN)

        return trace_block

    def _no_tracers(self, real: Any) -> Any:
        return _NoTracers(self._integration, real)

    def _close_all(self) -> None:
        self._contexts.clear()
        while self._flows:
            self._flows.pop().close()


class _NoTracers:
    """Stands for `opentelemetry.trace` in the framework's module, and starts no spans."""

    def __init__(self, integration: Integration, real: Any) -> None:
        self._integration = integration
        self._real = real

    def get_tracer(self, *args: Any, **kwargs: Any) -> otel.Tracer:
        if self._integration.active:
            return otel.NoOpTracer()
        tracer: otel.Tracer = self._real.get_tracer(*args, **kwargs)
        return tracer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _is_inner(message: Any) -> bool:
    """Tell whether a message is of AgentChat's teams among themselves."""
    return type(message).__module__.startswith("autogen_agentchat.teams.")


def _session(key: str) -> dict[str, str]:
    """Return a root's attribute: the source of a topic tells conversations apart."""
    if key in _NO_SESSION or ambient.current().session_id is not None:
        return {}
    return {names.CONVERSATION_ID: key}


def _text(message: Any) -> Any:
    """Return what a message says to people: its one text, else all of it."""
    fields = simplify(message)
    if isinstance(fields, dict) and len(fields) == 1:
        (only,) = fields.values()
        return only
    content = fields.get("content") if isinstance(fields, dict) else None
    return content if isinstance(content, str) else fields
