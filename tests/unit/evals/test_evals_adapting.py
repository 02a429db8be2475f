"""How adapters read examples and answers; the real libraries are tested in `tests/evaluators`."""

from types import SimpleNamespace
from typing import Any

import pellucid
from pellucid.evals.adapting import material, metric_name, plain_score

DATA: list[dict[str, Any]] = [
    {
        "inputs": {"question": "How many?", "unit": "layers"},
        "expected": {"answer": "two", "tool_calls": ["search"]},
        "gold_documents": {"d1": 1},
        "output": {"answer": "Two.", "documents": [{"id": "d1", "text": "two layers"}, "more"]},
    }
]


def scored(scorer: Any) -> Any:
    report = pellucid.evaluate(None, DATA, [scorer])
    (result,) = report.examples[0].scores.values()
    assert result.error is None, result.error
    return result


def test_an_example_in_plain_words() -> None:
    one = material(
        inputs=DATA[0]["inputs"],
        output=DATA[0]["output"],
        expected=DATA[0]["expected"],
        documents=DATA[0]["output"]["documents"],
        gold_documents=DATA[0]["gold_documents"],
    )
    assert one.question == '{"question":"How many?","unit":"layers"}'
    assert (one.answer, one.expected) == ("Two.", "two")
    assert (one.contexts, one.context_ids) == (["two layers", "more"], ["d1", "more"])
    assert (one.gold_ids, one.expected_tool_calls) == (["d1"], ["search"])
    assert one.named({"a": "answer", "calls": "tool_calls"}) == {"a": "Two."}


def test_names_and_values() -> None:
    assert metric_name(SimpleNamespace(name="Answer Relevancy")) == "answer_relevancy"
    assert metric_name(SimpleNamespace()) == "simple_namespace"
    assert plain_score(float("nan")) is None
    assert plain_score(None) is None
    score = plain_score([1], "why", extra=1, empty=None)
    assert score is not None
    assert (score.value, score.rationale, score.metadata) == ("[1]", "why", {"extra": 1})


def test_ragas_gets_the_fields_that_it_asks_for() -> None:
    class Metric:
        name = "faith"

        async def ascore(self, response: str, retrieved_contexts: list[str], k: int = 1) -> Any:
            value = 0.5 if retrieved_contexts == ["two layers", "more"] else 0
            return SimpleNamespace(value=value, reason=response)

    result = scored(pellucid.adapters.ragas(Metric()))
    assert (result.value, result.rationale) == (0.5, "Two.")


def test_phoenix_scores_keep_label_and_explanation() -> None:
    class Evaluator:
        name = "fit"
        direction = "minimize"

        async def async_evaluate(self, fields: dict[str, Any]) -> list[Any]:
            said = fields["unit"] + fields["output"]
            return [SimpleNamespace(name="fit", score=None, label="good", explanation=said)]

    scorer = pellucid.adapters.phoenix(Evaluator())
    result = scored(scorer)
    assert (result.value, result.rationale) == ("good", "layersTwo.")
    assert scorer.lower_is_better


def test_trulens_asks_about_each_context() -> None:
    def context_relevance(
        question: str, context: str, rest: int = 0
    ) -> tuple[float, dict[str, str]]:
        return (1.0 if "two" in context else 0.0), {"reason": context}

    result = scored(pellucid.adapters.trulens(context_relevance))
    assert (result.value, result.rationale) == (0.5, "two layers\nmore")


def test_autoevals_reasons_are_the_rationale() -> None:
    class Factuality:
        def _name(self) -> str:
            return "Factuality"

        def eval(self, output: str, expected: str, **rest: Any) -> Any:
            return SimpleNamespace(score=0.4, metadata={"rationale": "r", "x": 1}, error=None)

    scorer = pellucid.adapters.autoevals(Factuality())
    result = scored(scorer)
    assert (scorer.name, result.value, result.rationale) == ("factuality", 0.4, "r")
    assert result.metadata == {"x": 1}
