"""Scoring each output: every scorer in a trace of its own, a failure recorded as a result."""

import asyncio
import inspect
import time
from typing import Any

import msgspec

from pellucid.core.clock import now_ns
from pellucid.core.ids import new_id
from pellucid.core.score import Score, ScoreSource
from pellucid.core.span import SpanKind
from pellucid.evals.calling import ThreadPool, contained, within
from pellucid.evals.journal import Answers
from pellucid.evals.judges.asking import SPENT, Spent
from pellucid.evals.limits import Limits
from pellucid.evals.observe import Watched, root_span
from pellucid.evals.plan import Case, Outcome, Plan, shown
from pellucid.evals.report import Repeat, ScoreResult
from pellucid.evals.run import EvaluationRun
from pellucid.evals.score import as_scores
from pellucid.evals.scorer import Scorer


class Scoring:
    """Runs the scorers of a plan."""

    def __init__(
        self,
        plan: Plan,
        *,
        run: EvaluationRun,
        limits: Limits,
        journal: Answers,
        pool: ThreadPool,
    ) -> None:
        self._plan = plan
        self._run = run
        self._limits = limits
        self._journal = journal
        self._pool = pool
        self.given: dict[str, dict[str, None]] = {}
        """The names of the scores that each scorer has given."""

    async def score(self, case: Case, outcome: Outcome, repeat: Repeat) -> None:
        """Add all scores of an outcome to its repeat, and send them to its trace."""
        fields = _fields(case, outcome)
        found = await asyncio.gather(
            *(self._scored(case, scorer, fields) for scorer in self._plan.scorers)
        )
        authors: dict[str, Scorer] = {}
        for scorer, scores in zip(self._plan.scorers, found, strict=True):
            for given, result in scores.items():
                name = f"{scorer.name}.{given}" if given in repeat.scores else given
                repeat.scores[name] = result
                authors[name] = scorer
                if result.error is None:
                    self.given.setdefault(scorer.name, {})[name] = None
        self._send(case, repeat, authors)

    async def _scored(
        self, case: Case, scorer: Scorer, fields: dict[str, Any]
    ) -> dict[str, ScoreResult]:
        if not scorer.applies(fields):
            return {}
        key = f"score {case.key} {scorer.name}"
        if (kept := self._journal.find(key)) is not None:
            return msgspec.convert(kept, dict[str, ScoreResult])
        with root_span(
            scorer.name, SpanKind.EVALUATOR, value=None, attributes=case.attributes
        ) as watched:
            scores = await self._tried(scorer, fields, watched)
        for result in scores.values():
            result.trace_id = watched.trace_id
        # What costs nothing is not worth a line in the journal.
        if not scorer.quick and all(result.error is None for result in scores.values()):
            self._journal.keep(key, msgspec.to_builtins(scores, enc_hook=repr))
        return scores

    async def _tried(
        self, scorer: Scorer, fields: dict[str, Any], watched: Watched
    ) -> dict[str, ScoreResult]:
        began = time.perf_counter()
        spent = Spent()
        token = SPENT.set(spent)
        try:
            arguments = scorer.arguments(fields)
            watched.set("set_input", _without(arguments, "trace", "example"))
            with contained(f"The scorer {scorer.name!r}"):
                answer = await self._call(scorer, arguments)
            scores = as_scores(answer, scorer.name)
        except (Exception, SystemExit) as error:  # a scorer's failure is a result too
            watched.fail(error)
            took = time.perf_counter() - began
            failed = ScoreResult(error=shown(error), duration_s=took, cost_usd=spent.cost_usd)
            return {scorer.name: failed}
        finally:
            SPENT.reset(token)
        took = time.perf_counter() - began
        results = {
            str(score.name): ScoreResult(
                value=score.value,
                rationale=score.rationale,
                metadata=score.metadata,
                duration_s=took,
            )
            for score in scores
        }
        for result in list(results.values())[:1]:
            result.cost_usd = spent.cost_usd
        watched.set_output({name: result.value for name, result in results.items()})
        return results

    async def _call(self, scorer: Scorer, arguments: dict[str, Any]) -> Any:
        if scorer.quick:
            return scorer.function(**arguments)
        if scorer.is_async and scorer.makes_calls:
            # Each call inside has a slot and a time limit of its own.
            return await scorer.function(**arguments)
        async with self._limits.call(urgent=True):
            if scorer.is_async:
                work = scorer.function(**arguments)
            else:
                work = self._pool.run(lambda: scorer.function(**arguments))
            answer = await within(work, self._plan.timeout_s, f"The scorer {scorer.name!r}")
            return await answer if inspect.isawaitable(answer) else answer

    def _send(self, case: Case, repeat: Repeat, authors: dict[str, Scorer]) -> None:
        if repeat.trace_id is None:
            return
        moment = now_ns()
        self._run.write_scores(
            [
                Score(
                    id=new_id(),
                    name=name,
                    value=result.value,
                    rationale=result.rationale,
                    source=ScoreSource(authors[name].source),
                    author=authors[name].author,
                    time_ns=moment,
                    trace_id=repeat.trace_id,
                    run_id=self._run.id,
                    example_id=case.example.id,
                    score_trace_id=result.trace_id,
                )
                for name, result in repeat.scores.items()
                if result.value is not None
            ]
        )


def _fields(case: Case, outcome: Outcome) -> dict[str, Any]:
    """Return what scorers may ask for by name."""
    example = case.example
    return {
        "inputs": example.inputs,
        "output": outcome.output,
        "expected": example.expected,
        "documents": outcome.documents or [],
        "gold_documents": example.gold_documents,
        "trace": outcome.trace,
        "metadata": example.metadata,
        "example": example,
        "duration_s": outcome.duration_s,
        "cost_usd": outcome.cost_usd,
        "tokens": outcome.tokens.input + outcome.tokens.output,
    }


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
