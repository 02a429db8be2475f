"""`pellucid demo`: a server, a traced agent and its page, in one command."""

import importlib.util
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pellucid.core.errors import MissingExtra, PellucidError
from pellucid.core.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from rich.console import Console

    from pellucid.demo.agent import Answer
    from pellucid.demo.server_process import ServerProcess

_PACKAGES = ("openai", "PIL", "litestar", "uvicorn", "apsw", "jinja2", "sqlalchemy", "alembic")


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM; no `except Exception` on the way may hold it up."""


@click.command()
@click.option("--once", is_flag=True, help="Check the trace over HTTP, then stop.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Folder of the demo's data and spool.",
)
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, help="Port; a free one if it is taken."
)
@click.option(
    "--model", help="A real model, through OPENAI_API_KEY or OPENAI_BASE_URL, not the scripted one."
)
@click.option(
    "--tour/--no-tour",
    default=True,
    show_default=True,
    help="Go on with runs, evaluations and a sweep (not with --once).",
)
def demo(once: bool, data_dir: Path, port: int, model: str | None, tour: bool) -> None:
    """Trace a demo agent and show it.

    Starts a server over a folder of its own, lets an agent answer a question, prints the address
    of its trace, fills the other pages and serves until Ctrl-C. Needs no key and no network.
    """
    _require_packages()
    from rich.console import Console

    from pellucid.demo.provider import require_credentials
    from pellucid.demo.server_process import own_server, port_is_free

    if model is not None:
        require_credentials(model)
    console = Console(highlight=False)
    folder = data_dir.absolute()
    if not port_is_free(port):
        console.print(f"Port {port} is taken; the demo takes a free one.")
        port = 0
    with _signals_stop(), _own_environment():
        try:
            with own_server(folder, port) as server:
                console.print(f"Pellucid is at {server.url}, over {folder}", soft_wrap=True)
                if once:
                    _check(console, server, _run_agent(console, server, folder, model))
                else:
                    _run_and_serve(console, server, folder, model, tour=tour)
        except _Stopped:
            if once:
                raise PellucidError("Stopped before the check was done.") from None
            console.print("Stopped.")


def _require_packages() -> None:
    if any(importlib.util.find_spec(package) is None for package in _PACKAGES):
        raise MissingExtra("pellucid demo", "demo")


def _run_agent(
    console: "Console", server: "ServerProcess", folder: Path, model: str | None
) -> "Answer":
    import openai

    from pellucid.demo.run import run_demo
    from pellucid.demo.terminal import TerminalWatcher

    watcher = TerminalWatcher(console, model)
    try:
        answer = run_demo(server.url, spool_dir=folder / "spool", model=model, watcher=watcher)
    except (openai.OpenAIError, ValueError) as error:
        raise PellucidError(f"The agent could not answer: {error}") from error
    finally:
        watcher.finished()
    if answer.picture is not None:
        path = folder / "stack.png"
        path.write_bytes(answer.picture)
        console.print(f"[dim]Picture:[/] {path}", soft_wrap=True)
    console.print(
        f"[bold]Trace:[/]   {server.url}/traces/{answer.trace_id}", style="green", soft_wrap=True
    )
    return answer


def _check(console: "Console", server: "ServerProcess", answer: "Answer") -> None:
    from pellucid.demo.verify import find_problems

    problems = find_problems(server.url, answer)
    if problems:
        raise PellucidError(f"The demo's trace is not as it must be: {'; '.join(problems)}.")
    console.print("Checked over HTTP: the trace, its spans, the picture and the pages are there.")


def _run_and_serve(
    console: "Console", server: "ServerProcess", folder: Path, model: str | None, *, tour: bool
) -> NoReturn:
    """Serve whatever comes of the agent: a failed trace is worth a look as well."""
    try:
        _run_agent(console, server, folder, model)
        console.print("Open it in a browser. Ctrl-C stops the demo.")
        if tour:
            _take_tour(console, server, folder)
    except PellucidError as error:
        console.print(error.message, style="red", markup=False)
        console.print("The server goes on. Ctrl-C stops the demo.")
    code = server.wait()
    raise PellucidError(f"The demo's server ended by itself, with exit code {code}.")


def _take_tour(console: "Console", server: "ServerProcess", folder: Path) -> None:
    from pellucid.demo.tour import fill

    console.print("[dim]Meanwhile it fills the other pages, by scripted programs:[/]")
    for part in fill(server.url, folder / "spool"):
        console.print(f"[bold]{part.title + ':':12}[/] {server.url}{part.page}", soft_wrap=True)


@contextmanager
def _signals_stop() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into an orderly end; later ones do not disturb it."""

    def stop(number: int, frame: object) -> None:
        for handled in (signal.SIGINT, signal.SIGTERM):
            signal.signal(handled, signal.SIG_IGN)
        raise _Stopped

    previous = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _own_environment() -> Iterator[None]:
    """Set the user's own Pellucid settings aside while the demo runs."""
    aside = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PELLUCID_")
    }
    try:
        yield
    finally:
        os.environ.update(aside)
