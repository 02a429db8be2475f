"""What `pellucid demo` shows beside its trace: runs, evaluations and a sweep."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pellucid.client.http import ApiClient
from pellucid.core.errors import PellucidError
from pellucid.demo import seed_evaluations, seed_runs


class Part(NamedTuple):
    """One part of the tour: the file `program` makes it, the path `page` shows it."""

    title: str
    program: str
    experiment: str
    page: str


PARTS = (
    Part(
        "Runs",
        seed_runs.__file__,
        seed_runs.EXPERIMENT,
        f"/experiments/{seed_runs.EXPERIMENT}/runs",
    ),
    Part(
        "Evaluations",
        seed_evaluations.__file__,
        seed_evaluations.EXPERIMENT,
        f"/experiments/{seed_evaluations.EXPERIMENT}/evaluations",
    ),
)


def fill(url: str, spool_dir: Path) -> Iterator[Part]:
    """Make the parts that the server does not hold yet; yield each once its page is filled.

    Each is made by a process of its own, as a user's programs would, which does not outlive an
    interruption of this one. Raises PellucidError if it fails; why is then on stderr.
    """
    with ApiClient(url) as api:
        found = json.loads(api.get("/api/v1/experiments"))["experiments"]
    filled = {one["name"] for one in found if one["run_count"]}
    for part in PARTS:
        if part.experiment not in filled:
            _make(part, url, spool_dir)
        yield part


def _make(part: Part, url: str, spool_dir: Path) -> None:
    # In a folder of its own, so that its snapshots hold this program and nothing of the user's.
    with tempfile.TemporaryDirectory(prefix="pellucid-demo-") as folder:
        program = shutil.copy(part.program, folder)
        process = subprocess.Popen(
            [sys.executable, "-P", program, "--url", url],
            cwd=folder,
            env=os.environ
            | {
                "PELLUCID_SPOOL_DIR": str(spool_dir),
                "PELLUCID_PROJECT_DIR": folder,
            },
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait()
        finally:
            process.terminate()
            process.wait()
    if code:
        raise PellucidError(
            f"The demo could not fill {part.page}: {part.program} ended with code {code}. "
            "The trace is there all the same."
        )
