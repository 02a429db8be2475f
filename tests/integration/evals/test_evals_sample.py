"""The sample of the guide, as written, against a model server with known answers."""

from pathlib import Path

import pytest

import pellucid
from pellucid.demo.model_server import ModelRequest, Rule, ScriptedModelServer

GOLD = {"capital of France": "Paris", "two and two": "4"}


def verdict(request: ModelRequest) -> str:
    right = "<answer>\nParis\n</answer>" in request.user
    choice = "correct" if right else "incorrect"
    return f'{{"rationale": "It says {choice} things.", "choice": "{choice}"}}'


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "spool"))
    with ScriptedModelServer([Rule(verdict)]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield server


def agent(question: str) -> dict[str, object]:
    answer = "Paris" if "France" in question else "five"
    return {"answer": answer, "documents": [{"id": "d1", "text": answer}]}


def old_agent(question: str) -> dict[str, object]:
    return {"answer": "no idea", "documents": []}


def test_the_sample_runs_as_written(endpoint: object, capsys: pytest.CaptureFixture[str]) -> None:
    data = [
        {"inputs": {"question": key}, "expected": gold, "gold_documents": ["d1"]}
        for key, gold in GOLD.items()
    ]
    scorers = [
        pellucid.scorers.exact_match(),
        pellucid.scorers.recall(k=5),
        pellucid.judges.correctness(model="openai:gpt-4o"),
    ]
    baseline = pellucid.evaluate(old_agent, data=data, scorers=scorers)
    report = pellucid.evaluate(
        agent, data=data, scorers=scorers, concurrency=10, repeats=1, name="k five"
    )
    print(report.run.id, report.scores["exact_match"].mean, report.scores["exact_match"].interval)
    example = report.examples[0]
    print(example.output, example.trace_id, example.error)
    print(example.scores["correctness"].rationale)
    change = pellucid.compare(report, baseline).metrics["exact_match"]
    print(change.difference, change.interval, change.p_value, change.verdict)

    assert report.scores["exact_match"].mean == 0.5
    assert report.scores["recall"].mean == 1.0
    assert report.scores["correctness"].mean == 0.5
    assert example.scores["correctness"].rationale == "It says correct things."
    assert change.difference == 0.5
    assert change.verdict == "no clear change"
    assert "k five" in str(report)
