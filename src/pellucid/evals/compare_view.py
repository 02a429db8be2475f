"""A comparison as a terminal table, as text and as HTML; regressions first."""

import html
import io
from typing import Any

from pellucid.evals.compare import WORSE, Change, Comparison
from pellucid.evals.statistics import shown_p

COLUMNS = (
    "metric",
    "baseline",
    "now",
    "difference",
    "95 % interval",
    "p",
    "won/lost/tied",
    "verdict",
)
SHOWN = 5


def as_text(comparison: Comparison) -> str:
    """Return the comparison as plain text, 110 columns wide."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=110, color_system=None, force_jupyter=False).print(as_table(comparison))
    return out.getvalue().rstrip()


def as_table(comparison: Comparison) -> Any:
    """Return the comparison for rich."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=headline(comparison), title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("metric", "verdict") else "right")
    for change in ordered(comparison):
        table.add_row(*row(change))
    return Group(table, *(Text(line) for line in details(comparison)))


def as_html(comparison: Comparison) -> str:
    """Return the comparison as an HTML table; everything in it is escaped."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row(change)) + "</tr>"
        for change in ordered(comparison)
    )
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in details(comparison))
    title = html.escape(headline(comparison))
    return f"<p><b>{title}</b></p><table><tr>{head}</tr>{rows}</table>{notes}"


def headline(comparison: Comparison) -> str:
    """Return one line: what is compared, and the verdict."""
    return f"{comparison.name} against {comparison.baseline_name}: {comparison.verdict}"


def ordered(comparison: Comparison) -> list[Change]:
    """Return the metrics, those that became worse first."""
    return sorted(comparison.changes.values(), key=lambda change: change.verdict != WORSE)


def row(change: Change) -> list[str]:
    """Return one metric's cells."""
    interval = change.interval
    return [
        change.name,
        f"{change.baseline_mean:.4g}",
        f"{change.mean:.4g}",
        f"{change.difference:+.4g}",
        f"{interval.low:+.3g} to {interval.high:+.3g}" if interval else "–",
        shown_p(change.p_value),
        f"{change.wins}/{change.losses}/{change.ties}",
        change.verdict,
    ]


def details(comparison: Comparison) -> list[str]:
    """Return lines on what regressed, what was left out and what it would take to know."""
    lines = [
        f"{len(ids)} examples are only in {name}"
        for ids, name in (
            (comparison.only_here, comparison.name),
            (comparison.only_baseline, comparison.baseline_name),
        )
        if ids
    ]
    lines += [
        f"{name}: not measured, no example has it in both reports" for name in comparison.unmeasured
    ]
    for change in ordered(comparison):
        regressions = change.regressions
        if regressions:
            lines.append(f"{change.name}: {len(regressions)} examples became worse")
            lines += [
                f"  {one.id}: {one.before:.4g} → {one.after:.4g}" for one in regressions[:SHOWN]
            ]
            if len(regressions) > SHOWN:
                lines.append(f"  and {len(regressions) - SHOWN} more")
        if change.verdict not in ("better", "worse") and change.difference and change.needed_n:
            lines.append(
                f"{change.name}: no clear change; a difference of {change.difference:+.3g} needs "
                f"about {change.needed_n} examples to show, there are {change.n}"
            )
        if change.left_out:
            lines.append(f"{change.name}: {change.left_out} examples lack the score in one report")
    return lines
