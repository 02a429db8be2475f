"""`pellucid sql`: one SELECT over documented views."""

import json
import sys
from pathlib import Path

import click

from pellucid.cli.connection import connect, data_dir_option
from pellucid.cli.tables import plain, print_json, print_table


@click.command()
@click.argument("statement")
@click.option("--limit", default=1000, show_default=True, help="Rows, at most 100,000.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@data_dir_option
def sql(statement: str, limit: int, as_json: bool, data_dir: Path | None) -> None:
    """Run one SELECT over the views traces, spans and scores.

    Read-only, and bounded in time; `-` reads the statement from stdin.
    """
    if statement == "-":
        statement = sys.stdin.read()
    body = json.dumps({"sql": statement, "limit": limit}).encode()
    with connect(data_dir) as server:
        result = json.loads(server.post("/api/v1/sql", body))
    columns, rows = result["columns"], result["rows"]
    if as_json:
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json(objects)
    else:
        print_table(columns, [[_cell(value) for value in row] for row in rows])
    if result["truncated"]:
        click.echo(f"There are more than {limit} rows; raise --limit for them.", err=True)


def _cell(value: str | float | None) -> str:
    return "" if value is None else plain(str(value))
