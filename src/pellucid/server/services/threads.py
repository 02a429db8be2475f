"""The one place where handlers leave the event loop: named threads for what blocks."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded number of named threads; calls beyond it wait in line.

    Readers are bounded because each holds a connection of its own, and because many at once slow
    the writer.
    """

    def __init__(self, name: str, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=f"pellucid-{name}")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` on one of the threads and return what it returns or raises."""
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def start(self, function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `function`, which tells by itself what became of it, on one of the threads."""
        self._executor.submit(function, *args, **kwargs)

    def close(self) -> None:
        """Finish the calls that began and drop the ones that wait."""
        self._executor.shutdown(wait=True, cancel_futures=True)
