"""Finding a report again: in a file, or with its run on a server."""

from pathlib import Path

from pellucid.client.tracking.reads import get_run
from pellucid.evals.report import Report
from pellucid.evals.run_files import REPORT_FILE


def get_report(name: str | Path) -> Report:
    """Return the report of a file or of a run (id, unique prefix, or `experiment@number`).

    Raises NotFound, also for a run that is no evaluation, and Unavailable where no server answers.
    """
    path = Path(name)
    if path.exists() or path.suffix == ".json":
        return Report.load(path)
    run = get_run(str(name))
    return Report.from_json(run.read_artifact(REPORT_FILE), str(name))
