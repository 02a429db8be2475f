"""A judge that asks through the real LiteLLM: repaired, retried, priced."""

import json
from collections.abc import Iterator

import pytest

import pellucid
from pellucid.demo.model_server import Fault, ModelRequest, Reply, ScriptedModelServer
from pellucid.demo.model_server.script import ReplyLike

pytest.importorskip("litellm")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedModelServer]:
    """Serve a model that is busy once, then gives each answer a number."""
    asked = iter(range(1000))

    def answer(request: ModelRequest) -> ReplyLike:
        number = next(asked)
        if number == 1:
            return Reply(fault=Fault(status=429, message="slow down"))
        return json.dumps({"rationale": f"answer {number}", "choice": "mostly_correct"})

    with ScriptedModelServer(answer) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.base_url)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        yield server


# Pydantic warns of types that LiteLLM declares.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_judge_asks_through_litellm(endpoint: ScriptedModelServer) -> None:
    report = pellucid.evaluate(
        lambda question: question,
        [{"inputs": {"question": str(n)}, "expected": str(n)} for n in range(4)],
        [pellucid.judges.correctness(model="litellm:openai/gpt-4o-mini")],
        concurrency=1,
        progress=False,
        resume=False,
    )
    summary = report.scores["correctness"]
    assert (summary.mean, summary.n, summary.failures) == (0.75, 4, 0)
    assert report.scorers[0].models == ["litellm:openai/gpt-4o-mini"]
    assert summary.cost_usd == pytest.approx(report.cost_usd)
    assert report.cost_usd > 0
