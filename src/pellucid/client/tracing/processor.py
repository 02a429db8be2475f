"""The span processor that `init` adds to a TracerProvider, its own or the user's."""

from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan

from pellucid.client.tracing import context
from pellucid.client.tracing.pipeline import Pipeline

_SAMPLE_BITS = 2**64 - 1


class PellucidSpanProcessor(SpanProcessor):
    """Gives every span what it inherits, and hands it to the pipeline of the moment.

    A provider cannot let a processor go: without a pipeline it does nothing.
    """

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None
        self.sample_below: int | None = None
        """Trace ids whose low 64 bits are at or above it are left out (foreign providers)."""
        self.on_trace: Callable[[int], None] | None = None
        """Told the id of every trace that starts here."""
        self._untraced: set[int] = set()
        """Ids of open spans that are left out."""

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Set the inherited attributes, and show the span as running if it takes long."""
        pipeline = self.pipeline
        if pipeline is None:
            return
        ids = span.get_span_context()
        ambient = context.current(parent_context)
        if ambient is context.UNTRACED:
            self._untraced.add(ids.span_id)
            return
        for name, value in ambient.attributes.items():
            span.set_attribute(name, value)
        if self._is_sampled(ids.trace_id, ids.trace_flags):
            pipeline.opened(span, ids.span_id)
            if self.on_trace is not None and span.parent is None:
                self.on_trace(ids.trace_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span for sending."""
        pipeline = self.pipeline
        ids = span.context
        if pipeline is None or ids is None or not self._is_sampled(ids.trace_id, ids.trace_flags):
            return
        if self._untraced and ids.span_id in self._untraced:
            self._untraced.discard(ids.span_id)
            return
        pipeline.ended(span, ids.span_id)

    def shutdown(self) -> None:
        """Send what has ended, as the provider is shut down."""
        self.force_flush(1_000)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until the server has all ended spans, or they are in the spool."""
        pipeline = self.pipeline
        return pipeline is None or pipeline.flush(timeout_millis / 1000)

    def _is_sampled(self, trace_id: int, flags: int) -> bool:
        if not flags & 1:
            return False
        return self.sample_below is None or (trace_id & _SAMPLE_BITS) < self.sample_below
