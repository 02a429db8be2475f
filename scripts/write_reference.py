"""Write the parts of docs/reference that follow from the code; a test checks that they are fresh.

Usage: .venv/bin/python scripts/write_reference.py
"""

import re
from pathlib import Path

import click

from pellucid.cli.main import cli
from pellucid.core import settings

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"

_LATER = "Another engine for {}. This version has the data folder only, and refuses any value."
_SETTINGS = {
    "PELLUCID_URL": ("client", "Where traces, runs and scores go: http://127.0.0.1:4380 if unset."),
    "PELLUCID_EXPERIMENT": ("client", "The experiment, where `init` names none."),
    "PELLUCID_API_KEY": (
        "both",
        "The key. A server that has one asks for it everywhere but at /health and /version; a "
        "client sends it.",
    ),
    "PELLUCID_SPOOL_DIR": (
        "both",
        "Where what cannot be delivered waits: ~/.pellucid/spool if unset, one folder a server.",
    ),
    "PELLUCID_ENABLED": ("client", "0 turns everything in the client into a no-op."),
    "PELLUCID_PRICES_FILE": (
        "server",
        "A price table of your own, in the form of the built-in one; its entries win.",
    ),
    "PELLUCID_PROJECT_DIR": (
        "client",
        "The folder whose code a snapshot takes, where it is not found by git or the script.",
    ),
    "PELLUCID_SNAPSHOT": ("client", "0 turns snapshots of runs off."),
    "PELLUCID_PUBLIC_URL": (
        "both",
        "The address that people use, if it differs: what `trace_url` shows; `up` drains its spool "
        "too.",
    ),
    "PELLUCID_DATA_DIR": ("server", "The data folder: ~/.pellucid if unset."),
    "PELLUCID_SPANS_URL": ("server", _LATER.format("spans")),
    "PELLUCID_META_URL": ("server", _LATER.format("runs and other metadata")),
    "PELLUCID_ARTIFACTS_URL": ("server", _LATER.format("artifacts")),
    "PELLUCID_ALLOWED_HOSTS": (
        "server",
        "Host names to answer to besides loopback and the bound address, between commas.",
    ),
}


def command_reference() -> str:
    """Return docs/reference/cli.md."""
    parts = [
        "# Command line\n",
        "Written by `scripts/write_reference.py` from the commands' own help.\n",
        "RUN is a run's id, a unique prefix of it, or `experiment@number`. Exit code 0: done; 1: "
        "an expected error, in one line on stderr; 2: wrong usage.\n",
    ]
    parts += _commands(cli, "pellucid", click.Context(cli, info_name="pellucid"))
    return "\n".join(parts)


def _commands(group: click.Group, path: str, context: click.Context) -> list[str]:
    found: list[str] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, max_content_width=100)
        inner.terminal_width = 100
        help_text = re.sub(r"[ \t]+$", "", command.get_help(inner), flags=re.MULTILINE)
        found.append(f"{'#' * (2 + path.count(' '))} {path} {name}\n\n```\n{help_text}\n```\n")
        if isinstance(command, click.Group):
            found += _commands(command, f"{path} {name}", inner)
    return found


def settings_reference() -> str:
    """Return docs/reference/settings.md."""
    rows = "\n".join(
        f"| `{name}` | {who} | {text} |" for name, (who, text) in sorted(_SETTINGS.items())
    )
    return (
        "# Settings\n\nWritten by `scripts/write_reference.py`. An empty variable is as good as "
        "none.\n\n| variable | read by | what it does |\n|---|---|---|\n" + rows + "\n\n"
        "`OTEL_SDK_DISABLED` and the other `OTEL_*` variables keep their meaning. "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` belongs to other exporters and is not read.\n"
    )


def variables_in_code() -> set[str]:
    """Return every `PELLUCID_*` variable that the settings read."""
    return set(re.findall(r'"(PELLUCID_[A-Z_]+)"', Path(settings.__file__).read_text()))


def documented_variables() -> set[str]:
    """Return every variable that the settings page describes."""
    return set(_SETTINGS)


PAGES = {"cli.md": command_reference, "settings.md": settings_reference}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
