"""The normaliser as the server runs it: it estimates costs, and no span can make it fail."""

import logging
from collections.abc import Sequence

from msgspec.structs import force_setattr

from pellucid.core.span import DecodedSpan, LogRecord, Span, Status
from pellucid.semconv.cost import PriceTable
from pellucid.semconv.normalise import VERSION, normalise

_log = logging.getLogger(__name__)
_STATUS_ERROR = 2


class Normaliser:
    """Decoded span → canonical span; the span store calls it too, when log records arrive."""

    version = VERSION

    def __init__(self, prices: PriceTable) -> None:
        self._prices = prices

    def __call__(self, decoded: DecodedSpan, logs: Sequence[LogRecord] = ()) -> Span:
        """Return the canonical span; a fault of ours leaves a plain one, which loses nothing."""
        try:
            span = normalise(decoded, logs)
            cost_usd = self._prices.estimate(span)
        except Exception:
            _log.exception("Span %s/%s cannot be normalised", decoded.trace_id, decoded.span_id)
            return _plain(decoded)
        if cost_usd is not None:
            # Nobody else has it yet, and a copy of so many fields costs as much as the estimate.
            force_setattr(span, "estimated_cost_usd", cost_usd)
        return span


def _plain(decoded: DecodedSpan) -> Span:
    failed = decoded.status_code == _STATUS_ERROR
    return Span(
        trace_id=decoded.trace_id,
        span_id=decoded.span_id,
        parent_id=decoded.parent_id,
        name=decoded.name,
        status=Status.ERROR if failed else Status.OK,
        status_message=decoded.status_message,
        start_ns=decoded.start_ns,
        duration_ns=max(0, decoded.end_ns - decoded.start_ns),
        experiment=decoded.experiment,
        attributes=decoded.attributes,
        events=decoded.events,
        links=decoded.links,
        dropped=decoded.dropped,
        resource=decoded.resource,
        scope=decoded.scope,
        otel_kind=decoded.otel_kind,
        trace_state=decoded.trace_state,
        flags=decoded.flags,
    )
