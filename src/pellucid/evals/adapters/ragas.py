"""Ragas' metrics, those of `ragas.metrics.collections` and the older ones (tested with 0.4.3)."""

import importlib
import inspect
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.evals.adapting import Material, adapted, plain_score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import as_text

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

    It gets those of Ragas' fields that it asks for; `fields` are added or take their place. A
    metric of conversations, such as `ToolCallAccuracy()`, gets the question, the tool calls with
    their results, and the answer, as messages.
    """
    measure = _new(metric, fields) if hasattr(metric, "ascore") else _old(metric, fields)
    return adapted(metric, measure, library="ragas", name=name)


def _new(metric: Any, fields: dict[str, Any]) -> Any:
    parameters = inspect.signature(metric.ascore).parameters
    everything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    talks = "user_input" in parameters and "Message" in str(parameters["user_input"].annotation)

    async def measure(material: Material) -> Any:
        turns = _conversation(material) if talks else {}
        known = {**material.named(_NAMES), **turns, **fields}
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
        if not hasattr(metric, "single_turn_ascore"):
            turns = {**material.named({"reference": "expected"}), **_conversation(material)}
            several = schema.MultiTurnSample(**{**turns, **fields})
            return plain_score(await metric.multi_turn_ascore(several))
        sample = schema.SingleTurnSample(**{**material.named(_NAMES), **fields})
        return plain_score(await metric.single_turn_ascore(sample))

    return measure


def _conversation(material: Material) -> dict[str, Any]:
    """Return an example as messages, with the tool calls that were expected."""
    said = importlib.import_module("ragas.messages")
    messages = [said.HumanMessage(content=material.question)]
    if material.tool_calls:
        calls = [_call(said, call.name, call.arguments) for call in material.tool_calls]
        messages.append(said.AIMessage(content="", tool_calls=calls))
        messages += [said.ToolMessage(content=as_text(call.result)) for call in material.tool_calls]
    messages.append(said.AIMessage(content=material.answer))
    wanted = [
        _call(said, one, None)
        if isinstance(one, str)
        else _call(said, one.get("name"), one.get("arguments"))
        for one in material.expected_tool_calls
    ]
    return {"user_input": messages, **({"reference_tool_calls": wanted} if wanted else {})}


def _call(said: Any, name: str | None, arguments: Any) -> Any:
    return said.ToolCall(name=name or "", args=arguments if isinstance(arguments, dict) else {})
