"""What a model call costs, where its price is known."""

from pellucid.core.span import Tokens


def estimated_cost(model: str | None, tokens: Tokens) -> float | None:
    """Return dollars by the price table; None for a model that is not in it."""
    return None
