import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import pellucid
from pellucid.core.errors import PellucidError
from pellucid.demo.agent import QUESTION, BlurayAgent, Plan, Watcher
from pellucid.demo.corpus import Chunk, load_corpus
from pellucid.demo.model import Model
from pellucid.demo.model_server import Call, Fault, Rule, ScriptedModelServer
from pellucid.demo.provider import open_model
from pellucid.demo.retrieval import Index
from pellucid.demo.run import build_index
from pellucid.demo.scripted_model import SCRIPT, SETTINGS
from pellucid.demo.tools import TOOLS, Encyclopedia, Toolbox

DEAD_URL = "http://127.0.0.1:9"


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    pellucid.init(experiment="demo", url=DEAD_URL, provider=provider, spool_dir=tmp_path)
    yield exporter
    pellucid.shutdown()


def kinds_of(spans: tuple[ReadableSpan, ...], kind: str) -> list[ReadableSpan]:
    return [s for s in spans if s.attributes and s.attributes["pellucid.kind"] == kind]


def attribute(span: ReadableSpan, name: str) -> Any:
    assert span.attributes is not None
    return span.attributes[name]


def answer_of(chunks: list[Chunk]) -> str:
    with open_model(None, pace=0) as model:
        return BlurayAgent(model, Index(chunks, model.embed)).answer().text


def test_the_answer_is_right_and_the_trace_tells_all(exporter: InMemorySpanExporter) -> None:
    with open_model(None, pace=0) as model:
        answer = BlurayAgent(model, build_index(model)).answer()
    assert "8,568 dual-layer Blu-ray discs" in answer.text
    assert "10.28 m tall" in answer.text
    assert "4,284 discs and 5.14 m" in answer.text
    assert answer.picture is not None
    assert answer.picture.startswith(b"\x89PNG")

    spans = exporter.get_finished_spans()
    assert {f"{s.context.trace_id:032x}" for s in spans if s.context} == {answer.trace_id}
    assert all(s.status.is_ok or s.status.status_code.name == "UNSET" for s in spans)
    [root] = [s for s in spans if s.parent is None]
    assert root.name == "bluray-agent"
    assert attribute(root, "pellucid.input") == QUESTION
    assert attribute(root, "pellucid.output") == answer.text
    for llm in kinds_of(spans, "LLM"):
        assert attribute(llm, "gen_ai.request.model") == SETTINGS.chat
        assert attribute(llm, "gen_ai.usage.output_tokens") > 0
        assert json.loads(attribute(llm, "gen_ai.input.messages"))
        assert json.loads(attribute(llm, "gen_ai.output.messages"))
    writing = next(s for s in spans if s.name == "write answer")
    assert attribute(writing, "pellucid.ttft_ns") > 0
    turn = next(s for s in spans if s.name == "turn 1")
    offered = json.loads(attribute(turn, "gen_ai.tool.definitions"))
    assert {tool["function"]["name"] for tool in offered} == {t["function"]["name"] for t in TOOLS}
    for search in kinds_of(spans, "RETRIEVER"):
        documents = json.loads(attribute(search, "pellucid.documents"))
        assert all(d["score"] and d["text"] and d["metadata"]["title"] for d in documents)
    assert len(kinds_of(spans, "RETRIEVER")) == len(kinds_of(spans, "EMBEDDING")) == 5
    results = {
        json.loads(attribute(tool, "gen_ai.tool.call.arguments")).get("expression"): attribute(
            tool, "gen_ai.tool.call.result"
        )
        for tool in kinds_of(spans, "TOOL")
    }
    assert results["ceil(428384.05 / 50)"] == "8568"
    assert results["8568 * 1.2 / 1000"] == "10.2816"
    [image] = kinds_of(spans, "IMAGE")
    assert "8,568 discs" in attribute(image, "pellucid.input")
    assert json.loads(attribute(image, "pellucid.attachments"))[0]["media_type"] == "image/png"


