"""Searches of `dspy.retrievers.Embeddings`, whose scores and threads no callback tells of."""

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pellucid.client.instrument import open_span
from pellucid.client.stages import Stage, captures
from pellucid.client.tracing.span import Span
from pellucid.core.span import SpanKind
from pellucid.integrations.dspy.switch import INTEGRATION

_asked: dict[str, Context] = {}
"""Queries of searches that go on, and where their embeddings belong."""
_scores: ContextVar[list[Any] | None] = ContextVar("pellucid-dspy-scores", default=None)


def search(retriever: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stage:
    """Open the span of a search."""
    query = args[0] if args else kwargs.get("query")
    span = open_span(type(retriever).__name__, SpanKind.RETRIEVER)
    span.set_attribute("gen_ai.retrieval.top_k", getattr(retriever, "k", None))
    if captures(INTEGRATION):
        span.set_input(query)
    token = _scores.set([])

    def show(span: Span, found: Any) -> None:
        if not captures(INTEGRATION):
            return
        scores = _scores.get() or []
        passages, indices = list(found.passages), list(found.indices)
        span.set_documents(
            {
                "id": str(indices[rank]),
                "text": str(passage),
                "score": float(scores[rank]) if rank < len(scores) else None,
            }
            for rank, passage in enumerate(passages)
        )

    stage = Stage(span, result=show)
    if isinstance(query, str):
        _asked[query] = stage.context

    def over() -> None:
        _scores.reset(token)
        _asked.pop(str(query), None)

    stage.finally_(over)
    return stage


def batched(original: Callable[..., Any]) -> Callable[..., Any]:
    """A search is done in a thread that was there before it, for several queries at once."""

    @functools.wraps(original)
    def batch_forward(self: Any, queries: list[str]) -> Any:
        context = next((_asked[query] for query in queries if query in _asked), None)
        if context is None or not INTEGRATION.active:
            return original(self, queries)
        token = otel_context.attach(context)
        try:
            return original(self, queries)
        finally:
            otel_context.detach(token)

    return batch_forward


def scored(original: Callable[..., Any]) -> Callable[..., Any]:
    """The scores of a search are dropped above here."""

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        if _scores.get() is not None and isinstance(found, tuple) and len(found) == 3:
            _scores.set(list(found[2]))
        return found

    return call
