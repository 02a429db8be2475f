"""`pellucid runs`: list, show and delete runs."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from pellucid.cli.connection import connect, data_dir_option
from pellucid.cli.tables import plain, print_json, print_table
from pellucid.core.leaves import flatten_params


@click.group()
def runs() -> None:
    """List, show and delete runs."""


@runs.command("list")
@click.option("--experiment", help="Only this experiment's runs.")
@click.option("--query", default="", help="A query, such as: metric.accuracy>0.8 param.k:5")
@click.option("--order", default="", help="Fields and asc or desc: metric.accuracy desc")
@click.option("--limit", default=20, show_default=True, help="How many, at most 1,000.")
@click.option("--cursor", help="The `next` of an earlier page.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def list_runs(
    experiment: str | None,
    query: str,
    order: str,
    limit: int,
    cursor: str | None,
    as_json: bool,
    data_dir: Any,
) -> None:
    """List runs, newest first or in an order."""
    params = {
        "experiment": experiment,
        "query": query,
        "order": order,
        "limit": limit,
        "cursor": cursor,
    }
    with connect(data_dir) as server:
        page = json.loads(server.get("/api/v1/runs", params))
    if as_json:
        print_json(page)
    elif not page["runs"]:
        click.echo("No runs. Start one in Python: with pellucid.start_run(): …")
    else:
        _print_runs(page["runs"])
        if page["next"]:
            click.echo(f"More: --cursor {page['next']}")


@runs.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def show(run: str, as_json: bool, data_dir: Any) -> None:
    """Show run RUN: an id, a unique prefix of one, or experiment@number."""
    with connect(data_dir) as server:
        found = json.loads(server.get("/api/v1/runs/resolve", {"run": run}))
        path = f"/api/v1/runs/{found['id']}/artifacts"
        artifacts = json.loads(server.get(path))["artifacts"]
    if as_json:
        print_json({**found, "artifacts": artifacts})
    else:
        _print_run(found, artifacts)


@runs.command()
@click.argument("run")
@click.option("--dry-run", is_flag=True, help="Only say what would be freed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def delete(run: str, dry_run: bool, as_json: bool, data_dir: Any) -> None:
    """Delete run RUN; what arrives about it later does not revive it.

    Its files and the parts of its snapshot that no other run has are freed within minutes.
    """
    with connect(data_dir) as server:
        found = json.loads(server.get("/api/v1/runs/resolve", {"run": run}))
        footprint = json.loads(server.get(f"/api/v1/runs/{found['id']}/footprint"))
        if not dry_run:
            server.delete(f"/api/v1/runs/{found['id']}")
    if as_json:
        click.echo(json.dumps({"deleted": None if dry_run else found["id"], **footprint}))
    elif dry_run:
        click.echo(f"Deleting {_spec(found)} would free {_footprint(footprint)}.")
    else:
        click.echo(f"Deleted {_spec(found)}, which frees {_footprint(footprint)}.")


@runs.command()
@click.option("--dry-run", is_flag=True, help="Only say what could be freed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def clean(dry_run: bool, as_json: bool, data_dir: Any) -> None:
    """Free what deleted runs left; a server also does it by itself.

    What was sent or asked for in the last minutes stays, and so does all of it in the first
    minutes of a server: who was told that it is there may be about to name it.
    """
    with connect(data_dir) as server:
        if dry_run:
            body = server.get("/api/v1/garbage")
        else:
            body = server.post("/api/v1/garbage/collect", b"")
    if as_json:
        click.echo(body.decode())
        return
    told = json.loads(body)
    click.echo(f"{'To free' if dry_run else 'Freed'}: {_footprint(told['footprint'])}.")
    if told["returned_bytes"]:
        click.echo(f"The database's file is {_size(told['returned_bytes'])} smaller.")
    if told["waiting_count"]:
        click.echo(f"{told['waiting_count']} more wait until nobody can be about to name them.")


def _print_runs(rows: list[dict[str, Any]]) -> None:
    # The metrics that most of the runs have say most.
    counts: dict[str, int] = {}
    for row in rows:
        for name in row["metrics"]:
            counts[name] = counts.get(name, 0) + 1
    metrics = sorted(counts, key=lambda name: (-counts[name], name))[:4]
    header = ("RUN", "STATUS", "STARTED", "DURATION", *(plain(m).upper() for m in metrics), "NAME")
    lines = [
        (
            plain(_spec(row)),
            row["status"],
            _time(row["start_ns"]),
            _duration(row),
            *(_value(row["metrics"].get(name)) for name in metrics),
            plain(row["name"]),
        )
        for row in rows
    ]
    print_table(header, lines, right={3, *range(4, 4 + len(metrics))})


def _print_run(run: dict[str, Any], artifacts: list[dict[str, Any]]) -> None:
    facts = [_spec(run), run["status"], _time(run["start_ns"]), _duration(run), run["name"]]
    click.echo("  ".join(plain(fact) for fact in facts if fact))
    click.echo(f"  id         {run['id']}")
    if run["snapshot_id"]:
        click.echo(f"  snapshot   {run['snapshot_id']}")
    if run["error"]:
        click.echo(f"  error      {plain(run['error'])}")
    for family in ("params", "metrics", "scores", "tags"):
        held = flatten_params(run[family]) if family == "params" else run[family]
        for name, value in held.items():
            click.echo(f"  {family.removesuffix('s'):9}  {plain(name)} = {plain(_value(value))}")
    for conflict in run["conflicts"]:
        others = ", ".join(_value(value) for value in conflict["others"])
        click.echo(f"  conflict   {plain(conflict['name'])}: also logged as {plain(others)}")
    for artifact in artifacts:
        click.echo(f"  artifact   {plain(artifact['path'])}  {artifact['size_bytes']} bytes")
    if run["notes"]:
        click.echo(f"  notes      {plain(run['notes'])}")


def _footprint(footprint: dict[str, int]) -> str:
    files, objects = footprint["artifact_count"], footprint["object_count"]
    return (
        f"{files} {'file' if files == 1 else 'files'} ({_size(footprint['artifact_bytes'])}) and "
        f"{objects} snapshot {'object' if objects == 1 else 'objects'} "
        f"({_size(footprint['object_bytes'])})"
    )


def _size(size_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def _spec(run: dict[str, Any]) -> str:
    return f"{run['experiment']}@{run['number']}"


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _duration(run: dict[str, Any]) -> str:
    seconds = ((run["end_ns"] or run["heard_ns"]) - run["start_ns"]) / 1e9
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if hours else f"{minutes} m {rest:02d} s"


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
