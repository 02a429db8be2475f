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


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in FIRST.items() for line in lines]
)
def test_what_is_imported_later_is_traced(name: str, line: str, tmp_path: Path) -> None:
    if not installed(MODULES[name]):
        pytest.skip(f"{name} is not installed here")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(name=name, line=line)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PELLUCID_SPOOL_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "cannot trace" not in done.stderr
