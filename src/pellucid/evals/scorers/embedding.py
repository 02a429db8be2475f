"""Nearness of meaning, by an embedding model of the user's choice."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.evals.embedders import as_embedder
from pellucid.evals.score import Score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import answer_of, as_text

Embedder = Callable[[list[str]], Any | Awaitable[Any]]
"""Texts → one vector each."""


def embedding_similarity(
    embedder: str | Embedder = "openai:text-embedding-3-small",
    *,
    field: str | None = None,
    name: str = "embedding_similarity",
) -> Scorer:
    """Cosine similarity of answer and `expected`, from −1 to 1; the best of several.

    `embedder` is a callable from a list of texts to a list of vectors (sync or async), or
    `openai:MODEL` for any OpenAI-compatible endpoint.
    """
    embed = as_embedder(embedder)

    async def score(output: Any, expected: Any) -> Score:
        if expected is None:
            raise InvalidInput("embedding_similarity() needs examples with expected.")
        wanted = expected if isinstance(expected, list) else [expected]
        texts = [as_text(one) for one in [answer_of(output, field), *wanted]]
        first, *others = await embed(texts)
        return Score(max(cosine(first, other) for other in others))

    config = {"embedder": embedder, "field": field}
    scorer = Scorer(name, score, needs=["expected"], config=config)
    scorer.makes_calls = True
    return scorer


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the cosine of two vectors' angle; 0 if either is all zeros."""
    dot = math.fsum(a * b for a, b in zip(first, second, strict=True))
    norms = math.sqrt(math.fsum(a * a for a in first)) * math.sqrt(math.fsum(b * b for b in second))
    return dot / norms if norms else 0.0
