"""Write the parts of docs/reference that follow from the code; a test checks that they are fresh.

Usage: .venv/bin/python scripts/write_reference.py
"""

import ast
import importlib
import inspect
import json
import re
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import pellucid
from pellucid.cli.connection import connect
from pellucid.cli.main import cli
from pellucid.core import settings

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
_LINE = 88
_MADE_BY_USERS = {"pellucid.session"}
"""Classes whose constructor is the way to use them; the others have fields, or are returned."""
_RETURNED = (
    "pellucid.client.traces:Traces",
    "pellucid.client.traces:TraceWithSpans",
    "pellucid.client.tracking.run:ActiveRun",
    "pellucid.client.tracking.reads:LoggedRun",
    "pellucid.client.tracking.reads:Runs",
    "pellucid.client.datasets:StoredDataset",
    "pellucid.evals.report:Report",
    "pellucid.evals.report:ScoreSummary",
    "pellucid.evals.report:ExampleResult",
    "pellucid.evals.compare:Comparison",
    "pellucid.evals.compare:Change",
    "pellucid.evals.sweep:Sweep",
    "pellucid.evals.gate:Gate",
)
"""What public functions return, in the order of the guides."""

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
    "PELLUCID_META_URL": (
        "server",
        "Where runs, snapshots and datasets are kept, if not in the data folder: "
        "postgresql+psycopg://USER:PASSWORD@HOST/NAME, for one server alone; needs "
        "`pip install 'pellucid[postgres]'`.",
    ),
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


def request_reference() -> str:
    """Return docs/reference/api.md, from the application's own description."""
    with tempfile.TemporaryDirectory() as folder, connect(Path(folder)) as server:
        paths = json.loads(server.get("/api/v1/openapi.json"))["paths"]
    groups: dict[str, list[str]] = {}
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            if path.startswith("/api/"):
                group = operation.get("tags", ["other"])[0]
                groups.setdefault(group, []).append(_request(method, path, operation))
    parts = [
        "# Requests of /api/v1\n",
        "Written by `scripts/write_reference.py` from `/api/v1/openapi.json`, which has all types. "
        "[HTTP](http.md) tells what they have in common.\n",
    ]
    for group, requests in sorted(groups.items()):
        parts += [f"## {group.capitalize()}\n", "\n".join(requests) + "\n"]
    return "\n".join(parts)


def _request(method: str, path: str, operation: dict[str, Any]) -> str:
    asked = [f"{one['name']}=" for one in operation.get("parameters", []) if one["in"] == "query"]
    told = " ".join(operation.get("description", "").split())
    return f"- `{method.upper()} {path}{'?' * bool(asked)}{'&'.join(asked)}`: {told}"


def python_reference() -> str:
    """Return docs/reference/python.md: every public name, its arguments and its docstring."""
    parts = [
        "# Python\n",
        "Written by `scripts/write_reference.py` from the code: every name of `pellucid`, then the "
        "objects that they return. The guides tell what they are for.\n",
    ]
    names = [name for name in pellucid.__all__ if not name.startswith("_")]
    found = {name: getattr(pellucid, name) for name in names}
    for name, value in found.items():
        if not inspect.ismodule(value):
            parts += _described(f"pellucid.{name}", value, "##")
    for name, module in found.items():
        if inspect.ismodule(module):
            parts += [f"## pellucid.{name}\n", f"{inspect.getdoc(module)}\n"]
            for inner in _public(module):
                parts += _described(f"pellucid.{name}.{inner}", getattr(module, inner), "###")
    parts.append("## What they return\n")
    for target in _RETURNED:
        module_name, _, name = target.partition(":")
        parts += _described(name, getattr(importlib.import_module(module_name), name), "###")
    return "\n".join(parts)


def _public(module: Any) -> list[str]:
    """Return the functions and classes of a module that a user calls."""
    if "integrations" in module.__name__:
        return ["autolog"]
    return [name for name in module.__all__ if callable(getattr(module, name))]


def _described(name: str, value: Any, heading: str) -> Iterator[str]:
    yield f"{heading} {name}\n"
    if inspect.isclass(value):
        if "__init__" in vars(value) and name in _MADE_BY_USERS:
            yield f"```\n{_signature(name, value.__init__)}\n```\n"
        yield f"{inspect.getdoc(value)}\n"
        if members := "\n".join([*_fields(value), *_members(value)]):
            yield f"{members}\n"
    else:
        yield f"```\n{_signature(name, value)}\n```\n\n{inspect.getdoc(value)}\n"


def _own_bases(kind: type) -> list[type]:
    return [base for base in kind.__mro__ if base.__module__.startswith("pellucid")]


def _fields(kind: type) -> Iterator[str]:
    """Yield a line a public field, with what the string below it says."""
    for base in reversed(_own_bases(kind)):
        tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for node, after in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
            if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
                text = f"- `{ast.unparse(node.target)}: {_type(node.annotation)}`"
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    text += f": {' '.join(str(after.value.value).split())}"
                yield text


def _members(kind: type) -> Iterator[str]:
    """Yield a line a public property or method."""
    bases = _own_bases(kind)
    for name in dict.fromkeys(name for base in bases for name in vars(base)):
        value = inspect.getattr_static(kind, name)
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"- `{name}`: {_first_paragraph(value)}"
        elif inspect.isfunction(value) or isinstance(value, staticmethod | classmethod):
            function = getattr(kind, name)
            yield f"- `{_signature(name, function, width=10_000)}`: {_first_paragraph(function)}"


def _first_paragraph(value: Any) -> str:
    return (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")


def _signature(name: str, function: Any, width: int = _LINE) -> str:
    """Return a call as it is written in the source, an argument a line where it is long."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = [one for one in _arguments(node.args) if one not in ("self", "cls")]
    returned = _type(node.returns)
    end = f" -> {returned}" if returned not in ("", "None") else ""
    short = f"{name}({', '.join(arguments)}){end}"
    if len(short) <= width:
        return short
    lines = "".join(f"    {one},\n" for one in arguments)
    return f"{name}(\n{lines}){end}"


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for number, (one, default) in enumerate(
        zip(positional, [*defaults, *arguments.defaults], strict=True)
    ):
        yield _argument(one, default)
        if number + 1 == len(arguments.posonlyargs) and number + 1 < len(positional):
            yield "/"
    if arguments.vararg is not None:
        yield f"*{_argument(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(one, default)
    if arguments.kwarg is not None:
        yield f"**{_argument(arguments.kwarg, None)}"


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    text = f"{one.arg}: {_type(one.annotation)}" if one.annotation else one.arg
    if default is None:
        return text
    return f"{text}{' = ' if one.annotation else '='}{ast.unparse(default)}"


def _type(annotation: ast.expr | None) -> str:
    if annotation is None:
        return ""
    return ast.unparse(annotation).replace("'", "")


PAGES = {
    "api.md": request_reference,
    "cli.md": command_reference,
    "python.md": python_reference,
    "settings.md": settings_reference,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
