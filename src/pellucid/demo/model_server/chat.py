"""`/chat/completions`: one JSON body, or a stream of chunks."""

from collections.abc import Iterator
from typing import Any

from pellucid.demo.model_server.events import Event
from pellucid.demo.model_server.generation import Generation, Usage
from pellucid.demo.model_server.request import ModelRequest
from pellucid.demo.model_server.script import Call
from pellucid.demo.model_server.tokens import count_tokens, split_tokens

CREATED = 1_767_225_600
"""When everything was made: 2026-01-01, so that replies stay equal."""

_FINGERPRINT = "fp_scripted"


def completion(
    request: ModelRequest, generations: list[Generation], usage: Usage, request_id: str
) -> dict[str, Any]:
    """Return the body of a reply that is not streamed."""
    return {
        "id": request_id,
        "object": "chat.completion",
        "created": CREATED,
        "model": request.model,
        "choices": [
            {
                "index": index,
                "message": _message(generation),
                "logprobs": None,
                "finish_reason": generation.finish_reason,
            }
            for index, generation in enumerate(generations)
        ],
        "usage": usage_body(usage),
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }


def chunks(
    request: ModelRequest, generations: list[Generation], usage: Usage, request_id: str
) -> Iterator[Event]:
    """Yield the chunks of a streamed reply; usage comes last and only where it was asked for."""

    def chunk(choices: list[dict[str, Any]], tokens: int = 0, **extra: Any) -> Event:
        body = {
            "id": request_id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": request.model,
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
            "choices": choices,
        }
        if request.include_usage:
            body["usage"] = None
        return Event(data=body | extra, tokens=tokens)

    def step(index: int, delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]

    for index, generation in enumerate(generations):
        first = {"role": "assistant", "content": None if generation.calls else "", "refusal": None}
        yield chunk(step(index, first), generation.reasoning_tokens)
        for piece in generation.pieces:
            yield chunk(step(index, {"content": piece}), 1)
        if generation.refusal:
            delta = {"refusal": generation.refusal}
            yield chunk(step(index, delta), count_tokens(generation.refusal))
        for number, call in enumerate(generation.calls):
            opening = _call_body(call) | {"index": number}
            opening["function"] = {"name": call.name, "arguments": ""}
            yield chunk(step(index, {"tool_calls": [opening]}), count_tokens(call.name))
            for piece in split_tokens(call.arguments_text):
                part = {"index": number, "function": {"arguments": piece}}
                yield chunk(step(index, {"tool_calls": [part]}), 1)
        yield chunk(step(index, {}, generation.finish_reason))
    if request.include_usage:
        yield chunk([], usage=usage_body(usage))
    yield Event(data="[DONE]")


def usage_body(usage: Usage) -> dict[str, Any]:
    """Return `usage` as this endpoint words it."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _message(generation: Generation) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": generation.text,
        "refusal": generation.refusal,
        "annotations": [],
    }
    if generation.calls:
        message["tool_calls"] = [_call_body(call) for call in generation.calls]
    return message


def _call_body(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_text},
    }
