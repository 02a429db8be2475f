"""Traced generators: the span lasts from the first item to the end, and is current inside only.

A generator runs in its consumer's context. So the span is made current for each step and taken
away at each `yield`: what the consumer does between two items is not below it.
"""

import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context

from pellucid.client.encoding import Budget, attribute_of, json_text, simplify
from pellucid.client.tracing import exceptions
from pellucid.client.tracing.context import detach
from pellucid.client.tracing.span import end
from pellucid.semconv import attributes as names
from pellucid.semconv.values import write_value

_MAX_ITEMS = 10_000


class Collected:
    """What a stream yielded, bounded: one text where all items were texts, else a list."""

    def __init__(self) -> None:
        self._budget = Budget()
        self._items: list[Any] = []
        self._count = 0
        self._all_text = True

    def add(self, item: Any) -> None:
        """Take one item as it is now; later changes to it do not show."""
        self._count += 1
        if self._budget.spent or len(self._items) >= _MAX_ITEMS:
            return
        self._all_text = self._all_text and type(item) is str
        self._items.append(simplify(item, self._budget))

    def as_attribute(self, returned: Any = None) -> Any:
        """Return the output attribute of the span."""
        if not self._count and returned is not None:
            return attribute_of(returned)
        if self._all_text and self._items:
            return write_value("".join(self._items))
        left_out = self._count - len(self._items)
        more = [f"… {left_out:,} more"] if left_out else []
        return json_text(self._items + more)


def first_step(generator: AsyncGenerator[Any, Any]) -> Callable[[Any], Awaitable[Any]]:
    """Return what takes the first step of a generator that another one drives.

    The event loop is not told of it: when it ends it would close both at once, which fails. It
    closes the outer one, and that the inner.
    """

    def step(given: Any) -> Awaitable[Any]:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return generator.asend(given)
        finally:
            sys.set_asyncgen_hooks(*hooks)

    return step


class Stream:
    """One traced run of a generator."""

    def __init__(self, span: otel.Span, *, capture_output: bool, is_model: bool) -> None:
        self.span = span
        self._awaits_token_since = time.monotonic_ns() if is_model else None
        self._collected = Collected() if capture_output and span.is_recording() else None
        self._context: Context = otel.set_span_in_context(span)

    def finish(self, error: BaseException | None = None, returned: Any = None) -> None:
        """End the span with what was yielded so far."""
        if self._collected is not None:
            self.span.set_attribute(names.OUTPUT, self._collected.as_attribute(returned))
        if error is not None:
            exceptions.record(self.span, error)
        end(self.span)

    def run(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Iterate a generator inside the span; its return value is returned."""
        step, given = generator.send, None
        try:
            while True:
                token = otel_context.attach(self._context)
                try:
                    item = step(given)
                finally:
                    detach(token)
                self._take(item)
                step, given = generator.send, None
                try:
                    given = yield item
                except GeneratorExit:
                    self._close(generator)
                    raise
                except BaseException as thrown:
                    step, given = generator.throw, thrown
        except StopIteration as end:
            self.finish(returned=end.value)
            return end.value
        except BaseException as error:
            self.finish(error)
            raise

    async def run_async(self, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
        """Iterate an asynchronous generator inside the span."""
        step, given = first_step(generator), None
        try:
            while True:
                token = otel_context.attach(self._context)
                try:
                    item = await step(given)
                finally:
                    detach(token)
                self._take(item)
                step, given = generator.asend, None
                try:
                    given = yield item
                except GeneratorExit:
                    token = otel_context.attach(self._context)
                    try:
                        await generator.aclose()
                    finally:
                        detach(token)
                    raise
                except BaseException as thrown:
                    step, given = generator.athrow, thrown
        except StopAsyncIteration:
            self.finish()
        except BaseException as error:
            self.finish(error)
            raise

    def _take(self, item: Any) -> None:
        if self._awaits_token_since is not None:
            waited = time.monotonic_ns() - self._awaits_token_since
            self._awaits_token_since = None
            self.span.set_attribute(names.TTFT_NS, waited)
        if self._collected is not None:
            self._collected.add(item)

    def _close(self, generator: Generator[Any, Any, Any]) -> None:
        token = otel_context.attach(self._context)
        try:
            generator.close()
        finally:
            detach(token)
