"""DeepEval's metrics (tested with 4.3.1)."""

import copy
import importlib
import os
from typing import Any

from pellucid.core.span import ToolCall
from pellucid.evals.adapting import Material, adapted, plain_score
from pellucid.evals.scorer import Scorer


def deepeval(metric: Any, *, name: str | None = None, **fields: Any) -> Scorer:
    """Score with a DeepEval metric, such as `FaithfulnessMetric(model=…)`.

    A test case is made of each example; `fields` are added to it. DeepEval's own telemetry is
    switched off. A metric keeps its last result in itself, so each example gets a copy.
    """
    os.environ.setdefault("DEEPEVAL_TELEMETRY_OPT_OUT", "YES")

    async def measure(material: Material) -> Any:
        one = copy.copy(metric)
        await one.a_measure(_test_case(material, fields), _show_indicator=False)
        if getattr(one, "error", None):
            raise RuntimeError(one.error)
        return plain_score(
            one.score,
            one.reason,
            passed=one.is_successful(),
            threshold=one.threshold,
            cost_usd=one.evaluation_cost,
        )

    lower = bool(getattr(metric, "lower_is_better", False))
    return adapted(
        metric, measure, library="deepeval", name=name or _name(metric), lower_is_better=lower
    )


def _test_case(material: Material, fields: dict[str, Any]) -> Any:
    known = material.named(
        {
            "input": "question",
            "actual_output": "answer",
            "expected_output": "expected",
            "retrieval_context": "contexts",
            "context": "contexts",
        }
    )
    calls = [_tool_call(call) for call in material.tool_calls]
    wanted = [_tool_call(call) for call in material.expected_tool_calls]
    tools = {"tools_called": calls or None, "expected_tools": wanted or None}
    return _test_cases().LLMTestCase(**{**known, **tools, **fields})


def _tool_call(call: Any) -> Any:
    theirs = _test_cases().ToolCall
    if isinstance(call, str):
        return theirs(name=call)
    if isinstance(call, ToolCall):
        arguments = call.arguments if isinstance(call.arguments, dict) else None
        return theirs(name=call.name or "", input_parameters=arguments, output=call.result)
    return theirs(name=call["name"], input_parameters=call.get("arguments"))


def _test_cases() -> Any:
    return importlib.import_module("deepeval.test_case")


def _name(metric: Any) -> str | None:
    named = getattr(metric, "__name__", None)
    if not isinstance(named, str):
        return None
    return named.replace("[GEval]", "").strip().lower().replace(" ", "_").replace("-", "_")
