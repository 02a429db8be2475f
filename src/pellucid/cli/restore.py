"""`pellucid restore`: a run's code, byte for byte, in a new folder."""

import shlex
from pathlib import Path
from typing import Any

import click

from pellucid.cli.connection import connect, data_dir_option
from pellucid.cli.tables import print_json
from pellucid.client.snapshots.restore import Restored
from pellucid.client.snapshots.restore import restore as restore_run


@click.command()
@click.argument("run")
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder that is empty or does not exist.",
)
@click.option("--env", is_flag=True, help="Also make .venv there, with the run's exact packages.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def restore(run: str, to: Path, env: bool, as_json: bool, data_dir: Any) -> None:
    """Restore the code of run RUN into a new folder.

    RUN is an id, a unique prefix of one, or experiment@number. Every byte is verified before the
    folder appears; nothing is ever overwritten.
    """
    with connect(data_dir) as server:
        restored = restore_run(run, to, env=env, server=server)
    if as_json:
        print_json(_as_json(restored))
        return
    manifest = restored.manifest
    click.echo(f"Restored {manifest.file_count} files to {restored.path}")
    for item in manifest.left_out[:20]:
        place = f"{item.path}:{item.line}" if item.line else item.path
        click.echo(f"  left out then: {place} ({item.reason})")
    if restored.python is not None:
        click.echo(f"Environment: {restored.python}")
    if manifest.command:
        folder = restored.path / manifest.working_folder
        click.echo(f"It ran in {folder}:\n  {shlex.join(manifest.command)}")


def _as_json(restored: Restored) -> dict[str, Any]:
    return {
        "path": str(restored.path),
        "snapshot_id": restored.snapshot_id,
        "files": restored.manifest.file_count,
        "command": restored.manifest.command,
        "working_folder": restored.manifest.working_folder,
        "python": None if restored.python is None else str(restored.python),
        "left_out": [
            {"path": item.path, "line": item.line, "reason": item.reason}
            for item in restored.manifest.left_out
        ],
    }
