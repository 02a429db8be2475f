"""`/responses`: one JSON body, or a stream of typed events."""

from collections.abc import Iterator
from typing import Any

from pellucid.demo.model_server.chat import CREATED
from pellucid.demo.model_server.events import Event
from pellucid.demo.model_server.generation import Generation, Usage, short_hash
from pellucid.demo.model_server.request import ModelRequest
from pellucid.demo.model_server.script import Call
from pellucid.demo.model_server.tokens import count_tokens, split_tokens

_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Parameters that a response repeats, with the API's defaults."""


def response(
    request: ModelRequest, generation: Generation, usage: Usage, request_id: str
) -> dict[str, Any]:
    """Return the body of a reply that is not streamed."""
    cut = generation.finish_reason == "length"
    body = _frame(request, request_id)
    body["status"] = "incomplete" if cut else "completed"
    body["incomplete_details"] = {"reason": "max_output_tokens"} if cut else None
    body["output"] = [_done(item, generation) for item in _items(generation, request_id)]
    body["usage"] = {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
    return body


def events(
    request: ModelRequest, generation: Generation, usage: Usage, request_id: str
) -> Iterator[Event]:
    """Yield the events of a streamed reply, numbered from 0."""
    body = response(request, generation, usage, request_id)
    steps = [
        _event(
            "response.created", generation.reasoning_tokens, response=_frame(request, request_id)
        ),
        _event("response.in_progress", response=_frame(request, request_id)),
    ]
    for index, item in enumerate(_items(generation, request_id)):
        steps += _item_events(item, generation, index)
    incomplete = body["status"] == "incomplete"
    steps.append(
        _event("response.incomplete" if incomplete else "response.completed", response=body)
    )
    for number, step in enumerate(steps):
        assert isinstance(step.data, dict)
        data = step.data | {"sequence_number": number}
        yield Event(name=step.name, data=data, tokens=step.tokens)


def _frame(request: ModelRequest, request_id: str) -> dict[str, Any]:
    """Return a response before anything was said."""
    body = {
        "id": request_id,
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": request.model,
        "output": [],
        "service_tier": "default",
        "usage": None,
    }
    echoed = {k: v for k, v in request.body.items() if k in _ECHOED and v is not None}
    return body | _ECHOED | echoed


def _items(generation: Generation, request_id: str) -> list[dict[str, Any]]:
    """Return the output items, still empty."""
    items: list[dict[str, Any]] = []
    if generation.text is not None or generation.refusal:
        items.append(
            {
                "id": f"msg_{short_hash(request_id, 'message')}",
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
            }
        )
    for number, call in enumerate(generation.calls):
        items.append(
            {
                "id": f"fc_{short_hash(request_id, number)}",
                "type": "function_call",
                "status": "in_progress",
                "call_id": call.id,
                "name": call.name,
                "arguments": "",
            }
        )
    return items


def _done(item: dict[str, Any], generation: Generation) -> dict[str, Any]:
    """Return an output item, filled."""
    done = item | {"status": "completed"}
    if item["type"] == "message":
        done["content"] = [_part(generation)]
    else:
        done["arguments"] = _call_of(item, generation).arguments_text
    return done


def _part(generation: Generation) -> dict[str, Any]:
    if generation.refusal:
        return {"type": "refusal", "refusal": generation.refusal}
    return {
        "type": "output_text",
        "text": generation.text or "",
        "annotations": [],
        "logprobs": [],
    }


def _call_of(item: dict[str, Any], generation: Generation) -> Call:
    return next(call for call in generation.calls if call.id == item["call_id"])


def _event(kind: str, tokens: int = 0, /, **data: Any) -> Event:
    return Event(name=kind, data={"type": kind, **data}, tokens=tokens)


def _item_events(item: dict[str, Any], generation: Generation, index: int) -> list[Event]:
    done = _done(item, generation)
    tokens = count_tokens(item.get("name", ""))
    steps = [_event("response.output_item.added", tokens, output_index=index, item=item)]
    if item["type"] == "message":
        steps += _message_events(item["id"], generation, index)
    else:
        steps += _call_events(item["id"], _call_of(item, generation), index)
    steps.append(_event("response.output_item.done", output_index=index, item=done))
    return steps


def _message_events(item_id: str, generation: Generation, index: int) -> list[Event]:
    place: dict[str, Any] = {"item_id": item_id, "output_index": index, "content_index": 0}
    part = _part(generation)
    if generation.refusal:
        text = generation.refusal
        middle = [
            _event("response.refusal.delta", count_tokens(text), delta=text, **place),
            _event("response.refusal.done", refusal=text, **place),
        ]
        empty = part | {"refusal": ""}
    else:
        middle = [
            _event("response.output_text.delta", 1, delta=piece, logprobs=[], **place)
            for piece in generation.pieces
        ]
        middle.append(_event("response.output_text.done", text=part["text"], logprobs=[], **place))
        empty = part | {"text": ""}
    return [
        _event("response.content_part.added", part=empty, **place),
        *middle,
        _event("response.content_part.done", part=part, **place),
    ]


def _call_events(item_id: str, call: Call, index: int) -> list[Event]:
    place: dict[str, Any] = {"item_id": item_id, "output_index": index}
    name = "response.function_call_arguments"
    text = call.arguments_text
    steps = [_event(f"{name}.delta", 1, delta=piece, **place) for piece in split_tokens(text)]
    return [*steps, _event(f"{name}.done", name=call.name, arguments=text, **place)]
