"""Run pytest; the few tests that fail beside others are tried once more, alone.

Usage: python scripts/run_tests.py PYTHON pytest-arguments…

Real servers, browsers and frameworks run on machines that do other things too. A fault fails
twice; what passes alone is named at the end, because it is to be mended as well.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FEW = 5
RECORDS = ("PELLUCID_TEST_CAPTURED", "PELLUCID_TEST_SCORES")  # tell of all tests, not of a few
FAILED = 1  # pytest's exit code where tests failed; others mean that they did not run as asked


def main() -> int:
    """Return pytest's exit code, that of the second try where there was one."""
    python, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "pytest", "-q", "-o", f"cache_dir={folder}", *arguments]
        code = subprocess.run(command, check=False).returncode
        again = _failed(Path(folder)) if code == FAILED else []
        if not 0 < len(again) <= FEW:
            return code
        _say(f"{len(again)} failed beside others and are tried once more, alone:", again)
        alone = ["-n", "0"] if "-n" in arguments else []
        few = {name: value for name, value in os.environ.items() if name not in RECORDS}
        code = subprocess.run([*command, "--last-failed", *alone], env=few, check=False).returncode
        if code == 0:
            _say("Passed alone, so they depend on load or on other tests. Mend them:", again)
        return code


def _failed(cache: Path) -> list[str]:
    try:
        return sorted(json.loads((cache / "v/cache/lastfailed").read_text()))
    except FileNotFoundError:
        return []


def _say(what: str, tests: list[str]) -> None:
    print("\n".join(["", what, *(f"  {test}" for test in tests)]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
