"""Judges: scorers that ask a model. Every prompt is a file in `templates/`, and `judge.prompt`."""

from pellucid.evals.judges.agreement import Agreement, Alignment, Annotation
from pellucid.evals.judges.annotations import read_annotations
from pellucid.evals.judges.asking import JudgeFailed
from pellucid.evals.judges.builtin import (
    answer_relevance,
    context_sufficiency,
    correctness,
    refusal,
    safety,
)
from pellucid.evals.judges.judge import Judge, make_judge
from pellucid.evals.judges.jury import Jury, jury
from pellucid.evals.judges.lists import (
    chunk_relevance,
    completeness,
    groundedness,
    redundancy,
)
from pellucid.evals.judges.pairwise import Pairwise, Preference, pairwise, prefer
from pellucid.evals.models import LiteLLMModel, Model, ModelFailed, OpenAIModel

__all__ = [
    "Agreement",
    "Alignment",
    "Annotation",
    "Judge",
    "JudgeFailed",
    "Jury",
    "LiteLLMModel",
    "Model",
    "ModelFailed",
    "OpenAIModel",
    "Pairwise",
    "Preference",
    "answer_relevance",
    "chunk_relevance",
    "completeness",
    "context_sufficiency",
    "correctness",
    "groundedness",
    "jury",
    "make_judge",
    "pairwise",
    "prefer",
    "read_annotations",
    "redundancy",
    "refusal",
    "safety",
]
