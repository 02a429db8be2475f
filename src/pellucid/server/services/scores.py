"""Scores on traces, spans, sessions and runs."""

from collections.abc import Sequence

from pellucid.core.errors import InvalidInput
from pellucid.core.ports import SpanStore
from pellucid.core.score import Annotated, Score, check_score
from pellucid.server.services.runs import RunService
from pellucid.server.services.threads import Threads

MAX_SCORES = 10_000


class ScoreService:
    """Writes and lists scores."""

    def __init__(
        self, store: SpanStore, runs: RunService, *, readers: Threads, writers: Threads
    ) -> None:
        self._store = store
        self._runs = runs
        self._readers = readers
        self._writers = writers

    async def add(self, scores: Sequence[Score]) -> None:
        """Store scores, durable on return. A repetition changes nothing.

        Those on traces, spans and sessions go into the span store, then those on runs into the
        metadata: two commits, each all or none. If the second fails, the first is kept, and the
        same call again completes it. An invalid score anywhere stores nothing.

        Raises InvalidInput, and Conflict for the same id with other content.
        """
        if len(scores) > MAX_SCORES:
            raise InvalidInput(f"{len(scores)} scores are too many at once; send {MAX_SCORES}.")
        for number, score in enumerate(scores):
            check_score(score, f"scores[{number}]" if len(scores) > 1 else "The score")
        # Runs and what is said of them live in the metadata, where their queries look.
        on_runs = [score for score in scores if is_on_run(score)]
        on_spans = [score for score in scores if not is_on_run(score)]
        if on_spans:
            await self._writers.run(self._store.write_scores, on_spans)
        if on_runs:
            await self._runs.write_scores(on_runs)

    async def delete(self, score_id: str) -> None:
        """Take back a score on a trace, span or session. Raises NotFound."""
        await self._writers.run(self._store.delete_score, score_id)

    async def list_scores(
        self,
        *,
        trace_id: str | None = None,
        experiment: str | None = None,
        session_id: str | None = None,
        run_id: str | None = None,
        history: bool = False,
    ) -> list[Score]:
        """List the latest scores of one target, or all of them with `history`.

        Raises InvalidInput unless exactly one target is named.
        """
        named = [trace_id is not None, session_id is not None, run_id is not None]
        if sum(named) != 1 or (session_id is not None and experiment is None):
            raise InvalidInput(
                "Name one target: trace_id, or experiment and session_id, or run_id."
            )
        if run_id is not None:
            return await self._runs.list_scores(run_id, history=history)
        return await self._readers.run(
            self._store.list_scores,
            trace_id=trace_id,
            experiment=experiment,
            session_id=session_id,
            history=history,
        )

    async def list_annotated(
        self, *, experiment: str | None = None, trace_ids: Sequence[str] | None = None
    ) -> list[Annotated]:
        """List what people said of an experiment's traces, or of some, beside what scorers said.

        The newest first, at most 10,000.
        """
        return await self._readers.run(
            lambda: self._store.list_annotated(experiment=experiment, trace_ids=trace_ids)
        )


def is_on_run(score: Score) -> bool:
    """Tell whether a score's target is a run, and not a trace or session in it."""
    return score.run_id is not None and score.trace_id is None and score.session_id is None
