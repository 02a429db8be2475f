"""The real Ragas through the adapter: a model of our own and a scripted endpoint."""

import json
from typing import Any

from openai import AsyncOpenAI
from ragas.llms import llm_factory
from ragas.llms.base import InstructorBaseRagasLLM
from ragas.metrics import IDBasedContextRecall, numeric_metric
from ragas.metrics import ToolCallF1 as OldToolCallF1
from ragas.metrics.collections import (
    ContextPrecisionWithoutReference,
    ExactMatch,
    FactualCorrectness,
    Faithfulness,
    ToolCallAccuracy,
    ToolCallF1,
)

import pellucid
from pellucid.demo.model_server import Call, ModelRequest, Rule, ScriptedModelServer

DATA: list[dict[str, Any]] = [
    {
        "inputs": {"question": "How many layers?"},
        "expected": "Two layers.",
        "gold_documents": ["d1"],
        "output": {
            "answer": answer,
            "documents": [{"id": "d1", "text": "A disc has two layers."}],
        },
    }
    for answer in ("Two layers.", "Nine layers.")
]


def answered(prompt: str) -> dict[str, Any]:
    wrong = int("Nine layers." not in prompt)
    statement = "Two layers." if wrong else "Nine layers."
    return {
        "statements": [{"statement": statement, "reason": "because", "verdict": wrong}],
        "claims": [statement],
        "verdict": wrong,
        "reason": "because",
    }


class Scripted(InstructorBaseRagasLLM):  # type: ignore[misc]
    def generate(self, prompt: str, response_model: Any) -> Any:
        known = answered(prompt)
        if response_model.__name__ == "StatementGeneratorOutput":
            known["statements"] = [known["statements"][0]["statement"]]
        return response_model(**{name: known[name] for name in response_model.model_fields})

    async def agenerate(self, prompt: str, response_model: Any) -> Any:
        return self.generate(prompt, response_model)


def values(report: Any, name: str) -> list[Any]:
    for example in report.examples:
        assert example.scores[name].error is None, example.scores[name].error
    return [example.scores[name].value for example in report.examples]


def test_metrics_that_ask_a_model() -> None:
    llm = Scripted()
    metrics = [Faithfulness(llm=llm), FactualCorrectness(llm=llm)]
    adapted = [pellucid.adapters.ragas(metric) for metric in metrics]
    adapted.append(
        pellucid.adapters.ragas(ContextPrecisionWithoutReference(llm=llm), name="precision")
    )
    report = pellucid.evaluate(None, DATA, adapted)
    assert values(report, "faithfulness") == [1, 0]
    assert values(report, "factual_correctness") == [1, 0]
    assert round(values(report, "precision")[0], 6) == 1


def test_metrics_without_a_model_and_the_older_ones() -> None:
    adapted = [
        pellucid.adapters.ragas(ExactMatch()),
        pellucid.adapters.ragas(IDBasedContextRecall()),
    ]
    report = pellucid.evaluate(None, DATA, adapted)
    assert values(report, "exact_match") == [1, 0]
    assert values(report, "id_based_context_recall") == [1, 1]


def by_schema(request: ModelRequest) -> Call | str:
    known = answered(request.text.rpartition("Now perform")[2])
    if "StatementGenerator" in json.dumps(request.body):
        known["statements"] = [known["statements"][0]["statement"]]
    if request.tools:
        return Call(request.tools[0].name, known)
    return json.dumps(known)


def test_an_endpoint_through_ragas_own_factory() -> None:
    with ScriptedModelServer([Rule(by_schema)]) as server:
        client = AsyncOpenAI(base_url=server.base_url)
        metric = Faithfulness(llm=llm_factory("gpt-4o", client=client))
        report = pellucid.evaluate(None, DATA, [pellucid.adapters.ragas(metric)])
        assert len(server.log) == 4
    assert values(report, "faithfulness") == [1, 0]


def test_what_a_metric_lacks_is_a_recorded_failure() -> None:
    data = [{"inputs": {"question": "q"}, "output": "a"}]
    report = pellucid.evaluate(None, data, [pellucid.adapters.ragas(ExactMatch())])
    assert "asks for ['reference']" in str(report.examples[0].scores["exact_match"].error)


def test_our_judge_is_a_plain_callable_there() -> None:
    judge = pellucid.judges.correctness(model=lambda prompt: "correct")

    @numeric_metric(name="ours", allowed_values=(0, 1))
    def ours(response: str, reference: str) -> float:
        return float(judge(inputs={}, output=response, expected=reference))

    assert ours.score(response="a", reference="a").value == 1


def test_metrics_of_conversations_see_the_tool_calls() -> None:
    made = {"name": "search", "arguments": {"q": "layers"}, "result": ["d1"]}
    data = [
        {
            "inputs": {"question": "How many layers?"},
            "output": {"answer": "Two.", "tool_calls": calls},
            "expected": {"tool_calls": [{"name": "search", "arguments": {"q": "layers"}}]},
        }
        for calls in ([made], [{**made, "name": "guess"}], [])
    ]
    metrics = [ToolCallAccuracy(), ToolCallF1(), OldToolCallF1()]
    names = ["accuracy", "f1", "old"]
    adapted = [
        pellucid.adapters.ragas(metric, name=name)
        for metric, name in zip(metrics, names, strict=True)
    ]
    report = pellucid.evaluate(None, data, adapted)
    assert {name: values(report, name) for name in names} == {one: [1, 0, 0] for one in names}
