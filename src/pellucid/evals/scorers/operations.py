"""What an answer took: time, money, tokens. Lower is better."""

from pellucid.evals.scorer import Scorer


def latency(*, name: str = "latency_s") -> Scorer:
    """Seconds that the task took, without waiting for its turn; none where no task ran."""
    return Scorer(name, lambda duration_s: duration_s, quick=True, lower_is_better=True)


def cost(*, name: str = "cost_usd") -> Scorer:
    """Dollars that the example's trace cost; none where the trace tells no cost."""
    return Scorer(name, lambda cost_usd: cost_usd, quick=True, lower_is_better=True)


def tokens(*, name: str = "tokens") -> Scorer:
    """Tokens in and out of the example's trace; none where it tells none."""
    return Scorer(name, lambda tokens: tokens or None, quick=True, lower_is_better=True)
