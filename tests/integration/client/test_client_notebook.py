import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

import pellucid
from pellucid.testing.collector import Collector


class Shell:
    """As much of a notebook's shell as runs cells."""

    kernel = object()

    def __init__(self) -> None:
        self.events = self
        self.callbacks: dict[str, list[Callable[..., Any]]] = {}
        self.shown: list[str] = []

    def register(self, event: str, callback: Callable[..., Any]) -> None:
        self.callbacks.setdefault(event, []).append(callback)

    def unregister(self, event: str, callback: Callable[..., Any]) -> None:
        self.callbacks[event].remove(callback)

    def run(self, cell: Callable[[], Any]) -> None:
        for callback in self.callbacks.get("pre_run_cell", []):
            callback(None)
        cell()
        for callback in self.callbacks.get("post_run_cell", []):
            callback(None)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    running = Shell()
    ipython = types.ModuleType("IPython")
    display = types.ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: running
    vars(display).update(HTML=str, display=running.shown.append)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return running


def test_a_cell_shows_a_link_to_its_trace_once(shell: Shell, collector: Collector) -> None:
    pellucid.init(url=collector.url)
    trace_ids = []

    def cell() -> None:
        with pellucid.span("root"), pellucid.span("child"):
            trace_ids.append(pellucid.current_trace_id())

    shell.run(cell)
    (shown,) = shell.shown
    assert shown.count("<a ") == 1
    assert f'href="{collector.url}/traces/{trace_ids[0]}"' in shown
    shell.run(lambda: None)
    assert len(shell.shown) == 1

    def busy_cell() -> None:
        for _ in range(5):
            cell()

    shell.run(busy_cell)
    assert shell.shown[1].count("<a ") == 3
    assert "and 2 more" in shell.shown[1]
    pellucid.shutdown()
    assert not any(shell.callbacks.values())


def test_init_in_the_cell_itself_counts(shell: Shell, collector: Collector) -> None:
    def cell() -> None:
        pellucid.init(url=collector.url)
        pellucid.init(url=collector.url)
        with pellucid.span("root"):
            pass

    shell.run(cell)
    assert len(shell.shown) == 1
