"""Trace ag2 before 1.0, the line with `initiate_chat`: chats, turns, speakers, tools, code.

What an agent asks of an OpenAI model is a span of the OpenAI SDK's integration, below the agent's
turn; other providers' clients are traced here.
"""

import functools
import importlib
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.instrument import Integration, context_of, open_span
from pellucid.client.patching import Patch, Undo, Wrap, patch_all, when_imported
from pellucid.client.stages import Begin, Stage, captures, traced_async, traced_sync
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.autogen import ag2_models
from pellucid.integrations.autogen.ag2_reading import (
    as_said,
    content_of,
    encoded,
    members_of,
    name_of,
    parsed,
    summary_text,
    title_of,
)
from pellucid.semconv import attributes as names

SUPPORTED = "ag2>=0.9.7,<1"

_AGENT = "autogen.agentchat.conversable_agent:ConversableAgent"
_GROUP = "autogen.agentchat.groupchat:GroupChat"
_EXECUTORS = (
    "autogen.coding.local_commandline_code_executor:LocalCommandLineCodeExecutor",
    "autogen.coding.docker_commandline_code_executor:DockerCommandLineCodeExecutor",
    "autogen.coding.jupyter.jupyter_code_executor:JupyterCodeExecutor",
)
_GUARDRAILS = (
    "autogen.agentchat.group.guardrails:LLMGuardrail",
    "autogen.agentchat.group.guardrails:RegexGuardrail",
)
_AGENTS = "autogen.agentchat.conversable_agent"
_sessions: "WeakKeyDictionary[Any, dict[str, str]]" = WeakKeyDictionary()
"""Recipient → name of who talks to it → the id of their conversation."""
_inside: ContextVar[bool] = ContextVar("pellucid-ag2-inside", default=False)
"""Whether the agents at work are helpers that ag2 made for itself, as to select a speaker."""


def install() -> Undo:
    """Patch ag2 until the returned undo runs."""
    undo = patch_all(
        Patch(f"{_AGENT}.initiate_chat", _sync(_chat)),
        Patch(f"{_AGENT}.a_initiate_chat", _async(_chat)),
        Patch(f"{_AGENT}.initiate_chats", _sync(_chats)),
        Patch(f"{_AGENT}.a_initiate_chats", _async(_chats)),
        Patch(f"{_AGENT}.sequential_run", _queued, required=False),
        Patch(f"{_AGENT}.a_sequential_run", _queued_async, required=False),
        Patch(f"{_AGENT}._reflection_with_llm", _sync(_summary), required=False),
        Patch(f"{_AGENT}.generate_reply", _sync(_turn)),
        Patch(f"{_AGENT}.a_generate_reply", _async(_turn)),
        Patch(f"{_AGENT}.execute_function", _sync(_tool)),
        Patch(f"{_AGENT}.a_execute_function", _async(_tool)),
        Patch(f"{_AGENT}.execute_code_blocks", _sync(_code)),
        Patch(f"{_GROUP}.select_speaker", _sync(_speaker)),
        Patch(f"{_GROUP}.a_select_speaker", _async(_speaker), required=False),
    )
    for target in _holders("initiate_chats"):
        undo.add(Patch(target, _function(_sync(_chats))).apply())
    for target in _holders("a_initiate_chats"):
        undo.add(Patch(target, _function(_async(_chats)), False).apply())
    for target in _EXECUTORS:
        _later(undo, target.partition(":")[0], Patch(f"{target}.execute_code_blocks", _sync(_code)))
    for guardrail in _GUARDRAILS:
        _later(undo, guardrail.partition(":")[0], Patch(f"{guardrail}.check", _sync(_guard), False))
    undo.add(ag2_models.install(INTEGRATION))
    return undo


