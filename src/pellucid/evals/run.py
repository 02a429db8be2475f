"""The run that an evaluation is."""

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.core.ids import new_id
from pellucid.core.score import Score
from pellucid.evals.report import Report, RunInfo


class EvaluationRun:
    """An open run; what is logged to it goes to the server where there is one."""

    def __init__(self, info: RunInfo) -> None:
        self.info = info

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Hand scores over for delivery; never blocks on the network."""

    def finish(self, report: Report) -> None:
        """Log the report's figures and end the run."""

    def end(self, artifacts: Mapping[str, bytes]) -> None:
        """Keep files with the run and end it."""

    def fail(self, error: BaseException) -> None:
        """End the run as failed."""


def open_run(
    name: str | None, params: dict[str, Any], *, parent: EvaluationRun | None = None
) -> EvaluationRun:
    """Begin a run, as a part of another where `parent` is given."""
    return EvaluationRun(RunInfo(id=new_id(), name=name))
