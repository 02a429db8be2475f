"""The runs that LangChain's callbacks tell of, as spans: who is below whom, and until when.

A run may be hidden: it has no span, and what is below it is below the nearest run that has one.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.instrument import context_of, open_span
from pellucid.client.tracing import exceptions
from pellucid.client.tracing.context import detach
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind

_RUN = otel_context.create_key("pellucid-langchain-run")


class Run:
    """One run: its span if it is shown, and the context that what it calls is traced in."""

    __slots__ = (
        "asked",
        "attached",
        "attempts",
        "called",
        "cancelled",
        "children",
        "context",
        "first_token",
        "graph",
        "is_node",
        "kind",
        "last_ns",
        "left",
        "muted",
        "name",
        "parent",
        "paused",
        "raw",
        "run_id",
        "said",
        "scores",
        "session",
        "span",
        "start_ns",
        "taken",
        "visible",
    )

    def __init__(self, run_id: UUID, parent: "Run | None", name: str, kind: SpanKind) -> None:
        self.run_id = run_id
        self.parent = parent
        self.name = name
        self.kind = kind
        self.span: Span | None = None
        self.visible: Run | None = parent.visible if parent is not None else None
        self.context: Context = parent.context if parent is not None else Context()
        self.children: dict[UUID, Run] = {}
        self.graph: Any = None
        """The compiled graph that this run is a run of."""
        self.called = name
        """The name as LangGraph has it."""
        self.raw: Any = None
        """A node's input as it was given, to know the runnable that is the node's body."""
        self.is_node = False
        self.taken = False
        """Whether its span stands for a run below it too."""
        self.muted = False
        """Whether nothing below is shown either."""
        self.session = False
        self.attempts: dict[Any, int] = {}
        self.asked: list[Any] = []
        """What its interrupts ask, as shown."""
        self.paused: set[Any] = set()
        """The interrupts that a graph has been shown to have."""
        self.scores: dict[int, tuple[Any, Any]] = {}
        """A retriever's documents, by identity, with the scores that its store gave them."""
        self.cancelled: tuple[BaseException, int] | None = None
        """The cancellation that it ended by, and when: what it means, its parent's end tells."""
        self.first_token = False
        self.left = False
        """Whether its stream is read no further."""
        self.said: list[str] = []
        """The pieces of a streamed answer."""
        self.attached: Any = None
        self.start_ns = time.time_ns()
        self.last_ns = self.start_ns
        """When something was last heard from it or from below it."""

    @property
    def top(self) -> "Run":
        """The first run that has a span, on the way down to this one."""
        found, run = self, self.parent
        while run is not None:
            if run.span is not None:
                found = run
            run = run.parent
        return found

    def count_attempt(self, task: Any) -> int:
        """Return how often a graph has started one task, now included."""
        self.attempts[task] = self.attempts.get(task, 0) + 1
        return 1 if task is None else self.attempts[task]

    def score_of(self, document: Any) -> Any:
        """Return the score that a store gave a document, if one did."""
        found = self.scores.get(id(document))
        return None if found is None else found[1]

    def touch(self) -> None:
        """Note that something was heard now."""
        now = time.time_ns()
        run: Run | None = self
        while run is not None:
            run.last_ns = now
            run = run.parent

    def attach(self) -> None:
        """Make the span current until `detach`, in this thread or task."""
        self.attached = otel_context.attach(self.context)

    def detach(self) -> None:
        """Undo `attach`; elsewhere than there it does nothing."""
        token, self.attached = self.attached, None
        if token is not None:
            detach(token)


def current_run() -> Run | None:
    """Return the run that this code is called by, if it is one's."""
    found = otel_context.get_value(_RUN)
    return found if type(found) is Run else None


