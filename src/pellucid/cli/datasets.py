"""`pellucid datasets`: list, show, import, export, compare and delete datasets."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from pellucid.cli.connection import Server, connect, data_dir_option
from pellucid.cli.tables import plain, print_json, print_table
from pellucid.client.http import path_segment
from pellucid.core.clock import now_ns
from pellucid.core.dataset_files import format_of, read_file
from pellucid.core.dataset_rows import dataset_of
from pellucid.core.dataset_versions import (
    DATASETS_PATH,
    FILE_FORMATS,
    check_ids,
    check_name,
    pack_example,
    split_spec,
)
from pellucid.core.dataset_views import EXAMPLES_PATH
from pellucid.core.errors import InvalidInput
from pellucid.core.ids import new_id

_PART_BYTES = 4 << 20
_SHOWN = 20
_SIGN = {"added": "+", "removed": "-", "changed": "~"}


@click.group()
def datasets() -> None:
    """List, show, import, export, compare and delete datasets."""


@datasets.command("list")
@click.option("--text", default="", help="Only those whose names have this text.")
@click.option("--limit", default=50, show_default=True, help="How many, at most 1,000.")
@click.option("--cursor", help="The `next` of an earlier page.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def list_datasets(text: str, limit: int, cursor: str | None, as_json: bool, data_dir: Any) -> None:
    """List datasets, the last changed first."""
    with connect(data_dir) as server:
        params = {"text": text or None, "limit": limit, "cursor": cursor}
        page = json.loads(server.get(DATASETS_PATH, params))
    if as_json:
        print_json(page)
    elif not page["datasets"]:
        click.echo("No datasets. Make one with: pellucid datasets import NAME FILE")
    else:
        _print_datasets(page["datasets"])
        if page["next"]:
            click.echo(f"More: --cursor {page['next']}")


@datasets.command()
@click.argument("dataset")
@click.option("--examples", default=0, help="Show so many examples too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def show(dataset: str, examples: int, as_json: bool, data_dir: Any) -> None:
    """Show DATASET, a name or name@number: its versions, and some examples."""
    name, number = split_spec(dataset)
    with connect(data_dir) as server:
        path = _path(name)
        version = json.loads(server.get(f"{path}/versions/{number or 'latest'}"))
        versions = json.loads(server.get(f"{path}/versions", {"limit": _SHOWN}))["versions"]
        rows = []
        if examples:
            page = server.get(
                f"{path}/versions/{version['number']}/examples", {"limit": min(examples, 1000)}
            )
            rows = [one["example"] for one in json.loads(page)["examples"]]
    if as_json:
        print_json({"version": version, "versions": versions, "examples": rows})
        return
    click.echo(f"{plain(version['name'])}@{version['number']}  {_count(version)}")
    click.echo(f"  version    {version['version']}")
    for split, count in version["splits"].items():
        click.echo(f"  split      {plain(split)}: {count}")
    _print_versions(versions)
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))


@datasets.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--append", is_flag=True, help="Behind what is there; the same ids are replaced.")
@click.option("--message", "-m", default="", help="What the version is for.")
@click.option("--author", help="Who made it.")
@click.option("--json", "as_json", is_flag=True, help="Print the version as JSON.")
@data_dir_option
def import_file(
    name: str,
    file: Path,
    append: bool,
    message: str,
    author: str | None,
    as_json: bool,
    data_dir: Any,
) -> None:
    """Make a version of dataset NAME from a JSONL, JSON, CSV or Parquet FILE."""
    check_name(name)
    examples = dataset_of(read_file(file), name=name).examples
    if not examples:
        raise InvalidInput(f"{file} holds no rows.")
    check_ids(examples)
    request: dict[str, Any] = {
        "id": new_id(),
        "time_ns": now_ns(),
        "message": message or f"Import {file.name}",
        "author": author,
        "source": "import",
    }
    bodies = [pack_example(example) for example in examples]
    with connect(data_dir) as server:
        if append:
            request["put"] = [msgspec.Raw(body) for body in bodies]
        else:
            request["digests"] = _send_ahead(server, bodies)
        answer = server.post(f"{_path(name)}/versions", msgspec.json.encode(request))
    version = json.loads(answer)
    if as_json:
        print_json(version)
    else:
        click.echo(f"{plain(name)}@{version['number']}  {_count(version)}  {_change(version)}")


@datasets.command()
@click.argument("dataset")
@click.option("--format", "kind", type=click.Choice(FILE_FORMATS), help="[default: by the file]")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
@click.option("--split", help="Only this split.")
@click.option(
    "--spreadsheet", is_flag=True, help="CSV: keep cells that begin with = + - @ from being run."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@data_dir_option
def export(
    dataset: str,
    kind: str | None,
    output: Path | None,
    split: str | None,
    spreadsheet: bool,
    as_json: bool,
    data_dir: Any,
) -> None:
    """Write DATASET, a name or name@number, to a file or the terminal."""
    kind = kind or (format_of(output) if output else "jsonl")
    name, number = split_spec(dataset)
    params = {"format": kind, "split": split, "spreadsheet": "true" if spreadsheet else None}
    with connect(data_dir) as server:
        version = json.loads(server.get(f"{_path(name)}/versions/{number or 'latest'}"))
        path = f"{_path(name)}/versions/{version['number']}/export"
        data = server.get(path, params)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    output.write_bytes(data)
    spec = f"{name}@{version['number']}"
    if as_json:
        print_json({"dataset": spec, "file": str(output), "size_bytes": len(data)})
    else:
        click.echo(f"Wrote {plain(spec)} to {output}.")


@datasets.command()
@click.argument("dataset")
@click.argument("before", required=False)
@click.option("--limit", default=50, show_default=True, help="How many examples, at most 1,000.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def diff(dataset: str, before: str | None, limit: int, as_json: bool, data_dir: Any) -> None:
    """Say what changed in DATASET, a name or name@number, since version BEFORE.

    BEFORE is a number; without one it is the version that DATASET followed.
    """
    name, number = split_spec(dataset)
    with connect(data_dir) as server:
        after = json.loads(server.get(f"{_path(name)}/versions/{number or 'latest'}"))
        since = before or after["base"]
        if since is None:
            raise InvalidInput(f"{name}@{after['number']} is the first version.")
        params = {"from": since, "to": after["number"], "limit": limit}
        found = json.loads(server.get(f"{_path(name)}/diff", params))
    if as_json:
        print_json(found)
        return
    for change in found["changes"]:
        _print_change(change)
    click.echo(
        f"{plain(name)}: {since} → {after['number']}: {found['added']} added, "
        f"{found['removed']} removed, {found['changed']} changed, {found['unchanged']} unchanged"
    )


@datasets.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def delete(name: str, dry_run: bool, as_json: bool, data_dir: Any) -> None:
    """Delete dataset NAME with all its versions."""
    with connect(data_dir) as server:
        would = json.loads(server.delete(_path(name), {"dry_run": "true"}))
        what = f"{would['version_count']} versions and {would['example_count']} examples"
        if not dry_run:
            would = json.loads(server.delete(_path(name)))
    if as_json:
        print_json(would)
    else:
        click.echo(f"{'Would delete' if dry_run else 'Deleted'} {plain(name)}: {what}.")


def _path(name: str) -> str:
    return f"{DATASETS_PATH}/{path_segment(name)}"


def _send_ahead(server: Server, bodies: list[bytes]) -> list[str]:
    """Store examples in parts, so that a file may be larger than one request."""
    digests: list[str] = []
    part: list[bytes] = []
    size = 0
    for number, body in enumerate(bodies, 1):
        part.append(body)
        size += len(body)
        if size >= _PART_BYTES or number == len(bodies):
            request = b'{"examples":[%b]}' % b",".join(part)
            digests += json.loads(server.post(EXAMPLES_PATH, request))["digests"]
            part, size = [], 0
    return digests


def _print_datasets(rows: list[dict[str, Any]]) -> None:
    lines = [
        (
            plain(row["name"]),
            str(row["latest"]["number"]),
            str(row["latest"]["example_count"]),
            _time(row["latest"]["time_ns"]),
            plain(row["latest"]["author"] or ""),
            plain(row["latest"]["message"]),
        )
        for row in rows
    ]
    header = ("DATASET", "VERSION", "EXAMPLES", "CHANGED", "BY", "MESSAGE")
    print_table(header, lines, right={1, 2})


def _print_versions(rows: list[dict[str, Any]]) -> None:
    lines = [
        (
            str(row["number"]),
            str(row["example_count"]),
            _change(row),
            _time(row["time_ns"]),
            plain(row["author"] or ""),
            plain(row["message"]),
        )
        for row in rows
    ]
    print_table(("VERSION", "EXAMPLES", "CHANGE", "MADE", "BY", "MESSAGE"), lines, right={0, 1})


def _print_change(change: dict[str, Any]) -> None:
    sign = _SIGN[change["kind"]]
    before, after = change.get("before") or {}, change.get("after") or {}
    shown = after or before
    click.echo(f"{sign} {plain(shown['id'])}  {plain(json.dumps(shown['inputs']))}")
    if change["kind"] != "changed":
        return
    for field in dict.fromkeys([*before, *after]):
        old, new = (json.dumps(one.get(field), ensure_ascii=False) for one in (before, after))
        if old != new:
            click.echo(f"    {field}: {plain(old)} → {plain(new)}")


def _count(version: dict[str, Any]) -> str:
    count = version["example_count"]
    return f"{count} {'example' if count == 1 else 'examples'}"


def _change(version: dict[str, Any]) -> str:
    return f"+{version['added']} -{version['removed']} ~{version['changed']}"


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
