"""Functions of every kind, each call in a run of its own."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.client.tracking.run import ActiveRun


def in_own_run(function: Any, begin: Callable[[], "ActiveRun"]) -> Any:
    """Return a function of the same kind, each call of which is a run that `begin` starts."""
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            async with begin():
                async for item in function(*args, **kwargs):
                    yield item

        return async_generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            async with begin():
                return await function(*args, **kwargs)

        return coroutine
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            with begin():
                return (yield from function(*args, **kwargs))

        return generator

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with begin():
            return function(*args, **kwargs)

    return plain
