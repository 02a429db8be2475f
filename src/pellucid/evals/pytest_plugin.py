"""Evaluations as tests: the fixture `evaluation`, and a summary at the end of the run.

    def test_the_agent(evaluation):
        evaluation(agent, data="questions.jsonl", scorers=[...], rules=["exact_match >= 0.8"])

`--pellucid-save DIR` keeps every report as DIR/NAME.json; `--pellucid-baseline DIR` compares each
with the report of its name there. A broken rule fails the test with the whole gate as its message.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pellucid.evals.gate import Gate
    from pellucid.evals.report import Report

_GATES: "pytest.StashKey[list[Gate]]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("pellucid", "evaluations")
    group.addoption("--pellucid-baseline", metavar="DIR", help="compare with the reports in DIR")
    group.addoption("--pellucid-save", metavar="DIR", help="keep every report in DIR")


def pytest_configure(config: pytest.Config) -> None:
    """Begin without results."""
    config.stash[_GATES] = []


@pytest.fixture
def evaluation(request: pytest.FixtureRequest) -> "Callable[..., Report]":
    """Return a function like `pellucid.evaluate` that takes `rules=` and `baseline=` too.

    It fails the test if a rule is broken, and returns the report else. `name` defaults to the
    test's.
    """

    def run(
        task: Any,
        data: Any,
        scorers: Any = (),
        *,
        rules: Sequence[str] | str | None = None,
        baseline: "Report | str | Path | None" = None,
        **options: Any,
    ) -> "Report":
        from pellucid.evals.evaluate import evaluate
        from pellucid.evals.gate import gate

        options.setdefault("name", request.node.name)
        options.setdefault("progress", False)
        report = evaluate(task, data, scorers, **options)
        if baseline is None:
            baseline = _kept(request.config.getoption("--pellucid-baseline"), options["name"])
        _keep(request.config.getoption("--pellucid-save"), options["name"], report)
        result = gate(report, baseline, rules)
        request.config.stash[_GATES].append(result)
        if not result.passed:
            pytest.fail(f"\n{result}\n\n{report}", pytrace=False)
        return report

    return run


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line a rule."""
    gates = config.stash.get(_GATES, [])
    if not gates:
        return
    terminalreporter.section("pellucid evaluations")
    for gate in gates:
        for result in gate.results:
            mark = "pass" if result.passed else "FAIL"
            terminalreporter.line(f"{mark}  {gate.name}: {result.rule}  ({result.found})")


def _kept(folder: str | None, name: str) -> Path | None:
    path = _path(folder, name) if folder else None
    return path if path is not None and path.exists() else None


def _keep(folder: str | None, name: str, report: "Report") -> None:
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        report.save(_path(folder, name))


def _path(folder: str, name: str) -> Path:
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
    return Path(folder) / f"{safe}.json"
