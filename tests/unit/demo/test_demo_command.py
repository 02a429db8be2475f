import importlib.util
import io
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import click.testing
import pytest
from rich.console import Console

import pellucid
from pellucid.cli import demo as command
from pellucid.core.errors import MissingExtra, PellucidError
from pellucid.demo.agent import Plan
from pellucid.demo.server_process import port_is_free
from pellucid.demo.terminal import TerminalWatcher


def test_a_missing_package_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec

    def without_pillow(name: str, package: str | None = None) -> Any:
        return None if name == "PIL" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_pillow)
    arguments = ["--once", "--data-dir", str(tmp_path)]
    result = click.testing.CliRunner().invoke(command.demo, arguments)
    assert isinstance(result.exception, MissingExtra)
    assert "pip install 'pellucid[demo]'" in result.exception.message


def test_a_taken_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not port_is_free(taken.getsockname()[1])
    assert port_is_free(0)


def test_signals_stop_once_and_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(command._Stopped), command._signals_stop():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_users_settings_are_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_ENABLED", "0")
    with command._own_environment():
        assert "PELLUCID_ENABLED" not in os.environ
    assert os.environ["PELLUCID_ENABLED"] == "0"


def test_the_terminal_shows_every_step_and_no_markup_of_others() -> None:
    out = io.StringIO()
    watcher = TerminalWatcher(Console(file=out, width=100), None)
    watcher.started("ab" * 16)
    watcher.planned(Plan(searches=["a"], steps=["b", "c"]))
    found = pellucid.Document(id="blu-ray#2", text="…", score=0.71, metadata={})
    watcher.searched("discs [red]", [found])
    watcher.searched("nothing", [])
    watcher.called("calculate", json.dumps({"expression": "[bold]1 + 1[/]"}), "2")
    watcher.called("search", json.dumps({"query": "q"}), "x" * 200)
    for piece in ("About ", "**8,568**", " discs."):
        watcher.wrote(piece)
    watcher.finished()
    shown = out.getvalue()
    for text in (
        "How many Blu-ray discs",
        "scripted model server",
        f"/traces/{'ab' * 16}",
        "1 search, 2 steps",
        "discs [red] → blu-ray#2 (0.71)",
        "[bold]1 + 1[/] → 2",
        "About 8,568 discs.",
    ):
        assert text in shown


def test_a_real_model_without_credentials_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    folder = tmp_path / "demo"
    arguments = ["--model", "gpt-x", "--data-dir", str(folder)]
    result = click.testing.CliRunner().invoke(command.demo, arguments)
    assert isinstance(result.exception, PellucidError)
    assert "OPENAI_API_KEY" in result.exception.message
    assert not folder.exists()
