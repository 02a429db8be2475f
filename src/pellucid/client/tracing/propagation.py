"""Parents across processes and HTTP: W3C `traceparent` headers."""

from collections.abc import Mapping, MutableMapping

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pellucid.client.encoding import pairs_of

_propagator = TraceContextTextMapPropagator()


def inject(headers: MutableMapping[str, str] | None = None) -> MutableMapping[str, str]:
    """Write the current span's `traceparent` into headers (a new dict by default), return them."""
    carrier: MutableMapping[str, str] = {} if headers is None else headers
    _propagator.inject(carrier)
    return carrier


def extract(headers: Mapping[str, str]) -> Context:
    """Return the context that headers (names in any case) tell of, for `span(parent=…)`.

    Headers without a valid `traceparent` tell of no parent: a span with them begins a trace.
    """
    carrier = {name.lower(): v for name, v in pairs_of(headers) if isinstance(v, str)}
    return _propagator.extract(carrier)
