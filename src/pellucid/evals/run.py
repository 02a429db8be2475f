"""The run that an evaluation is: its params, figures, scores and report on the server."""

import logging
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pellucid.client.scores import send_scores
from pellucid.client.tracing import setup
from pellucid.client.tracing.state import state
from pellucid.client.tracking.lifecycle import start_run
from pellucid.client.tracking.outbox import stamp
from pellucid.client.tracking.run import ActiveRun
from pellucid.core.clock import now_ns
from pellucid.core.errors import InvalidInput
from pellucid.core.ids import new_id
from pellucid.core.score import Score, ScoreSource, check_score
from pellucid.evals.report import Report, RunInfo
from pellucid.evals.run_files import EVALUATION, PAGES, REPORT_FILE, TYPE_TAG
from pellucid.evals.shown import shown_report

_log = logging.getLogger("pellucid")
_BATCH = 200
_BATCH_S = 1.0


class EvaluationRun:
    """An open run. Nothing here waits for the server but `delivered`."""

    def __init__(self, run: ActiveRun, *, kind: str, parent: "EvaluationRun | None") -> None:
        self._run = run
        self._kind = kind
        self._parent = parent
        self._waiting: list[Score] = []
        self._sent_at = time.monotonic()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    @property
    def active(self) -> ActiveRun:
        """The tracking's run."""
        return self._run

    @property
    def info(self) -> RunInfo:
        """What a report keeps of the run."""
        return RunInfo(
            id=self._run.id,
            name=self._run.name or None,
            number=self._run.number,
            experiment=self._run.experiment,
            url=self._page,
        )

    @property
    def _page(self) -> str:
        """Where the report is shown, which says more than the run's own page."""
        return self._run.url.replace("/runs/", f"/{PAGES[self._kind]}/")

    def note_dataset(self, name: str, version: str) -> None:
        """Put the dataset's version into the snapshot."""
        if self._run.snapshot_task is not None:
            self._run.snapshot_task.note_dataset(name, version)

    def write_scores(self, scores: Sequence[Score]) -> None:
        """Hand scores over for delivery, many in one request.

        One that no server takes stays in the report alone: it would have its neighbours refused.
        """
        for score in map(_sayable, scores):
            try:
                check_score(score, f"The score {score.name[:80]!r}")
            except InvalidInput as error:
                _log.warning("Not sent: %s", error)
            else:
                self._waiting.append(score)
        now = time.monotonic()
        if len(self._waiting) >= _BATCH or now - self._sent_at > _BATCH_S:
            self._flush(now)

    def finish(self, report: Report) -> None:
        """Log the report's figures and the report itself, and end the run."""
        self.write_scores(self._summary(report))
        for name, value in _metrics(report).items():
            try:
                self._run.log_metric(name, value)
            except InvalidInput as error:  # a scorer's name that no metric can have
                _log.warning("%s", error)
        self.end({REPORT_FILE: shown_report(report).to_json()})

    def end(self, artifacts: Mapping[str, bytes]) -> None:
        """Keep files with the run and end it."""
        self._flush(time.monotonic())
        for name, data in artifacts.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                path.write_bytes(data)
                self._run.log_artifact(path, name)
        self._share_snapshot()
        self._run.end()

    def fail(self, error: BaseException) -> None:
        """End the run as failed."""
        self._flush(time.monotonic())
        self._run.end("failed", error=f"{type(error).__name__}: {error}"[:10_000])

    def delivered(self, timeout_s: float) -> None:
        """Wait until the server has the run and has given it a number; not for parts of a sweep."""
        if self._parent is None:
            self._run.wait(timeout_s)

    def _share_snapshot(self) -> None:
        """A part's code is its parent's: the snapshot is taken once for all."""
        snapshot_id = None if self._parent is None else self._parent.active.snapshot_id
        if snapshot_id is not None and self._run.outbox is not None:
            self._run.snapshot_id = snapshot_id
            self._run.outbox.add(self._run.queue, stamp("snapshot", snapshot_id))

    def _flush(self, now: float) -> None:
        self._sent_at = now
        scores, self._waiting = self._waiting, []
        send_scores(scores)

    def _summary(self, report: Report) -> list[Score]:
        scores = []
        for name, summary in report.scores.items():
            scorer = report.scorer_of(name)
            if summary.mean is not None:
                scores.append(
                    Score(
                        id=new_id(),
                        name=name,
                        value=summary.mean,
                        rationale=f"Mean of {summary.n}; {summary.failures} failures.",
                        source=ScoreSource(scorer.source if scorer else "CODE"),
                        author=scorer.author if scorer else None,
                        time_ns=now_ns(),
                        run_id=self._run.id,
                    )
                )
        return scores


def open_run(
    name: str | None,
    params: Mapping[str, Any],
    *,
    kind: str = EVALUATION,
    experiment: str | None = None,
    parent: EvaluationRun | None = None,
) -> EvaluationRun:
    """Begin a run: a part of `parent`, or of the run in whose `with` block the caller is.

    Tracing is started if it was not yet, so that every example has a trace.
    """
    if not state.active and not setup.is_switched_off():
        setup.init()
    run = start_run(
        name,
        experiment=experiment,
        params=params,
        tags={TYPE_TAG: kind},
        parent=parent.active if parent is not None else None,
        snapshot=None if parent is None else False,
    )
    return EvaluationRun(run, kind=kind, parent=parent)


def _sayable(score: Score) -> Score:
    """Return a score whose texts UTF-8 can hold: half a character becomes a question mark."""
    texts = {
        field: text.encode("utf-8", "replace").decode()
        for field in ("name", "value", "rationale", "author", "example_id")
        if isinstance(text := getattr(score, field), str) and not text.isascii()
    }
    return msgspec.structs.replace(score, **texts) if texts else score


def _metrics(report: Report) -> dict[str, float]:
    found = {
        name: summary.mean for name, summary in report.scores.items() if summary.mean is not None
    }
    times = [r.duration_s for e in report.examples for r in e.repeats if r.duration_s is not None]
    if times:
        found.setdefault("latency_s", math.fsum(times) / len(times))
    return {
        **found,
        "errors": float(len(report.errors)),
        "wall_s": report.wall_s,
        "spent_usd": report.cost_usd,
    }
