"""How evaluations are traced: each example and each scorer's work in a trace of its own.

Everything here does nothing, at no cost, where tracing is not initialised or is switched off.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from pellucid.client.tracing.span import Span, span
from pellucid.client.tracing.state import state
from pellucid.core.span import DecodedSpan, Scope, SpanEvent, SpanKind
from pellucid.core.span import Span as CanonicalSpan
from pellucid.evals.plan import shown
from pellucid.evals.prices import price_table
from pellucid.evals.trace import ExampleTrace
from pellucid.semconv.normalise import normalise


class Watched:
    """A span that is open, if there is tracing."""

    def __init__(self, handle: Span | None = None, *, collect: bool = False) -> None:
        self._span = handle
        self.trace_id = handle.trace_id if handle is not None and handle.is_recording else None
        self._collects = collect and self.trace_id is not None
        if self._collects and self.trace_id is not None:
            collector.watch(self.trace_id)

    def set_output(self, value: Any) -> None:
        """Set what the span returned."""
        self.set("set_output", value)

    def fail(self, error: BaseException) -> None:
        """Record what went wrong."""
        self.set("record_exception", error)
        self.set("set_error", shown(error))

    def set(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call one of the span's own methods, such as `set_usage`."""
        if self._span is not None:
            getattr(self._span, method)(*args, **kwargs)

    def collected(self) -> ExampleTrace | None:
        """Return the spans of the trace that ended so far; to be called once, or not at all."""
        if not self._collects or self.trace_id is None:
            return None
        ended = collector.take(self.trace_id)
        return ExampleTrace(
            self.trace_id, lambda: [canonical(one) for one in ended], is_bare=len(ended) < 2
        )


@contextmanager
def root_span(
    name: str,
    kind: SpanKind,
    *,
    value: Any = None,
    attributes: dict[str, Any] | None = None,
    collect: bool = False,
) -> Iterator[Watched]:
    """Open a span that begins a trace of its own, whatever span is current."""
    if not state.active:
        yield Watched()
        return
    if collect:
        collector.join()
    with span(name, kind=kind, input=value, attributes=attributes, parent=Context()) as handle:
        watched = Watched(handle, collect=collect)
        try:
            yield watched
        except BaseException:
            watched.collected()  # nobody will ask for it
            raise


@contextmanager
def child_span(name: str, kind: SpanKind, *, value: Any = None) -> Iterator[Watched]:
    """Open a span below the current one; none where there is none."""
    if not state.active:
        yield Watched()
        return
    with span(name, kind=kind, input=value) as handle:
        yield Watched(handle)


class _Collector(SpanProcessor):
    """Keeps the ended spans of the traces that are being watched."""

    def __init__(self) -> None:
        self._traces: dict[int, list[ReadableSpan]] = {}
        self._joined: set[int] = set()
        self._lock = threading.Lock()  # guards `_joined`: one processor a provider

    def join(self) -> None:
        """Add this processor to the provider in use, once."""
        processors = getattr(state.tracer, "span_processor", None)
        if processors is None or id(processors) in self._joined:
            return
        with self._lock:
            if id(processors) not in self._joined:
                processors.add_span_processor(self)
                self._joined.add(id(processors))

    def watch(self, trace_id: str) -> None:
        self._traces[int(trace_id, 16)] = []

    def take(self, trace_id: str) -> list[ReadableSpan]:
        return self._traces.pop(int(trace_id, 16), [])

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span if its trace is watched."""
        if self._traces and span.context is not None:
            watched = self._traces.get(span.context.trace_id)
            if watched is not None:
                watched.append(span)


collector = _Collector()


def canonical(span: ReadableSpan) -> CanonicalSpan:
    """Return an SDK span as Pellucid understands it."""
    ids = span.get_span_context()
    assert ids is not None
    start_ns = span.start_time or 0
    scope = span.instrumentation_scope
    found = normalise(
        DecodedSpan(
            trace_id=f"{ids.trace_id:032x}",
            span_id=f"{ids.span_id:016x}",
            parent_id=f"{span.parent.span_id:016x}" if span.parent is not None else "",
            name=span.name,
            otel_kind=span.kind.value + 1,
            start_ns=start_ns,
            end_ns=span.end_time or start_ns,
            status_code=span.status.status_code.value,
            status_message=span.status.description or "",
            attributes=_plain(span.attributes),
            events=[
                SpanEvent(
                    name=event.name, time_ns=event.timestamp, attributes=_plain(event.attributes)
                )
                for event in span.events
            ],
            resource=_plain(span.resource.attributes),
            scope=Scope(name=scope.name, version=scope.version or "") if scope else Scope(),
        )
    )
    estimate = price_table().estimate(found)
    return (
        found if estimate is None else msgspec.structs.replace(found, estimated_cost_usd=estimate)
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (attributes or {}).items()
    }