def test_numbers_follow_the_sources_and_are_not_written_down_anywhere() -> None:
    changed = [
        Chunk(
            id=c.id,
            title=c.title,
            text=c.text.replace("428.36 TB", "100 TB").replace("is 1.2 mm thick", "is 2 mm thick"),
        )
        for c in load_corpus()
    ]
    text = answer_of(changed)
    assert "2,001 dual-layer" in text  # (100,000 + 24.05) / 50, rounded up
    assert "4.00 m tall" in text


def test_without_the_facts_the_scripted_model_says_so() -> None:
    assert "do not hold the figures" in answer_of([Chunk(id="x#1", title="X", text="Blu-ray.")])


def test_a_watcher_sees_every_step() -> None:
    seen: list[str] = []

    class Noting(Watcher):
        def planned(self, plan: Plan) -> None:
            seen.append("plan")

        def searched(self, query: str, documents: list[pellucid.Document]) -> None:
            seen.append("search")

        def called(self, name: str, arguments: str, result: str) -> None:
            seen.append(name)

        def wrote(self, piece: str) -> None:
            seen.append("piece")

    with open_model(None, pace=0) as model:
        BlurayAgent(model, build_index(model), Noting()).answer()
    assert seen[:6] == ["plan", "search", "search", "search", "search", "convert_units"]
    assert "draw_stack" in seen
    assert seen[-1] == "piece"


def test_a_provider_without_embeddings_or_images_still_gives_an_answer(
    exporter: InMemorySpanExporter,
) -> None:
    faults = [
        Fault(status=404, path="*/embeddings", times=None),
        Fault(status=404, path="*/images/generations", times=None),
    ]
    with (
        ScriptedModelServer(SCRIPT, faults=faults) as server,
        openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client,
    ):
        model = Model(client, SETTINGS)
        answer = BlurayAgent(model, build_index(model)).answer()
    assert answer.picture is None
    assert "10.28 m" in answer.text
    spans = exporter.get_finished_spans()
    assert not kinds_of(spans, "EMBEDDING")
    failed = [s.name for s in spans if s.status.status_code.name == "ERROR"]
    assert failed == ["draw picture", "draw_stack"]


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("calculate", '{"expression": "1 / 0"}', "has no value"),
        ("calculate", '{"expression": "__import__(1)"}', "no function of the calculator"),
        ("calculate", '{"wrong": 1}', "unexpected keyword"),
        ("calculate", '{"expression": 3}', "has no len"),
        ("calculate", "[1]", "must be a mapping"),
        ("calculate", "{", "Expecting property name"),
        ("convert_units", '{"value": "x", "from_unit": "m", "to_unit": "m"}', "is no number"),
        ("delete_everything", "{}", "There is no tool"),
    ],
)
def test_a_bad_call_is_told_to_the_model(name: str, arguments: str, problem: str) -> None:
    with open_model(None, pace=0) as model:
        toolbox = Toolbox(Encyclopedia(Index([]), model), model)
        call = {"id": "call_1", "function": {"name": name, "arguments": arguments}}
        answer = toolbox.run(call)
    assert answer["tool_call_id"] == "call_1"
    assert answer["content"].startswith("Error: ")
    assert problem in answer["content"]


def test_a_model_that_never_stops_calling_is_stopped() -> None:
    script = [SCRIPT[0], SCRIPT[1], Rule(Call("calculate", {"expression": "1 + 1"}))]
    with (
        ScriptedModelServer(script) as server,
        openai.OpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        model = Model(client, SETTINGS)
        answer = BlurayAgent(model, build_index(model)).answer()
        assert len(server.log.served("/chat/completions")) == 14
    assert "a figure is missing" in answer.text


def test_a_real_model_is_asked_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(PellucidError, match="OPENAI_API_KEY"), open_model("gpt-x"):
        pass
    with ScriptedModelServer(SCRIPT) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        with open_model("gpt-x") as model:
            answer = BlurayAgent(model, build_index(model)).answer()
        assert "8,568" in answer.text
        assert {call.model for call in server.log.served("/chat/completions")} == {"gpt-x"}
        assert all("temperature" not in call.request for call in server.log)
