"""Each example answers the question in its framework's environment, with no server and no key."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMEWORKS = {
    "ag2_bluray": "autogen",
    "autogen_bluray": "autogen_agentchat",
    "dspy_bluray": "dspy",
    "langgraph_bluray": "langgraph",
    "llama_index_bluray": "llama_index",
}


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*_bluray.py")} == FRAMEWORKS.keys()


@pytest.mark.parametrize("name", sorted(FRAMEWORKS))
def test_example(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(FRAMEWORKS[name]) is None:
        pytest.skip(f"{FRAMEWORKS[name]} is not in this environment")
    if name == "dspy_bluray" and importlib.util.find_spec("litellm") is None:
        pytest.skip("litellm is not in this environment")
    ours = ("PELLUCID_", "OPENAI_", "OTEL_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {
        "PELLUCID_URL": "http://127.0.0.1:9",
        "PELLUCID_SPOOL_DIR": str(tmp_path / "spool"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "8,568 dual-layer Blu-ray discs" in done.stdout
    assert "10.28 m tall" in done.stdout
    assert list((tmp_path / "spool").rglob("*")), "nothing was traced"
