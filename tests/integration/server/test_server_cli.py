"""`pellucid traces`: the same from a running server and from a folder without one."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pellucid.cli.main import COMMANDS, cli
from pellucid.testing.live import LiveServer

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPANS = [
    {"traceId": TRACE, "spanId": "00000000000000aa", "name": "root", "startTimeUnixNano": "1000",
     "endTimeUnixNano": "5000000", "status": {"code": 2, "message": "bo\x1b[31mom"}},
    {"traceId": TRACE, "spanId": "00000000000000bb", "parentSpanId": "00000000000000aa",
     "name": "child", "startTimeUnixNano": "2000", "endTimeUnixNano": "4000"},
]  # fmt: skip


@pytest.fixture
def server(start_server: Callable[..., LiveServer]) -> LiveServer:
    """A server that holds one trace."""
    server = start_server()
    body = {"resourceSpans": [{"scopeSpans": [{"spans": SPANS}]}]}
    with server.client() as client:
        assert client.post("/v1/traces", json=body).status_code == 200
    return server


def run(
    server: LiveServer, *arguments: str, url: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command on the server's folder, whether it is served or not, or on a URL."""
    environment = server.environ() | ({"PELLUCID_URL": url} if url else {})
    where = [] if url else ["--data-dir", str(server.data_dir)]
    return subprocess.run(
        server.command(*arguments, *where),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_list_show_delete(server: LiveServer) -> None:
    listed = run(server, "traces", "list", "--json", url=server.url)
    assert (listed.returncode, listed.stderr) == (0, "")
    page: dict[str, Any] = json.loads(listed.stdout)
    assert [trace["trace_id"] for trace in page["traces"]] == [TRACE]
    assert page["next"] is None

    shown = run(server, "traces", "show", TRACE)
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("root  error")
    assert lines[2].startswith("    UNKNOWN  child")
    assert "\x1b" not in shown.stdout

    missing = run(server, "traces", "show", "f" * 32)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert len(missing.stderr.splitlines()) == 1

    deleted = run(server, "traces", "delete", TRACE)
    assert deleted.stdout == "Deleted 1 traces, 2 spans and 0 scores.\n"
    assert "No traces" in run(server, "traces", "list").stdout


def test_a_folder_without_a_server_is_opened(server: LiveServer) -> None:
    server.stop()
    for options in ([], ["--prices"]):
        assert run(server, "renormalise", *options).stdout == "All spans are up to date.\n"
    listed = run(server, "traces", "list")
    assert TRACE in listed.stdout
    counted = run(server, "sql", "SELECT count(*) AS spans FROM spans", "--json")
    assert json.loads(counted.stdout) == [{"spans": 2}]
    wrong = run(server, "traces", "list", "--query", "bogus:1")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "bogus" in wrong.stderr


def test_the_help_in_one_line_is_the_commands_own() -> None:
    for name, lazy in COMMANDS.items():
        command = cli.get_command(None, name)  # type: ignore[arg-type]  # not used
        assert command is not None
        assert command.get_short_help_str(limit=200) == lazy.help


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["--help"], 0), (["bogus"], 2), (["traces", "delete"], 2)],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == code


def test_without_server_and_folder_it_says_how_to_start_one(tmp_path: Path) -> None:
    failed = run(LiveServer(tmp_path), "traces", "list")
    assert failed.returncode == 1
    assert "pellucid up" in failed.stderr
