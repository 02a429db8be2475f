"""Ragas' metrics, those of `ragas.metrics.collections` and the older ones (tested with 0.4.3)."""

import importlib
import inspect
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.evals.adapting import Material, adapted, plain_score
from pellucid.evals.scorer import Scorer

_NAMES = {
    "user_input": "question",
    "response": "answer",
    "reference": "expected",
    "retrieved_contexts": "contexts",
    "retrieved_context_ids": "context_ids",
    "reference_context_ids": "gold_ids",
}


def ragas(metric: Any, *, name: str | None = None, **fields: Any) -> Scorer:
    """Score with a Ragas metric, such as `Faithfulness(llm=llm_factory(…))`.

    It gets those of Ragas' fields that it asks for; `fields` are added or take their place.
    """
    measure = _new(metric, fields) if hasattr(metric, "ascore") else _old(metric, fields)
    return adapted(metric, measure, library="ragas", name=name)


def _new(metric: Any, fields: dict[str, Any]) -> Any:
    parameters = inspect.signature(metric.ascore).parameters
    everything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    async def measure(material: Material) -> Any:
        known = {**material.named(_NAMES), **fields}
        asked = {key: known[key] for key in known if everything or key in parameters}
        missing = [
            p.name
            for p in parameters.values()
            if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.name not in asked
        ]
        if missing:
            raise InvalidInput(f"Ragas' {metric.name} asks for {missing}, which are not there.")
        result = await metric.ascore(**asked)
        return plain_score(result.value, result.reason)

    return measure


def _old(metric: Any, fields: dict[str, Any]) -> Any:
    async def measure(material: Material) -> Any:
        schema = importlib.import_module("ragas.dataset_schema")
        sample = schema.SingleTurnSample(**{**material.named(_NAMES), **fields})
        return plain_score(await metric.single_turn_ascore(sample))

    return measure
