"""The real TruLens through the adapter: a provider of our own, known answers."""

import json
from typing import Any

from trulens.core.feedback import Endpoint
from trulens.core.feedback.feedback import GroundednessConfigs
from trulens.feedback import LLMProvider

import pellucid

DATA = [
    {
        "inputs": {"question": "How many layers?"},
        "output": {"answer": "Two layers.", "documents": ["It has two layers.", "noise"]},
    },
    {
        "inputs": {"question": "How many layers?"},
        "output": {"answer": "Nine layers.", "documents": ["It has two layers.", "noise"]},
    },
]


class Scripted(LLMProvider):  # type: ignore[misc]
    """Rates 3 of 3 unless the prompt speaks of what is wrong."""

    def __init__(self) -> None:
        super().__init__(model_engine="scripted", endpoint=Endpoint(name="scripted"))

    def _create_chat_completion(
        self, prompt: Any = None, messages: Any = None, response_format: Any = None, **rest: Any
    ) -> Any:
        said = json.dumps(messages) + str(prompt)
        score = 0 if "Nine" in said or "noise" in said.replace("It has two layers.", "") else 3
        if "It has two layers.\\n\\nnoise" in said:
            score = 0 if "Nine" in said else 3
        if response_format is not None:
            known = {"score": score, "criteria": "c", "supporting_evidence": "because"}
            return response_format(
                **{k: known.get(k, "because") for k in response_format.model_fields}
            )
        return f"Criteria: c\nSupporting Evidence: because\nScore: {score}"


def test_feedback_functions() -> None:
    provider = Scripted()
    adapted = [
        pellucid.adapters.trulens(provider.relevance),
        pellucid.adapters.trulens(provider.context_relevance_with_cot_reasons),
        pellucid.adapters.trulens(
            provider.groundedness_measure_with_cot_reasons,
            groundedness_configs=GroundednessConfigs(
                use_sent_tokenize=False, filter_trivial_statements=False
            ),
        ),
    ]
    report = pellucid.evaluate(None, DATA, adapted)
    for example in report.examples:
        assert not [result.error for result in example.scores.values() if result.error]
    assert [e.scores["relevance"].value for e in report.examples] == [1, 0]
    assert [e.scores["context_relevance"].value for e in report.examples] == [0.5, 0.5]
    assert "because" in str(report.examples[0].scores["context_relevance"].rationale)
    assert report.scores["groundedness_measure"].n == 2


def test_a_parameter_that_is_not_there_is_a_recorded_failure() -> None:
    def strange(question: str, weather: str) -> float:
        return 1.0

    report = pellucid.evaluate(None, DATA[:1], [pellucid.adapters.trulens(strange)])
    assert "asks for 'weather'" in str(report.examples[0].scores["strange"].error)


def test_our_judge_is_a_plain_callable_there() -> None:
    from trulens.core import Metric

    judge = pellucid.judges.answer_relevance(model=lambda prompt: "relevant")

    def ours(prompt: str, response: str) -> float:
        return float(judge(inputs={"question": prompt}, output=response))

    assert Metric(implementation=ours, name="ours").run(prompt="q", response="a").result == 1


def test_directions_summaries_and_traces() -> None:
    provider = Scripted()

    def comprehensiveness_with_cot_reasons(source: str, summary: str) -> tuple[float, str]:
        return float("noise" in source and summary == "Two layers."), "why"

    def tool_quality(trace: str) -> float:
        return float('"tool_calls"' in trace and "Two layers." in trace)

    adapted = [
        pellucid.adapters.trulens(provider.harmfulness_with_cot_reasons),
        pellucid.adapters.trulens(comprehensiveness_with_cot_reasons),
        pellucid.adapters.trulens(tool_quality, lower_is_better=True),
    ]
    report = pellucid.evaluate(None, DATA[:1], adapted)
    scores = report.examples[0].scores
    assert not [result.error for result in scores.values() if result.error]
    assert {name: one.lower_is_better for name, one in report.scores.items()} == {
        "harmfulness": True,
        "comprehensiveness": False,
        "tool_quality": True,
    }
    assert (scores["tool_quality"].value, scores["comprehensiveness"].value) == (1, 1)
