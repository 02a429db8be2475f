"""In a notebook: what `str` gives is text there too."""

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
