"""`pellucid gate` and the pytest plugin, each run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import pellucid
from pellucid.cli.gate import gate

TESTS = """
import pellucid

def agent(n):
    return n if n else {zero}

def test_the_agent(evaluation):
    data = [{{"inputs": {{"n": n}}, "expected": n}} for n in range(8)]
    report = evaluation(agent, data, [pellucid.scorers.exact_match()], rules=["exact_match >= 1"])
    assert report.scores["exact_match"].n == 8
"""


def saved(folder: Path, name: str, right: int) -> str:
    data = [{"inputs": {"n": n}, "expected": n < right} for n in range(20)]
    report = pellucid.evaluate(lambda n: True, data, [pellucid.scorers.exact_match()], name=name)
    report.save(folder / f"{name}.json")
    return str(folder / f"{name}.json")


def test_the_command_exits_by_the_result(tmp_path: Path) -> None:
    good, bad = saved(tmp_path, "good", 19), saved(tmp_path, "bad", 8)
    runner = CliRunner()
    passed = runner.invoke(gate, [good, "--rule", "exact_match >= 0.9"])
    assert (passed.exit_code, passed.stdout.splitlines()[0]) == (0, "good: passed")
    files = ["--markdown", str(tmp_path / "g.md"), "--junit", str(tmp_path / "g.xml")]
    failed = runner.invoke(gate, [bad, "--baseline", good, *files])
    assert failed.exit_code == 1
    assert "FAIL  exact_match not worse" in failed.stdout
    assert "### bad: failed" in (tmp_path / "g.md").read_text()
    assert 'failures="1"' in (tmp_path / "g.xml").read_text()
    compared = runner.invoke(gate, [bad, "--baseline", good, "--json"])
    assert json.loads(compared.stdout)["metrics"]["exact_match"]["verdict"] == "worse"
    (tmp_path / "rules").write_text("# ours\nexact_match >= 0.3\nerrors == 0  # none\n")
    shown = runner.invoke(gate, [bad, "--rules", str(tmp_path / "rules"), "--json"])
    assert shown.exit_code == 0
    assert [rule["rule"] for rule in json.loads(shown.stdout)["rules"]] == [
        "exact_match >= 0.3",
        "errors == 0",
    ]


def test_an_expected_error_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pellucid", "gate", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no report")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("zero", "passes"), [("0", True), ("9", False)])
def test_the_plugin_fails_a_test_whose_rule_is_broken(
    tmp_path: Path, zero: str, passes: bool
) -> None:
    (tmp_path / "test_agent.py").write_text(TESTS.format(zero=zero))
    loaded = ["-p", "pellucid.evals.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, "--pellucid-save", "kept", "-q", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == passes, done.stdout
    assert f"{'pass' if passes else 'FAIL'}  test_the_agent: exact_match >= 1" in done.stdout
    assert (tmp_path / "kept" / "test_the_agent.json").exists()
