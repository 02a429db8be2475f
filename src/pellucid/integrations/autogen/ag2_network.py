"""Trace the channels of ag2 1.x networks: all turns that a channel causes are below its span.

A hub hands messages over in tasks of its own, so a turn's context is that of its channel, kept here
by the channel's id. A channel's span ends when the channel does, or when its hub closes or is gone.
"""

import functools
import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.instrument import Integration, current, open_span
from pellucid.client.patching import Patch, Undo, patch_all
from pellucid.client.stages import Listener, captures
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import Message, Part, SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages

_HUB = "ag2.network.hub.core:Hub"


class _Channel:
    """One open channel: its span, and the context of the turns in it."""

    def __init__(self, integration: Integration, hub: Any, metadata: Any) -> None:
        self._integration = integration
        self._members = {p.agent_id: hub.name_for(p.agent_id) for p in metadata.participants}
        belongs = otel.get_current_span().get_span_context().is_valid
        session = ambient.current().session_id
        held: dict[str, Any] = {}
        if session is None:
            session = str(metadata.channel_id)
            if not belongs:
                held[names.CONVERSATION_ID] = session
        self.span = open_span(f"channel {metadata.manifest.type}", SpanKind.CHAIN, attributes=held)
        self.span.set_attribute("ag2.participants", list(self._members.values()))
        self._listener = Listener(_context_in(self.span, session))
        self.context = self._listener.context
        self._creator = metadata.creator_id
        self._said: list[Message] = []
        self._last_ns = time.time_ns()

    def show(self, envelope: Any) -> None:
        """Show what a member has sent: the first is the input, the last the output."""
        self._last_ns = time.time_ns()
        said = _said(envelope)
        if said is None or not captures(self._integration):
            return
        if self._said:
            self.span.set_output(said)
        else:
            self.span.set_input(said)
        sender = envelope.sender_id
        role = "user" if sender == self._creator else "assistant"
        parts = [Part(type="text", content=str(said))]
        self._said.append(Message(role=role, name=self._members.get(sender), parts=parts))

    def turned(self) -> None:
        """Note that a turn in it has ended."""
        self._last_ns = time.time_ns()

    def let_go(self) -> None:
        """Note that its turns that go on are cancelled, not failing."""
        self._listener.let_go()

    def end(self) -> None:
        """End the span with the last that happened."""
        self.let_go()
        if self._said:
            said = encode_messages(self._said)
            self.span.otel_span.set_attribute(names.OUTPUT_MESSAGES, said)
        self.span.otel_span.end(self._last_ns)


class Channels:
    """The open channels of every hub, and the patches that keep them."""

    def __init__(self, integration: Integration) -> None:
        self._integration = integration
        self._open: dict[str, _Channel] = {}
        self._hubs: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()

    def install(self) -> Undo:
        """Patch the network until the returned undo runs."""
        undo = Undo(self._end_all)
        undo.add(
            patch_all(
                Patch(f"{_HUB}._fan_out", self._told, required=False),
                Patch(f"{_HUB}.close", self._closing, required=False),
                Patch(
                    "ag2.network.client.agent_client:AgentClient.receive",
                    self._receiving,
                    required=False,
                ),
            )
        )
        return undo

    def _told(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def _fan_out(hub: Any, method_name: str, *args: Any) -> Any:
            if self._integration.active:
                if method_name == "on_channel_event":
                    self._changed(hub, *args)
                elif method_name == "on_envelope_posted" and args[0].channel_id in self._open:
                    self._open[args[0].channel_id].show(args[0])
            return await original(hub, method_name, *args)

        return _fan_out

    def _changed(self, hub: Any, channel_id: str, kind: str, payload: Any) -> None:
        metadata = payload.get("metadata")
        if kind == "created" and metadata is not None:
            self._open[channel_id] = _Channel(self._integration, hub, metadata)
            known = self._hubs.get(hub)
            if known is None:
                known = self._hubs[hub] = set()
                weakref.finalize(hub, self._end, known)
            known.add(channel_id)
        elif metadata is not None and metadata.is_terminal():
            self._end({channel_id})

    def _closing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def close(hub: Any, *args: Any, **kwargs: Any) -> Any:
            for channel_id in self._hubs.get(hub) or ():
                if channel_id in self._open:
                    self._open[channel_id].let_go()
            try:
                return await original(hub, *args, **kwargs)
            finally:
                self._end(self._hubs.get(hub) or ())

        return close

    def _receiving(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def receive(client: Any, envelope: Any) -> Any:
            channel = self._open.get(envelope.channel_id)
            if channel is None:
                return await original(client, envelope)
            token = otel_context.attach(channel.context)
            try:
                return await original(client, envelope)
            finally:
                otel_context.detach(token)
                channel.turned()

        return receive

    def _end(self, channel_ids: Any) -> None:
        for channel_id in list(channel_ids):
            channel = self._open.pop(channel_id, None)
            if channel is not None:
                channel.end()

    def _end_all(self) -> None:
        self._end(self._open)


def _context_in(span: Span, session: str) -> Context:
    token = ambient.attach(session_id=session)
    try:
        with current(span):
            return otel_context.get_current()
    finally:
        ambient.detach(token)


def _said(envelope: Any) -> Any:
    """Return what an envelope says to people, or None for what keeps the channel going."""
    data = envelope.event_data
    if envelope.event_type not in {"ag2.msg.text", "ag2.packet"} or not isinstance(data, dict):
        return None
    return data.get("text") or data.get("body") or data.get("content")
