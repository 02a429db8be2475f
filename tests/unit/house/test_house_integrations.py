"""The table of what each integration captures is as the framework tests last recorded."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pellucid.core.span import Document, Span, SpanKind
from pellucid.integrations import FRAMEWORKS
from pellucid.testing.captured import CHECKS, FEATURES, Ledger, seen_in
from pellucid.testing.conformance import Recording

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "integrations"


@pytest.fixture
def captured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "captured.json").read_text())
    return found


@pytest.fixture
def writer() -> ModuleType:
    path = ROOT / "scripts" / "write_integrations_table.py"
    spec = importlib.util.spec_from_file_location("write_integrations_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scores() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "scores.json").read_text())
    return found


def test_the_tables_are_fresh(
    writer: ModuleType, captured: dict[str, Any], scores: dict[str, Any]
) -> None:
    page = writer.table(captured) + writer.scores(scores)
    assert (FOLDER / "README.md").read_text() == page, (
        "run: python scripts/write_integrations_table.py"
    )


def test_every_framework_has_its_score(scores: dict[str, Any]) -> None:
    wanted = {"openai", "langgraph", "llama_index", "dspy", "ag2", "autogen_agentchat", "ag2_next"}
    assert wanted <= set(scores)
    for framework, worlds in scores.items():
        for world, card in worlds.items():
            assert card["score"] >= 97, (framework, world)


def test_every_framework_has_its_column(writer: ModuleType, captured: dict[str, Any]) -> None:
    assert set(writer.FRAMEWORKS) <= set(captured)
    pages = {Path(page).stem for _, page in writer.FRAMEWORKS.values()}
    assert {"langgraph" if name == "langchain" else name for name in FRAMEWORKS} == pages


def test_every_framework_passes_the_whole_of_structure_and_tokens(
    captured: dict[str, Any],
) -> None:
    for framework, worlds in captured.items():
        for counts in worlds.values():
            assert set(counts) <= {"tests", *FEATURES}, framework
    for framework in ("openai", "langgraph", "llama_index", "dspy", "ag2", "autogen_agentchat"):
        shown = {feature for counts in captured[framework].values() for feature in counts}
        assert {"check_structure", "check_model_calls", "check_failure"} <= shown, framework


def test_a_ledger_keeps_what_passed_and_replaces_an_earlier_run(tmp_path: Path) -> None:
    path = tmp_path / "captured.json"
    for count in (2, 1):
        ledger = Ledger()
        for number in range(count):
            ledger.passed("openai", f"test_{number}", {"check_structure", "ttft"})
        ledger.write(path, "a")
    held = json.loads(path.read_text())
    assert held == {"openai": {"a": {"tests": 1, "check_structure": 1, "ttft": 1}}}


def test_checks_are_noted_while_watched() -> None:
    kept = Recording.check_structure
    with Ledger().watching() as found:
        assert Recording.check_structure is not kept
    assert Recording.check_structure is kept
    assert found == set()
    assert all(hasattr(Recording, name) for name in CHECKS)


def test_features_are_read_from_spans() -> None:
    search = Span(
        trace_id="1" * 32,
        span_id="2" * 16,
        start_ns=1,
        duration_ns=1,
        kind=SpanKind.RETRIEVER,
        documents=[Document(id="1", text="disc", score=0.5)],
    )
    assert seen_in([search]) == {"documents", "scores"}
