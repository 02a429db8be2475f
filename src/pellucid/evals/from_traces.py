"""Traces that a server holds as examples: what went in, what came out, and all between."""

from typing import Any

import msgspec

from pellucid.client.traces import TraceWithSpans, get_trace
from pellucid.core.span import Document, Message, Span, Tokens, ToolCall
from pellucid.core.trace_examples import inputs_of, output_of, root_of
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
    root = root_of(detail.spans)
    return TracedExample(
        inputs=inputs_of(root),
        output=output_of(root),
        trace=ExampleTrace(trace_id, lambda: [_span(trace_id, view) for view in detail.spans]),
        metadata=dict(detail.trace.tags),
    )


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
