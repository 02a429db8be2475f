"""One generated choice, before either API gives it a shape."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from pellucid.demo.model_server.request import ModelRequest
from pellucid.demo.model_server.schema import example_of
from pellucid.demo.model_server.script import Call, Reply
from pellucid.demo.model_server.tokens import count_tokens, split_tokens


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Token counts as served; `cached` is part of `input`, `reasoning` of `output`."""

    input: int
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.input + self.output


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What the model said: text cut into tokens, or tool calls, or both."""

    pieces: tuple[str, ...]
    calls: tuple[Call, ...]
    refusal: str | None
    finish_reason: str
    cached_tokens: int
    reasoning_tokens: int

    @property
    def text(self) -> str | None:
        """The text, None where nothing was said in words."""
        return "".join(self.pieces) if self.pieces or not (self.calls or self.refusal) else None

    @property
    def output_tokens(self) -> int:
        """Every token of this choice."""
        total = len(self.pieces) + self.reasoning_tokens + count_tokens(self.refusal or "")
        return total + sum(call_tokens(call) for call in self.calls)


def call_tokens(call: Call) -> int:
    """Count the tokens of one tool call."""
    return count_tokens(call.name) + count_tokens(call.arguments_text)


def short_hash(*parts: Any, length: int = 24) -> str:
    """Return hex digits that depend on `parts` alone."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:length]


def generate(request: ModelRequest, reply: Reply, request_id: str) -> Generation:
    """Apply what the request demands of any reply: shape, stop sequences, length."""
    reply = _in_demanded_shape(request, reply)
    calls = reply.calls if request.parallel_calls else reply.calls[:1]
    calls = tuple(
        call if call.id else replace(call, id=f"call_{short_hash(request_id, request.choice, i)}")
        for i, call in enumerate(calls)
    )
    text = _before_stop(reply.text or "", request.stop)
    pieces = tuple(split_tokens(text))
    finish = reply.finish_reason or ("tool_calls" if calls else "stop")
    if request.max_tokens is not None and len(pieces) > request.max_tokens:
        pieces = pieces[: request.max_tokens]
        finish = "length"
    return Generation(
        pieces=pieces,
        calls=calls,
        refusal=reply.refusal,
        finish_reason=finish,
        cached_tokens=reply.cached_tokens,
        reasoning_tokens=reply.reasoning_tokens,
    )


def usage_of(request: ModelRequest, generations: list[Generation]) -> Usage:
    """Add up a request and all its choices."""
    return Usage(
        input=request.input_tokens,
        output=sum(g.output_tokens for g in generations),
        cached=min(request.input_tokens, max(g.cached_tokens for g in generations)),
        reasoning=sum(g.reasoning_tokens for g in generations),
    )


def _in_demanded_shape(request: ModelRequest, reply: Reply) -> Reply:
    """Turn plain text into the call or the JSON that the request demands."""
    if reply.calls or reply.refusal or reply.finish_reason:
        return reply
    text = reply.text or ""
    if request.forced_tool and request.tools:
        name = request.tools[0].name if request.forced_tool == "*" else request.forced_tool
        tool = request.find_tool(name)
        parameters = tool.parameters if tool else {}
        arguments = text if _is_json(text) else json.dumps(example_of(parameters, text))
        return replace(reply, text=None, calls=(Call(name, arguments),))
    if request.json_wanted and not _is_json(text):
        shaped = {"text": text} if request.json_schema is None else None
        value = shaped if shaped is not None else example_of(request.json_schema or {}, text)
        return replace(reply, text=json.dumps(value, ensure_ascii=False))
    return reply


def _before_stop(text: str, stop: tuple[str, ...]) -> str:
    places = [at for at in (text.find(word) for word in stop if word) if at >= 0]
    return text[: min(places)] if places else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
