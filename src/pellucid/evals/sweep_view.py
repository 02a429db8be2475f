"""A sweep as a terminal table, as text and as HTML."""

import html
import io
from typing import Any

from pellucid.evals.sweep import COST, LATENCY, Sweep, SweepRun

SHOWN = 20


def as_text(sweep: Sweep) -> str:
    """Return the sweep as plain text."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=120, color_system=None, force_jupyter=False).print(as_table(sweep))
    return out.getvalue().rstrip()


def as_table(sweep: Sweep) -> Any:
    """Return the sweep for rich: the best configurations first, ● those on the Pareto front."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=headline(sweep), title_justify="left")
    for column in columns(sweep):
        table.add_column(column)
    for run in sweep.runs[:SHOWN]:
        table.add_row(*row(sweep, run))
    return Group(table, *(Text(line) for line in details(sweep)))


def as_html(sweep: Sweep) -> str:
    """Return the sweep as an HTML table; everything in it is escaped."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns(sweep))
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row(sweep, run)) + "</tr>"
        for run in sweep.runs[:SHOWN]
    )
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in details(sweep))
    return (
        f"<p><b>{html.escape(headline(sweep))}</b></p><table><tr>{head}</tr>{rows}</table>{notes}"
    )


def headline(sweep: Sweep) -> str:
    """Return one line: how many configurations, by what measure."""
    word = "least" if sweep.objective.startswith("-") else "greatest"
    name = sweep.objective.lstrip("-")
    return f"{len(sweep.runs)} configurations, the {word} {name} first (● Pareto front)"


def columns(sweep: Sweep) -> list[str]:
    """Return the table's heads: the front's mark, parameters, objective, its interval, the rest."""
    parameters = list(sweep.runs[0].config) if sweep.runs else []
    return ["", *parameters, sweep.objective.lstrip("-"), "95 %", LATENCY, COST]


def row(sweep: Sweep, run: SweepRun) -> list[str]:
    """Return one configuration's cells."""
    name = sweep.objective.lstrip("-")
    interval = run.report.scores[name].interval if name in run.report.scores else None
    return [
        "●" if run.on_front else "✗" if run.broken else "",
        *(str(getattr(value, "__name__", value)) for value in run.config.values()),
        _number(run.metrics.get(name)),
        f"{interval.low:.3g} to {interval.high:.3g}" if interval else "–",
        _number(run.metrics.get(LATENCY)),
        _number(run.metrics.get(COST)),
    ]


def details(sweep: Sweep) -> list[str]:
    """Return lines on what matters most and what the stages saved."""
    lines = []
    if len(sweep.runs) > SHOWN:
        lines.append(f"and {len(sweep.runs) - SHOWN} more")
    shares = [f"{name} {share:.0%}" for name, share in sweep.importance.items()]
    if shares:
        lines.append(f"what the {sweep.objective.lstrip('-')} hangs on: {', '.join(shares)}")
    for name, figure in sweep.stages.items():
        lines.append(
            f"stage {name}: asked {figure.calls} times, computed {figure.computed} times "
            f"in {figure.seconds:.2f} s"
        )
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
