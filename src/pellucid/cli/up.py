"""`pellucid up`: the server over one data folder, in one process."""

import gc
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

import click
import msgspec

from pellucid.cli.ports import find_free_port, find_holder
from pellucid.client.http import Connection
from pellucid.client.spool import DrainReport, drain
from pellucid.core.errors import InvalidInput, PellucidError
from pellucid.core.settings import DEFAULT_HOST, DEFAULT_PORT, ServerSettings, read_server_settings
from pellucid.server.auth.hosts import is_loopback
from pellucid.server.services.data_folder import own_folder

OTLP_HTTP_PORT = 4318
_DRAIN_TIMEOUT_S = 60.0
_DRAIN_EVERY_S = 10.0
_PORT = click.IntRange(0, 65535)
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""An address that stands for all → one of them, to reach the own door."""


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=_PORT,
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of all data.  [default: PELLUCID_DATA_DIR, else ~/.pellucid]",
)
@click.option(
    "--otlp-http-port",
    type=_PORT,
    default=OTLP_HTTP_PORT,
    show_default=True,
    help="Second port for OTLP over HTTP, taken when it is free; 0 turns it off.",
)
@click.option("--stop-with-stdin", is_flag=True, hidden=True)
def up(
    host: str, port: int, data_dir: Path | None, otlp_http_port: int, stop_with_stdin: bool
) -> None:
    """Start the server over a data folder.

    It serves the web pages, /api/v1 and OTLP over HTTP (/v1/traces), and stops on Ctrl-C or
    SIGTERM once everything it accepted is stored.
    """
    # Nothing that is imported is garbage; `serve` turns the collector on again.
    gc.disable()
    # Imported first, so that a missing package is reported before anything is touched.
    from pellucid.server.app import serve
    from pellucid.server.app.asgi import create_app

    settings = read_server_settings()
    folder = (settings.data_dir if data_dir is None else data_dir).absolute()
    settings = msgspec.structs.replace(settings, data_dir=folder)
    _check_exposure(host, settings)
    os.umask(0o077)  # What is stored holds prompts: only its owner may read it.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if stop_with_stdin:
        threading.Thread(target=_stop_with_stdin, name="pellucid-stdin", daemon=True).start()
    with own_folder(folder) as tell_url, _listen(host, port) as listener:
        url = serve.url_of(listener, host)
        tell_url(url)
        second, remark = _listen_for_otlp(host, otlp_http_port, url)
        listeners = [listener] if second is None else [listener, second]
        start = _Start(settings, host, [serve.url_of(one, host) for one in listeners], remark)
        serve.serve(create_app(settings, host=host), listeners, start.announce)


class _Start:
    """What is said and done once the server takes requests."""

    def __init__(
        self, settings: ServerSettings, host: str, urls: list[str], remark: str | None
    ) -> None:
        self._settings = settings
        self._host = host
        self._urls = urls
        self._remark = remark

    def announce(self) -> None:
        """Print where the server is, then drain the spool in the background."""
        click.echo(f"Pellucid is at {self._urls[0]}")
        click.echo(f"Data folder: {self._settings.data_dir}")
        if self._remark:
            click.echo(self._remark)
        threading.Thread(target=self._keep_draining, name="pellucid-drain", daemon=True).start()

    def _keep_draining(self) -> None:
        """A program that ended at once may have left its last spans there beside a live server."""
        first = True
        while True:
            self._drain(first=first)
            first = False
            time.sleep(_DRAIN_EVERY_S)

    def _drain(self, *, first: bool) -> None:
        urls = list(self._urls)
        if self._settings.public_url:
            urls.append(self._settings.public_url)
        connection = Connection(
            _reachable(self._urls[0], self._host),
            api_key=self._settings.api_key,
            answer_timeout_s=_DRAIN_TIMEOUT_S,
        )

        def post(path: str, body: bytes, headers: dict[str, str]) -> int:
            return connection.request("POST", path, body, headers).status

        try:
            report = drain(self._settings.spool_dir, urls, post)
        except OSError as error:
            if first:
                click.echo(
                    f"The spool {self._settings.spool_dir} cannot be read: {error}", err=True
                )
            return
        finally:
            connection.close()
        if (first or report.files) and (line := _describe(report)):
            click.echo(line)


def _stop_with_stdin() -> None:
    """Stop in order once the program that holds our input has ended, even by SIGKILL."""
    # Not sys.stdin: a thread that waits in it holds its lock, which aborts the interpreter's end.
    while os.read(0, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)


def _describe(report: DrainReport) -> str | None:
    parts = []
    if report.files:
        parts.append(f"stored {_count(report.spans, 'span')} of {_count(report.files, 'request')}")
    if report.failed:
        parts.append(f"{_count(report.failed, 'request')} could not be read and moved to rejected")
    if report.kept:
        parts.append(f"{_count(report.kept, 'request')} stay for a later try")
    return f"From the spool: {', '.join(parts)}" if parts else None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _reachable(url: str, host: str) -> str:
    return url.replace(host, _WILDCARDS[host]) if host in _WILDCARDS else url


def _check_exposure(host: str, settings: ServerSettings) -> None:
    if settings.api_key is None and not is_loopback(_resolve(host)):
        raise InvalidInput(
            f"With --host {host} other machines can reach this server, so it needs a key. "
            "Set PELLUCID_API_KEY to a long random text, or leave out --host."
        )


def _resolve(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise InvalidInput(
            f"--host {host} is no address of this machine: {error.strerror or error}."
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    from pellucid.server.app.serve import PortTaken, listen

    try:
        return listen(host, port)
    except PortTaken:
        raise PellucidError(
            f"Port {port} is taken{_by(port)}. Stop that, or use a free one: "
            f"pellucid up --port {find_free_port(host)}"
        ) from None
    except OSError as error:
        raise PellucidError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None


def _listen_for_otlp(host: str, port: int, url: str) -> tuple[socket.socket | None, str | None]:
    from pellucid.server.app.serve import listen, url_of

    if not port:
        return None, None
    try:
        listener = listen(host, port)
    except OSError:
        return None, f"Port {port} is taken{_by(port)}; OTLP over HTTP comes to {url} alone"
    return listener, f"OTLP over HTTP also at {url_of(listener, host)}"


def _by(port: int) -> str:
    holder = find_holder(port)
    return f" by {holder}" if holder else ""
