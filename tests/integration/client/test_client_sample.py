import json

import pytest

import pellucid
from pellucid.testing.collector import Collector


def test_the_first_sample_of_the_readme_runs_as_written(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PELLUCID_URL", collector.url)
    pellucid.init(experiment="bluray-agent")

    @pellucid.trace(kind="RETRIEVER")
    def search(question: str, k: int = 3) -> list[pellucid.Document]:
        return [pellucid.Document(id="d1", text="A disc is 1.2 mm thick.", score=0.9)]

    with pellucid.session("chat-7", user="u1", tags={"env": "prod"}):
        with pellucid.span("plan", kind="CHAIN", input={"question": "…"}) as span:
            span.set_attribute("tenant", 42)
            span.set_output({"documents": search("…")})
            trace_id = pellucid.current_trace_id()
    assert pellucid.flush(timeout=60)
    print(pellucid.trace_url(trace_id))

    assert capsys.readouterr().out == f"{collector.url}/traces/{trace_id}\n"
    retriever, plan = collector.spans()
    document = {"id": "d1", "text": "A disc is 1.2 mm thick.", "score": 0.9}
    shared = {
        "pellucid.experiment": "bluray-agent",
        "gen_ai.conversation.id": "chat-7",
        "user.id": "u1",
        "pellucid.tags": {"env": "prod"},
    }
    assert retriever.parent_id == plan.span_id
    assert retriever.trace_id == plan.trace_id == trace_id
    assert _read(retriever.attributes) == {
        **shared,
        "pellucid.kind": "RETRIEVER",
        "gen_ai.operation.name": "retrieval",
        "pellucid.input": {"question": "…", "k": 3},
        "pellucid.output": [document],
        "pellucid.documents": [document],
    }
    assert _read(plan.attributes) == {
        **shared,
        "pellucid.kind": "CHAIN",
        "pellucid.input": {"question": "…"},
        "pellucid.output": {"documents": [document]},
        "tenant": 42,
    }
    assert "pellucid.experiment" not in plan.resource


def _read(attributes: dict[str, object]) -> dict[str, object]:
    return {
        name: json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
        for name, value in attributes.items()
    }
