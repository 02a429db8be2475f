"""From the canonical span back to OTLP, in our own vocabulary (contracts.md §2)."""

from typing import Any

from pellucid.core.span import (
    AttachmentRef,
    Attributes,
    DecodedSpan,
    Span,
    SpanKind,
    Status,
)
from pellucid.semconv import attributes as names
from pellucid.semconv.documents import encode_documents
from pellucid.semconv.messages import encode_messages
from pellucid.semconv.normalise import is_known
from pellucid.semconv.ours import KEPT
from pellucid.semconv.tools import encode_tools
from pellucid.semconv.values import encode_json, write_value

_OPERATIONS = {
    SpanKind.LLM: "chat",
    SpanKind.EMBEDDING: "embeddings",
    SpanKind.TOOL: "execute_tool",
    SpanKind.AGENT: "invoke_agent",
    SpanKind.RETRIEVER: "retrieval",
}
_STANDARD_PARAMETERS = {
    "temperature": (int, float),
    "top_p": (int, float),
    "top_k": (int, float),
    "max_tokens": (int,),
    "seed": (int,),
    "frequency_penalty": (int, float),
    "presence_penalty": (int, float),
    "stream": (bool,),
}
"""Parameters that OTel GenAI has a name for, and the types it gives them."""


def to_otlp(span: Span) -> DecodedSpan:
    """Return a span as OTLP, so that `normalise` reads the same span again.

    What no dialect had understood is written as it came. Where a dialect would look at it again
    (a known name with a value that makes no sense), it travels inside `pellucid.kept`.
    """
    written = _write_fields(span)
    kept: Attributes = {}
    for name, value in span.attributes.items():
        if name in written or is_known(name):
            kept[name] = value
        else:
            written[name] = value
    if kept:
        written[KEPT] = kept
    return DecodedSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        otel_kind=span.otel_kind,
        start_ns=span.start_ns,
        end_ns=span.start_ns + span.duration_ns,
        status_code=2 if span.status is Status.ERROR else 0 if span.pending else 1,
        status_message=span.status_message,
        trace_state=span.trace_state,
        flags=span.flags,
        attributes=written,
        events=span.events,
        links=span.links,
        dropped=span.dropped,
        resource=span.resource,
        scope=span.scope,
        experiment=span.experiment,
    )


def _write_fields(span: Span) -> Attributes:
    written: Attributes = {names.KIND: span.kind.value, names.EXPERIMENT: span.experiment}
    operation = _OPERATIONS.get(span.kind)
    scalars: tuple[tuple[str, Any], ...] = (
        (names.PENDING, True if span.pending else None),
        (names.OPERATION, operation),
        (names.RUN_ID, span.run_id),
        (names.CONVERSATION_ID, span.session_id),
        (names.USER_ID, span.user_id),
        (names.AGENT_NAME, span.agent),
        (names.REQUEST_MODEL, span.model),
        (names.PROVIDER, span.provider),
        (names.COST_USD, span.cost_usd),
        (names.TTFT_NS, span.ttft_ns),
        (names.INPUT, write_value(span.input)),
        (names.OUTPUT, write_value(span.output)),
        (names.FINISH_REASONS, [span.finish_reason] if span.finish_reason else None),
    )
    structures: tuple[tuple[str, Any, Any], ...] = (
        (names.TAGS, span.tags, encode_json),
        (names.METADATA, span.metadata, encode_json),
        (names.INPUT_MESSAGES, span.input_messages, encode_messages),
        (names.OUTPUT_MESSAGES, span.output_messages, encode_messages),
        (names.TOOL_DEFINITIONS, span.tools, encode_tools),
        (names.DOCUMENTS, span.documents, encode_documents),
        (names.INPUT_DOCUMENTS, span.input_documents, encode_documents),
        (names.ATTACHMENTS, span.attachments, _encode_attachments),
    )
    written.update((name, value) for name, value in scalars if value is not None)
    written.update((name, encode(value)) for name, value, encode in structures if value)
    if span.prompt is not None:
        written[names.PROMPT] = encode_json(span.prompt)
    _write_parameters(span.parameters, written)
    _write_tool_call(span, written)
    _write_tokens(span, written)
    return written


def _write_parameters(parameters: dict[str, Any], written: Attributes) -> None:
    others: dict[str, Any] = {}
    for name, value in parameters.items():
        if type(value) in _STANDARD_PARAMETERS.get(name, ()):
            written[f"gen_ai.request.{name}"] = value
        else:
            others[name] = value
    if others:
        written[names.PARAMETERS] = encode_json(others)


def _write_tool_call(span: Span, written: Attributes) -> None:
    call = span.tool_call
    if call is None:
        return
    for name, value in (
        (names.TOOL_NAME, call.name),
        (names.TOOL_CALL_ID, call.id),
        (names.TOOL_CALL_ARGUMENTS, write_value(call.arguments)),
        (names.TOOL_CALL_RESULT, write_value(call.result)),
    ):
        if value is not None:
            written[name] = value


def _write_tokens(span: Span, written: Attributes) -> None:
    tokens = span.tokens
    if not tokens.has_usage:
        return
    written[names.INPUT_TOKENS] = tokens.input
    written[names.OUTPUT_TOKENS] = tokens.output
    for name, value in (
        (names.CACHE_READ_TOKENS, tokens.cache_read),
        (names.CACHE_WRITE_TOKENS, tokens.cache_write),
        (names.REASONING_TOKENS, tokens.reasoning),
        (names.IMAGE_TOKENS, tokens.image),
    ):
        if value:
            written[name] = value


def _encode_attachments(attachments: list[AttachmentRef]) -> str:
    return encode_json(
        [
            {
                "uri": names.ATTACHMENT_SCHEME + attachment.digest,
                "media_type": attachment.media_type,
                "size_bytes": attachment.size_bytes,
                "name": attachment.name,
            }
            for attachment in attachments
        ]
    )
