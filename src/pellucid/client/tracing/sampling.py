"""Sampling whose rate a later `init` can change, for the provider that we own."""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    DEFAULT_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes


class RateSampler(Sampler):
    """Keeps a share of traces whole; without a rate, `OTEL_TRACES_SAMPLER` decides."""

    def __init__(self) -> None:
        self._inner: Sampler = DEFAULT_ON

    def set_rate(self, rate: float | None) -> None:
        """Set the share of traces to keep."""
        if rate is None:
            # A provider without a sampler reads OTEL_TRACES_SAMPLER; nothing else does in public.
            provider = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
            self._inner = provider.sampler
        else:
            self._inner = ParentBased(TraceIdRatioBased(rate))

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide as the sampler of the moment does."""
        return self._inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """Describe the sampler of the moment."""
        return self._inner.get_description()