class Runs:
    """All runs that are going on."""

    def __init__(self, unfinished: Callable[[Run], None]) -> None:
        self._runs: dict[UUID, Run] = {}
        self._unfinished = unfinished
        """Shows what is known of a run that is ended without having been heard of."""

    def find(self, run_id: UUID | None) -> Run | None:
        """Return the run that goes on under an id."""
        return None if run_id is None else self._runs.get(run_id)

    def hide(self, run_id: UUID, parent: Run | None, name: str, kind: SpanKind) -> Run:
        """Start a run that has no span."""
        run = Run(run_id, parent, name, kind)
        run.context = self._base(parent)
        self._add(run)
        return run

    def stand_in(self, run_id: UUID, parent: Run, kind: SpanKind) -> Run:
        """Start a run that its parent's span stands for."""
        run = self.hide(run_id, parent, parent.name, kind)
        run.raw = parent.raw
        parent.taken = True
        return run

    def start(
        self,
        run_id: UUID,
        parent: Run | None,
        name: str,
        kind: SpanKind,
        *,
        title: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Run:
        """Start a run with a span, below its parent's or what is current below that."""
        run = Run(run_id, parent, name, kind)
        base = self._base(parent)
        run.span = open_span(title or name, kind, parent=base, attributes=attributes)
        run.visible = run
        run.context = otel_context.set_value(_RUN, run, context_of(run.span, base))
        self._add(run)
        return run

    def end(
        self,
        run: Run,
        error: BaseException | None = None,
        *,
        end_ns: int | None = None,
        left: bool = False,
        whole: bool = False,
    ) -> None:
        """End a run's span, and what was cancelled below it; `whole` ends all that is below.

        `left` says that nobody waits for it any more: what was cancelled below has not failed.
        """
        if self._runs.pop(run.run_id, None) is None:
            return
        for child in list(run.children.values()):
            if whole and child.cancelled is None:
                self._unfinished(child)
                self.end(child, end_ns=child.last_ns, left=left, whole=True)
                continue
            self._end_child(run, child, error, end_ns, left)
        if run.parent is not None:
            run.parent.children.pop(run.run_id, None)
        run.detach()
        if run.span is None:
            return
        if error is not None:
            exceptions.record(run.span.otel_span, error)
        run.span.otel_span.end(end_ns)

    def end_all(self) -> None:
        """End what still goes on, when it last said something: the program is over."""
        for run in list(self._runs.values()):
            self._unfinished(run)
            self.end(run, end_ns=run.last_ns, left=True)

    def _end_child(
        self,
        run: Run,
        child: Run,
        error: BaseException | None,
        end_ns: int | None,
        left: bool,
    ) -> None:
        if child.cancelled is None:
            # What still goes on tells its end itself; but LangChain does not tell it of what is
            # cancelled at a bad moment, nor of tools that are left by what is no Exception.
            if run.cancelled or (error is not None and not isinstance(error, Exception)):
                self._unfinished(child)
                self.end(child, error, end_ns=end_ns, left=left)
            return
        fault, at_ns = child.cancelled
        if left or not (error is None or isinstance(error, asyncio.CancelledError)):
            if child.span is not None:
                child.span.add_event("cancelled")
            self.end(child, end_ns=at_ns, left=True)
        else:
            self.end(child, fault, end_ns=at_ns)

    def _add(self, run: Run) -> None:
        self._runs[run.run_id] = run
        if run.parent is not None:
            run.parent.children[run.run_id] = run
        run.touch()

    @staticmethod
    def _base(parent: Run | None) -> Context:
        here = otel_context.get_current()
        if parent is None:
            return here
        within = current_run()
        # The program's own spans, or another framework's, may stand between the two.
        if within is not None and within.visible is parent.visible:
            return here
        # A compressor tells LangChain that what it runs is its retriever's.
        if within is not None and within.kind is SpanKind.RERANKER and _is_below(within, parent):
            return here
        return parent.context


def _is_below(run: Run, other: Run) -> bool:
    above = run.parent
    while above is not None and above is not other:
        above = above.parent
    return above is other
