"""The real Phoenix evaluators through the adapter, asking a scripted model."""

import json

import pytest
from phoenix.evals import LLM, create_classifier, create_evaluator
from phoenix.evals.metrics import PrecisionRecallFScore

import pellucid
from pellucid.demo.model_server import Call, ModelRequest, Rule, ScriptedModelServer

pytestmark = pytest.mark.filterwarnings("ignore")
DATA = [
    {"inputs": {"question": "?"}, "output": {"answer": "right", "documents": ["a text"]}},
    {"inputs": {"question": "?"}, "output": {"answer": "wrong", "documents": ["a text"]}},
]


def choose(request: ModelRequest) -> Call | str:
    answer = {"label": "no" if "wrong" in request.text else "yes", "explanation": "because"}
    return Call(request.tools[0].name, answer) if request.tools else json.dumps(answer)


def test_a_classifier() -> None:
    with ScriptedModelServer([Rule(choose)]) as server:
        classifier = create_classifier(
            name="relevance",
            prompt_template="Is {output} an answer to {question}? {context}",
            llm=LLM(
                provider="openai",
                model="gpt-4o",
                sync_client_kwargs={"base_url": server.base_url},
                async_client_kwargs={"base_url": server.base_url},
            ),
            choices={"yes": 1.0, "no": 0.0},
        )
        report = pellucid.evaluate(None, DATA, [pellucid.adapters.phoenix(classifier)])
        assert "a text" in server.log[0].request["messages"][-1]["content"]
    assert [example.scores["relevance"].value for example in report.examples] == [1, 0]
    assert report.examples[0].scores["relevance"].rationale == "because"
    assert report.examples[0].scores["relevance"].metadata == {"label": "yes"}


def test_our_judge_is_a_plain_callable_there() -> None:
    judge = pellucid.judges.correctness(model=lambda prompt: "correct")

    @create_evaluator(name="ours", kind="llm")
    def ours(output: str, expected: str) -> float:
        return float(judge(inputs={}, output=output, expected=expected))

    assert ours.evaluate({"output": "a", "expected": "a"})[0].score == 1
    data = [{"inputs": {"q": "?"}, "output": "a", "expected": "a"}]
    report = pellucid.evaluate(None, data, [pellucid.adapters.phoenix(ours)])
    assert report.scores["ours"].mean == 1


def test_phoenix_own_names_and_lists_of_labels_are_understood() -> None:
    @create_evaluator(name="names", kind="code")
    def names(text: str, document_text: str, conversation: str, tool_selection: str) -> float:
        seen = [text, document_text, conversation, tool_selection]
        return float(seen == ["right", "a text", "user: ?\nassistant: right", "[]"])

    report = pellucid.evaluate(None, DATA[:1], [pellucid.adapters.phoenix(names)])
    assert report.scores["names"].mean == 1
    data = [{"inputs": {"q": "?"}, "output": ["a", "b"], "expected": ["a", "a"]}]
    measure = pellucid.adapters.phoenix(PrecisionRecallFScore(positive_label="a"))
    scores = pellucid.evaluate(None, data, [measure]).examples[0].scores
    found = {name: result.value for name, result in scores.items()}
    assert {key.partition(".")[2]: value for key, value in found.items()} == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
    }
