"""What a span says of LlamaIndex's arguments and results."""

from typing import Any

from pellucid.client.encoding import simplify
from pellucid.client.tracing.span import Span, documents_attribute
from pellucid.core.span import Message, Part, SpanKind
from pellucid.integrations.llama_index.kinds import Call
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages
from pellucid.semconv.openai_wire import read_usage

_ASKED = ("query", "user_msg", "chat_history")
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "context_window")


def show_arguments(span: Span, call: Call, arguments: dict[str, Any]) -> None:
    """Show what a call was given."""
    if call.method == "call_tool":
        event = arguments["ev"]
        span.set_tool_call(call.name, event.tool_kwargs, id=event.tool_id)
        span.set_input(event.tool_kwargs)
    elif call.kind is SpanKind.TOOL:
        given = arguments.get("kwargs") or {k: v for k, v in arguments.items() if k != "self"}
        span.set_tool_call(call.name, given)
        span.set_input(given)
    elif call.method in {"run", "step", "run_agent_step"}:
        _show_event(span, arguments)
    elif call.kind is SpanKind.PARSER:
        span.set_input({"nodes": len(arguments.get("nodes") or [])})
    elif call.kind is SpanKind.EMBEDDING:
        span.set_input(next(iter(arguments.values()), None))
    elif call.kind is not SpanKind.LLM:
        named = next((arguments[n] for n in _ASKED if arguments.get(n)), None)
        first = named if named is not None else next(iter(arguments.values()), None)
        if isinstance(first, list) and first and hasattr(first[-1], "blocks"):
            span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(messages_of(first)))
            first = first[-1]
        span.set_input(text_of(first))


def show_result(span: Span, call: Call, result: Any) -> None:
    """Show what a call returned."""
    if call.kind is SpanKind.RETRIEVER:
        span.otel_span.set_attribute(names.DOCUMENTS, documents_of(result or []))
    elif call.method == "call_tool" and result is None:
        return  # it waits, or was cancelled
    elif call.kind is SpanKind.TOOL:
        output = getattr(result, "tool_output", result)
        text = getattr(output, "content", output)
        span.set_tool_call(call.name, result=text)
        span.set_output(text)
    elif call.kind is SpanKind.EMBEDDING:
        vectors = result if result and isinstance(result[0], list) else [result]
        span.set_output({"embeddings": len(vectors), "dimensions": len(vectors[0] or [])})
    elif call.kind is SpanKind.PARSER:
        span.set_output({"nodes": len(result or [])})
    elif call.method in {"run", "step", "run_agent_step"}:
        if result is not None:
            span.set_output(_event_output(result))
    else:
        span.set_output(text_of(result))


def tool_error(result: Any) -> Any:
    """Return the exception or text of a tool output that says it failed, or None."""
    output = getattr(result, "tool_output", result)
    if not getattr(output, "is_error", False):
        return None
    return getattr(output, "exception", None) or str(getattr(output, "content", "failed"))


def session_of(instance: Any, arguments: dict[str, Any]) -> str | None:
    """Return the id of the conversation whose memory a call uses."""
    event = arguments.get("start_event")
    for memory in (getattr(event, "memory", None), getattr(instance, "_memory", None)):
        found = getattr(memory, "session_id", None)
        if found:
            return str(found)
    return None


def show_request(span: Span, event: Any, owner: str, *, content: bool) -> None:
    """Show an LLMChatStartEvent or LLMCompletionStartEvent; a model without a name by its class."""
    settings = {**event.model_dict, **(event.additional_kwargs or {})}
    model = settings.get("model") or settings.get("model_name") or settings.get("class_name")
    model = model if model and model != "unknown" else owner
    known = {k: settings[k] for k in _SETTINGS if settings.get(k) is not None}
    span.set_model(str(model), None, **known)
    span.otel_span.update_name(f"chat {model}")
    if content:
        messages = getattr(event, "messages", None)
        asked = messages_of(messages) if messages is not None else [_said("user", event.prompt)]
        span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(asked))


def show_answer(span: Span, response: Any, *, content: bool) -> None:
    """Show a ChatResponse or CompletionResponse."""
    raw = simplify(getattr(response, "raw", None))
    usage = raw.get("usage") if isinstance(raw, dict) else None
    tokens = read_usage(usage or getattr(response, "additional_kwargs", None))
    if tokens.has_usage:
        span.set_usage(tokens.input, tokens.output, cache_read=tokens.cache_read or None)
    if content:
        message = getattr(response, "message", None)
        said = messages_of([message]) if message is not None else [_said("assistant", response)]
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(said))


