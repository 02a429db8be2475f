"""What a model call's span shows of its answer, from the wire, from DSPy, or from its cache."""

import functools
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.encoding import simplify
from pellucid.client.instrument import current_model_call, open_span, show_kept_answer
from pellucid.client.stages import captures
from pellucid.client.tracing.span import Span
from pellucid.core.span import Message, Part, SpanKind
from pellucid.integrations.dspy.switch import INTEGRATION
from pellucid.semconv import attributes as names
from pellucid.semconv.messages import encode_messages, messages_of
from pellucid.semconv.openai_wire import read_usage

_progress = otel_context.create_key("pellucid-dspy-progress")


class Progress:
    """A model call under way: when it began, and when each answer of several was there."""

    def __init__(self) -> None:
        self.start_ns = time.time_ns()
        self.answers: list[tuple[int, Any]] = []
        self.texts: list[str] = []
        """The pieces of a streamed answer."""


def in_progress(context: Context) -> Context:
    """Return a context of a model call that begins now."""
    return otel_context.set_value(_progress, Progress(), context)


def finalized(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every answer of a model passes here, from a server or from the cache."""

    @functools.wraps(original)
    def finalize(lm: Any, call: Any, result: Any) -> Any:
        held = current_model_call() if INTEGRATION.active else None
        if held is not None:
            progress = otel_context.get_value(_progress)
            answers = progress.answers if isinstance(progress, Progress) else []
            beside = held.beside()
            if len(answers) > 1 and beside is not None and not held.seen:
                _show_several(held.span, answers, beside)
            else:
                _show_answer(held.span, result, from_wire=held.seen > 0)
        return original(lm, call, result)

    return finalize


def answered(original: Callable[..., Any]) -> Callable[..., Any]:
    """DSPy asks for `n` answers by so many requests, and prices each when it is there."""

    @functools.wraps(original)
    def price(lm: Any, result: Any, *args: Any, **kwargs: Any) -> Any:
        progress = otel_context.get_value(_progress)
        if INTEGRATION.active and isinstance(progress, Progress):
            progress.answers.append((time.time_ns(), result))
        return original(lm, result, *args, **kwargs)

    return price


def _show_several(span: Span, answers: list[tuple[int, Any]], beside: Context) -> None:
    """Each request is a model call of its own, one after the other."""
    asked = dict(getattr(span.otel_span, "attributes", None) or {})
    name = str(getattr(span.otel_span, "name", "chat"))
    start_ns, first = answers[0]
    _show_answer(span, first, from_wire=False)
    for end_ns, result in answers[1:]:
        another = open_span(name, SpanKind.LLM, parent=beside, attributes=asked, start_ns=start_ns)
        _show_answer(another, result, from_wire=False)
        another.otel_span.end(end_ns)
        start_ns = end_ns


def _show_answer(span: Span, result: Any, *, from_wire: bool) -> None:
    if getattr(result, "cache_hit", False):
        show_kept_answer(span)
        span.set_attribute("dspy.cache_hit", True)
    elif not from_wire:
        tokens = read_usage(simplify(getattr(result, "usage", None)))
        span.set_usage(
            tokens.input,
            tokens.output,
            cache_read=tokens.cache_read or None,
            reasoning=tokens.reasoning or None,
        )
        ended = _finish_reason(result)
        if ended is not None:
            span.otel_span.set_attribute(names.FINISH_REASONS, [ended])
    model = getattr(result, "response_model", None)
    if model:
        span.otel_span.set_attribute(names.RESPONSE_MODEL, str(model))
    if captures(INTEGRATION) and not from_wire:
        said = [_message(output) for output in getattr(result, "outputs", None) or []]
        span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(said))


def _finish_reason(result: Any) -> str | None:
    responses = getattr(result, "responses", None) or (None,)
    found = getattr(responses[0], "finish_reason", None)
    return {"tool_call": "tool_calls"}.get(found, found) if isinstance(found, str) else None


def _message(output: Any) -> Message:
    if isinstance(output, str):
        return Message(role="assistant", parts=[Part(type="text", content=output)])
    plain = simplify(output)
    fields = plain if isinstance(plain, dict) else {"text": plain}
    said = {"role": "assistant", "content": fields.get("text"), **fields}
    return messages_of([said])[0]


def streamed(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every piece of a streamed answer passes here."""

    @functools.wraps(original)
    def chunk(self: Any, event: Any) -> Any:
        progress = otel_context.get_value(_progress)
        if isinstance(progress, Progress):
            text = getattr(getattr(event, "delta", None), "text", None)
            if isinstance(text, str):
                progress.texts.append(text)
        return original(self, event)

    return chunk


def show_partial(span: Span, context: Context | None = None) -> None:
    """Show what came of an answer that was not read to its end; `context` is its call's."""
    progress = otel_context.get_value(_progress, context)
    held = getattr(span.otel_span, "attributes", None) or {}
    if isinstance(progress, Progress) and progress.texts and names.OUTPUT_MESSAGES not in held:
        if captures(INTEGRATION):
            said = Part(type="text", content="".join(progress.texts))
            found = [Message(role="assistant", parts=[said])]
            span.otel_span.set_attribute(names.OUTPUT_MESSAGES, encode_messages(found))


def first_token(original: Callable[..., Any]) -> Callable[..., Any]:
    """A stream's pieces pass here."""

    @functools.wraps(original)
    def stream_emitted(*args: Any, **kwargs: Any) -> Any:
        held = current_model_call() if INTEGRATION.active else None
        if held is not None:
            attributes = getattr(held.span.otel_span, "attributes", None) or {}
            progress = otel_context.get_value(_progress)
            if names.TTFT_NS not in attributes and isinstance(progress, Progress):
                held.span.set_attribute(names.TTFT_NS, time.time_ns() - progress.start_ns)
        return original(*args, **kwargs)

    return stream_emitted
