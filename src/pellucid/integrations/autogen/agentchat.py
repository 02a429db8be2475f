"""Trace autogen-agentchat 0.7: teams, agents, speaker selection, tools, handoffs, code.

The framework's own spans are switched off while this is on: they are detached from each other and
repeat what stands here. Tools, and models other than OpenAI's, are autogen-core's (`core`); what an
agent asks of an OpenAI model is a span of the OpenAI SDK's integration, below the agent's.
"""

import functools
import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.instrument import Integration, context_of, drop_frame, open_span
from pellucid.client.patching import Patch, Undo, Wrap, patch_all
from pellucid.client.stages import (
    Begin,
    Stage,
    captures,
    traced_async,
    traced_async_generator,
)
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import Message, SpanKind
from pellucid.integrations.autogen.core import (
    open_tool,
    opened_tools,
    parts_of,
    show_tool_error,
)
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages

SUPPORTED = "autogen-agentchat>=0.7,<0.8"

_log = logging.getLogger("pellucid")

_AGENTS = "autogen_agentchat.agents._base_chat_agent"
_TEAMS = "autogen_agentchat.teams._group_chat"
_MANAGERS = (
    "_selector_group_chat:SelectorGroupChatManager",
    "_swarm_group_chat:SwarmGroupChatManager",
    "_graph._digraph_group_chat:GraphFlowManager",
)
_DECIDING = "SelectorGroupChat"
_ORCHESTRATOR = "_magentic_one._magentic_one_orchestrator:MagenticOneOrchestrator"
_ASSISTANT = "autogen_agentchat.agents._assistant_agent:AssistantAgent"
_ANSWERING = (
    _ASSISTANT,
    "autogen_agentchat.agents._code_executor_agent:CodeExecutorAgent",
    "autogen_agentchat.agents._society_of_mind_agent:SocietyOfMindAgent",
    "autogen_agentchat.agents._user_proxy_agent:UserProxyAgent",
)
"""Agents that programs also call by `on_messages`, below what runs a task."""
_sessions: "WeakKeyDictionary[Any, str]" = WeakKeyDictionary()
_running: dict[str, Context] = {}
"""Group topic of a running team → the context of its span: a runtime that the user started before
processes messages in a context of its own."""
_parents: dict[str, Context] = {}
"""Group topic of a team that is about to run inside another → the other's context."""


def install() -> Undo:
    """Patch agentchat until the returned undo runs."""
    undo = patch_all(
        Patch(f"{_AGENTS}:BaseChatAgent.run", _async(_agent)),
        Patch(f"{_AGENTS}:BaseChatAgent.run_stream", _stream(_agent)),
        Patch(f"{_TEAMS}._base_group_chat:BaseGroupChat.run_stream", _stream(_team)),
        Patch(f"{_TEAMS}._chat_agent_container:ChatAgentContainer.handle_request", _async(_turn)),
        Patch(f"{_TEAMS}._chat_agent_container:ChatAgentContainer._log_message", _heard),
        Patch(f"{_TEAMS}.{_ORCHESTRATOR}.handle_start", _async(_orchestrate), False),
        Patch(f"{_TEAMS}.{_ORCHESTRATOR}.handle_agent_response", _async(_orchestrate), False),
        Patch(f"{_ASSISTANT}._execute_tool_call", _called, False),
        Patch(f"{_ASSISTANT}._update_model_context_with_memory", _remembered, False),
    )
    for agent in _ANSWERING:
        undo.add(Patch(f"{agent}.on_messages", _async(_answer), False).apply())
        undo.add(Patch(f"{agent}.on_messages_stream", _stream(_answer), False).apply())
    for manager in _MANAGERS:
        undo.add(Patch(f"{_TEAMS}.{manager}.select_speaker", _async(_speaker), False).apply())
    return undo


def _async(begin: Begin) -> Wrap:
    return traced_async(INTEGRATION, begin)


def _stream(begin: Begin) -> Wrap:
    return traced_async_generator(INTEGRATION, begin)


INTEGRATION = Integration(
    "autogen-agentchat", supported=SUPPORTED, module="autogen_agentchat.agents", install=install
)


