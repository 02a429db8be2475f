"""In a notebook: texts are texts, and the progress bar needs nothing but IPython."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import pellucid
from pellucid import scorers


class ZMQInteractiveShell:
    """By this name rich knows a notebook."""


def test_texts_are_texts_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"inputs": {"n": n}, "expected": 2 * n} for n in range(3)]
    monkeypatch.setattr("builtins.get_ipython", ZMQInteractiveShell, raising=False)
    sweep = pellucid.sweep(lambda n, k: k * n, {"k": [1, 2]}, rows, [scorers.exact_match()])
    first, second = (one.report for one in sweep.runs)
    for found in (sweep, first, pellucid.compare(first, second)):
        assert "exact_match" in str(found)


def test_the_bar_of_a_notebook_is_drawn_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, str]] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        drawn.append(data)
        return SimpleNamespace(update=lambda data, raw: drawn.append(data))

    ipython: Any = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    ipython.display = ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    rows = [{"inputs": {"n": n}, "expected": 2 * n} for n in range(3)]
    pellucid.evaluate(lambda n: 2 * n, rows, [scorers.exact_match()], name="<k>")
    assert "0/3" in drawn[0]["text/plain"]
    assert "3/3" in drawn[-1]["text/plain"]
    assert "exact_match 1" in drawn[-1]["text/html"]
    assert "&lt;k&gt;" in drawn[-1]["text/html"]


def test_names_are_no_markup_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"inputs": {"n": 1}, "expected": 2}]
    scoring = [scorers.exact_match(name="of [/b]")]
    pellucid.evaluate(lambda n: 2 * n, rows, scoring, name="k [/red]", progress=True)
    assert "k [/red]" in capsys.readouterr().err