def messages_of(messages: Any) -> list[Message]:
    """Return LlamaIndex's chat messages."""
    found = []
    for message in messages:
        role = str(getattr(message.role, "value", message.role))
        extra = message.additional_kwargs or {}
        if role == "tool":
            answer = Part(
                type="tool_call_response", id=extra.get("tool_call_id"), response=message.content
            )
            found.append(Message(role=role, parts=[answer]))
            continue
        parts = [Part(type="text", content=message.content)] if message.content else []
        parts += [_image(block) for block in message.blocks if hasattr(block, "image_mimetype")]
        parts += [_call(call) for call in extra.get("tool_calls") or []]
        if not extra.get("tool_calls"):
            parts += [_call(block) for block in message.blocks if hasattr(block, "tool_kwargs")]
        found.append(Message(role=role, parts=parts))
    return found


def text_of(value: Any) -> Any:
    """Return the text that a query, message or response is, else the value itself."""
    if value is None or isinstance(value, str):
        return value
    for name in ("query_str", "response", "content", "text", "message"):
        found = getattr(value, name, None)
        if isinstance(found, str):
            return found
    response = getattr(value, "response", None)
    return text_of(response) if response is not None else simplify(value)


def _show_event(span: Span, arguments: dict[str, Any]) -> None:
    event = arguments.get("start_event") or arguments.get("ev")
    if event is None:
        event = next((v for v in arguments.values() if hasattr(v, "model_dump")), None)
    if event is None:
        return  # a run that goes on from where its context was
    history = getattr(event, "input", None)
    if isinstance(history, list) and history and hasattr(history[0], "blocks"):
        span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(messages_of(history)))
        span.set_input(text_of(history[-1]))
        return
    asked = getattr(event, "user_msg", None)
    span.set_input(text_of(asked) if asked is not None else fields_of(event))


def _event_output(result: Any) -> Any:
    """A workflow ends with a StopEvent, an agent with its message, a step with any event."""
    inner = getattr(result, "result", None)
    value = result if inner is None else inner
    response = getattr(value, "response", None)
    if response is not None:
        asked = getattr(value, "tool_calls", None)
        return text_of(response) or [_asked_call(call) for call in asked or []]
    return value if isinstance(value, str) else fields_of(value)


def _asked_call(call: Any) -> dict[str, Any]:
    return {"name": str(call.tool_name), "arguments": simplify(call.tool_kwargs)}


def fields_of(event: Any) -> Any:
    """Return an event's fields, or its text."""
    dump = getattr(event, "model_dump", None)
    if dump is None:
        return text_of(event)
    try:
        fields = dump()
    except Exception:  # an event may hold what pydantic cannot dump
        return type(event).__name__
    free = fields.pop("_data", None) if isinstance(fields, dict) else None
    return {**free, **fields} if isinstance(free, dict) else fields


def documents_of(nodes: Any) -> str:
    """Return scored nodes as the JSON text of `pellucid.documents`."""
    return documents_attribute(
        {
            "id": found.node.node_id,
            "text": found.node.get_content(),
            "score": None if found.score is None else float(found.score),
            "metadata": found.node.metadata,
        }
        for found in nodes
    )


def _call(call: Any) -> Part:
    function = getattr(call, "function", None)
    if function is None and isinstance(call, dict):
        function = call.get("function", call)
    if isinstance(function, dict):
        return Part(
            type="tool_call",
            id=call.get("id") if isinstance(call, dict) else None,
            name=function.get("name"),
            arguments=function.get("arguments"),
        )
    if function is not None:
        return Part(type="tool_call", id=call.id, name=function.name, arguments=function.arguments)
    return Part(
        type="tool_call",
        id=getattr(call, "tool_call_id", None),
        name=call.tool_name,
        arguments=simplify(call.tool_kwargs),
    )


def _image(block: Any) -> Part:
    uri = str(block.url) if block.url else None
    if uri is None and block.image:
        data = block.image.decode() if isinstance(block.image, bytes) else str(block.image)
        uri = f"data:{block.image_mimetype or 'image/png'};base64,{data}"
    return Part(type="image", uri=uri, media_type=block.image_mimetype)


def _said(role: str, value: Any) -> Message:
    return Message(role=role, parts=[Part(type="text", content=str(text_of(value)))])
