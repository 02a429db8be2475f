"""Did retrieval find the gold documents, and how high? At the first `k` documents, or all.

An example without gold documents gives no score. A document that was retrieved twice counts
at its first place only. Definitions as in trec_eval.
"""

import math
from collections.abc import Callable
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Document
from pellucid.evals.documents import as_documents, gold_grades
from pellucid.evals.scorer import Scorer

Measure = Callable[[list[float], dict[str, float]], float]
"""Takes the grades of the documents in rank order and all grades above 0."""


def precision(k: int | None = None, *, name: str | None = None) -> Scorer:
    """The share of the first `k` documents that are relevant; missing places count against it."""

    def measure(ranked: list[float], gold: dict[str, float]) -> float:
        places = k or len(ranked)
        return _hits(ranked) / places if places else 0.0

    return _scorer("precision", k, name, measure)


def recall(k: int | None = None, *, name: str | None = None) -> Scorer:
    """The share of the gold documents that are among the first `k`."""
    return _scorer("recall", k, name, lambda ranked, gold: _hits(ranked) / len(gold))


def hit_rate(k: int | None = None, *, name: str | None = None) -> Scorer:
    """1 if any of the first `k` documents is relevant, else 0."""
    return _scorer("hit_rate", k, name, lambda ranked, gold: float(_hits(ranked) > 0))


def mrr(k: int | None = None, *, name: str | None = None) -> Scorer:
    """1 over the rank of the first relevant document; 0 without one. Its mean is the MRR."""

    def measure(ranked: list[float], gold: dict[str, float]) -> float:
        return next((1 / rank for rank, grade in enumerate(ranked, 1) if grade > 0), 0.0)

    return _scorer("mrr", k, name, measure)


def ndcg(k: int | None = None, *, name: str | None = None) -> Scorer:
    """Discounted gain of the first `k` over the ideal one; grades count linearly."""

    def measure(ranked: list[float], gold: dict[str, float]) -> float:
        ideal = sorted(gold.values(), reverse=True)[:k]
        return _dcg(ranked) / _dcg(ideal)

    return _scorer("ndcg", k, name, measure)


def average_precision(k: int | None = None, *, name: str | None = None) -> Scorer:
    """Precision at each relevant document, summed, over the number of gold documents.

    Its mean is the MAP, hence the score's name, `map`.
    """

    def measure(ranked: list[float], gold: dict[str, float]) -> float:
        found = 0
        total = 0.0
        for rank, grade in enumerate(ranked, 1):
            if grade > 0:
                found += 1
                total += found / rank
        return total / len(gold)

    return _scorer("map", k, name, measure)


def _scorer(kind: str, k: int | None, name: str | None, measure: Measure) -> Scorer:
    if k is not None and k < 1:
        raise InvalidInput(f"{kind}(k={k}): k must be at least 1.")

    def score(documents: list[Document], gold_documents: Any) -> float | None:
        gold = {key: grade for key, grade in gold_grades(gold_documents).items() if grade > 0}
        if not gold:
            return None
        return measure(_ranked(documents, gold)[:k], gold)

    name = name or (kind if k is None else f"{kind}_at_{k}")
    return Scorer(name, score, quick=True, config={"kind": kind, "k": k})


def _ranked(documents: Any, gold: dict[str, float]) -> list[float]:
    ids = dict.fromkeys(document.id for document in as_documents(documents))
    return [gold.get(identity or "", 0.0) for identity in ids]


def _hits(ranked: list[float]) -> int:
    return sum(grade > 0 for grade in ranked)


def _dcg(grades: list[float]) -> float:
    return math.fsum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))
