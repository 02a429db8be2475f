"""`python -m pellucid.deploy FOLDER`: what `pellucid serve` starts in the restored environment."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import uvicorn

from pellucid.client.tracing import setup
from pellucid.client.tracking.lifecycle import stand_in
from pellucid.core.errors import PellucidError
from pellucid.core.snapshot import EntryPoint
from pellucid.deploy.app import AgentApp, Served
from pellucid.deploy.entry import load_entry

GRACE_S = 30


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn raises the signal again after its shutdown; then SIGTERM would be no clean exit.
        handled = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--entry", required=True, help="The entry point, as JSON.")
@click.option("--served", required=True, help="What is served, as JSON.")
@click.option("--host", required=True)
@click.option("--port", required=True, type=int)
@click.option("--concurrency", required=True, type=int)
def main(folder: Path, entry: str, served: str, host: str, port: int, concurrency: int) -> None:
    """Serve the agent of a restored folder until a signal comes."""
    described = msgspec.json.decode(served, type=Served)
    # What the module starts at its import is no run of a project.
    os.environ["PELLUCID_SNAPSHOT"] = "0"
    loaded = load_entry(folder, msgspec.json.decode(entry, type=EntryPoint))
    if not setup.is_enabled():
        setup.init(experiment=described.experiment)
    stand_in(described.run_id, described.experiment)
    app = AgentApp(
        loaded,
        described,
        concurrency=concurrency,
        api_key=os.environ.get("PELLUCID_API_KEY") or None,
        on_stop=setup.shutdown,
    )
    listener = socket.create_server((host, port), reuse_port=False)
    address = listener.getsockname()
    click.echo(f"{described.run} is at http://{host}:{address[1]}/invocations")
    sys.stdout.flush()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=GRACE_S
    )
    _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    try:
        main(standalone_mode=True)
    except PellucidError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)
