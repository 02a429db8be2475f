"""A test that waits for ever is ended and told of, and so is what it left; the others still run."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
import importlib.util
spec = importlib.util.spec_from_file_location("limits", {path!r})
limits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(limits)
limits._TEARDOWN_S, limits._AGAIN_S, limits._PATIENCE_S = 5.0, 5.0, 1.0
globals().update({{name: hook for name, hook in vars(limits).items() if name[:7] == "pytest_"}})
"""
TESTS = """
import asyncio, threading
import pytest
waits = threading.Event().wait

@pytest.mark.timeout(2)
def test_a_thread():
    waits()

@pytest.mark.timeout(2)
def test_a_loop():
    asyncio.new_event_loop().run_forever()

@pytest.mark.timeout(2)
async def test_a_thread_of_the_loop():
    await asyncio.to_thread(waits)

async def test_a_thread_of_a_loop_that_failed():
    asyncio.get_running_loop().run_in_executor(None, waits)
    assert False

def test_after():
    pass
"""


@pytest.mark.slow
def test_what_waits_for_ever_is_ended(tmp_path: Path) -> None:
    conftest = Path(__file__).parents[2] / "conftest.py"
    (tmp_path / "conftest.py").write_text(CONFTEST.format(path=str(conftest)))
    (tmp_path / "test_hangs.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "test_hangs.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout, done.stdout
    for name in ("thread", "loop", "thread_of_the_loop"):
        assert f"::test_a_{name} - Failed: Timeout" in done.stdout, done.stdout
    assert "ERROR test_hangs.py::test_a_thread_of_a_loop_that_failed - " in done.stdout
    assert "Threads still went on after the last test" in done.stderr
