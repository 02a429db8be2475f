"""OpenAI's request and response JSON → what a span says of it.

Read are chat completions, legacy completions, responses, embeddings, images, speech, transcripts
and moderations, whole and streamed.
Source: the OpenAI API reference. Bodies are plain JSON values; nothing here raises for a shape.
"""

from typing import Any

import msgspec

from pellucid.core.span import Message, Part, SpanKind, Tokens, Tool
from pellucid.semconv.messages import messages_of, tool_calls_of
from pellucid.semconv.tools import tools_of

_NOT_PARAMETERS = frozenset(
    {
        "file",
        "input",
        "instructions",
        "messages",
        "model",
        "prompt",
        "stream",
        "stream_options",
        "tools",
    }
)


class Endpoint(msgspec.Struct, frozen=True):
    """One path of the API that is traced."""

    path: str
    """How the URL's path ends."""
    operation: str
    kind: SpanKind


ENDPOINTS = (
    Endpoint("/chat/completions", "chat", SpanKind.LLM),
    Endpoint("/responses", "responses", SpanKind.LLM),
    Endpoint("/embeddings", "embeddings", SpanKind.EMBEDDING),
    Endpoint("/images/generations", "generate image", SpanKind.IMAGE),
    Endpoint("/images/edits", "edit image", SpanKind.IMAGE),
    Endpoint("/images/variations", "vary image", SpanKind.IMAGE),
    Endpoint("/completions", "complete", SpanKind.LLM),
    Endpoint("/audio/speech", "speak", SpanKind.TASK),
    Endpoint("/audio/transcriptions", "transcribe", SpanKind.TASK),
    Endpoint("/audio/translations", "translate", SpanKind.TASK),
    Endpoint("/moderations", "moderate", SpanKind.GUARDRAIL),
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of a model."""

    model: str
    parameters: dict[str, Any] = {}
    messages: list[Message] = []
    tools: list[Tool] = []
    input: Any = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What a model answered."""

    model: str | None = None
    id: str | None = None
    messages: list[Message] = []
    tokens: Tokens = Tokens()
    finish_reasons: list[str] = []
    output: Any = None
    images: list[str] = []
    """Data URLs or addresses."""


def find_endpoint(url: str) -> Endpoint | None:
    """Return the endpoint that a URL or its path asks for, or None if it is not traced."""
    path = url.partition("?")[0].rstrip("/")
    return next((endpoint for endpoint in ENDPOINTS if path.endswith(endpoint.path)), None)


def read_request(endpoint: Endpoint, body: dict[str, Any]) -> Request:
    """Read a request's JSON."""
    messages: list[Message] = []
    asked: Any = body.get("prompt") if endpoint.kind is not SpanKind.EMBEDDING else None
    if endpoint.operation == "chat":
        messages = messages_of(body.get("messages"))
    elif endpoint.operation == "responses":
        messages = _responses_input(body)
    elif endpoint.kind is SpanKind.EMBEDDING or endpoint.operation in {"speak", "moderate"}:
        asked = body.get("input")
    elif endpoint.kind is SpanKind.TASK:
        asked = {name: body[name] for name in ("file", "prompt") if body.get(name)} or None
    elif endpoint.operation == "complete" and type(asked) is str:
        messages = [_text_message("user", asked)]
    tools = body.get("tools")
    return Request(
        model=str(body.get("model") or ""),
        parameters={k: v for k, v in body.items() if k not in _NOT_PARAMETERS and v is not None},
        messages=messages,
        tools=tools_of(tools) if type(tools) is list else [],
        input=asked,
    )


def read_response(endpoint: Endpoint, body: dict[str, Any]) -> Response:
    """Read a response's JSON, or what `StreamReader.body` put together."""
    if endpoint.kind is SpanKind.EMBEDDING:
        return _embeddings(body)
    if endpoint.kind is SpanKind.IMAGE:
        return _images(body)
    if endpoint.kind is SpanKind.GUARDRAIL:
        return _moderation(body)
    if endpoint.kind is SpanKind.TASK:
        sound = {name: body[name] for name in ("bytes", "media_type") if name in body}
        output = body.get("text") or sound or None
        return Response(tokens=read_usage(body.get("usage")), output=output)
    messages = messages_of(body.get("output")) if endpoint.operation == "responses" else []
    if endpoint.operation == "responses":
        messages = _joined(messages)
    finish: list[str] = []
    for choice in _list(body.get("choices")):
        message = _choice_message(choice)
        if message is not None:
            messages.append(message)
        if type(choice) is dict and type(choice.get("finish_reason")) is str:
            finish.append(choice["finish_reason"])
    if not finish and type(body.get("status")) is str:
        details = body.get("incomplete_details")
        reason = details.get("reason") if type(details) is dict else None
        finish = [reason if type(reason) is str else body["status"]]
    return Response(
        model=_text(body.get("model")),
        id=_text(body.get("id")),
        messages=messages,
        tokens=read_usage(body.get("usage")),
        finish_reasons=finish,
        output=_shown(messages),
    )


def read_usage(usage: Any) -> Tokens:
    """Read a `usage` object of any endpoint."""
    if type(usage) is not dict:
        return Tokens()
    inputs = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    outputs = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    return Tokens(
        input=_count(usage, "prompt_tokens", "input_tokens"),
        output=_count(usage, "completion_tokens", "output_tokens"),
        cache_read=_count(inputs, "cached_tokens"),
        reasoning=_count(outputs, "reasoning_tokens"),
        image=_count(inputs, "image_tokens") + _count(outputs, "image_tokens"),
    )


class StreamReader:
    """Puts the chunks of one stream together; `has_token` once something was generated."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._choices: dict[int, dict[str, Any]] = {}
        self._top: dict[str, Any] = {}
        self._final: dict[str, Any] | None = None
        self._text: dict[tuple[Any, Any], str] = {}
        self._items: dict[Any, dict[str, Any]] = {}
        self.has_token = False

    def feed(self, chunk: dict[str, Any]) -> None:
        """Take the next chunk, as JSON."""
        if self._endpoint.operation == "responses":
            self._feed_event(chunk)
            return
        if self._endpoint.kind is SpanKind.TASK:
            self._feed_transcript(chunk)
            return
        for name in ("id", "model", "usage"):
            if chunk.get(name) is not None:
                self._top[name] = chunk[name]
        for choice in _list(chunk.get("choices")):
            if type(choice) is dict:
                self._feed_choice(choice)

    def body(self) -> dict[str, Any]:
        """Return the response that an unstreamed call would have given, as far as it came."""
        if self._final is not None:
            return self._final
        if self._endpoint.operation == "responses":
            return {**self._top, "output": self._output()}
        if self._endpoint.kind is SpanKind.TASK:
            return self._top
        return {**self._top, "choices": [self._choices[index] for index in sorted(self._choices)]}

    def _feed_transcript(self, event: dict[str, Any]) -> None:
        if event.get("type") == "transcript.text.done":
            self._top = event
        elif type(event.get("delta")) is str:
            self.has_token = True
            self._top["text"] = self._top.get("text", "") + event["delta"]

    def _feed_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        held = self._choices.setdefault(
            index if type(index) is int else 0, {"message": {"role": "assistant"}}
        )
        if type(choice.get("finish_reason")) is str:
            held["finish_reason"] = choice["finish_reason"]
        if type(choice.get("text")) is str:  # legacy completions
            held["text"] = held.get("text", "") + choice["text"]
            self.has_token = self.has_token or bool(choice["text"])
        delta = choice.get("delta")
        if type(delta) is not dict:
            return
        message = held["message"]
        for name in ("content", "refusal", "reasoning_content", "reasoning"):
            if type(delta.get(name)) is str:
                message[name] = message.get(name, "") + delta[name]
                self.has_token = self.has_token or bool(delta[name])
        if type(delta.get("role")) is str:
            message["role"] = delta["role"]
        for call in _list(delta.get("tool_calls")):
            self.has_token = True
            if type(call) is dict:
                _feed_call(message.setdefault("tool_calls", []), call)

    def _feed_event(self, event: dict[str, Any]) -> None:
        kind = str(event.get("type", ""))
        response = event.get("response")
        if type(response) is dict:
            self._top.update({k: response[k] for k in ("id", "model") if response.get(k)})
            if kind in {"response.completed", "response.incomplete", "response.failed"}:
                self._final = response
        place = event.get("output_index")
        item = event.get("item")
        if kind in {"response.output_item.added", "response.output_item.done"}:
            if type(item) is dict:
                self._items[place] = dict(item)
        elif kind.endswith(".delta"):
            self.has_token = True
            self._feed_item(kind, place, event)

    def _feed_item(self, kind: str, place: Any, event: dict[str, Any]) -> None:
        delta = event.get("delta")
        if type(delta) is not str:
            return
        if kind == "response.function_call_arguments.delta":
            item = self._items.setdefault(place, {"type": "function_call"})
            item["arguments"] = str(item.get("arguments") or "") + delta
        elif kind == "response.output_text.delta":
            index = event.get("content_index")
            self._text[(place, index)] = self._text.get((place, index), "") + delta

    def _output(self) -> list[Any]:
        """The items of a response that has not come to its end."""
        output: list[Any] = []
        places = dict.fromkeys([*self._items, *(place for place, _ in self._text)])
        for place in places:
            item = self._items.get(place, {"type": "message", "role": "assistant"})
            texts = [text for (at, _), text in self._text.items() if at == place]
            if item.get("type") == "message":
                content = [{"type": "output_text", "text": text} for text in texts]
                item = {**item, "content": content or item.get("content")}
            output.append(item)
        return output


def _feed_call(calls: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    index = delta.get("index")
    index = index if type(index) is int else len(calls)
    while len(calls) <= min(index, 1_000):
        calls.append({"type": "function", "function": {"name": "", "arguments": ""}})
    if index >= len(calls):
        return
    call = calls[index]
    if type(delta.get("id")) is str:
        call["id"] = delta["id"]
    function = delta.get("function")
    if type(function) is dict:
        for name in ("name", "arguments"):
            if type(function.get(name)) is str:
                call["function"][name] += function[name]


def _responses_input(body: dict[str, Any]) -> list[Message]:
    given = body.get("input")
    messages = [_text_message("user", given)] if type(given) is str else messages_of(given)
    instructions = body.get("instructions")
    if type(instructions) is str:
        messages = [_text_message("system", instructions), *messages]
    return messages


def _choice_message(choice: Any) -> Message | None:
    if type(choice) is not dict:
        return None
    finish = _text(choice.get("finish_reason"))
    if type(choice.get("text")) is str:
        return msgspec.structs.replace(
            _text_message("assistant", choice["text"]), finish_reason=finish
        )
    found = messages_of([choice.get("message")])
    return msgspec.structs.replace(found[0], finish_reason=finish) if found else None


def _joined(messages: list[Message]) -> list[Message]:
    """Responses are a list of items; those of one turn of the assistant are one message."""
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role == "assistant":
            joined[-1] = msgspec.structs.replace(
                joined[-1], parts=[*joined[-1].parts, *message.parts]
            )
        else:
            joined.append(message)
    return joined


def _shown(messages: list[Message]) -> Any:
    """The first choice's text or refusal, else the tool calls it makes."""
    if not messages:
        return None
    said = {"text", "refusal"}
    text = "\n".join(p.content for p in messages[0].parts if p.type in said and p.content)
    return text or tool_calls_of(messages[:1]) or None


def _embeddings(body: dict[str, Any]) -> Response:
    data = _list(body.get("data"))
    first = data[0].get("embedding") if data and type(data[0]) is dict else None
    size = len(first) if type(first) is list else None
    if type(first) is str:  # base64 of 32-bit floats
        size = len(first.rstrip("=")) * 3 // 4 // 4
    return Response(
        model=_text(body.get("model")),
        tokens=read_usage(body.get("usage")),
        output={"embeddings": len(data), "dimensions": size} if size else {"embeddings": len(data)},
    )


def _images(body: dict[str, Any]) -> Response:
    images: list[str] = []
    revised: list[str] = []
    form = body.get("output_format")
    for item in _list(body.get("data")):
        if type(item) is not dict:
            continue
        if type(item.get("b64_json")) is str:
            images.append(f"data:image/{form or 'png'};base64,{item['b64_json']}")
        elif type(item.get("url")) is str:
            images.append(item["url"])
        if type(item.get("revised_prompt")) is str:
            revised.append(item["revised_prompt"])
    output: dict[str, Any] = {"images": len(images)}
    if revised:
        output["revised_prompt"] = revised[0] if len(revised) == 1 else revised
    return Response(tokens=read_usage(body.get("usage")), output=output, images=images)


def _moderation(body: dict[str, Any]) -> Response:
    results = [result for result in _list(body.get("results")) if type(result) is dict]
    shown = [
        {"flagged": result.get("flagged"), "categories": _flagged(result.get("categories"))}
        for result in results
    ]
    return Response(
        model=_text(body.get("model")),
        id=_text(body.get("id")),
        output=shown[0] if len(shown) == 1 else shown,
    )


def _flagged(categories: Any) -> list[str]:
    held = categories if type(categories) is dict else {}
    return [str(name) for name, holds in held.items() if holds is True]


def _text_message(role: str, text: str) -> Message:
    return Message(role=role, parts=[Part(type="text", content=text)])


def _count(figures: Any, *names: str) -> int:
    if type(figures) is dict:
        for name in names:
            if type(figures.get(name)) is int and figures[name] > 0:
                return int(figures[name])
    return 0


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else []


def _text(value: Any) -> str | None:
    return value if type(value) is str else None
