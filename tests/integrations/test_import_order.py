"""Autolog before the framework is imported, whichever of its modules the program names first."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FIRST = {
    "llama_index": (
        "from llama_index.core import Document",
        "from llama_index.core.instrumentation import get_dispatcher",
        "from llama_index.llms.openai import OpenAI",
    ),
    "langchain": (
        "from langchain_core.callbacks import BaseCallbackHandler",
        "from langchain_core.callbacks.manager import CallbackManager",
        "from langchain_openai import ChatOpenAI",
        "from langgraph.prebuilt import ToolNode",
    ),
    "dspy": ("from dspy.utils import DummyLM",),
}
MODULES = {"llama_index": "llama_index.core", "langchain": "langgraph", "dspy": "dspy"}
PROGRAM = """
import pellucid
pellucid.init(url="http://127.0.0.1:9")
pellucid.autolog()
{line}
import importlib
from pellucid.client.instrument import is_active
found = importlib.import_module("pellucid.integrations.{name}")
assert is_active(found.INTEGRATION.module), found.INTEGRATION
"""

WORKFLOWS = """
import asyncio, sys
from pellucid.integrations import autolog
from pellucid.testing.conformance import record
with record() as recording:
    autolog()
    from workflows import Workflow, step
    from workflows.events import StartEvent, StopEvent

    class Flow(Workflow):
        @step
        async def draft(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=ev.topic.upper())

    async def run():
        return await Flow().run(topic="discs")

    assert asyncio.run(run()) == "DISCS"
    assert "llama_index.core" not in sys.modules
    recording.check_structure()
    recording.check_root(input="discs", output="DISCS")
    assert [span.name for span in recording.children(recording.root)] == ["draft"]
"""


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def said_by(program: str, place: Path) -> str:
    """Return what a program wrote to its log."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PELLUCID_SPOOL_DIR": str(place), "HOME": str(place), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in FIRST.items() for line in lines]
)
def test_what_is_imported_later_is_traced(name: str, line: str, tmp_path: Path) -> None:
    if not installed(MODULES[name]):
        pytest.skip(f"{name} is not installed here")
    assert "cannot trace" not in said_by(PROGRAM.format(name=name, line=line), tmp_path)


def test_workflows_without_the_rest_of_llama_index(tmp_path: Path) -> None:
    if not installed("workflows"):
        pytest.skip("workflows are not installed here")
    assert "cannot trace" not in said_by(WORKFLOWS, tmp_path)
