"""The trace of one example, as scorers see it."""

from collections.abc import Callable, Iterable
from functools import cached_property

from pellucid.core.span import Document, Span, SpanKind, Status, Tokens, ToolCall

_GIVES_DOCUMENTS = (SpanKind.RETRIEVER, SpanKind.RERANKER)


class ExampleTrace:
    """The spans that ended while the task answered one example, by start time."""

    def __init__(
        self,
        trace_id: str,
        spans: Iterable[Span] | Callable[[], Iterable[Span]],
        *,
        is_bare: bool = False,
    ) -> None:
        self.trace_id = trace_id
        self._source = spans
        self.is_bare = is_bare
        """Whether there is nothing but the span of the call itself, so nothing to learn from."""

    @cached_property
    def spans(self) -> list[Span]:
        """All spans, the earliest start first."""
        spans = self._source() if callable(self._source) else self._source
        return sorted(spans, key=lambda span: (span.start_ns, span.span_id))

    def of_kind(self, *kinds: SpanKind | str) -> list[Span]:
        """Return the spans of these kinds."""
        wanted = {str(kind) for kind in kinds}
        return [span for span in self.spans if str(span.kind) in wanted]

    @property
    def documents(self) -> list[Document] | None:
        """What the last retriever or reranker returned; None if the trace has neither."""
        sources = self.of_kind(*_GIVES_DOCUMENTS)
        if not sources:
            return None
        last = max(sources, key=lambda span: (span.start_ns + span.duration_ns, span.start_ns))
        return list(last.documents)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls of the TOOL spans, in order."""
        return [
            span.tool_call if span.tool_call is not None else ToolCall(name=span.name)
            for span in self.of_kind(SpanKind.TOOL)
        ]

    @property
    def errors(self) -> list[Span]:
        """The spans that failed."""
        return [span for span in self.spans if span.status is Status.ERROR]

    @cached_property
    def tokens(self) -> Tokens:
        """The sum over spans that carry usage and have no descendant that does."""
        spans = [span for span in self.spans if span.tokens.has_usage]
        counted = self._leaves(spans)
        return Tokens(
            **{
                field: sum(getattr(span.tokens, field) for span in counted)
                for field in Tokens.__struct_fields__
            }
        )

    @cached_property
    def cost_usd(self) -> float | None:
        """The sum of reported costs, else of estimates; None if there is neither."""
        reported = self._leaves([span for span in self.spans if span.cost_usd])
        covered = {span.span_id for span in reported}
        estimated = self._leaves([span for span in self.spans if span.estimated_cost_usd])
        costs = [span.cost_usd or 0.0 for span in reported]
        costs += [
            span.estimated_cost_usd or 0.0
            for span in estimated
            if span.span_id not in covered and not covered & set(self._ancestors(span))
        ]
        return sum(costs) if costs else None

    def _leaves(self, spans: list[Span]) -> list[Span]:
        above = {parent for span in spans for parent in self._ancestors(span)}
        return [span for span in spans if span.span_id not in above]

    def _ancestors(self, span: Span) -> list[str]:
        parents = {each.span_id: each.parent_id for each in self.spans}
        found: list[str] = []
        parent = span.parent_id
        while parent and parent not in found and parent != span.span_id:
            found.append(parent)
            parent = parents.get(parent, "")
        return found

    def __repr__(self) -> str:
        return f"<trace {self.trace_id}>"
