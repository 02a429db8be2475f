"""The real autoevals through the adapter, asking a scripted model."""

import json

import pytest
from autoevals import Factuality, JSONDiff, Levenshtein, NumericDiff, init
from openai import OpenAI

import pellucid
from pellucid.demo.model_server import Call, ModelRequest, Rule, ScriptedModelServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DATA = [
    {"inputs": {"input": "capital of France?"}, "expected": "Paris", "output": "Paris"},
    {"inputs": {"input": "capital of Italy?"}, "expected": "Rome", "output": "Milan"},
]


def choose(request: ModelRequest) -> Call:
    choice = "D" if "Milan" in request.text else "C"
    return Call("select_choice", {"reasons": "because", "choice": choice})


def test_a_model_graded_scorer() -> None:
    with ScriptedModelServer([Rule(choose)]) as server:
        init(client=OpenAI(base_url=server.base_url))
        report = pellucid.evaluate(None, DATA, [pellucid.adapters.autoevals(Factuality())])
    values = [example.scores["factuality"].value for example in report.examples]
    assert values == [1, 0]
    assert report.examples[0].scores["factuality"].rationale == "because"


def test_a_code_scorer() -> None:
    report = pellucid.evaluate(None, DATA, [pellucid.adapters.autoevals(Levenshtein())])
    assert report.examples[0].scores["levenshtein"].value == 1
    assert report.examples[1].scores["levenshtein"].value == 0


def test_our_judge_is_a_plain_callable_there() -> None:
    from autoevals.score import Score

    judge = pellucid.judges.correctness(
        model=lambda prompt: json.dumps({"rationale": "r", "choice": "mostly_correct"})
    )

    def scorer(output: str, expected: str, input: str) -> Score:
        score = judge(inputs={"input": input}, output=output, expected=expected)
        return Score(name=judge.name, score=float(score), metadata={"why": score.rationale})

    assert scorer("a", "b", "q").score == 0.75


def test_scorers_of_values_get_values() -> None:
    data = [{"inputs": {"q": "q"}, "output": 12, "expected": 10}]
    report = pellucid.evaluate(None, data, [pellucid.adapters.autoevals(NumericDiff())])
    score = report.examples[0].scores["numeric_diff"]
    assert score.error is None
    assert score.value == pytest.approx(1 - 2 / 22)
    data = [{"inputs": {"q": "q"}, "output": {"a": 1, "b": 2}, "expected": {"a": 1, "b": 4}}]
    report = pellucid.evaluate(None, data, [pellucid.adapters.autoevals(JSONDiff())])
    likeness = report.examples[0].scores["json_diff"].value
    assert isinstance(likeness, float)
    assert 0 < likeness < 1
