"""Phoenix's evaluators (arize-phoenix-evals, tested with 3.9.4)."""

from typing import Any

from pellucid.evals.adapting import Material, adapted, plain_score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import as_text


def phoenix(evaluator: Any, *, name: str | None = None, **fields: Any) -> Scorer:
    """Score with a Phoenix evaluator, such as one of `create_classifier(…)`.

    Its template may name `input`, `output` (or `text`), `expected` (or `reference`), `context`
    (or `documents`, `document_text`), `conversation` (both turns), `tool_selection` (or
    `tool_call`), any input of the example, and what `fields` adds. Lists of labels stay lists.
    """

    async def measure(material: Material) -> Any:
        scores = await evaluator.async_evaluate({**_known(material), **fields})
        found = {_key(scorer.name, score, len(scores)): _score(score) for score in scores}
        return {key: score for key, score in found.items() if score is not None}

    lower = getattr(evaluator, "direction", "maximize") == "minimize"
    scorer = adapted(evaluator, measure, library="phoenix", name=name, lower_is_better=lower)
    return scorer


def _known(material: Material) -> dict[str, Any]:
    context = "\n\n".join(material.contexts)
    calls = as_text([{"name": c.name, "arguments": c.arguments} for c in material.tool_calls])
    are_labels = isinstance(material.output, list) and isinstance(material.wanted, list)
    expected = material.wanted if are_labels else material.expected
    return {
        **material.inputs,
        "input": material.question,
        "output": material.output if are_labels else material.answer,
        "text": material.answer,
        "expected": expected,
        "reference": expected,
        "context": context,
        "documents": context,
        "document_text": context,
        "conversation": f"user: {material.question}\nassistant: {material.answer}",
        "tool_selection": calls,
        "tool_call": calls,
    }


def _key(name: str, score: Any, count: int) -> str:
    return name if count == 1 else f"{name}.{score.name}"


def _score(score: Any) -> Any:
    value = score.label if score.score is None else score.score
    return plain_score(value, score.explanation, label=score.label)
