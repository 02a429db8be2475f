"""An output for each case: from the task, a table, the cache, or a run that was cut short."""

import time
from typing import Any

import msgspec

from pellucid.core.dataset import digest
from pellucid.core.span import Span, SpanKind, Tokens
from pellucid.evals.calling import ThreadPool, call_task
from pellucid.evals.documents import as_documents, documents_of
from pellucid.evals.journal import Answers
from pellucid.evals.limits import BudgetSpent, Limits, with_retries
from pellucid.evals.observe import Watched, root_span
from pellucid.evals.plan import Case, Outcome, Plan, shown
from pellucid.evals.trace import ExampleTrace


class Answering:
    """Runs the task of a plan, each case in a trace of its own; a failure is an outcome too."""

    def __init__(
        self,
        plan: Plan,
        *,
        limits: Limits,
        journal: Answers,
        cache: Answers | None,
        pool: ThreadPool,
    ) -> None:
        self._plan = plan
        self._limits = limits
        self._journal = journal
        self._cache = cache
        self._pool = pool

    async def outcome(self, case: Case) -> Outcome:
        """Return what the task gives for a case, now or earlier."""
        if (kept := self._kept(case)) is not None:
            return kept
        if self._plan.task is None:
            return self._given(case)
        try:
            async with self._limits.call():
                self._limits.check()
                outcome = await self._traced(case)
        except BudgetSpent as error:
            return Outcome(error=str(error))
        if outcome.error is None:
            self._keep(case, outcome)
        return outcome

    def _given(self, case: Case) -> Outcome:
        given = self._plan.given.get(case.example.id)
        if given is None:
            return Outcome(error="There is neither a task nor an output for this example.")
        documents = documents_of(given.output)
        if given.documents is not None:
            documents = as_documents(given.documents)
        outcome = Outcome(output=given.output, documents=documents, trace_id=given.trace_id)
        if given.trace is not None:
            outcome.add_trace(given.trace)
        elif given.trace_id is None:
            # A row of a table has a trace too, for scores and annotations to stand on.
            with root_span(
                "given output",
                SpanKind.TASK,
                value=case.example.inputs,
                attributes=case.attributes,
            ) as watched:
                watched.set_output(given.output)
                outcome.trace_id = watched.trace_id
        return outcome

    async def _traced(self, case: Case) -> Outcome:
        with root_span(
            self._plan.task_name,
            SpanKind.TASK,
            value=case.example.inputs,
            attributes=case.attributes,
            collect=True,
        ) as watched:
            outcome = await self._timed(case, watched)
            outcome.trace_id = watched.trace_id
        outcome.documents = documents_of(outcome.output)
        if (trace := watched.collected()) is not None:
            outcome.add_trace(trace)
            self._limits.spend(outcome.cost_usd)
        return outcome

    async def _timed(self, case: Case, watched: Watched) -> Outcome:
        began = time.perf_counter()

        async def attempt() -> Any:
            nonlocal began
            await self._limits.start()
            began = time.perf_counter()
            return await self._call(case)

        try:
            output = await with_retries(attempt, retries=self._plan.retries)
        except BudgetSpent:
            raise
        except (Exception, SystemExit) as error:  # the user's task: any failure is recorded
            watched.fail(error)
            return Outcome(error=shown(error), duration_s=time.perf_counter() - began)
        took = time.perf_counter() - began
        watched.set_output(output)
        return Outcome(output=output, duration_s=took)

    async def _call(self, case: Case) -> Any:
        plan = self._plan
        assert plan.task is not None
        return await call_task(
            plan.task,
            dict(case.example.inputs),
            pool=self._pool,
            executor=plan.executor,
            timeout_s=plan.timeout_s,
        )

    # -- what was paid for already -----------------------------------------------------------

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
        """Return the trace for scorers of a later run, where one may look at it."""
        if outcome.trace is None or not (self._plan.looks_at_traces or self._cache is not None):
            return None
        return msgspec.to_builtins(outcome.trace.spans, enc_hook=repr)

    def _cache_key(self, case: Case) -> str:
        return digest(["task", self._plan.task_key, case.example.inputs, case.number])
