"""A report as a terminal table, as text and as HTML for notebooks."""

import html
import io
from typing import Any

from pellucid.evals.report import ExampleResult, Report, ScoreSummary, counted

SHOWN_FAILURES = 5


def as_text(report: Report) -> str:
    """Return the report as plain text, 100 columns wide."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=100, color_system=None, force_jupyter=False).print(as_table(report))
    return out.getvalue().rstrip()


def as_table(report: Report) -> Any:
    """Return the report for rich."""
    from rich.console import Group
    from rich.table import Table

    table = Table(title=headline(report), title_justify="left", caption_justify="left")
    for column in ("score", "mean", "95 % interval", "n", "failures"):
        table.add_column(column, justify="left" if column == "score" else "right")
    spread = report.repeats > 1
    if spread:
        table.add_column("variance", justify="right")
    for summary in report.scores.values():
        cells = row(summary)
        table.add_row(*cells, *([_number(summary.variance)] if spread else []))
    lines = [*report.notes, *_failures(report.errors)]
    return Group(table, *(_plain(line) for line in lines))


def as_html(report: Report) -> str:
    """Return the report as an HTML table; everything in it is escaped."""
    head = "".join(f"<th>{name}</th>" for name in ("score", "mean", "95 %", "n", "failures"))
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row(summary)) + "</tr>"
        for summary in report.scores.values()
    )
    notes = "".join(
        f"<p>{html.escape(line)}</p>" for line in [*report.notes, *_failures(report.errors)]
    )
    title = html.escape(headline(report))
    return f"<p><b>{title}</b></p><table><tr>{head}</tr>{rows}</table>{notes}"


def headline(report: Report) -> str:
    """Return one line: what was evaluated, how long it took and what it cost."""
    parts = [report.run.name or report.task, counted(len(report.examples), "example")]
    if report.repeats > 1:
        parts.append(f"{report.repeats} repeats")
    parts.append(f"{report.wall_s:.1f} s")
    if report.cost_usd:
        parts.append(f"${report.cost_usd:.4f}")
    return " · ".join(parts)


def row(summary: ScoreSummary) -> list[str]:
    """Return one score's cells: name, mean or counts, interval, n, failures."""
    figures = summary.figures
    bounds = "–" if figures.low is None else f"{figures.low:.3g} to {figures.high:.3g}"
    mean = _number(summary.mean)
    if summary.mean is None and summary.counts:
        mean = ", ".join(f"{key} {n}" for key, n in list(summary.counts.items())[:4])
    return [summary.name, mean, bounds, str(summary.n), str(summary.failures)]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _failures(errors: list[ExampleResult]) -> list[str]:
    if not errors:
        return []
    shown = [f"  {example.id}: {example.error}" for example in errors[:SHOWN_FAILURES]]
    more = len(errors) - len(shown)
    return [
        f"{counted(len(errors), 'example')} failed:",
        *shown,
        *([f"  and {more} more (report.errors)"] if more else []),
    ]


def _plain(line: str) -> Any:
    from rich.text import Text

    return Text(line)
