"""The `pellucid` command. A command's module is imported when it runs, so that help is fast."""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

import pellucid
from pellucid.core.errors import MissingExtra, PellucidError, QuerySyntaxError


class Lazy(NamedTuple):
    """Where a command is, and its help in one line (a test compares it with the command's)."""

    target: str
    help: str


COMMANDS = {
    "datasets": Lazy(
        "pellucid.cli.datasets:datasets",
        "List, show, import, export, compare and delete datasets.",
    ),
    "demo": Lazy("pellucid.cli.demo:demo", "Trace a demo agent and show it."),
    "diff": Lazy(
        "pellucid.cli.diff:diff",
        "Compare runs A and B: results, params, configuration, prompts, environment, code.",
    ),
    "gate": Lazy("pellucid.cli.gate:gate", "Check an evaluation against rules, for CI."),
    "renormalise": Lazy(
        "pellucid.cli.renormalise:renormalise",
        "Read spans anew that an older version of Pellucid understood.",
    ),
    "restore": Lazy(
        "pellucid.cli.restore:restore", "Restore the code of run RUN into a new folder."
    ),
    "run": Lazy("pellucid.cli.run:run", "Trace a program without touching its code."),
    "runs": Lazy("pellucid.cli.runs:runs", "List, show and delete runs."),
    "serve": Lazy("pellucid.cli.serve:serve", "Serve the agent of run RUN over HTTP."),
    "sql": Lazy("pellucid.cli.sql:sql", "Run one SELECT over the views traces, spans and scores."),
    "traces": Lazy("pellucid.cli.traces:traces", "List, show and delete traces."),
    "up": Lazy("pellucid.cli.up:up", "Start the server over a data folder."),
}

_EXTRAS = {
    "alembic": "server",
    "apsw": "server",
    "jinja2": "server",
    "litestar": "server",
    "sqlalchemy": "server",
    "uvicorn": "server",
    "numpy": "evals",
    "openai": "demo",
    "PIL": "demo",
}
"""Package → the extra that installs it."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        module, _, name = lazy.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pellucid.__version__, prog_name="pellucid")
def cli() -> None:
    """See, measure, improve and ship LLM agents."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 an expected error, 2 wrong usage."""
    try:
        cli.main(arguments, prog_name="pellucid")
    except QuerySyntaxError as error:
        instead = f" Write: {error.proposal}" if error.proposal else ""
        _fail(f"{error.message} (character {error.position + 1}){instead}")
    except PellucidError as error:
        _fail(error.message)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(MissingExtra("This command", extra).message)


def _fail(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)
