"""Running every example: the task, then its scorers, each failure recorded where it happened."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec

from pellucid.core.clock import now_ns
from pellucid.core.dataset import Example, digest
from pellucid.core.ids import new_id
from pellucid.core.score import Score as CoreScore
from pellucid.core.score import ScoreSource
from pellucid.core.span import Document, Span, SpanKind, Tokens
from pellucid.evals import journal as journals
from pellucid.evals import limits as limiting
from pellucid.evals.calling import ThreadPool, call_task, within
from pellucid.evals.data import Given
from pellucid.evals.documents import as_documents, documents_of
from pellucid.evals.journal import Answers
from pellucid.evals.limits import BudgetSpent, Limits, with_retries
from pellucid.evals.models import shared_http_client
from pellucid.evals.observe import Watched, root_span
from pellucid.evals.progress import Progress
from pellucid.evals.report import ExampleResult, Repeat, ScoreResult
from pellucid.evals.run import EvaluationRun
from pellucid.evals.score import as_scores
from pellucid.evals.scorer import Scorer
from pellucid.evals.trace import ExampleTrace


class Plan(msgspec.Struct, kw_only=True):
    """All that a run needs to know."""

    task: Callable[..., Any] | None
    task_name: str
    task_key: str
    """The task's content, for the cache."""
    examples: list[Example]
    given: dict[str, Given]
    scorers: list[Scorer]
    repeats: int
    concurrency: int
    timeout_s: float | None
    retries: int
    executor: Executor | None


class Case(msgspec.Struct, frozen=True):
    """One example in one repeat."""

    example: Example
    number: int

    @property
    def key(self) -> str:
        """What names it in the journal."""
        return digest([self.example.id, self.number])


