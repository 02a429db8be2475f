"""From one request's path and body to its answer, without any network."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pellucid.demo.model_server import chat, responses
from pellucid.demo.model_server.embeddings import embeddings_body
from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.events import Event
from pellucid.demo.model_server.generation import (
    Generation,
    Usage,
    generate,
    short_hash,
    usage_of,
)
from pellucid.demo.model_server.images import Painter, images_body
from pellucid.demo.model_server.log import ServedCall
from pellucid.demo.model_server.parse import parse_chat, parse_responses
from pellucid.demo.model_server.request import ChatMessage, ModelRequest, RequestedCall
from pellucid.demo.model_server.script import Fault, Script


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to send: one JSON body, a file, or a stream of events."""

    body: dict[str, Any] | None = None
    file: bytes | None = None
    events: Iterator[Event] | None = None
    fault: Fault | None = None
    """What a scripted reply says must go wrong."""


class ModelService:
    """The endpoints. Equal requests in equal order get equal answers, ids included."""

    def __init__(
        self,
        script: Script,
        painter: Painter,
        embedding_dimensions: int,
        models: tuple[str, ...],
        aliases: Mapping[str, str],
    ) -> None:
        self._script = script
        self._painter = painter
        self._dimensions = embedding_dimensions
        self._models = models
        self._aliases = aliases
        self._seen: Counter[str] = Counter()
        self._conversations: dict[str, tuple[ChatMessage, ...]] = {}
        self._files: dict[str, bytes] = {}
        self._lock = threading.Lock()  # guards the three above

    def get(self, path: str) -> Answer:
        """Answer a GET: the models, one model, or a picture; raises ApiError."""
        if path == "/v1/models":
            return Answer(body={"object": "list", "data": [_model(n) for n in self._models]})
        if path.startswith("/v1/models/"):
            return Answer(body=_model(path.removeprefix("/v1/models/")))
        with self._lock:
            file = self._files.get(path.removeprefix("/v1/files/"))
        if file is None:
            raise ApiError(f"Invalid URL (GET {path})", status=404)
        return Answer(file=file)

    def post(self, path: str, body: dict[str, Any], base_url: str, call: ServedCall) -> Answer:
        """Answer a POST and note in `call` what is served; raises ApiError."""
        if path == "/v1/chat/completions":
            return self._chat(body, call)
        if path == "/v1/responses":
            return self._responses(body, call)
        if path == "/v1/embeddings":
            answer, usage = embeddings_body(body, self._dimensions)
        elif path == "/v1/images/generations":
            answer, usage = images_body(body, self._painter, lambda png: self._keep(png, base_url))
        else:
            raise ApiError(f"Invalid URL (POST {path})", status=404)
        call.input_tokens, call.output_tokens = usage.input, usage.output
        return Answer(body=answer)

    def _chat(self, body: dict[str, Any], call: ServedCall) -> Answer:
        request = parse_chat(body)
        request_id = f"chatcmpl-{self._identify(body)}"
        generations: list[Generation] = []
        fault = None
        for index in range(request.choices):
            reply = self._script.answer(replace(request, choice=index))
            fault = fault or reply.fault
            generations.append(generate(replace(request, choice=index), reply, request_id))
        usage = usage_of(request, generations)
        request = self._resolved(request)
        _note(call, request, generations[0], usage, request_id)
        if request.stream:
            events = chat.chunks(request, generations, usage, request_id)
            return Answer(events=events, fault=fault)
        return Answer(body=chat.completion(request, generations, usage, request_id), fault=fault)

    def _responses(self, body: dict[str, Any], call: ServedCall) -> Answer:
        previous = body.get("previous_response_id")
        with self._lock:
            history = self._conversations.get(previous or "", ())
        if previous and not history:
            raise ApiError(
                f"Previous response with id '{previous}' not found.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        request = parse_responses(body, history)
        request_id = f"resp_{self._identify(body)}"
        reply = self._script.answer(request)
        generation = generate(request, reply, request_id)
        usage = usage_of(request, [generation])
        request = self._resolved(request)
        _note(call, request, generation, usage, request_id)
        with self._lock:
            said = [m for m in request.messages if m.role not in {"system", "developer"}]
            self._conversations[request_id] = (*said, _as_message(generation))
        if request.stream:
            events = responses.events(request, generation, usage, request_id)
            return Answer(events=events, fault=reply.fault)
        return Answer(
            body=responses.response(request, generation, usage, request_id), fault=reply.fault
        )

    def _resolved(self, request: ModelRequest) -> ModelRequest:
        """Return the request under the name that its model answers with."""
        return replace(request, model=self._aliases.get(request.model, request.model))

    def _identify(self, body: dict[str, Any]) -> str:
        """Return an id that depends on the request and how often it was made, not on its turn.

        Nor on whether a stream was asked for its usage: the answer is the same.
        """
        content = short_hash({k: v for k, v in body.items() if k != "stream_options"})
        with self._lock:
            self._seen[content] += 1
            return short_hash(content, self._seen[content])

    def _keep(self, png: bytes, base_url: str) -> str:
        name = f"{short_hash(png.hex())}.png"
        with self._lock:
            self._files[name] = png
        return f"{base_url}/files/{name}"


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": chat.CREATED, "owned_by": "scripted"}


def _as_message(generation: Generation) -> ChatMessage:
    calls = tuple(
        RequestedCall(id=call.id or "", name=call.name, arguments=call.arguments_text)
        for call in generation.calls
    )
    return ChatMessage(role="assistant", text=generation.text or "", calls=calls)


def _note(
    call: ServedCall, request: ModelRequest, first: Generation, usage: Usage, request_id: str
) -> None:
    call.id = request_id
    call.stream = request.stream
    call.text = first.text
    call.finish_reason = first.finish_reason
    call.tool_calls = [
        {"id": made.id, "name": made.name, "arguments": made.arguments_text} for made in first.calls
    ]
    call.input_tokens, call.output_tokens = usage.input, usage.output
    call.cached_tokens, call.reasoning_tokens = usage.cached, usage.reasoning
