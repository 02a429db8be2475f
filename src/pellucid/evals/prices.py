"""What a model call costs, where its price is known."""

from functools import cache

from pellucid.core.clock import now_ns
from pellucid.core.span import Span, Tokens
from pellucid.semconv.cost import PriceTable


def estimated_cost(model: str | None, tokens: Tokens) -> float | None:
    """Return dollars by the price table; None for a model that is not in it."""
    if model is None:
        return None
    call = Span(
        trace_id="", span_id="", start_ns=now_ns(), duration_ns=0, model=model, tokens=tokens
    )
    return price_table().estimate(call)


@cache
def price_table() -> PriceTable:
    """Return the table that ships with Pellucid."""
    return PriceTable.load()
