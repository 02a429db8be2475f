"""Trace what ag2 before 1.0 asks of models other than OpenAI's, also of a program's own clients."""

import functools
from collections.abc import Callable
from typing import Any

from pellucid.client.encoding import simplify
from pellucid.client.instrument import Integration, model_call_context, open_span
from pellucid.client.patching import Patch, Undo, when_imported
from pellucid.client.stages import Stage, captures, traced_sync
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages
from pellucid.semconv.openai_wire import find_endpoint, read_request, read_response

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


def install(integration: Integration) -> Undo:
    """Patch ag2's clients as they are imported, and those that are registered, until the undo."""
    undo = Undo()
    for provider, name in _OTHER_CLIENTS.items():
        module = f"autogen.oai.{provider}"
        call = functools.partial(_model, integration, provider)
        patch = Patch(f"{module}:{name}.create", traced_sync(integration, call), required=False)
        _later(undo, module, patch)
    undo.add(
        Patch(
            "autogen.oai.client:OpenAIWrapper.register_model_client",
            functools.partial(_registered, integration, undo),
            required=False,
        ).apply()
    )
    return undo


def _later(undo: Undo, module: str, patch: Patch) -> None:
    undo.add(when_imported(module, lambda: undo.add(patch.apply())))


def _registered(
    integration: Integration, undo: Undo, original: Callable[..., Any]
) -> Callable[..., Any]:
    call = functools.partial(_model, integration, None)

    @functools.wraps(original)
    def register_model_client(self: Any, model_client_cls: Any, **kwargs: Any) -> Any:
        result = original(self, model_client_cls, **kwargs)
        own = vars(model_client_cls).get("create") if isinstance(model_client_cls, type) else None
        if integration.active and callable(own) and not hasattr(own, "__pellucid__"):
            traced = traced_sync(integration, call)(own)
            traced.__pellucid__ = True  # type: ignore[attr-defined]
            model_client_cls.create = traced
            undo.add(functools.partial(setattr, model_client_cls, "create", own))
        return result

    return register_model_client


def _model(
    integration: Integration,
    provider: str | None,
    client: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Stage | None:
    params = args[0] if args else kwargs.get("params")
    endpoint = find_endpoint("/chat/completions")
    if not isinstance(params, dict) or endpoint is None:
        return None
    request = read_request(endpoint, simplify(params))
    span = open_span(f"chat {request.model}", SpanKind.LLM)
    span.set_model(request.model, provider, **request.parameters)
    if captures(integration) and request.messages:
        span.otel_span.set_attribute(names.INPUT_MESSAGES, encode_messages(request.messages))

    def show(span: Span, result: Any) -> None:
        if names.OUTPUT_MESSAGES in (getattr(span.otel_span, "attributes", None) or {}):
            return  # it asked by an SDK that is traced itself
        response = read_response(endpoint, _body_of(result))
        if response.tokens.has_usage:
            span.set_usage(response.tokens.input, response.tokens.output)
        if response.finish_reasons:
            span.otel_span.set_attribute(names.FINISH_REASONS, response.finish_reasons)
        if captures(integration) and response.messages:
            span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(response.messages))

    return Stage(span, result=show, context=model_call_context(span))


def _body_of(result: Any) -> dict[str, Any]:
    """Return a response as OpenAI's JSON; a program's own client may answer with any object."""
    dump = getattr(result, "model_dump", None)
    if dump is not None:
        body: dict[str, Any] = dump(mode="json", exclude_unset=True, warnings=False)
        return body
    messages = [
        getattr(choice, "message", None) for choice in getattr(result, "choices", None) or ()
    ]
    usage = getattr(result, "usage", None)
    return {
        "usage": simplify(usage if isinstance(usage, dict) else getattr(usage, "__dict__", None)),
        "choices": [
            {"message": {"role": "assistant", "content": getattr(message, "content", None)}}
            for message in messages
        ],
    }
