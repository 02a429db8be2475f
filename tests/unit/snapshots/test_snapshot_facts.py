import subprocess
import sys
import types
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from pellucid.client.snapshots.notebook import notebook_cells
from pellucid.client.snapshots.observer import _observers, _processor, observe
from pellucid.client.snapshots.project import start_folder
from pellucid.client.snapshots.venv import EnvironmentFailed, make_environment
from pellucid.client.tracking.run import ActiveRun
from pellucid.client.tracking.system import SystemMetrics, _cpu, _memory, _read_cpu
from pellucid.core.snapshot import EntryPoint, GitState, Manifest, SnapshotParts
from pellucid.core.snapshot_facts import manifest_facts, part_facts


def test_what_a_runs_spans_show_is_kept_once() -> None:
    observer = observe("r" * 32)
    provider = TracerProvider()
    provider.add_span_processor(_processor)
    tracer = provider.get_tracer("test")
    for temperature in (0.1, 0.1, 0.7):
        span = tracer.start_span("chat")
        span.set_attribute("pellucid.run_id", "r" * 32)
        span.set_attribute("pellucid.kind", "LLM")
        span.set_attribute("gen_ai.request.model", "gpt-4o")
        span.set_attribute("gen_ai.provider.name", "openai")
        span.set_attribute("gen_ai.request.temperature", temperature)
        span.set_attribute("gen_ai.tool.definitions", '[{"type":"function","name":"add"}]')
        span.set_attribute("secret", "sk-proj-" + "x" * 9000)
        span.end()
    other = tracer.start_span("chat")
    other.set_attribute("gen_ai.request.model", "other")
    other.end()
    observer.note_prompt("answer", "Answer: {question}", "4")
    observer.stop()
    result = observer.result()
    assert list(result["models"]) == ["gpt-4o"]
    assert result["models"]["gpt-4o"]["provider"] == "openai"
    shown = [parameters["temperature"] for parameters in result["models"]["gpt-4o"]["parameters"]]
    assert shown == [0.1, 0.7]
    assert "add" in result["tools"]
    assert result["prompts"]["answer"]["template"] == "Answer: {question}"
    assert observer.result() == {"prompts": result["prompts"]}
    assert "r" * 32 not in _observers


def test_a_snapshots_facts_are_named_for_queries() -> None:
    manifest = Manifest(
        tree="a" * 64,
        git=GitState(commit="c", branch="main", dirty=True),
        packages="1" * 64,
        config="2" * 64,
        environment="3" * 64,
        observed="4" * 64,
        datasets={"qa": "3"},
        entry_point=EntryPoint(module="agent", name="answer", file="agent.py"),
    )
    own = manifest_facts("d" * 64, manifest)
    assert ("branch", "main") in own
    assert ("dirty", "true") in own
    assert ("entry_point", "agent:answer") in own
    assert ("dataset.qa", "3") in own
    assert [text for name, text in own if name == "part"] == [
        "1" * 64,
        "2" * 64,
        "3" * 64,
        "4" * 64,
    ]
    parts = part_facts(
        manifest,
        SnapshotParts(
            packages={"openai": "3.5"},
            config={"a": {"b": 1, "c": True}, "d": [1]},
            environment={"python": "3.11.7", "variables": ["X"]},
            observed={"models": {"gpt-4o": {}}, "tools": {"add": {}}},
        ),
    )
    assert parts["1" * 64] == [("package.openai", "3.5")]
    assert parts["2" * 64] == [("config.a.b", "1"), ("config.a.c", "true")]
    assert parts["3" * 64] == [("python", "3.11.7")]
    assert parts["4" * 64] == [("model", "gpt-4o"), ("tool", "add")]


def test_a_notebooks_executed_cells_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert notebook_cells() == []
    shell = types.SimpleNamespace(user_ns={"In": ["", "x = 1", "  ", "print(x)"]})
    module = types.ModuleType("IPython")
    monkeypatch.setattr(module, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert notebook_cells() == ["x = 1", "print(x)"]


def test_the_project_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    assert start_folder(tmp_path) == tmp_path
    assert start_folder().is_dir()


def test_system_metrics_are_figures() -> None:
    before = _read_cpu()
    sum(range(100_000))
    values = {**_cpu(before, _read_cpu()), **_memory()}
    assert min(values.values()) >= 0
    if sys.platform == "linux":
        assert values["system.process_memory_mb"] > 5
        assert 0 <= values["system.memory_percent"] <= 100


def test_system_metrics_end_with_their_run() -> None:
    run = ActiveRun("a" * 32, "e", name="", outbox=None, url="")
    metrics = SystemMetrics(run, interval_s=0.01)
    run.end()
    metrics._loop()


@pytest.mark.slow
def test_an_environment_is_made_or_says_why_not(tmp_path: Path) -> None:
    python = make_environment(tmp_path / ".venv", {"pip": "1.0", "pellucid": "file:///here"})
    asked = [str(python), "-c", "import pellucid; print(pellucid.__file__)"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert told.startswith(str(tmp_path / ".venv"))
    with pytest.raises(EnvironmentFailed, match="could not be made"):
        make_environment(tmp_path / "other", {"lost": str(tmp_path / "lost.whl")})
