"""The real Giskard checks through the adapter: a judge of our own, known answers."""

from typing import Any

from giskard.checks import (
    BaseJudge,
    Equals,
    FnCheck,
    Groundedness,
    Interaction,
    StringMatching,
    Trace,
)
from giskard.checks.judges.base import LLMCheckResult

import pellucid

DATA = [
    {
        "inputs": {"question": "How many layers?"},
        "expected": "Two layers.",
        "output": {"answer": "Two layers.", "documents": ["A disc has two layers."]},
    },
    {
        "inputs": {"question": "How many layers?"},
        "expected": "Two layers.",
        "output": {"answer": "Nine layers.", "documents": ["A disc has two layers."]},
    },
]


class Scripted(BaseJudge):  # type: ignore[misc]
    async def judge(self, prompt: Any, inputs: dict[str, Any], **options: Any) -> Any:
        assert inputs["context"] == "A disc has two layers."
        return LLMCheckResult(passed="Two" in inputs["answer"], reason="because")


def test_checks_that_ask_a_model() -> None:
    check = Groundedness(judge=Scripted())
    report = pellucid.evaluate(None, DATA, [pellucid.adapters.giskard(check)])
    results = [example.scores["groundedness"] for example in report.examples]
    assert [result.value for result in results] == [True, False]
    assert results[0].rationale == "because"
    assert report.scores["groundedness"].mean == 0.5


def test_checks_without_a_model() -> None:
    checks = [
        Equals(expected_value="Two layers.", target_key="trace.last.outputs"),
        StringMatching(keyword="layers", target_key="trace.last.metadata.expected", name="words"),
    ]
    adapted = [pellucid.adapters.giskard(check) for check in checks]
    report = pellucid.evaluate(None, DATA, adapted)
    assert [example.scores["equals"].value for example in report.examples] == [True, False]
    assert report.scores["words"].mean == 1


def test_a_check_that_cannot_run_is_a_recorded_failure() -> None:
    check = Equals(expected_value="x", target_key="trace.last.metadata.nowhere")
    report = pellucid.evaluate(None, DATA[:1], [pellucid.adapters.giskard(check)])
    result = report.examples[0].scores["equals"]
    assert result.error or result.value is False


async def test_our_judge_is_a_plain_callable_there() -> None:
    judge = pellucid.judges.safety(model=lambda prompt: "safe")

    def safe(trace: Trace) -> bool:
        return bool(judge(inputs={"q": trace.last.inputs}, output=trace.last.outputs))

    check = FnCheck(fn=safe, name="safe")
    result = await check.run(Trace(interactions=[Interaction(inputs="q", outputs="a")]))
    assert result.passed
