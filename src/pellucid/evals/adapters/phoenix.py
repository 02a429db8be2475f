"""Phoenix's evaluators (arize-phoenix-evals, tested with 3.9.4)."""

from typing import Any

from pellucid.evals.adapting import Material, adapted, plain_score
from pellucid.evals.scorer import Scorer


def phoenix(evaluator: Any, *, name: str | None = None, **fields: Any) -> Scorer:
    """Score with a Phoenix evaluator, such as one of `create_classifier(…)`.

    Its template may name `input`, `output`, `expected` (or `reference`), `context` (or
    `documents`), any input of the example, and what `fields` adds.
    """

    async def measure(material: Material) -> Any:
        known = {
            **material.inputs,
            "input": material.question,
            "output": material.answer,
            "expected": material.expected,
            "reference": material.expected,
            "context": "\n\n".join(material.contexts),
            "documents": "\n\n".join(material.contexts),
            **fields,
        }
        scores = await evaluator.async_evaluate(known)
        found = {_key(scorer.name, score, len(scores)): _score(score) for score in scores}
        return {key: score for key, score in found.items() if score is not None}

    lower = getattr(evaluator, "direction", "maximize") == "minimize"
    scorer = adapted(evaluator, measure, library="phoenix", name=name, lower_is_better=lower)
    return scorer


def _key(name: str, score: Any, count: int) -> str:
    return name if count == 1 else f"{name}.{score.name}"


def _score(score: Any) -> Any:
    value = score.label if score.score is None else score.score
    return plain_score(value, score.explanation, label=score.label)
