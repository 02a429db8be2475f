"""Giskard's checks (tested with 3.0.1, which needs Python 3.12 or newer)."""

import importlib
from typing import Any

from pellucid.evals.adapting import Material, adapted, plain_score
from pellucid.evals.scorer import Scorer


def giskard(check: Any, *, name: str | None = None) -> Scorer:
    """Score with a Giskard check, such as `Groundedness(judge=…)`: true if it passes.

    The check reads a trace of one interaction: inputs (the question), outputs (the answer), and
    metadata `context` (the retrieved texts), `expected`, `inputs`, `output` and the example's own.
    A check's further metrics become scores of their own, `NAME.METRIC`.
    """

    async def measure(material: Material) -> Any:
        result = await check.run(_trace(material))
        if result.errored:
            raise RuntimeError(result.message or "the check ended with an error")
        if result.skipped:
            return None
        passed = plain_score(bool(result.passed), _why(result), status=str(result.status))
        scores = {scorer.name: passed}
        for metric in result.metrics:
            scores[f"{scorer.name}.{metric.name}"] = plain_score(metric.value)
        return {key: score for key, score in scores.items() if score is not None}

    scorer = adapted(check, measure, library="giskard", name=name or _name(check))
    return scorer


def _trace(material: Material) -> Any:
    checks = importlib.import_module("giskard.checks")
    metadata = {
        **material.metadata,
        "context": material.contexts,
        "expected": material.expected,
        "inputs": material.inputs,
        "output": material.output,
    }
    turn = checks.Interaction(inputs=material.question, outputs=material.answer, metadata=metadata)
    return checks.Trace(interactions=[turn])


def _why(result: Any) -> Any:
    return result.message or result.details.get("reason")


def _name(check: Any) -> str | None:
    from pellucid.evals.scorer import snake_case

    own = getattr(check, "name", None)
    return str(own) if own else snake_case(type(check).__name__.partition("[")[0])
