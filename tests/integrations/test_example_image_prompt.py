"""The example of two agents that improve an image prompt, with no server and no key."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "autogen_image_prompt.py"


def test_the_picture_gets_better_and_every_attempt_is_logged(tmp_path: Path) -> None:
    if importlib.util.find_spec("autogen_agentchat") is None:
        pytest.skip("autogen_agentchat is not in this environment")
    ours = ("PELLUCID_", "OPENAI_", "OTEL_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {
        "PELLUCID_URL": "http://127.0.0.1:9",
        "PELLUCID_SPOOL_DIR": str(tmp_path / "spool"),
        "PELLUCID_SNAPSHOT": "0",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    attempts = [line for line in done.stdout.splitlines() if line.startswith("attempt")]
    assert [line.split()[2] for line in attempts] == ["0", "4", "8", "10"]
    assert "A stack of Blu-ray discs" in attempts[0]
    spooled = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*.req"))
    assert b"/api/v1/artifacts/" in spooled
    assert b"/api/v1/runs/writes" in spooled
