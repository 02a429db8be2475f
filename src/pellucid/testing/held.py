"""A model's answer that is held back while a program waits: cancels and timeouts by condition.

    late = Held("A line.")

    @cases.add(script=[Rule(late)], unheard=1, …)
    async def a_call_that_is_cancelled(url: str) -> None:
        call = asyncio.create_task(…)
        await late.asked()
        call.cancel()
        …
        late.let_go()

However slow the machine is, the call is under way when it is left, and is never answered before.
"""

import asyncio
import threading
from typing import Any

_PATIENCE_S = 300.0
_ASKED_S = 120.0
_POLL_S = 0.01


class Held:
    """A reply of a script that is not given before `let_go`."""

    def __init__(self, reply: Any) -> None:
        self._reply = reply
        self._waiting: list[threading.Event] = []

    def __call__(self, request: Any) -> Any:
        """Answer a request, as the scripted model's thread does."""
        over = threading.Event()
        self._waiting.append(over)
        over.wait(_PATIENCE_S)
        return self._reply

    async def asked(self) -> None:
        """Return as soon as a request waits for its answer; one must come within two minutes."""
        now = asyncio.get_running_loop().time
        patience_ends = now() + _ASKED_S
        while not self._waiting:
            assert now() < patience_ends, "the model was not asked"
            await asyncio.sleep(_POLL_S)

    def let_go(self) -> None:
        """Answer whoever still waits."""
        waiting, self._waiting = self._waiting, []
        for over in waiting:
            over.set()
