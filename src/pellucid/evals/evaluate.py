"""`pellucid.evaluate`: run a task over examples and score what it gives."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pellucid.core.errors import InvalidInput
from pellucid.evals.blocking import run_blocking
from pellucid.evals.data import Prepared, prepare
from pellucid.evals.fingerprint import describe, fingerprint
from pellucid.evals.limits import Budget, Limits, read_budget, read_rate
from pellucid.evals.plan import Plan
from pellucid.evals.report import Report
from pellucid.evals.run import EvaluationRun
from pellucid.evals.scorer import as_scorers
from pellucid.evals.served import ServedAgent
from pellucid.evals.session import Session

Task = Callable[..., Any] | str | None


class Options(TypedDict, total=False):
    """The options of an evaluation; `aevaluate` says what each does."""

    name: str | None
    experiment: str | None
    concurrency: int
    repeats: int
    timeout: float | None
    retries: int
    rate_limit: float | str | None
    budget: Budget | Mapping[str, Any] | float | None
    cache: bool | str | Path
    executor: Executor | None
    resume: bool
    progress: bool | None
    params: Mapping[str, Any] | None
    parent: EvaluationRun | None


def evaluate(task: Task, data: Any, scorers: Any = (), **options: Unpack[Options]) -> Report:
    """Run `task` over `data` and score its outputs; works inside a running loop too (Jupyter).

    The options are those of `aevaluate`. All evaluations of a process share one loop, so async
    clients can be used again; a task bound to the caller's loop wants `await aevaluate(…)`.
    """
    return run_blocking(lambda: aevaluate(task, data, scorers, **options))


async def aevaluate(
    task: Task,
    data: Any,
    scorers: Any = (),
    *,
    name: str | None = None,
    experiment: str | None = None,
    concurrency: int = 10,
    repeats: int = 1,
    timeout: float | None = None,
    retries: int = 0,
    rate_limit: float | str | None = None,
    budget: Budget | Mapping[str, Any] | float | None = None,
    cache: bool | str | Path = False,
    executor: Executor | None = None,
    resume: bool = True,
    progress: bool | None = None,
    params: Mapping[str, Any] | None = None,
    parent: EvaluationRun | None = None,
) -> Report:
    """Run `task` over `data` and score its outputs.

    `task` is called as `task(**inputs)` where its signature allows, else as `task(inputs)`;
    sync on a thread (or in `executor`), async on the loop. It may be the URL of a served agent,
    or None where the data hold outputs. A failing example or scorer is recorded in the report.

    At most `concurrency` calls of the task and of judges' models run at once, started no faster
    than `rate_limit` (calls per second, or `"60/m"`), each at most `timeout` seconds and tried
    again `retries` times; nothing is started once the `budget` is spent (dollars, or
    `{"cost_usd": …, "calls": …}`). With `cache` outputs and judges' answers are kept on disk by
    content and used again. An evaluation that was cut short takes up where it stopped, unless
    `resume=False`. `progress` shows a bar; by default where somebody watches. `params` are
    logged with the run, which is a part of `parent` where that is given.

    Raises InvalidInput for arguments that cannot work, before anything runs.
    """
    if concurrency < 1 or repeats < 1 or retries < 0:
        raise InvalidInput("concurrency and repeats must be at least 1, retries at least 0.")
    if timeout is not None and timeout <= 0:
        raise InvalidInput(f"timeout={timeout!r}: say a number of seconds above 0, or None.")
    prepared = await _prepared(data)
    plan = _plan(task, prepared, scorers, repeats, concurrency, timeout, retries, executor)
    rate, most = read_rate(rate_limit), read_budget(budget)
    limits = Limits(concurrency=concurrency, rate_per_s=rate, budget=most, timeout_s=timeout)
    session = Session(plan, prepared, limits, name=name, cache=cache, resume=resume)
    session.open(experiment=experiment, params=params, parent=parent, progress=progress)
    return await session.report()


async def _prepared(data: Any) -> Prepared:
    if isinstance(data, Prepared):
        return data
    return await asyncio.to_thread(prepare, data)


def _plan(
    task: Task,
    prepared: Prepared,
    scorers: Any,
    repeats: int,
    concurrency: int,
    timeout: float | None,
    retries: int,
    executor: Executor | None,
) -> Plan:
    if isinstance(task, str):
        task = ServedAgent(task)
    if task is not None and not callable(task):
        raise InvalidInput(f"The task must be callable, a URL or None, not {type(task).__name__}.")
    if not prepared.dataset.examples:
        raise InvalidInput("The data hold no examples.")
    if task is None and not prepared.given:
        raise InvalidInput("Without a task the data must hold outputs: a column `output`.")
    return Plan(
        task=task,
        task_name=describe(task),
        task_key=fingerprint(task),
        examples=prepared.dataset.examples,
        given=prepared.given,
        scorers=as_scorers(scorers),
        repeats=repeats,
        concurrency=concurrency,
        timeout_s=timeout,
        retries=retries,
        executor=executor,
    )
