"""`pellucid serve`: a run's agent over HTTP, from its snapshot, in its environment."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from pellucid.cli.connection import connect, data_dir_option
from pellucid.client.snapshots.cache import ProjectCache
from pellucid.client.snapshots.environment import read_packages
from pellucid.client.snapshots.restore import Snapshot, open_snapshot
from pellucid.client.snapshots.restore import restore as restore_run
from pellucid.client.snapshots.venv import make_environment
from pellucid.client.tracking.reads import read_run
from pellucid.core.errors import Forbidden, MissingExtra, NotFound
from pellucid.core.run import Run
from pellucid.deploy.app import Served, is_loopback_host


@click.command()
@click.argument("run")
@click.option("--port", default=8000, show_default=True, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--concurrency", default=16, show_default=True, help="Calls at once.")
@click.option(
    "--env",
    type=click.Choice(["auto", "current", "fresh"]),
    default="auto",
    show_default=True,
    help="The run's environment: this one if it has the same packages, this one, or a new one.",
)
@data_dir_option
def serve(run: str, port: int, host: str, concurrency: int, env: str, data_dir: Any) -> None:
    """Serve the agent of run RUN over HTTP.

    RUN is an id, a unique prefix of one, or experiment@number; its entry point is the function
    marked with @pellucid.agent. POST /invocations takes {"inputs": {…}} and answers with output
    and trace id; each call is traced in the run's experiment and linked to the run.
    """
    if not is_loopback_host(host) and not os.environ.get("PELLUCID_API_KEY"):
        raise Forbidden(
            f"--host {host} can be reached from elsewhere. Set PELLUCID_API_KEY to a key that "
            "callers have to send, or serve on 127.0.0.1."
        )
    if importlib.util.find_spec("uvicorn") is None:
        raise MissingExtra("pellucid serve", "server")
    with tempfile.TemporaryDirectory(prefix="pellucid-serve-") as temporary:
        folder = Path(temporary) / "code"
        with connect(data_dir) as server:
            found = read_run(server, run)
            snapshot = open_snapshot(server, found.id)
            entry = snapshot.manifest.entry_point
            if entry is None:
                raise NotFound(
                    f"{found.spec} declares no entry point. Mark the function to serve with "
                    "@pellucid.agent before the run starts."
                )
            restore_run(found, folder, server=server)
            python = _interpreter(snapshot, env)
        command = [
            *(str(python), "-m", "pellucid.deploy", str(folder)),
            *("--entry", msgspec.json.encode(entry).decode()),
            *("--served", msgspec.json.encode(_served(found, snapshot)).decode()),
            *("--host", host, "--port", str(port), "--concurrency", str(concurrency)),
        ]
        sys.exit(_run(command, folder / snapshot.manifest.working_folder))


def _served(run: Run, snapshot: Snapshot) -> Served:
    return Served(
        run_id=run.id,
        run=f"{run.experiment}@{run.number}",
        experiment=run.experiment,
        snapshot_id=snapshot.id,
    )


def _interpreter(snapshot: Snapshot, env: str) -> Path:
    """Return the Python that has the run's packages."""
    if env == "current":
        return Path(sys.executable)
    manifest = snapshot.manifest
    wanted: Any = snapshot.read_part(manifest.packages, {})
    facts: Any = snapshot.read_part(manifest.environment, {})
    python = ".".join(str(facts.get("python", "")).split(".")[:2])
    same_python = python == f"{sys.version_info[0]}.{sys.version_info[1]}"
    if (
        env == "auto"
        and same_python
        and _without_self(wanted) == _without_self(read_packages(ProjectCache()))
    ):
        return Path(sys.executable)
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = base / "pellucid" / "environments" / (manifest.packages or "none")[:24]
    python_path = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        click.echo(f"Making the run's environment in {folder} …", err=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_environment(folder, {**_needed(), **wanted}, str(facts.get("python", "")))
        (folder / "complete").touch()
    return python_path


def _needed() -> dict[str, str]:
    """Return what serving itself needs, as it is installed here."""
    here = read_packages(ProjectCache())
    return {name: here[name] for name in ("click", "h11", "uvicorn") if name in here}


def _without_self(packages: Mapping[str, str]) -> dict[str, str]:
    return {name: version for name, version in packages.items() if name != "pellucid"}


def _run(command: list[str], folder: Path) -> int:
    """Run until it ends; signals go to it, so that it finishes what it accepted."""
    process = subprocess.Popen(command, cwd=folder)

    def forward(number: int, _frame: Any) -> None:
        process.send_signal(number)

    previous = {n: signal.signal(n, forward) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