def _called(original: Callable[..., Any]) -> Callable[..., Any]:
    """What a model calls, also where it is no tool, or its arguments are no JSON."""

    @functools.wraps(original)
    async def _execute_tool_call(*args: Any, **kwargs: Any) -> Any:
        if not INTEGRATION.active:
            return await original(*args, **kwargs)
        start_ns = time.time_ns()
        try:
            with opened_tools() as opened:
                called = await original(*args, **kwargs)
        except BaseException as error:
            drop_frame(error)
            raise
        if not opened:
            _show_call(called, start_ns)
        return called

    return _execute_tool_call


def _show_call(called: Any, start_ns: int) -> None:
    try:
        call, result = called
        span = open_tool(call.name, _arguments(call.arguments), call.id, start_ns)
        if captures(INTEGRATION):
            span.set_tool_call(call.name, result=result.content)
            span.set_output(result.content)
        if result.is_error:
            show_tool_error(span, result.content)
        span.end()
    except Exception:
        _log.debug("Pellucid could not read a tool call", exc_info=True)


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def _remembered(original: Callable[..., Any]) -> Callable[..., Any]:
    """What an agent's memories bring into its context."""

    @functools.wraps(original)
    async def _update_model_context_with_memory(
        memory: Any, model_context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if not memory or not INTEGRATION.active:
            return await original(memory, model_context, *args, **kwargs)
        span = open_span(" + ".join(type(one).__name__ for one in memory), SpanKind.RETRIEVER)
        try:
            with Stage(span).running():
                asked = await model_context.get_messages()
                if asked and captures(INTEGRATION):
                    span.set_input(_text(asked[-1]))
                events = await original(memory, model_context, *args, **kwargs)
                _show_memories(span, events)
                return events
        except BaseException as error:
            drop_frame(error)
            raise

    return _update_model_context_with_memory


def _show_memories(span: Span, events: Any) -> None:
    if not captures(INTEGRATION):
        return
    documents = []
    for content in (content for event in events for content in event.content):
        metadata = dict(content.metadata or {})
        documents.append(
            {
                "id": metadata.get("id"),
                "text": str(content.content),
                "score": metadata.get("score"),
                "metadata": metadata,
            }
        )
    span.set_documents(documents)


def _heard(original: Callable[..., Any]) -> Callable[..., Any]:
    """What a member of a team says goes through here on its way to the others."""

    @functools.wraps(original)
    async def _log_message(self: Any, message: Any) -> Any:
        result = await original(self, message)
        span = otel_context.get_value(_TURN)
        if type(span) is Span and span.is_recording and hasattr(message, "to_model_text"):
            _show_said(span, message)
        return result

    return _log_message


_TURN = otel_context.create_key("pellucid-agentchat-turn")
_AGENT = otel_context.create_key("pellucid-agentchat-agent")


def _team(team: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    topic = str(team._group_topic_type)
    parent = _parents.pop(topic, None)
    session = _session(str(getattr(team, "_team_id", "")), parent)
    # A team that asks a model of its own who speaks is an agent as its members are.
    decides = type(team).__name__ == _DECIDING
    kind = SpanKind.AGENT if decides else SpanKind.CHAIN
    held = {names.AGENT_NAME: str(team.name)} if decides else {}
    span = open_span(str(team.name), kind, parent=parent, attributes={**session, **held})
    span.set_attribute("autogen.team", type(team).__name__)
    members = [str(member.name) for member in getattr(team, "_participants", [])]
    span.set_attribute("autogen.participants", members)
    _show_task(span, kwargs.get("task"))
    stage = Stage(span, item=_show_result, context=context_of(span, parent))
    _running[topic] = stage.context
    stage.finally_(lambda: _running.pop(topic, None))
    return stage


def _agent(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    span = _open_agent(agent)
    _show_task(span, kwargs.get("task"))
    context = otel_context.set_value(_AGENT, agent, context_of(span))
    return Stage(span, result=_show_result, item=_show_result, context=context)


def _answer(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    if otel_context.get_value(_AGENT) is agent:
        return None
    span = _open_agent(agent)
    asked = args[0] if args else kwargs.get("messages", [])
    if asked:
        _show_task(span, list(asked))
    context = otel_context.set_value(_AGENT, agent, context_of(span))

    def show(span: Span, item: Any) -> None:
        if hasattr(item, "chat_message"):
            _show_said(span, item.chat_message)

    return Stage(span, result=show, item=show, context=context)


def _orchestrate(manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    """What plans, and says whose turn it is and what to do, takes its turns as an agent."""
    parent = _running.get(str(manager._group_topic_type))
    name = str(getattr(manager, "_name", "MagenticOneOrchestrator"))
    span = open_span(name, SpanKind.AGENT, parent=parent, attributes={names.AGENT_NAME: name})
    message = args[0] if args else kwargs.get("message")
    heard, response = getattr(message, "messages", None), getattr(message, "response", None)
    if heard:
        _show_task(span, list(heard))
    elif response is not None:
        _show_task(span, [response.chat_message])

    def show(span: Span, _: Any) -> None:
        if manager._message_thread:
            _show_said(span, manager._message_thread[-1])

    return Stage(span, result=show, context=context_of(span, parent))


def _turn(container: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    agent = container._agent
    parent = _running.get(str(container._parent_topic_type))
    if not hasattr(agent, "on_messages_stream"):  # a team inside a team has its own span
        if parent is not None:
            _parents[str(agent._group_topic_type)] = parent
        return None
    span = _open_agent(agent, parent)
    heard = list(container._message_buffer)
    if captures(INTEGRATION) and heard:
        span.otel_span.set_attribute(names.INPUT_MESSAGES, _messages(heard))
        span.set_input(_text(heard[-1]))
    context = otel_context.set_value(_TURN, span, context_of(span, parent))
    context = otel_context.set_value(_AGENT, agent, context)
    return Stage(span, context=context)


def _open_agent(agent: Any, parent: Context | None = None) -> Span:
    name = str(agent.name)
    held = {names.AGENT_NAME: name}
    if parent is None:
        known = _sessions.setdefault(agent, uuid.uuid4().hex)
        held |= _session(known, parent)
    span = open_span(name, SpanKind.AGENT, parent=parent, attributes=held)
    description = getattr(agent, "description", None)
    if description:
        span.set_attribute("gen_ai.agent.description", description)
    return span


def _speaker(manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    parent = _running.get(str(manager._group_topic_type))
    span = open_span("select speaker", SpanKind.CHAIN, parent=parent)
    thread = args[0] if args else kwargs.get("thread", [])
    last = next((str(m.source) for m in reversed(thread) if hasattr(m, "to_model_text")), None)
    candidates = [str(name) for name in manager._participant_names]
    span.set_input({"last_speaker": last, "candidates": candidates})

    def show(span: Span, chosen: Any) -> None:
        span.set_output(chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen)

    context = None if parent is None else context_of(span, parent)
    return Stage(span, result=show, context=context)


def _session(known: str, parent: Context | None) -> dict[str, str]:
    """Return a root's attribute: run again, a team or an agent goes on with its memory."""
    above = otel.get_current_span(parent).get_span_context().is_valid
    if above or not known or ambient.current().session_id is not None:
        return {}
    return {names.CONVERSATION_ID: known}


def _show_task(span: Span, task: Any) -> None:
    if task is None or not captures(INTEGRATION):
        return
    messages = task if isinstance(task, list | tuple) else [task]
    if not isinstance(task, str):
        span.otel_span.set_attribute(names.INPUT_MESSAGES, _messages(messages))
    span.set_input(task if isinstance(task, str) else _text(messages[-1]))


def _show_result(span: Span, result: Any) -> None:
    """Show a TaskResult; the other items of a stream are the work of spans below."""
    messages = getattr(result, "messages", None)
    if messages is None or not hasattr(result, "stop_reason"):
        return
    if result.stop_reason:
        span.set_attribute("autogen.stop_reason", result.stop_reason)
    said = [message for message in messages if hasattr(message, "to_model_text")]
    if said and captures(INTEGRATION):
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, _messages(said))
        span.set_output(_text(said[-1]))


def _show_said(span: Span, message: Any) -> None:
    target = getattr(message, "target", None)
    if type(message).__name__ == "HandoffMessage" and target:
        span.add_event("handoff", {"target": str(target)})
    if captures(INTEGRATION):
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, _messages([message]))
        span.set_output(_text(message))


def _text(message: Any) -> Any:
    if isinstance(message, str):
        return message
    content = getattr(message, "content", message)
    return content if isinstance(content, str) else message.to_text()


def _messages(messages: list[Any] | tuple[Any, ...]) -> str:
    found = []
    for message in messages:
        source = str(getattr(message, "source", "user"))
        role = "user" if source == "user" else "assistant"
        found.append(Message(role=role, name=source, parts=parts_of(_content_of(message))))
    return encode_messages(found)


def _content_of(message: Any) -> Any:
    content = getattr(message, "content", message)
    return content if isinstance(content, str | list) else message.to_text()
