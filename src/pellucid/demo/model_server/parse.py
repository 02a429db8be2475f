"""From the JSON of `/chat/completions` and `/responses` to a `ModelRequest`."""

from typing import Any

from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.request import (
    ChatMessage,
    ModelRequest,
    OfferedTool,
    RequestedCall,
    read_content,
    required,
    text_list,
)

_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}


def parse_chat(body: dict[str, Any]) -> ModelRequest:
    """Read a body of `/chat/completions`; raises ApiError on what the API would refuse."""
    model = required(body, "model")
    raw = required(body, "messages")
    if not isinstance(raw, list) or not raw:
        raise ApiError(
            "Invalid 'messages': expected an array with at least one message.", param="messages"
        )
    messages = tuple(_chat_message(item, i) for i, item in enumerate(raw))
    _check_tool_order(messages)
    stream = bool(body.get("stream"))
    if body.get("stream_options") is not None and not stream:
        raise ApiError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    tools = tuple(_tool(item.get("function", {})) for item in body.get("tools") or ())
    form = body.get("response_format") or {}
    return ModelRequest(
        endpoint="chat",
        model=str(model),
        messages=messages,
        tools=tools,
        forced_tool=_forced(body.get("tool_choice"), tools),
        parallel_calls=body.get("parallel_tool_calls") is not False,
        json_wanted=form.get("type") in {"json_object", "json_schema"},
        json_schema=(form.get("json_schema") or {}).get("schema"),
        stop=text_list(body.get("stop"), "stop"),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        choices=int(body.get("n") or 1),
        stream=stream,
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        body=body,
    )


def parse_responses(body: dict[str, Any], history: tuple[ChatMessage, ...] = ()) -> ModelRequest:
    """Read a body of `/responses`; `history` is what `previous_response_id` stands for."""
    model = required(body, "model")
    raw = required(body, "input")
    items = [{"role": "user", "content": raw}] if isinstance(raw, str) else raw
    instructions = body.get("instructions")
    head = (ChatMessage(role="system", text=instructions),) if instructions else ()
    messages = (*head, *history, *_input_items(items))
    _check_outputs(messages)
    tools = tuple(_tool(item) for item in body.get("tools") or () if item["type"] == "function")
    form = (body.get("text") or {}).get("format") or {}
    return ModelRequest(
        endpoint="responses",
        model=str(model),
        messages=messages,
        tools=tools,
        forced_tool=_forced(body.get("tool_choice"), tools),
        parallel_calls=body.get("parallel_tool_calls") is not False,
        json_wanted=form.get("type") in {"json_object", "json_schema"},
        json_schema=form.get("schema"),
        max_tokens=body.get("max_output_tokens"),
        stream=bool(body.get("stream")),
        include_usage=True,
        body=body,
    )


def _chat_message(item: Any, index: int) -> ChatMessage:
    param = f"messages[{index}]"
    role = item.get("role") if isinstance(item, dict) else None
    if role not in _ROLES:
        raise ApiError(f"Invalid value for '{param}.role': {role!r}.", param=f"{param}.role")
    content = read_content(item.get("content"), f"{param}.content")
    calls = tuple(
        RequestedCall(
            id=call["id"],
            name=call["function"]["name"],
            arguments=call["function"]["arguments"],
        )
        for call in item.get("tool_calls") or ()
    )
    return ChatMessage(
        role=role,
        text=content.text,
        images=content.images,
        name=item.get("name"),
        calls=calls,
        call_id=item.get("tool_call_id"),
    )


def _input_items(items: Any) -> list[ChatMessage]:
    if not isinstance(items, list):
        raise ApiError("Invalid type for 'input': expected a string or an array.", param="input")
    messages: list[ChatMessage] = []
    for index, item in enumerate(items):
        kind = item.get("type") or "message"
        if kind == "message":
            content = read_content(item.get("content"), f"input[{index}].content")
            messages.append(
                ChatMessage(role=item["role"], text=content.text, images=content.images)
            )
        elif kind == "function_call":
            call = RequestedCall(id=item["call_id"], name=item["name"], arguments=item["arguments"])
            _append_call(messages, call)
        elif kind == "function_call_output":
            text = read_content(item.get("output"), f"input[{index}].output").text
            messages.append(ChatMessage(role="tool", text=text, call_id=item["call_id"]))
        elif kind != "reasoning":
            raise ApiError(f"Invalid value for 'input[{index}].type': {kind!r}.", param="input")
    return messages


def _append_call(messages: list[ChatMessage], call: RequestedCall) -> None:
    """Put parallel calls, which are separate items here, into one assistant message."""
    if messages and messages[-1].role == "assistant":
        last = messages.pop()
        calls = (*last.calls, call)
        messages.append(ChatMessage(role="assistant", text=last.text, calls=calls))
    else:
        messages.append(ChatMessage(role="assistant", calls=(call,)))


def _check_outputs(messages: tuple[ChatMessage, ...]) -> None:
    """Refuse, as `/responses` does, an output without a call before it and a call without output.

    Other items may stand between the two, and an output may be sent again.
    """
    calls: set[str] = set()
    answered: set[str] = set()
    for message in messages:
        calls |= {call.id for call in message.calls}
        if message.role != "tool":
            continue
        if message.call_id not in calls:
            raise ApiError(
                f"No tool call found for function call output with call_id {message.call_id}.",
                param="input",
            )
        answered.add(message.call_id or "")
    if calls - answered:
        missing = ", ".join(sorted(calls - answered))
        raise ApiError(f"No tool output found for function call {missing}.", param="input")


def _check_tool_order(messages: tuple[ChatMessage, ...]) -> None:
    """Refuse, as the API does, results without a call and calls without a result."""
    open_calls: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.call_id not in open_calls:
                raise ApiError(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceding message with 'tool_calls'.",
                    param="messages",
                )
            open_calls.discard(message.call_id)
        elif open_calls:
            break
        else:
            open_calls = {call.id for call in message.calls}
    if open_calls:
        missing = ", ".join(sorted(open_calls))
        raise ApiError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            f"to each 'tool_call_id'. These had no response: {missing}.",
            param="messages",
        )


def _tool(function: dict[str, Any]) -> OfferedTool:
    return OfferedTool(
        name=required(function, "name"),
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
    )


def _forced(choice: Any, tools: tuple[OfferedTool, ...]) -> str | None:
    """Read `tool_choice` of either API."""
    if choice == "required":
        return "*"
    if not isinstance(choice, dict):
        return None
    name = choice.get("name") or (choice.get("function") or {}).get("name")
    if name is not None and all(tool.name != name for tool in tools):
        raise ApiError(f"Tool choice {name!r} is not in 'tools'.", param="tool_choice")
    return name
