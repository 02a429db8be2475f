"""Deterministic scorers. Each function makes a scorer; `name=` gives it another name.

A scorer can be called by hand with what it asks for: `exact_match()(output="a", expected="a")`.
"""

from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.embedding import embedding_similarity
from pellucid.evals.scorers.operations import cost, latency, tokens
from pellucid.evals.scorers.overlap import bleu, edit_similarity, rouge, token_f1
from pellucid.evals.scorers.retrieval import (
    average_precision,
    hit_rate,
    mrr,
    ndcg,
    precision,
    recall,
)
from pellucid.evals.scorers.retrieval import average_precision as map
from pellucid.evals.scorers.structured import json_diff, json_schema, numeric_close
from pellucid.evals.scorers.text import contains, exact_match, normalised_match, regex
from pellucid.evals.scorers.trajectory import loops, tool_calls, trajectory

__all__ = [
    "Scorer",
    "average_precision",
    "bleu",
    "contains",
    "cost",
    "edit_similarity",
    "embedding_similarity",
    "exact_match",
    "hit_rate",
    "json_diff",
    "json_schema",
    "latency",
    "loops",
    "map",
    "mrr",
    "ndcg",
    "normalised_match",
    "numeric_close",
    "precision",
    "recall",
    "regex",
    "rouge",
    "token_f1",
    "tokens",
    "tool_calls",
    "trajectory",
]
