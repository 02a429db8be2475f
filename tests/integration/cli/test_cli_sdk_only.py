"""With the SDK alone, commands work or say in one line what to install."""

import os
import subprocess
import sys

import pytest

from pellucid.cli.main import COMMANDS

SERVER = ("alembic", "apsw", "jinja2", "litestar", "openai", "PIL", "sqlalchemy", "uvicorn")
PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({SERVER!r}))
from pellucid.cli.main import main
main(sys.argv[1:])
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PELLUCID_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={**kept, "PELLUCID_URL": "http://127.0.0.1:9"},
        check=False,
    )


@pytest.mark.parametrize(
    "command", [["up", "--port", "0"], ["demo", "--once"], ["serve", "agent@1"]], ids=lambda c: c[0]
)
def test_what_is_missing_is_told_with_its_install_line(command: list[str]) -> None:
    done = run(*command)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Install them with: pip install 'pellucid[" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [["traces", "list"], ["runs", "list"], ["sql", "SELECT 1"]], ids=lambda c: c[0]
)
def test_commands_that_ask_a_server_need_no_server_packages(command: list[str]) -> None:
    done = run(*command)
    assert done.returncode == 1
    assert "No server answers at http://127.0.0.1:9" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_shows_its_help(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: pellucid {command}")
