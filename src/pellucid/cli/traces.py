"""`pellucid traces`: list, show and delete traces."""

import json
from typing import Any

import click

from pellucid.cli.connection import connect, data_dir_option
from pellucid.cli.tables import plain, print_json, print_table
from pellucid.client.http import path_segment


@click.group()
def traces() -> None:
    """List, show and delete traces."""


@traces.command("list")
@click.option("--experiment", help="Only this experiment's traces.")
@click.option("--query", default="", help="A query, such as: status:error duration>2s")
@click.option("--limit", default=20, show_default=True, help="How many, at most 1,000.")
@click.option("--cursor", help="The `next` of an earlier page.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def list_traces(
    experiment: str | None, query: str, limit: int, cursor: str | None, as_json: bool, data_dir: Any
) -> None:
    """List traces, newest first."""
    params = {"experiment": experiment, "query": query, "limit": limit, "cursor": cursor}
    with connect(data_dir) as server:
        page = json.loads(server.get("/api/v1/traces", params))
    if as_json:
        print_json(page)
    elif not page["traces"]:
        if query:
            click.echo("No traces match this query.")
        else:
            click.echo("No traces. Send one with: pellucid demo --once")
    else:
        _print_table(page["traces"])
    for hint in page.get("hints", ()):
        click.echo(hint, err=True)
    if page.get("partial"):
        click.echo("The search stopped before it had looked at everything.", err=True)
    if not as_json and page["next"]:
        click.echo(f"More: --cursor {page['next']}")


@traces.command()
@click.argument("trace_id")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def show(trace_id: str, as_json: bool, data_dir: Any) -> None:
    """Show trace TRACE_ID with its spans as a tree."""
    with connect(data_dir) as server:
        detail = json.loads(server.get(f"/api/v1/traces/{path_segment(trace_id)}"))
    if as_json:
        print_json(detail)
    else:
        _print_trace(detail["trace"], detail["spans"])


@traces.command()
@click.argument("trace_id", required=False)
@click.option("--experiment", help="Delete this experiment's traces instead of one trace.")
@click.option("--session", help="Delete only this session of the experiment.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
@data_dir_option
def delete(
    trace_id: str | None,
    experiment: str | None,
    session: str | None,
    dry_run: bool,
    as_json: bool,
    data_dir: Any,
) -> None:
    """Delete trace TRACE_ID, a session or an experiment.

    A copy that is sent again later does not revive what was deleted.
    """
    if (trace_id is None) == (experiment is None) or (session is not None and trace_id):
        raise click.UsageError("Give a TRACE_ID, or --experiment, or --experiment with --session.")
    query = {"dry_run": "true" if dry_run else None}
    if trace_id is not None:
        path = f"/api/v1/traces/{path_segment(trace_id)}"
    elif session is not None:
        path, query = "/api/v1/sessions", {**query, "experiment": experiment, "session_id": session}
    else:
        path, query = "/api/v1/experiments", {**query, "experiment": experiment}
    with connect(data_dir) as server:
        deletion = json.loads(server.delete(path, query))
    if as_json:
        print_json(deletion)
    else:
        verb = "Would delete" if dry_run else "Deleted"
        click.echo(
            f"{verb} {deletion['trace_count']} traces, {deletion['span_count']} spans and "
            f"{deletion['score_count']} scores."
        )


def _print_table(rows: list[dict[str, Any]]) -> None:
    header = ("TRACE", "STATUS", "SPANS", "DURATION", "TOKENS", "COST", "NAME", "EXPERIMENT")
    lines = [
        (
            row["trace_id"],
            row["status"],
            str(row["span_count"]),
            _duration(row["duration_ns"]),
            str(row["tokens_in"] + row["tokens_out"]),
            _cost(row["cost_usd"]),
            plain(row["name"]),
            plain(row["experiment"]),
        )
        for row in rows
    ]
    print_table(header, lines, right={2, 3, 4, 5})


def _print_trace(trace: dict[str, Any], spans: list[dict[str, Any]]) -> None:
    facts = [
        plain(trace["name"]),
        trace["status"],
        _duration(trace["duration_ns"]),
        f"{trace['tokens_in'] + trace['tokens_out']} tokens",
        _cost(trace["cost_usd"]),
        f"in {plain(trace['experiment'])}",
    ]
    click.echo("  ".join(fact for fact in facts if fact))
    depths: dict[str, int] = {}
    for span in spans:
        depth = depths[span["span_id"]] = depths.get(span["parent_id"], 0) + 1
        fault = span["status"] if span["status"] != "ok" else ""
        facts = [
            span["kind"],
            plain(span["name"]),
            _duration(span["duration_ns"]),
            plain(span["model"] or ""),
            fault,
            plain(span["status_message"]),
        ]
        click.echo("  " * depth + "  ".join(fact for fact in facts if fact))


def _duration(duration_ns: int) -> str:
    if duration_ns < 1_000_000:
        return f"{duration_ns / 1000:.0f} µs"
    if duration_ns < 1_000_000_000:
        return f"{duration_ns / 1_000_000:.0f} ms"
    return f"{duration_ns / 1_000_000_000:.2f} s"


def _cost(cost_usd: float | None) -> str:
    return "" if cost_usd is None else f"${cost_usd:.4f}"
