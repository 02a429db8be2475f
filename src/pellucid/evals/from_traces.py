"""Traces that a server holds as examples: what went in, what came out, and all between."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pellucid.client.traces import TraceWithSpans, get_trace
from pellucid.core.span import Document, Message, Span, Tokens, ToolCall
from pellucid.core.views import SpanView, TraceView
from pellucid.evals.trace import ExampleTrace


class TracedExample(msgspec.Struct, frozen=True, kw_only=True):
    """One trace, read as an example with its output."""

    inputs: dict[str, Any]
    output: Any
    trace: ExampleTrace
    metadata: dict[str, Any]


def read_trace(found: TraceView | TraceWithSpans) -> TracedExample:
    """Read a trace as an example; one without its spans is fetched. Raises NotFound."""
    detail = found if isinstance(found, TraceWithSpans) else get_trace(found.trace_id)
    trace_id = detail.trace.trace_id
    root = _root(detail.spans)
    return TracedExample(
        inputs=_inputs(root),
        output=_output(root),
        trace=ExampleTrace(trace_id, lambda: [_span(trace_id, view) for view in detail.spans]),
        metadata=dict(detail.trace.tags),
    )


def _root(spans: list[SpanView]) -> SpanView | None:
    tops = [span for span in spans if span.parent_id is None] or list(spans)
    return min(tops, key=lambda span: (span.start_ns, span.span_id), default=None)


def _inputs(root: SpanView | None) -> dict[str, Any]:
    if root is None:
        return {}
    if isinstance(root.input, Mapping):
        return dict(root.input)
    if root.input is not None:
        return {"input": root.input}
    asked = [text for message in root.input_messages if message.role == "user"
             for text in [_text(message.parts)] if text]  # fmt: skip
    return {"input": asked[-1]} if asked else {}


def _output(root: SpanView | None) -> Any:
    if root is None or root.output is not None:
        return None if root is None else root.output
    said = [text for message in root.output_messages if (text := _text(message.parts))]
    return said[-1] if said else None


def _text(parts: list[Any]) -> str:
    return "\n".join(part.content for part in parts if part.type == "text" and part.content)


def _span(trace_id: str, view: SpanView) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=view.span_id,
        parent_id=view.parent_id or "",
        name=view.name,
        kind=view.kind,
        status=view.status,
        status_message=view.status_message,
        start_ns=view.start_ns,
        duration_ns=view.duration_ns,
        model=view.model,
        provider=view.provider,
        parameters=view.parameters,
        input=view.input,
        output=view.output,
        input_messages=_as(view.input_messages, list[Message]),
        output_messages=_as(view.output_messages, list[Message]),
        tool_call=_as(view.tool_call, ToolCall | None),
        documents=_as(view.documents, list[Document]),
        tokens=_as(view.tokens, Tokens),
        cost_usd=view.cost_usd,
        ttft_ns=view.ttft_ns,
        finish_reason=view.finish_reason,
        attributes=view.attributes,
    )


def _as(value: Any, kind: Any) -> Any:
    return msgspec.convert(msgspec.to_builtins(value), kind)
