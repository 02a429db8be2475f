"""`pellucid diff`: what differs between two runs."""

from typing import Any

import click
import msgspec

from pellucid.cli.connection import connect, data_dir_option
from pellucid.client.snapshots.diff import diff as diff_runs


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def diff(a: str, b: str, as_json: bool, data_dir: Any) -> None:
    """Compare runs A and B: results, params, configuration, prompts, environment, code.

    Each is an id, a unique prefix of one, or experiment@number.
    """
    with connect(data_dir) as server:
        found = diff_runs(a, b, server=server)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        click.echo("\n".join(_safe(line) for line in str(found).split("\n")))


def _safe(line: str) -> str:
    """Return a line of code or text without terminal commands."""
    return "".join(c if c.isprintable() or c == "\t" else "�" for c in line)
