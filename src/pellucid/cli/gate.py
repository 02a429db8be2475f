"""`pellucid gate`: let CI fail where an evaluation breaks its rules."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pellucid.cli.tables import print_json

if TYPE_CHECKING:
    from pellucid.evals.compare import Comparison


@click.command()
@click.argument("run")
@click.option("--baseline", metavar="RUN", help="The run to compare with.")
@click.option("--rule", "rules", multiple=True, help="A rule; may be given several times.")
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of rules, one a line; # begins a comment.",
)
@click.option("--alpha", default=0.05, show_default=True, help="Significance asked of a change.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the result as Markdown.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the result as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def gate(
    run: str,
    baseline: str | None,
    rules: tuple[str, ...],
    rules_file: Path | None,
    alpha: float,
    markdown: Path | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Check an evaluation against rules, for CI.

    Exits 1 where a rule is broken. RUN is a file that `report.save` wrote, or a run's id, a
    unique prefix of it, or EXPERIMENT@NUMBER. A rule is a line such as:

    \b
      exact_match >= 0.8          the mean; also .low .high .min .max .n .failures
      errors == 0                 also cost_usd, calls, wall_s, examples
      correctness not worse       no significant drop from the baseline
      * not worse                 so for every score
      latency_s drop <= 0.1       at most this much worse

    Without rules: no score significantly worse than the baseline's, and no errors.
    """  # noqa: D301 (click's mark for lines to keep as they are)
    from pellucid.evals.gate import gate as check
    from pellucid.evals.stored import get_report

    lines = [*rules, *(_lines(rules_file) if rules_file else [])]
    result = check(
        get_report(run),
        None if baseline is None else get_report(baseline),
        lines or None,
        alpha=alpha,
    )
    if markdown is not None:
        markdown.write_text(result.markdown, encoding="utf-8")
    if junit is not None:
        junit.write_text(result.junit, encoding="utf-8")
    if as_json:
        shown = {
            "name": result.name,
            "passed": result.passed,
            "rules": msgspec.to_builtins(result.results),
            "metrics": _metrics(result.comparison),
        }
        print_json(shown)
    else:
        click.echo(str(result))
    sys.exit(0 if result.passed else 1)


def _metrics(comparison: "Comparison | None") -> dict[str, dict[str, Any]]:
    if comparison is None:
        return {}
    left_out = ("name", "examples")
    return {
        name: {
            key: value
            for key, value in msgspec.structs.asdict(change).items()
            if key not in left_out
        }
        for name, change in comparison.changes.items()
    }


def _lines(path: Path) -> list[str]:
    stripped = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in stripped if line]
