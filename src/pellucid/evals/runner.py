"""Running every example: the task, then its scorers."""

import asyncio
from collections.abc import Iterator, Sequence

from pellucid.core.dataset import Example
from pellucid.evals import journal as journals
from pellucid.evals import limits as limiting
from pellucid.evals.answering import Answering
from pellucid.evals.calling import ThreadPool
from pellucid.evals.journal import Answers
from pellucid.evals.limits import Limits
from pellucid.evals.models import shared_http_client
from pellucid.evals.plan import Case, Plan
from pellucid.evals.progress import Progress
from pellucid.evals.report import ExampleResult, Repeat
from pellucid.evals.run import EvaluationRun
from pellucid.evals.scoring import Scoring


class Runner:
    """Runs a plan once, inside one event loop."""

    def __init__(
        self,
        plan: Plan,
        *,
        run: EvaluationRun,
        limits: Limits,
        journal: Answers,
        cache: Answers | None,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._limits = limits
        self._answers = journals.Both(journal, cache) if cache is not None else journal
        self._progress = progress
        self._pool = ThreadPool()
        self._answering = Answering(
            plan, limits=limits, journal=journal, cache=cache, pool=self._pool
        )
        self._scoring = Scoring(plan, run=run, limits=limits, journal=journal, pool=self._pool)

    @property
    def given(self) -> dict[str, list[str]]:
        """The names of the scores that each scorer has given so far."""
        return {scorer: list(names) for scorer, names in self._scoring.given.items()}

    async def results(self) -> list[ExampleResult]:
        """Run all and return one result an example, in the dataset's order."""
        limits_token = limiting.CURRENT.set(self._limits)
        answers_token = journals.CURRENT.set(self._answers)
        try:
            async with shared_http_client():
                return await self._results()
        finally:
            self._pool.close()
            limiting.CURRENT.reset(limits_token)
            journals.CURRENT.reset(answers_token)

    async def _results(self) -> list[ExampleResult]:
        plan = self._plan
        by_example: dict[str, list[Repeat]] = {example.id: [] for example in plan.examples}
        cases = iter([Case(e, n) for n in range(plan.repeats) for e in plan.examples])
        async with asyncio.TaskGroup() as group:
            # Twice the slots: while scorers of some examples wait, others keep the slots busy.
            for _ in range(2 * plan.concurrency + 2):
                group.create_task(self._work(cases, by_example))
        return [_result(example, by_example[example.id]) for example in plan.examples]

    async def _work(self, cases: Iterator[Case], by_example: dict[str, list[Repeat]]) -> None:
        try:
            for case in cases:
                journals.SCOPE.set(str(case.number) if case.number else "")
                repeat = await self._case(case)
                by_example[case.example.id].append(repeat)
                self._progress.add(repeat, self._limits.cost_usd)
        except BaseException:
            self._limits.stop()  # what others were about to start would be paid for nothing
            raise

    async def _case(self, case: Case) -> Repeat:
        outcome = await self._answering.outcome(case)
        repeat = Repeat(
            number=case.number,
            output=outcome.output,
            error=outcome.error,
            trace_id=outcome.trace_id,
            duration_s=outcome.duration_s,
            cost_usd=outcome.cost_usd,
            tokens_in=outcome.tokens.input,
            tokens_out=outcome.tokens.output,
            documents=outcome.documents or [],
            scores={},
            reused=outcome.reused,
        )
        if outcome.error is None:
            await self._scoring.score(case, outcome, repeat)
        return repeat


def _result(example: Example, repeats: Sequence[Repeat]) -> ExampleResult:
    return ExampleResult(
        id=example.id,
        inputs=example.inputs,
        expected=example.expected,
        gold_documents=example.gold_documents,
        metadata=example.metadata,
        split=example.split,
        repeats=sorted(repeats, key=lambda repeat: repeat.number),
    )
