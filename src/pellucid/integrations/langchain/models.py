"""What a model call's span shows of LangChain's words for it."""

from typing import Any

from pellucid.client.encoding import simplify
from pellucid.client.instrument import show_kept_answer
from pellucid.client.tracing.span import Span
from pellucid.integrations.langchain.values import message, plain
from pellucid.semconv import attributes as names
from pellucid.semconv.tools import encode_tools, tools_of

_PARAMETERS = {
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
    "logprobs": "logprobs",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_tokens": "max_tokens",
    "n": "n",
    "parallel_tool_calls": "parallel_tool_calls",
    "presence_penalty": "presence_penalty",
    "reasoning_effort": "reasoning_effort",
    "response_format": "response_format",
    "seed": "seed",
    "stop": "stop_sequences",
    "stop_sequences": "stop_sequences",
    "temperature": "temperature",
    "tool_choice": "tool_choice",
    "top_k": "top_k",
    "top_p": "top_p",
}


def model_of(params: dict[str, Any], metadata: dict[str, Any], name: str) -> str:
    """Return the model's name; a model without one is named by its class."""
    for found in (
        params.get("model"),
        params.get("model_name"),
        params.get("azure_deployment"),
        metadata.get("ls_model_name"),
    ):
        if isinstance(found, str) and found:
            return found
    return name


def show_call(span: Span, model: str, params: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Show the model, its parameters and the tools that it was offered."""
    shown = {
        word: params[name] for name, word in _PARAMETERS.items() if params.get(name) is not None
    }
    if "temperature" not in shown and metadata.get("ls_temperature") is not None:
        shown["temperature"] = metadata["ls_temperature"]
    if "max_tokens" not in shown and metadata.get("ls_max_tokens") is not None:
        shown["max_tokens"] = metadata["ls_max_tokens"]
    provider = metadata.get("ls_provider")
    span.set_model(model, provider if isinstance(provider, str) else None, **shown)
    offered = params.get("tools") or params.get("functions")
    if isinstance(offered, list) and offered:
        tools = tools_of(simplify(offered))
        if tools:
            span.otel_span.set_attribute(names.TOOL_DEFINITIONS, encode_tools(tools))


def show_result(span: Span, response: Any, *, content: bool) -> None:
    """Show what a model answered, where the wire has not shown it already."""
    held = getattr(span.otel_span, "attributes", None)
    generations = getattr(response, "generations", None) or []
    if held is None or not generations:
        return
    said = [generation for generation in generations[0] if not _is_error(generation)]
    if content and said and names.OUTPUT_MESSAGES not in held:
        span.set_messages(output=[_answer(generation) for generation in said])
    if not said:
        return
    first = getattr(said[0], "message", None)
    facts = getattr(first, "response_metadata", None) or {}
    info = getattr(said[0], "generation_info", None) or {}
    finish = facts.get("finish_reason") or facts.get("stop_reason") or info.get("finish_reason")
    if isinstance(finish, str) and names.FINISH_REASONS not in held:
        span.otel_span.set_attribute(names.FINISH_REASONS, [finish])
    answered = facts.get("model_name") or facts.get("model")
    if isinstance(answered, str) and names.RESPONSE_MODEL not in held:
        span.otel_span.set_attribute(names.RESPONSE_MODEL, answered)
    if names.INPUT_TOKENS not in held:
        _show_usage(span, said, response)


def says_something(token: Any, chunk: Any) -> bool:
    """Tell whether a piece of an answer holds a token: the first often names but the role."""
    said = getattr(chunk, "message", None)
    if token or said is None:
        return bool(token)
    reasoning = said.additional_kwargs.get("reasoning_content")
    return bool(said.content or getattr(said, "tool_call_chunks", None) or reasoning)


def show_partial(span: Span, text: str) -> None:
    """Show what came of an answer that was not read to its end."""
    held = getattr(span.otel_span, "attributes", None)
    if held is not None and names.OUTPUT_MESSAGES not in held:
        span.set_messages(output=[{"role": "assistant", "content": text}])


def _show_usage(span: Span, said: list[Any], response: Any) -> None:
    usages = [getattr(getattr(one, "message", None), "usage_metadata", None) for one in said]
    found = [usage for usage in usages if usage]
    if any(usage.get("total_cost") == 0 for usage in found):
        show_kept_answer(span)
        span.set_attribute("langchain.cache_hit", True)  # it was paid for when it was first asked
        return
    if found:
        usage = found[0]
        into = usage.get("input_token_details") or {}
        out = usage.get("output_token_details") or {}
        span.set_usage(
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            cache_read=into.get("cache_read"),
            cache_write=into.get("cache_creation"),
            reasoning=out.get("reasoning"),
        )
        return
    counted = (getattr(response, "llm_output", None) or {}).get("token_usage") or {}
    if isinstance(counted, dict) and counted.get("prompt_tokens") is not None:
        span.set_usage(counted.get("prompt_tokens"), counted.get("completion_tokens"))


def _is_error(generation: Any) -> bool:
    """LangChain describes a failed request as a generation without content."""
    said = getattr(generation, "message", None)
    facts = getattr(said, "response_metadata", None) or {}
    return not getattr(said, "content", True) and bool({"status_code", "body"} & set(facts))


def _answer(generation: Any) -> Any:
    said = getattr(generation, "message", None)
    if said is None:
        return {"role": "assistant", "content": getattr(generation, "text", "")}
    shown = message(said)
    return shown if isinstance(shown, dict) else plain(said)
