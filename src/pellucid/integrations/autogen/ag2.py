"""Trace ag2 before 1.0, the line with `initiate_chat`: chats, turns, speakers, tools, code.

What an agent asks of an OpenAI model is a span of the OpenAI SDK's integration, below the agent's
turn; other providers' clients are traced here.
"""

import functools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import Integration, context_of, open_span
from pellucid.client.patching import Patch, Undo, Wrap, patch_all, when_imported
from pellucid.client.stages import Begin, Stage, captures, traced_async, traced_sync
from pellucid.client.tracing import context as ambient
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages, messages_of
from pellucid.semconv.openai_wire import find_endpoint, read_request, read_response

SUPPORTED = "ag2>=0.9.7,<1"

_AGENT = "autogen.agentchat.conversable_agent:ConversableAgent"
_GROUP = "autogen.agentchat.groupchat:GroupChat"
_OTHER_CLIENTS = {
    "anthropic": "AnthropicClient",
    "bedrock": "BedrockClient",
    "cerebras": "CerebrasClient",
    "cohere": "CohereClient",
    "gemini": "GeminiClient",
    "groq": "GroqClient",
    "mistral": "MistralAIClient",
    "ollama": "OllamaClient",
    "together": "TogetherClient",
}
_EXECUTORS = (
    "autogen.coding.local_commandline_code_executor:LocalCommandLineCodeExecutor",
    "autogen.coding.docker_commandline_code_executor:DockerCommandLineCodeExecutor",
    "autogen.coding.jupyter.jupyter_code_executor:JupyterCodeExecutor",
)
_LONG_MESSAGE = 65_536
_CHATS = ("autogen.agentchat.chat", "autogen.agentchat", "autogen")
"""Where programs find `initiate_chats`, beside the agents' method."""
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
    for module in _CHATS:
        undo.add(Patch(f"{module}:initiate_chats", _function(_sync(_chats))).apply())
        undo.add(Patch(f"{module}:a_initiate_chats", _function(_async(_chats)), False).apply())
    for target in _EXECUTORS:
        _later(undo, target.partition(":")[0], Patch(f"{target}.execute_code_blocks", _sync(_code)))
    for provider, name in _OTHER_CLIENTS.items():
        module = f"autogen.oai.{provider}"
        call = functools.partial(_model, provider)
        _later(undo, module, Patch(f"{module}:{name}.create", _sync(call), required=False))
    return undo


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
    recipients = [_title(chat.get("recipient")) for chat in queue]
    span.set_attribute("ag2.recipients", recipients)
    first = queue[0].get("message") if queue else None
    if _captures() and first is not None and not callable(first):
        span.set_input(_content(first))
    return span


