"""How many calls may run at once, how fast they may start, and how much they may spend."""

import asyncio
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import msgspec

from pellucid.core.errors import InvalidInput, PellucidError

Result = TypeVar("Result")

_PERIODS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE = re.compile(r"\s*([0-9.]+)\s*/\s*(s|m|min|h)\s*")
LONGEST_PAUSE_S = 60.0


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The most that an evaluation may spend; what is not reached is recorded as not run."""

    cost_usd: float | None = None
    calls: int | None = None
    """Calls of the task and of judges' models, retries included."""


class BudgetSpent(PellucidError):
    """The budget of an evaluation is spent, so this call was not made."""


class Limits:
    """One evaluation's slots, rate and budget; belongs to one event loop.

    A call is one call of the task, of a scorer that may block, or of a judge's model.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        rate_per_s: float | None = None,
        budget: Budget | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        """For each call."""
        self._free = concurrency
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())
        self._interval_s = 1 / rate_per_s if rate_per_s else 0.0
        self._next_start = 0.0
        self._budget = budget or Budget()
        self._stopped = False
        self.calls = 0
        self.cost_usd = 0.0

    def spend(self, cost_usd: float | None) -> None:
        """Add what a call has cost."""
        self.cost_usd += cost_usd or 0.0

    def stop(self) -> None:
        """Start nothing more: the evaluation is being broken off."""
        self._stopped = True

    def check(self) -> None:
        """Raise BudgetSpent if nothing more may be started."""
        if self._stopped:
            raise asyncio.CancelledError
        most = self._budget
        if most.cost_usd is not None and self.cost_usd >= most.cost_usd:
            raise BudgetSpent(
                f"Not run: the budget of ${most.cost_usd:g} is spent (${self.cost_usd:.4f})."
            )
        if most.calls is not None and self.calls >= most.calls:
            raise BudgetSpent(f"Not run: the budget of {most.calls} calls is spent.")

    @asynccontextmanager
    async def call(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Hold a slot; inside another held slot this is free, so that calls may nest.

        Urgent calls (scorers) go before others (tasks): what was begun is finished first.
        """
        if _HOLDING.get():
            yield
            return
        await self._acquire(urgent)
        token = _HOLDING.set(True)
        try:
            yield
        finally:
            _HOLDING.reset(token)
            self._release()

    async def start(self) -> None:
        """Count one call against budget and rate; wait until the rate allows it."""
        self.check()
        self.calls += 1
        if not self._interval_s:
            return
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next_start)
        self._next_start = begin + self._interval_s
        if begin > now:
            await asyncio.sleep(begin - now)

    async def _acquire(self, urgent: bool) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting[0 if urgent else 1]
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        for queue in self._waiting:
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


_HOLDING: ContextVar[bool] = ContextVar("pellucid_holding_slot", default=False)
CURRENT: ContextVar[Limits | None] = ContextVar("pellucid_limits", default=None)
"""The limits of the evaluation that runs, for calls that judges make."""


def read_rate(rate: float | str | None) -> float | None:
    """Read calls per second from a number or from text such as `60/m`."""
    if rate is None:
        return None
    if isinstance(rate, str):
        match = _RATE.fullmatch(rate)
        if match is None:
            raise InvalidInput(f"rate_limit={rate!r}: write calls per second, or such as '60/m'.")
        rate = float(match[1]) / _PERIODS[match[2]]
    if rate <= 0:
        raise InvalidInput(f"rate_limit={rate!r} must be above 0.")
    return float(rate)


def read_budget(budget: Budget | Mapping[str, Any] | float | None) -> Budget | None:
    """Read a budget; a bare number is dollars."""
    if budget is None or isinstance(budget, Budget):
        return budget
    if isinstance(budget, Mapping):
        unknown = set(budget) - {"cost_usd", "calls"}
        if unknown:
            raise InvalidInput(f"budget has no {sorted(unknown)}; it has cost_usd and calls.")
        return Budget(**budget)
    return Budget(cost_usd=float(budget))


async def with_retries(
    attempt: Callable[[], Awaitable[Result]],
    *,
    retries: int,
    backoff_s: float = 0.5,
    retryable: Callable[[Exception], bool] = lambda error: True,
) -> Result:
    """Run `attempt` until it succeeds, at most `1 + retries` times, with growing random pauses.

    A server's Retry-After is obeyed, up to a minute. The last error is raised as it came.
    """
    for tried in range(retries + 1):
        try:
            return await attempt()
        except BudgetSpent:
            raise
        except Exception as error:  # a user's or a model's call: any failure counts
            if tried == retries or not retryable(error):
                raise
            pause = backoff_s * 2**tried * random.uniform(0.5, 1.0)
            await asyncio.sleep(min(max(pause, _retry_after_s(error)), LONGEST_PAUSE_S))
    raise AssertionError("unreachable")


def _retry_after_s(error: Exception) -> float:
    if isinstance(asked := getattr(error, "retry_after_s", None), int | float):
        return float(asked)
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        return float(headers["retry-after"]) if headers is not None else 0.0
    except (KeyError, TypeError, ValueError):
        return 0.0
