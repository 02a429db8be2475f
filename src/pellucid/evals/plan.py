"""What is to be run, and what running one case gives."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import msgspec

from pellucid.core.dataset import Example, digest
from pellucid.core.span import Document, Tokens
from pellucid.evals.data import Given
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

    @property
    def looks_at_traces(self) -> bool:
        """Whether any scorer asks for the trace itself."""
        return any(s.asks.everything or "trace" in s.asks.names for s in self.scorers)


class Case(msgspec.Struct, frozen=True):
    """One example in one repeat."""

    example: Example
    number: int

    @property
    def key(self) -> str:
        """What names it in the journal."""
        return digest([self.example.id, self.number])

    @property
    def attributes(self) -> dict[str, Any]:
        """What its spans say of it."""
        return {"pellucid.example_id": self.example.id}


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

    def add_trace(self, trace: ExampleTrace) -> None:
        """Read documents, tokens and cost from a trace; documents in the output come second."""
        self.trace = trace
        if trace.is_bare:
            return
        self.tokens = trace.tokens
        self.cost_usd = trace.cost_usd
        if (documents := trace.documents) is not None:
            self.documents = documents


def shown(error: BaseException) -> str:
    """Return an error as one line: its type and what it says."""
    try:
        text = str(error).strip()
    except Exception:  # an error class of the user's that cannot say what it is
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
