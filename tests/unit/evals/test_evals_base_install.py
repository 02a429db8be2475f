"""What works without the extra `evals`: everything but intervals and permutation tests."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "pandas", "openai"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import pellucid

assert not any(name.startswith("pellucid.evals") for name in sys.modules)
data = [{"inputs": {"n": n}, "expected": n} for n in range(5)]
marks = [pellucid.scorers.exact_match(), lambda output: output]
report = pellucid.evaluate(lambda n: n / 3, data, marks)
print(report.scores["exact_match"].interval is not None, report.scores["scorer"].mean)
print(report)
try:
    pellucid.compare(report, report)
except pellucid.core.errors.MissingExtra as error:
    print(error)
"""


def test_evaluate_without_numpy(tmp_path: Path) -> None:
    env = {**os.environ, "PELLUCID_SPOOL_DIR": str(tmp_path / "spool")}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "True 0.6666666666666666"
    assert any("scorer" in line and "–" in line for line in lines)
    assert "pip install 'pellucid[evals]'" in lines[-1]