def _holders(name: str) -> list[str]:
    """Return where programs hold a function of ag2's, beside the agents' methods that call it."""
    function = getattr(importlib.import_module("autogen.agentchat.chat"), name, None)
    holders = [
        module
        for module, held in list(sys.modules.items())
        if module != _AGENTS and getattr(held, "__dict__", {}).get(name) is function
    ]
    return [f"{module}:{name}" for module in holders] if function is not None else []


def _sync(begin: Begin) -> Wrap:
    return traced_sync(INTEGRATION, begin)


def _async(begin: Begin) -> Wrap:
    return traced_async(INTEGRATION, begin)


def _function(wrap: Wrap) -> Wrap:
    """Make a wrapper for methods one for functions."""

    def wrap_function(original: Callable[..., Any]) -> Callable[..., Any]:
        method = wrap(lambda _, *args, **kwargs: original(*args, **kwargs))
        return functools.partial(method, None)

    return wrap_function


INTEGRATION = Integration("ag2", supported=SUPPORTED, module="autogen", install=install)


def _later(undo: Undo, module: str, patch: Patch) -> None:
    undo.add(when_imported(module, lambda: undo.add(patch.apply())))


def _captures() -> bool:
    return captures(INTEGRATION)


@contextmanager
def _among_helpers() -> Iterator[None]:
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


class _Queue:
    """Chats that run after each other elsewhere, once the call that started them has returned.

    Their span begins with the first chat and ends with the last, or with one that fails.
    """

    def __init__(self, chats: list[Any]) -> None:
        self._chats = chats
        self._left = len(chats)
        self._span: Span | None = None

    def began(self) -> Context:
        """Return the context of the next chat."""
        if self._span is None:
            self._span = _open_queue(self._chats)
        return otel_context.set_value(_QUEUE, None, context_of(self._span))

    def ended(self, chat: Span) -> None:
        """Note that a chat has ended."""
        self._left -= 1
        if self._span is None:
            return
        status = getattr(chat.otel_span, "status", None)
        failed = status is not None and not status.is_ok
        if status is not None and failed:
            self._span.set_error(status.description or "")
        elif self._left <= 0:
            output = (getattr(chat.otel_span, "attributes", None) or {}).get(names.OUTPUT)
            if output is not None:
                self._span.otel_span.set_attribute(names.OUTPUT, output)
        if failed or self._left <= 0:
            self._span.end()


_QUEUE = otel_context.create_key("pellucid-ag2-queue")


@contextmanager
def _queue_of(chats: Any) -> Iterator[None]:
    """Let the chats that are started inside the block find their queue."""
    if not INTEGRATION.active or not isinstance(chats, list):
        yield
        return
    token = otel_context.attach(otel_context.set_value(_QUEUE, _Queue(chats)))
    try:
        yield
    finally:
        otel_context.detach(token)


def _queued(original: Callable[..., Any]) -> Callable[..., Any]:
    def sequential_run(self: Any, chat_queue: Any) -> Any:
        with _queue_of(chat_queue):
            return original(self, chat_queue)

    return sequential_run


def _queued_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def a_sequential_run(self: Any, chat_queue: Any) -> Any:
        with _queue_of(chat_queue):
            return await original(self, chat_queue)

    return a_sequential_run


def _open_queue(queue: Any) -> Span:
    span = open_span("initiate_chats", SpanKind.CHAIN, attributes=_new_session())
    recipients = [title_of(chat.get("recipient")) for chat in queue]
    span.set_attribute("ag2.recipients", recipients)
    first = queue[0].get("message") if queue else None
    if _captures() and first is not None and not callable(first):
        span.set_input(content_of(first))
    return span


