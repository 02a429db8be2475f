"""Each test here runs in the environment that holds its library: `scripts/test_evaluators.sh`."""

import importlib.util
from pathlib import Path

import pytest

MODULES = {
    "autoevals": "autoevals",
    "deepeval": "deepeval",
    "giskard": "giskard",
    "phoenix": "phoenix",
    "ragas": "ragas",
    "trulens": "trulens",
}
collect_ignore = [
    f"test_evaluator_{name}.py"
    for name, module in MODULES.items()
    if importlib.util.find_spec(module) is None
]


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PELLUCID_ENABLED", "0")
    monkeypatch.setenv("PELLUCID_SPOOL_DIR", str(tmp_path / "pellucid" / "spool"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
