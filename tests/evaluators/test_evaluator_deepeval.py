"""The real DeepEval through the adapter: a model of our own, known answers."""

from typing import Any

import pytest
from deepeval.metrics import (
    BaseMetric,
    ContextualRecallMetric,
    FaithfulnessMetric,
    GEval,
    ToolCorrectnessMetric,
)
from deepeval.models import DeepEvalBaseLLM
from deepeval.test_case import LLMTestCase, SingleTurnParams

import pellucid

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DATA = [
    {
        "inputs": {"question": "How many layers?"},
        "expected": "two",
        "output": {"answer": "Two layers.", "documents": ["A disc has two layers."]},
    },
    {
        "inputs": {"question": "How many layers?"},
        "expected": "two",
        "output": {"answer": "Nine layers.", "documents": ["A disc has two layers."]},
    },
]


class Scripted(DeepEvalBaseLLM):  # type: ignore[misc]
    """Answers by the fields of the schema that it is asked for."""

    def load_model(self) -> "Scripted":
        return self

    def get_model_name(self) -> str:
        return "scripted"

    async def a_generate(self, prompt: str, schema: Any = None) -> Any:
        return self.generate(prompt, schema)

    def generate(self, prompt: str, schema: Any = None) -> Any:
        wrong = "Nine" in prompt
        answers = {
            "truths": ["A disc has two layers."],
            "claims": ["Nine layers."] if wrong else ["Two layers."],
            "verdicts": [{"verdict": "no" if wrong else "yes", "reason": "because"}],
            "reason": "because",
            "steps": ["Compare."],
            "score": 2 if wrong else 9,
        }
        return schema(**{name: answers[name] for name in schema.model_fields})


def values(report: Any, name: str) -> list[Any]:
    return [example.scores[name].value for example in report.examples]


def test_metrics_that_ask_a_model() -> None:
    model = Scripted()
    metrics = [
        FaithfulnessMetric(model=model),
        ContextualRecallMetric(model=model),
        GEval(
            name="Tone",
            criteria="Is it polite?",
            evaluation_params=[SingleTurnParams.ACTUAL_OUTPUT],
            model=model,
        ),
    ]
    adapted = [pellucid.adapters.deepeval(metric) for metric in metrics]
    report = pellucid.evaluate(None, DATA, adapted, concurrency=4)
    assert values(report, "faithfulness") == [1, 0]
    assert values(report, "tone") == pytest.approx([0.9, 0.2])
    assert values(report, "contextual_recall")[0] == 1
    result = report.examples[1].scores["faithfulness"]
    assert result.rationale == "because"
    assert result.metadata["passed"] is False


def test_a_metric_that_compares_tool_calls() -> None:
    data = [
        {
            "inputs": {"q": "x"},
            "output": {"answer": "a", "tool_calls": ["search", "add"]},
            "expected": {"answer": "a", "tool_calls": [{"name": "search"}]},
        }
    ]
    metric = ToolCorrectnessMetric(model=Scripted())
    report = pellucid.evaluate(None, data, [pellucid.adapters.deepeval(metric)])
    assert values(report, "tool_correctness") == [1]


def test_a_failing_metric_is_a_recorded_failure() -> None:
    data = [{"inputs": {"q": "x"}, "output": "no documents"}]
    report = pellucid.evaluate(
        None, data, [pellucid.adapters.deepeval(FaithfulnessMetric(model=Scripted()))]
    )
    assert "retrieval_context" in str(report.examples[0].scores["faithfulness"].error)


def test_our_judge_is_a_plain_callable_there() -> None:
    judge = pellucid.judges.correctness(model=lambda prompt: "correct")

    class Ours(BaseMetric):  # type: ignore[misc]
        threshold = 0.5

        def measure(self, test_case: LLMTestCase, *args: Any, **kwargs: Any) -> float:
            score = judge(
                inputs={"question": test_case.input},
                output=test_case.actual_output,
                expected=test_case.expected_output,
            )
            self.score = float(score)
            self.success = self.score >= self.threshold
            return self.score

        async def a_measure(self, test_case: LLMTestCase, *args: Any, **kwargs: Any) -> float:
            return self.measure(test_case)

        def is_successful(self) -> bool:
            return bool(self.success)

    metric = Ours()
    assert metric.measure(LLMTestCase(input="q", actual_output="a", expected_output="a")) == 1
    assert metric.is_successful()
