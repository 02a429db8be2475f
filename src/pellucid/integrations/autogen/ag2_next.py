"""Trace ag2 from 1.0: turns, model calls, tools, human input.

A middleware of ours, innermost, sees each attempt of a model call and each tool; an agent's span is
opened where a turn is driven, outside all middleware.
"""

import functools
import importlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import Integration, current, drop_frame, model_call, open_span
from pellucid.client.patching import Patch, Undo, patch_all, when_imported
from pellucid.client.stages import Stage, captures
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import Message, Part, SpanKind
from pellucid.integrations.autogen.ag2_network import Channels
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages

SUPPORTED = "ag2>=1.0.4,<2"


_MODEL_CONFIG = "__ag2_model_config__"
_SUBTASK = re.compile(r"subtask-[0-9a-f]{8}")
"""What ag2 calls the agents that it makes for subtasks, each by another name."""


def install() -> Undo:
    """Patch ag2 until the returned undo runs."""
    undo = patch_all(
        Patch(f"ag2.agent:Agent.{_scope()}", _traced_scope),
        Patch("ag2.tools.executor:_tool_not_found", _seen_missing, required=False),
    )
    network = "ag2.network.hub.core"
    undo.add(when_imported(network, lambda: undo.add(Channels(INTEGRATION).install())))
    return undo


INTEGRATION = Integration("ag2 1.x", supported=SUPPORTED, module="ag2.agent", install=install)


def _scope() -> str:
    """Name the method in which a turn is driven; it was another before 1.1."""
    agent = importlib.import_module("ag2.agent").Agent
    return "_drive_scope" if hasattr(agent, "_drive_scope") else "_turn_scope"


def _seen_missing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Show a call of a tool that is not there; no middleware sees it."""

    @functools.wraps(original)
    def _tool_not_found(known_tools: Any) -> Callable[..., Any]:
        found = original(known_tools)

        @functools.wraps(found)
        async def answer(event: Any, context: Any) -> None:
            if INTEGRATION.active and event.name not in known_tools:
                with _tool_span(event) as span:
                    fault = f"Tool {event.name!r} not found"
                    told = {"exception.type": "ToolNotFoundError", "exception.message": fault}
                    span.add_event("exception", told)
                    span.set_error(fault)
            await found(event, context)

        return answer

    return _tool_not_found


def _traced_scope(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    @asynccontextmanager
    async def _drive_scope(self: Any, event: Any, **kwargs: Any) -> AsyncIterator[Any]:
        if not INTEGRATION.active:
            async with original(self, event, **kwargs) as drive:
                yield drive
            return
        kwargs["additional_middleware"] = (*kwargs.get("additional_middleware", ()), _Middleware)
        async with original(self, event, **kwargs) as drive:
            yield functools.partial(_turn, self, event, kwargs.get("context"), drive)

    return _drive_scope


async def _turn(agent: Any, event: Any, context: Any, drive: Callable[[], Awaitable[Any]]) -> Any:
    name = _SUBTASK.sub("subtask", str(agent.name))
    held = {names.AGENT_NAME: name}
    stream = getattr(context, "stream", None)
    if stream is not None and ambient.current().session_id is None:
        held[names.CONVERSATION_ID] = str(stream.id)
    span = open_span(name, SpanKind.AGENT, attributes=held)
    if captures(INTEGRATION):
        span.set_input(_text(event) or simplify(event))
    try:
        with Stage(span, context=_session_context(span, held)).running():
            reply = await drive()
            if captures(INTEGRATION):
                span.set_output(reply.body)
    except BaseException as error:
        drop_frame(error)
        raise
    return reply


def _session_context(span: Span, held: dict[str, str]) -> Context | None:
    """Everything below an agent's turn is of its conversation."""
    if names.CONVERSATION_ID not in held:
        return None
    token = ambient.attach(session_id=held[names.CONVERSATION_ID])
    try:
        with current(span):
            return otel_context.get_current()
    finally:
        ambient.detach(token)


