"""The example that compares index configurations, run as its first lines say."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pellucid.testing.live import LiveServer

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("wordllama") is None, reason="wordllama is not installed"
)
def test_the_index_example_finds_a_best_configuration(
    live_server: LiveServer, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "index_sweep.py")],
        cwd=tmp_path,
        env={
            **os.environ,
            "PELLUCID_ENABLED": "1",
            "PELLUCID_URL": live_server.url,
            "PELLUCID_SNAPSHOT": "0",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "48 configurations, the greatest answer_found first" in done.stdout
    assert "computed 8 times" in done.stdout
    assert "best: {'chunk_size': 80" in done.stdout
    address, _, run_id = done.stdout.rpartition("more at ")[2].strip().rpartition("/")
    assert address == f"{live_server.url}/sweeps"
    page = httpx.get(f"{address}/{run_id}", timeout=90)
    assert page.status_code == 200
    assert page.text.count("<tr tabindex") == 48
    assert "What made the difference" in page.text
    run = httpx.get(f"{live_server.url}/api/v1/runs/{run_id}", timeout=90).json()
    assert (run["name"], run["tags"]["pellucid.type"]) == ("chunks and retrievers", "sweep")
