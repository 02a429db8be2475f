"""`pellucid renormalise`: a better normaliser over old spans, while serving or without a server."""

import json
from pathlib import Path

import click

from pellucid.cli.connection import connect, data_dir_option

_STEP = 500


@click.command()
@click.option("--after", default=0, help="Go on where an earlier call stopped.")
@click.option("--prices", is_flag=True, help="Estimate all costs with the present price table.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def renormalise(after: int, prices: bool, as_json: bool, data_dir: Path | None) -> None:
    """Read spans anew that an older version of Pellucid understood.

    It may be stopped at any time: spans that were read are not read again. A cost keeps the price
    of the day it was stored until --prices asks for another; reported costs never change.
    """
    calls = 0
    following: int | None = after
    with connect(data_dir) as server:
        while following is not None:
            path = f"/api/v1/renormalise?after={following}&limit={_STEP}"
            path += "&prices=true" if prices else ""
            following = json.loads(server.post(path, b""))["next"]
            calls += 1
            if following is not None and not as_json:
                click.echo(f"Up to span {following} …", err=True)
    click.echo(json.dumps({"commits": calls}) if as_json else "All spans are up to date.")