class Outcome(msgspec.Struct, kw_only=True):
    """What the task gave for a case, and what it took."""

    output: Any = None
    error: str | None = None
    documents: list[Document] | None = None
    trace: ExampleTrace | None = None
    trace_id: str | None = None
    duration_s: float | None = None
    cost_usd: float | None = None
    tokens: Tokens = Tokens()
    reused: bool = False


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
        self._run = run
        self._limits = limits
        self._journal = journal
        self._cache = cache
        self._progress = progress
        self._pool = ThreadPool()

    async def results(self) -> list[ExampleResult]:
        """Run all and return one result an example, in the dataset's order."""
        limits_token = limiting.CURRENT.set(self._limits)
        answers_token = journals.CURRENT.set(self._answers())
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

    def _answers(self) -> Answers:
        return journals.Both(self._journal, self._cache) if self._cache else self._journal

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
        outcome = self._kept(case) or await self._outcome(case)
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
            reused=outcome.reused,
        )
        if outcome.error is None:
            await self._score(case, outcome, repeat)
        return repeat

    # -- the task ----------------------------------------------------------------------------

    def _kept(self, case: Case) -> Outcome | None:
        kept = self._journal.find(f"output {case.key}")
        if kept is None and self._cache is not None and self._plan.task is not None:
            kept = self._cache.find(self._cache_key(case))
        if kept is None:
            return None
        fields = dict(kept)
        tokens, spans = Tokens(**fields.pop("tokens")), fields.pop("spans")
        outcome = Outcome(**fields, tokens=tokens, reused=True)
        if spans is not None:
            outcome.trace = ExampleTrace(
                outcome.trace_id or "", lambda: msgspec.convert(spans, list[Span])
            )
        return outcome

    def _keep(self, case: Case, outcome: Outcome) -> None:
        record = {
            "output": outcome.output,
            "documents": outcome.documents,
            "trace_id": outcome.trace_id,
            "duration_s": outcome.duration_s,
            "cost_usd": outcome.cost_usd,
            "tokens": msgspec.structs.asdict(outcome.tokens),
            "spans": self._kept_spans(outcome),
        }
        self._journal.keep(f"output {case.key}", record)
        if self._cache is not None:
            self._cache.keep(self._cache_key(case), record)

    def _kept_spans(self, outcome: Outcome) -> Any:
        """Return the trace for scorers of a later run, if any of today's looks at traces."""
        looked_at = any(s.asks.everything or "trace" in s.asks.names for s in self._plan.scorers)
        if outcome.trace is None or not (looked_at or self._cache is not None):
            return None
        return msgspec.to_builtins(outcome.trace.spans, enc_hook=repr)

    def _cache_key(self, case: Case) -> str:
        return digest(["task", self._plan.task_key, case.example.inputs, case.number])

    async def _outcome(self, case: Case) -> Outcome:
        if self._plan.task is None:
            return self._given(case.example)
        try:
            async with self._limits.call():
                outcome = await self._traced_task(case)
        except BudgetSpent as error:
            return Outcome(error=str(error))
        if outcome.error is None:
            self._keep(case, outcome)
        return outcome

    def _given(self, example: Example) -> Outcome:
        given = self._plan.given.get(example.id)
        if given is None:
            return Outcome(error="There is neither a task nor an output for this example.")
        documents = documents_of(given.output)
        if given.documents is not None:
            documents = as_documents(given.documents)
        outcome = Outcome(output=given.output, documents=documents, trace_id=given.trace_id)
        if given.trace is not None:
            _add_trace(outcome, given.trace)
        return outcome

    async def _traced_task(self, case: Case) -> Outcome:
        attributes = self._attributes(case.example)
        with root_span(
            self._plan.task_name,
            SpanKind.TASK,
            value=case.example.inputs,
            attributes=attributes,
            collect=True,
        ) as watched:
            outcome = await self._timed_task(case, watched)
            outcome.trace_id = watched.trace_id
        outcome.documents = documents_of(outcome.output)
        if (trace := watched.collected()) is not None:
            _add_trace(outcome, trace)
            self._limits.spend(outcome.cost_usd)
        return outcome

    async def _timed_task(self, case: Case, watched: Watched) -> Outcome:
        plan = self._plan
        assert plan.task is not None
        task = plan.task
        began = time.perf_counter()

        async def attempt() -> Any:
            nonlocal began
            await self._limits.start()
            began = time.perf_counter()
            return await call_task(
                task,
                dict(case.example.inputs),
                pool=self._pool,
                executor=plan.executor,
                timeout_s=plan.timeout_s,
            )

        try:
            output = await with_retries(attempt, retries=plan.retries)
        except BudgetSpent:
            raise
        except Exception as error:  # the user's task: any failure is recorded
            watched.fail(error)
            return Outcome(error=shown(error), duration_s=time.perf_counter() - began)
        watched.set_output(output)
        return Outcome(output=output, duration_s=time.perf_counter() - began)

    # -- the scorers -------------------------------------------------------------------------

    async def _score(self, case: Case, outcome: Outcome, repeat: Repeat) -> None:
        example = case.example
        fields = {
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
        found = await asyncio.gather(
            *(self._scored(case, scorer, fields) for scorer in self._plan.scorers)
        )
        for scorer, scores in zip(self._plan.scorers, found, strict=True):
            for name, result in scores.items():
                taken = name in repeat.scores
                repeat.scores[f"{scorer.name}.{name}" if taken else name] = result
        self._publish(case, repeat)

    async def _scored(
        self, case: Case, scorer: Scorer, fields: dict[str, Any]
    ) -> dict[str, ScoreResult]:
        if not scorer.applies(fields):
            return {}
        key = f"score {case.key} {scorer.name}"
        if (kept := self._journal.find(key)) is not None:
            return msgspec.convert(kept, dict[str, ScoreResult])
        with root_span(
            scorer.name, SpanKind.EVALUATOR, value=None, attributes=self._attributes(case.example)
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
        try:
            arguments = scorer.arguments(fields)
            watched.set("set_input", _without(arguments, "trace", "example"))
            scores = as_scores(await self._call(scorer, arguments), scorer.name)
        except Exception as error:  # a scorer's failure is a result too
            watched.fail(error)
            took = time.perf_counter() - began
            return {scorer.name: ScoreResult(error=shown(error), duration_s=took)}
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
        watched.set_output({name: result.value for name, result in results.items()})
        return results

    async def _call(self, scorer: Scorer, arguments: dict[str, Any]) -> Any:
        timeout_s = self._plan.timeout_s
        who = f"The scorer {scorer.name!r}"
        if scorer.quick:
            return scorer.function(**arguments)
        if scorer.is_async:
            if scorer.makes_calls:  # each call inside has its own slot and time limit
                return await scorer.function(**arguments)
            async with self._limits.call(urgent=True):
                return await within(scorer.function(**arguments), timeout_s, who)
        async with self._limits.call(urgent=True):
            work = self._pool.run(lambda: scorer.function(**arguments))
            answer = await within(work, timeout_s, who)
            return await answer if asyncio.iscoroutine(answer) else answer

    def _attributes(self, example: Example) -> dict[str, Any]:
        return {"pellucid.example_id": example.id}

    def _publish(self, case: Case, repeat: Repeat) -> None:
        if repeat.trace_id is None:
            return
        by_name = {scorer.name: scorer for scorer in self._plan.scorers}
        moment = now_ns()
        self._run.write_scores(
            [
                CoreScore(
                    id=new_id(),
                    name=name,
                    value=result.value,
                    rationale=result.rationale,
                    source=by_name[name].source if name in by_name else ScoreSource.CODE,
                    author=by_name[name].author if name in by_name else None,
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


def _add_trace(outcome: Outcome, trace: ExampleTrace) -> None:
    """Read documents, tokens and cost from a trace; documents in the output come second."""
    outcome.trace = trace
    outcome.tokens = trace.tokens
    outcome.cost_usd = trace.cost_usd
    if (documents := trace.documents) is not None:
        outcome.documents = documents


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def shown(error: BaseException) -> str:
    """Return an error as one line: its type and what it says."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
