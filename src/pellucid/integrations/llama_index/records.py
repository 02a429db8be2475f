"""One open call of LlamaIndex's, and how it ends."""

import asyncio
import time
from typing import Optional

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.stages import is_let_go
from pellucid.client.tracing.span import Span
from pellucid.integrations.llama_index.kinds import Call

_RUN = otel_context.create_key("pellucid-llama-index-run")


class Record:
    """One open call; it has a span if somebody would miss it."""

    __slots__ = ("call", "context", "ended", "last_ns", "parent_id", "span", "start_ns", "turn")

    def __init__(self, call: Call, span: Span, context: Context, parent_id: str | None) -> None:
        self.call = call
        self.span = span
        self.context = context
        if call.method == "run":
            self.context = otel_context.set_value(_RUN, self, context)
        self.parent_id = parent_id
        self.start_ns = time.time_ns()
        self.last_ns = self.start_ns
        self.ended = False
        self.turn: Optional[Record] = None  # noqa: UP045 - a class's own name, unquoted
        """Which agent's turn it is, in a team's run."""

    def touch(self) -> None:
        """Note that something was heard now."""
        self.last_ns = time.time_ns()

    def end(self, end_ns: int | None = None) -> None:
        """End the span once, and the turn that is part of it."""
        if not self.ended:
            self.ended = True
            if self.turn is not None:
                self.turn.end(self.turn.last_ns)
            self.span.otel_span.end(end_ns)

    def fail(self, error: BaseException) -> None:
        """End the span with an error, once; what is read no further has not failed."""
        if self.ended or is_left(error):
            self.end()
            return
        self.ended = True
        if self.turn is not None:
            self.turn.end(self.turn.last_ns)
        self.span.__exit__(type(error), error, None)


def current_record() -> Record | None:
    """Return the workflow's run that this code is part of."""
    found = otel_context.get_value(_RUN)
    return found if type(found) is Record else None


def is_left(error: BaseException) -> bool:
    """Tell whether a call ends because nobody waits for what it gives."""
    if isinstance(error, GeneratorExit):
        return True
    return isinstance(error, asyncio.CancelledError) and is_let_go()