def _chats(sender: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    span = _open_queue(args[0] if args else kwargs.get("chat_queue", []))

    def show(span: Span, results: Any) -> None:
        chats = list(results.values()) if isinstance(results, dict) else list(results)
        if _captures() and chats:
            span.set_output(_summary_text(chats[-1].summary))

    return Stage(span, result=show)


def _chat(sender: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    if _inside.get():
        return None
    recipient = args[0] if args else kwargs.get("recipient")
    group = getattr(recipient, "groupchat", None)
    title = f"initiate_chat {_title(sender)} → {_title(recipient)}"
    clear = args[1] if len(args) > 1 else kwargs.get("clear_history", True)
    found = otel_context.get_value(_QUEUE)
    queue = found if isinstance(found, _Queue) else None
    parent = None if queue is None else queue.began()
    session_id = {} if parent is not None else _session(sender, recipient, clear)
    span = open_span(title, SpanKind.CHAIN, parent=parent, attributes=session_id)
    if group is not None:
        span.set_attribute("ag2.group", _members(group))
    message = args[7] if len(args) > 7 else kwargs.get("message")
    if _captures() and message is not None and not callable(message):
        span.set_input(_content(message))

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
            said = [_as_said(message, _name(sender)) for message in history]
            span.otel_span.set_attribute(names.OUTPUT_MESSAGES, _messages(said))
        summary = getattr(result, "summary", None) if group is None else None
        span.set_output(_summary_text(summary) or (history[-1].get("content") if history else None))
        if getattr(result, "human_input", None):
            span.set_attribute("ag2.human_input", result.human_input)

    if queue is None:
        return Stage(span, result=show)
    stage = Stage(span, result=show, context=context_of(span, parent))
    stage.finally_(lambda: queue.ended(span))
    return stage


def _as_said(message: Any, asker: str) -> Any:
    """Give a message the role that it has in the whole chat; each agent calls itself assistant."""
    if not isinstance(message, dict) or message.get("role") not in {"user", "assistant"}:
        return message
    name = message.get("name")
    if not name:
        return message
    return {**message, "role": "user" if name == asker else "assistant"}


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
        with_recipient.pop(_name(sender), None)
    return {
        names.CONVERSATION_ID: with_recipient.setdefault(_name(sender), uuid.uuid4().hex),
    }


def _summary(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    """A model's summary of a chat: one more turn of the agent whose model it is."""
    asked = args[0] if args else kwargs.get("prompt")
    author = args[2] if len(args) > 2 else kwargs.get("llm_agent")
    if getattr(author, "client", None) is None:
        author = agent
    name = _name(author)
    span = open_span(name, SpanKind.AGENT, attributes={names.AGENT_NAME: name})
    span.set_attribute("ag2.step", "summary")
    if _captures():
        span.set_input(asked)

    def show(span: Span, result: Any) -> None:
        if _captures():
            span.set_output(_summary_text(result))

    return Stage(span, result=show)


def _turn(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    name = _name(agent)
    if _inside.get() or name.startswith("_"):
        return None
    sender = args[1] if len(args) > 1 else kwargs.get("sender")
    messages = args[0] if args else kwargs.get("messages")
    if messages is None and sender is not None:
        messages = agent.chat_messages.get(sender)
    span = open_span(name, SpanKind.AGENT, attributes={names.AGENT_NAME: name})
    if sender is not None:
        span.set_attribute("ag2.sender", _name(sender))
    description = getattr(agent, "description", None)
    if description:
        span.set_attribute("gen_ai.agent.description", description)
    if _captures() and messages:
        span.otel_span.set_attribute(names.INPUT_MESSAGES, _messages(messages))
        heard = _content(messages[-1])
        if heard:
            span.set_input(heard)

    def show(span: Span, reply: Any) -> None:
        if reply is None or not _captures():
            return
        said = reply if isinstance(reply, dict) else {"content": reply}
        said = {"role": "assistant", **said, "name": name}
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, _messages([said]))
        span.set_output(_content(said))

    return Stage(span, result=show)


def _tool(agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    call = args[0] if args else kwargs.get("func_call")
    if not isinstance(call, dict):
        return None
    name = str(call.get("name", ""))
    call_id = args[1] if len(args) > 1 else kwargs.get("call_id")
    span = open_span(name, SpanKind.TOOL)
    arguments = _parsed(call.get("arguments"))
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


def _speaker(group: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage | None:
    last = args[0] if args else kwargs.get("last_speaker")
    span = open_span("select speaker", SpanKind.CHAIN)
    method = group.speaker_selection_method
    span.set_attribute("ag2.selection_method", method if isinstance(method, str) else "function")
    span.set_input({"last_speaker": _title(last), "candidates": _members(group)})

    def show(span: Span, chosen: Any) -> None:
        span.set_output(_name(chosen) if hasattr(chosen, "name") else chosen)

    return Stage(span, result=show, within=_among_helpers(), expected=_is_end_of_chat)


def _model(
    provider: str, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Stage | None:
    params = args[0] if args else kwargs.get("params")
    endpoint = find_endpoint("/chat/completions")
    if not isinstance(params, dict) or endpoint is None:
        return None
    request = read_request(endpoint, simplify(params))
    span = open_span(f"chat {request.model}", SpanKind.LLM)
    span.set_model(request.model, provider, **request.parameters)
    if _captures() and request.messages:
        span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(request.messages))

    def show(span: Span, result: Any) -> None:
        dump = getattr(result, "model_dump", None)
        if dump is None:
            return
        response = read_response(endpoint, dump(mode="json", exclude_unset=True, warnings=False))
        span.set_usage(response.tokens.input, response.tokens.output)
        if response.finish_reasons:
            span.otel_span.set_attribute(names.FINISH_REASONS, response.finish_reasons)
        if _captures() and response.messages:
            span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(response.messages))

    return Stage(span, result=show)


def _is_end_of_chat(error: BaseException) -> bool:
    """Tell whether an error is how a group says that nobody speaks next."""
    return type(error).__name__ == "NoEligibleSpeakerError"


def _members(group: Any) -> list[str]:
    """Return who is in a group, without the helpers that ag2 adds."""
    return [name for name in map(_name, group.agents) if not name.startswith("_")]


def _title(agent: Any) -> str:
    """Return an agent's name; those that ag2 makes for itself begin with `_`."""
    return _name(agent).lstrip("_")


def _summary_text(summary: Any) -> Any:
    return summary.get("content") or summary if isinstance(summary, dict) else summary


def _name(agent: Any) -> str:
    return str(getattr(agent, "name", agent))


def _content(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return message.get("content") or message.get("tool_calls") or message.get("tool_responses")


def _messages(messages: list[Any]) -> str:
    found = messages_of([_simple(message) for message in messages])
    return encode_messages(found) if found else "[]"


def _simple(message: Any) -> Any:
    """Simplify a message, unless it holds texts alone, as nearly all of them do."""
    if type(message) is dict:
        size = 0
        for value in message.values():
            if type(value) is str:
                size += len(value)
            elif value is not None:
                return simplify(message)
        if size < _LONG_MESSAGE:
            return message
    return simplify(message)


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