def _chats(sender: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    span = _open_queue(args[0] if args else kwargs.get("chat_queue", []))

    def show(span: Span, results: Any) -> None:
        chats = list(results.values()) if isinstance(results, dict) else list(results)
        if _captures() and chats:
            span.set_output(summary_text(chats[-1].summary))

    return Stage(span, result=show)


def _chat(sender: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    if _inside.get():
        return None
    recipient = args[0] if args else kwargs.get("recipient")
    group = getattr(recipient, "groupchat", None)
    title = f"initiate_chat {title_of(sender)} → {title_of(recipient)}"
    clear = args[1] if len(args) > 1 else kwargs.get("clear_history", True)
    found = otel_context.get_value(_QUEUE)
    queue = found if isinstance(found, _Queue) else None
    parent = None if queue is None else queue.began()
    session_id = {} if parent is not None else _session(sender, recipient, clear)
    span = open_span(title, SpanKind.CHAIN, parent=parent, attributes=session_id)
    if group is not None:
        span.set_attribute("ag2.group", members_of(group))
    message = args[7] if len(args) > 7 else kwargs.get("message")
    if _captures() and message is not None and not callable(message):
        span.set_input(content_of(message))

    def show(span: Span, result: Any) -> None:
        # A group's own history holds what its members said to each other too.
        history = getattr(group, "messages", None) or getattr(result, "chat_history", None) or []
        span.set_attribute("ag2.cost", getattr(result, "cost", None))
        span.set_attribute("ag2.turns", len(history))
        if not _captures():
            return
        if history:
            if message is None or callable(message):
                span.set_input(history[0].get("content"))
            said = [as_said(message, name_of(sender)) for message in history]
            span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encoded(said))
        summary = getattr(result, "summary", None) if group is None else None
        span.set_output(summary_text(summary) or (history[-1].get("content") if history else None))
        if getattr(result, "human_input", None):
            span.set_attribute("ag2.human_input", result.human_input)

    if queue is None:
        return Stage(span, result=show)
    stage = Stage(span, result=show, context=context_of(span, parent))
    stage.finally_(lambda: queue.ended(span))
    return stage


def _new_session() -> dict[str, str]:
    return {} if _belongs() else {names.CONVERSATION_ID: uuid.uuid4().hex}


def _belongs() -> bool:
    """Tell whether the session is somebody else's to say."""
    if otel.get_current_span().get_span_context().is_valid:
        return True
    return ambient.current().session_id is not None


def _session(sender: Any, recipient: Any, clear: Any) -> dict[str, str]:
    """Return a root's attribute: a conversation lasts until its history is cleared."""
    if _belongs():
        return {}
    with_recipient = _sessions.setdefault(recipient, {})
    if clear:
        with_recipient.pop(name_of(sender), None)
    return {
        names.CONVERSATION_ID: with_recipient.setdefault(name_of(sender), uuid.uuid4().hex),
    }


def _summary(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    """A model's summary of a chat: one more turn of the agent whose model it is."""
    asked = args[0] if args else kwargs.get("prompt")
    author = args[2] if len(args) > 2 else kwargs.get("llm_agent")
    if getattr(author, "client", None) is None:
        author = agent
    name = name_of(author)
    span = open_span(name, SpanKind.AGENT, attributes={names.AGENT_NAME: name})
    span.set_attribute("ag2.step", "summary")
    if _captures():
        span.set_input(asked)

    def show(span: Span, result: Any) -> None:
        if _captures():
            span.set_output(summary_text(result))

    return Stage(span, result=show)


def _turn(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    name = name_of(agent)
    if _inside.get() or name.startswith("_"):
        return None
    sender = args[1] if len(args) > 1 else kwargs.get("sender")
    messages = args[0] if args else kwargs.get("messages")
    if messages is None and sender is not None:
        messages = agent.chat_messages.get(sender)
    span = open_span(name, SpanKind.AGENT, attributes={names.AGENT_NAME: name})
    if sender is not None:
        span.set_attribute("ag2.sender", title_of(sender))
    description = getattr(agent, "description", None)
    if description:
        span.set_attribute("gen_ai.agent.description", description)
    if _captures() and messages:
        span.otel_span.set_attribute(names.INPUT_MESSAGES, encoded(messages))
        heard = content_of(messages[-1])
        if heard:
            span.set_input(heard)

    def show(span: Span, reply: Any) -> None:
        if not _captures():
            return
        if reply is None:
            group = getattr(agent, "groupchat", None)
            if group is not None and group.messages:  # what its members ended with
                span.set_output(content_of(group.messages[-1]))
            return
        said = reply if isinstance(reply, dict) else {"content": reply}
        said = {"role": "assistant", **said, "name": name}
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encoded([said]))
        span.set_output(content_of(said) or "")

    return Stage(span, result=show)


def _tool(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    call = args[0] if args else kwargs.get("func_call")
    if not isinstance(call, dict):
        return None
    name = str(call.get("name", ""))
    call_id = args[1] if len(args) > 1 else kwargs.get("call_id")
    span = open_span(name, SpanKind.TOOL)
    arguments = parsed(call.get("arguments"))
    shown = arguments if _captures() else None
    span.set_tool_call(name, shown, id=call_id)
    if shown is not None:
        span.set_input(shown)

    def show(span: Span, result: Any) -> None:
        succeeded, answer = result
        content = answer.get("content") if isinstance(answer, dict) else answer
        if _captures():
            span.set_tool_call(name, result=content)
            span.set_output(content)
        if not succeeded:
            # ag2 turns the exception into this text and lets the agent answer it.
            text = str(content).removeprefix("Error: ")
            span.add_event("exception", {"exception.type": "Error", "exception.message": text})
            span.set_error(text)

    return Stage(span, result=show)


def _code(owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    blocks = args[0] if args else kwargs.get("code_blocks", [])
    code = [
        {"language": block[0], "code": block[1]}
        if isinstance(block, tuple | list)
        else {"language": getattr(block, "language", ""), "code": getattr(block, "code", "")}
        for block in blocks
    ]
    span = open_span("execute code", SpanKind.TOOL)
    span.set_tool_call("execute code", {"blocks": code} if _captures() else None)
    if _captures():
        span.set_input(code[0]["code"] if len(code) == 1 else code)

    def show(span: Span, result: Any) -> None:
        if isinstance(result, tuple):
            status, output = result[0], result[1]
        else:
            status, output = getattr(result, "exit_code", 0), getattr(result, "output", None)
        span.set_attribute("ag2.exit_code", status)
        if _captures():
            span.set_tool_call("execute code", result={"exit_code": status, "output": output})
            span.set_output(output)
        if status:
            text = f"exit code {status}"
            span.add_event("exception", {"exception.type": "Error", "exception.message": text})
            span.set_error(text)

    return Stage(span, result=show)


def _guard(guardrail: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    checked = args[0] if args else kwargs.get("context")
    span = open_span(name_of(guardrail), SpanKind.GUARDRAIL)
    if _captures():
        last = checked[-1] if isinstance(checked, list) and checked else checked
        span.set_input(content_of(last))

    def show(span: Span, result: Any) -> None:
        span.set_attribute("ag2.activated", bool(result.activated))
        if _captures():
            span.set_output(
                {"activated": bool(result.activated), "justification": result.justification}
            )

    return Stage(span, result=show)


def _speaker(group: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    last = args[0] if args else kwargs.get("last_speaker")
    span = open_span("select speaker", SpanKind.CHAIN)
    method = group.speaker_selection_method
    span.set_attribute("ag2.selection_method", method if isinstance(method, str) else "function")
    span.set_input({"last_speaker": title_of(last), "candidates": members_of(group)})

    def show(span: Span, chosen: Any) -> None:
        span.set_output(title_of(chosen) if hasattr(chosen, "name") else chosen)

    return Stage(span, result=show, within=_among_helpers(), expected=_is_end_of_chat)


def _is_end_of_chat(error: BaseException) -> bool:
    """Tell whether an error is how a group says that nobody speaks next."""
    return type(error).__name__ == "NoEligibleSpeakerError"