class _Middleware:
    """One turn's hooks; the methods are those of ag2's `BaseMiddleware`."""

    def __init__(self, event: Any, context: Any) -> None:
        self.initial_event = event
        self.context = context

    async def on_turn(self, call_next: Any, event: Any, context: Any) -> Any:
        return await call_next(event, context)

    async def on_llm_call(self, call_next: Any, events: Any, context: Any) -> Any:
        if not INTEGRATION.active:
            return await call_next(events, context)
        asked = str(getattr(_config_of(context), "model", None) or "")
        span = open_span(f"chat {asked}".strip(), SpanKind.LLM)
        with Stage(span).running(), model_call(span) as call:
            if captures(INTEGRATION):
                _show_history(span, context, events)
            response = await call_next(events, context)
            if not asked:
                span.otel_span.update_name(f"chat {response.model or ''}".strip())
            if not call.seen:  # no SDK that is traced itself
                _show_response(span, response)
        return response

    async def on_tool_execution(self, call_next: Any, event: Any, context: Any) -> Any:
        if not INTEGRATION.active:
            return await call_next(event, context)
        span = _tool_span(event)
        with Stage(span).running():
            result = await call_next(event, context)
            error = getattr(result, "error", None)
            if isinstance(error, Exception):
                # ag2 gives the model the traceback and lets it answer.
                span.record_exception(error)
                span.set_error(f"{type(error).__name__}: {error}")
            if captures(INTEGRATION) and hasattr(result, "result"):
                text = _result_text(result.result)
                span.set_tool_call(str(event.name), result=text)
                span.set_output(text)
        return result

    async def on_human_input(self, call_next: Any, event: Any, context: Any) -> Any:
        if not INTEGRATION.active:
            return await call_next(event, context)
        span = open_span("human input", SpanKind.TASK)
        if captures(INTEGRATION):
            span.set_input(getattr(event, "content", None))
        with Stage(span).running():
            answer = await call_next(event, context)
            if captures(INTEGRATION):
                span.set_output(getattr(answer, "content", None))
        return answer


def _config_of(context: Any) -> Any:
    """Return the model's configuration, which ag2 keeps among a turn's dependencies."""
    return (getattr(context, "dependencies", None) or {}).get(_MODEL_CONFIG)


def _tool_span(event: Any) -> Span:
    span = open_span(str(event.name), SpanKind.TOOL)
    arguments = _arguments(event.arguments) if captures(INTEGRATION) else None
    span.set_tool_call(str(event.name), arguments, id=event.id)
    if arguments is not None:
        span.set_input(arguments)
    return span


def _show_history(span: Span, context: Any, events: Any) -> None:
    messages = [
        Message(role="system", parts=[Part(type="text", content=str(prompt))])
        for prompt in getattr(context, "prompt", None) or []
    ]
    for event in events:
        text = _text(event)
        calls = getattr(getattr(event, "tool_calls", None), "calls", None) or []
        results = getattr(event, "results", None)
        if results is not None:
            parts = [
                Part(type="tool_call_response", id=r.parent_id, response=_result_text(r.result))
                for r in results
            ]
            messages.append(Message(role="tool", parts=parts))
        elif text or calls:
            role = "assistant" if hasattr(event, "tool_calls") else "user"
            messages.append(Message(role=role, parts=_parts(text, calls)))
    span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(messages))


def _show_response(span: Span, response: Any) -> None:
    if response.model:
        span.set_model(str(response.model), response.provider)
    usage = response.usage
    if usage:
        span.set_usage(
            int(usage.prompt_tokens or 0),
            int(usage.completion_tokens or 0),
            cache_read=int(usage.cache_read_input_tokens or 0) or None,
            cache_write=int(usage.cache_creation_input_tokens or 0) or None,
            reasoning=int(usage.thinking_tokens or 0) or None,
        )
    if response.finish_reason:
        span.otel_span.set_attribute(names.FINISH_REASONS, [str(response.finish_reason)])
    if captures(INTEGRATION):
        calls = getattr(response.tool_calls, "calls", None) or []
        said = Message(role="assistant", parts=_parts(response.content, calls))
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages([said]))


def _parts(text: Any, calls: Any) -> list[Part]:
    parts = [Part(type="text", content=str(text))] if text else []
    return parts + [
        Part(type="tool_call", id=c.id, name=c.name, arguments=_arguments(c.arguments))
        for c in calls
    ]


def _text(event: Any) -> str | None:
    """Return the text of a request's parts or of a response's message."""
    parts = getattr(event, "parts", None)
    if parts is not None:
        return "\n".join(part.content for part in parts if type(part).__name__ == "TextInput")
    content = getattr(event, "content", None)
    return content if isinstance(content, str) else None


def _result_text(result: Any) -> Any:
    shown = [
        part.content if hasattr(part, "content") else getattr(part, "data", None)
        for part in getattr(result, "parts", [])
    ]
    shown = [part for part in shown if part is not None]
    return shown[0] if len(shown) == 1 else simplify(shown)


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text or "{}")
    except (TypeError, ValueError):
        return text
