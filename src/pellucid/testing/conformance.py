"""What every integration's traces must be: checks over recorded spans.

    with record() as recording:
        agent.run("…")
    recording.check_structure()
    recording.check_model_calls(server.log)

A scenario runs real framework code against a scripted model, whose own log of requests, replies and
tokens is the oracle. Each check raises AssertionError with the tree of what was recorded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider

from pellucid.client.tracing import setup
from pellucid.client.tracing.ids import OwnIds
from pellucid.core.span import DecodedSpan, Scope, Span, SpanEvent, SpanKind, SpanLink, Status
from pellucid.semconv.normalise import normalise

_NOWHERE = "http://127.0.0.1:9"


class Served(Protocol):
    """One request as the scripted model saw it."""

    path: str
    status: int
    stream: bool
    input_tokens: int
    output_tokens: int


class _Collector(SpanProcessor):
    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class Recording:
    """The spans of one scenario, as Pellucid understands them, in the order of their start."""

    def __init__(self, collector: _Collector) -> None:
        self._collector = collector

    @property
    def spans(self) -> list[Span]:
        """All ended spans."""
        spans = [normalise(decoded_of(span), ()) for span in self._collector.ended]
        return sorted(spans, key=lambda span: (span.start_ns, span.span_id))

    @property
    def unended(self) -> list[str]:
        """The names of spans that were started and have not ended."""
        ended = {span.context.span_id for span in self._collector.ended if span.context}
        return [
            str(span.name)
            for span in self._collector.started
            if span.get_span_context().span_id not in ended
        ]

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._collector.started.clear()
        self._collector.ended.clear()

    def of_kind(self, *kinds: SpanKind | str) -> list[Span]:
        """Return the spans of some kinds."""
        wanted = {str(kind) for kind in kinds}
        return [span for span in self.spans if span.kind in wanted]

    def named(self, name: str) -> Span:
        """Return the one span of a name."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, self._fault(f"{len(found)} spans are named {name!r}")
        return found[0]

    @property
    def root(self) -> Span:
        """The one span without a parent."""
        roots = [span for span in self.spans if not span.parent_id]
        assert len(roots) == 1, self._fault(f"{len(roots)} roots instead of one")
        return roots[0]

    def children(self, span: Span) -> list[Span]:
        """Return a span's children."""
        return [other for other in self.spans if other.parent_id == span.span_id]

    def ancestors(self, span: Span) -> list[Span]:
        """Return a span's parent, its parent, and so on to the root."""
        by_id = {other.span_id: other for other in self.spans}
        found: list[Span] = []
        while (parent := by_id.get(span.parent_id)) is not None and parent not in found:
            found.append(parent)
            span = parent
        return found

    def tree(self) -> str:
        """Draw what was recorded, for messages and for people."""
        spans = self.spans
        ids = {span.span_id for span in spans}
        lines: list[str] = []

        def draw(span: Span, depth: int) -> None:
            tokens = f" {span.tokens.input}→{span.tokens.output}" if span.tokens.has_usage else ""
            status = "" if span.status is Status.OK else f" {span.status}"
            lines.append(f"{'  ' * depth}{span.kind} {span.name}{tokens}{status}")
            for child in spans:
                if child.parent_id == span.span_id:
                    draw(child, depth + 1)

        for span in spans:
            if span.parent_id not in ids:
                draw(span, 0)
        return "\n".join(lines)

    def check_structure(self, *, traces: int = 1) -> None:
        """So many traces, one root each, all spans ended, none orphaned, unknown or doubled."""
        spans = self.spans
        assert spans, "nothing was recorded"
        unended = self.unended
        assert not unended, self._fault(f"{unended} never ended")
        found = {span.trace_id for span in spans}
        assert len(found) == traces, self._fault(f"{len(found)} traces instead of {traces}")
        ids = {span.span_id for span in spans}
        for span in spans:
            assert not span.parent_id or span.parent_id in ids, self._fault(f"{span.name} orphaned")
            assert span.kind is not SpanKind.UNKNOWN, self._fault(f"{span.name} has no kind")
            private = span.name.rpartition(".")[2].startswith("_")
            assert not private, self._fault(f"{span.name} is private")
        roots = [span for span in spans if not span.parent_id]
        assert len(roots) == traces, self._fault(f"{len(roots)} roots in {traces} traces")
        for span in spans:
            for child in self.children(span):
                same = child.name == span.name and child.kind == span.kind
                whole = child.input == span.input and child.output == span.output
                assert not (same and whole), self._fault(f"{span.name} is there twice")

    def check_model_calls(self, log: Sequence[Served] | Any) -> None:
        """One LLM or EMBEDDING span a request, with model and messages; tokens as served."""
        served = [call for call in log if call.status == 200]
        chats = [c for c in served if c.path.endswith(("/completions", "/responses"))]
        embeddings = [call for call in served if call.path.endswith("/embeddings")]
        models = [s for s in self.of_kind(SpanKind.LLM) if s.status is not Status.ERROR]
        assert len(models) == len(chats), self._fault(
            f"{len(models)} LLM spans for {len(chats)} requests"
        )
        vectors = [s for s in self.of_kind(SpanKind.EMBEDDING) if s.status is not Status.ERROR]
        assert len(vectors) == len(embeddings), self._fault(
            f"{len(vectors)} EMBEDDING spans for {len(embeddings)} requests"
        )
        for span in models:
            assert span.model, self._fault(f"{span.name} has no model")
            assert span.input_messages, self._fault(f"{span.name} has no input messages")
            assert span.output_messages, self._fault(f"{span.name} has no output messages")
        spent = self.tokens()
        true = (sum(c.input_tokens for c in served), sum(c.output_tokens for c in served))
        assert spent == true, self._fault(f"tokens {spent} instead of {true}")

    def tokens(self) -> tuple[int, int]:
        """Return input and output tokens, each counted once (the lowest span that carries them)."""
        spans = self.spans
        above = {
            ancestor.span_id
            for span in spans
            if span.tokens.has_usage
            for ancestor in self.ancestors(span)
        }
        counted = [s for s in spans if s.tokens.has_usage and s.span_id not in above]
        return sum(s.tokens.input for s in counted), sum(s.tokens.output for s in counted)

    def check_root(self, *, input: str, output: str | None = None) -> None:
        """The root shows the user's input and, where there is one, the final output."""
        root = self.root
        assert input in shown(root.input), self._fault(f"the root's input is {root.input!r}")
        if output is not None:
            assert output in shown(root.output), self._fault(f"the root's output: {root.output!r}")

    def check_tool(self, name: str, *, arguments: Any = None, result: str | None = None) -> Span:
        """Some TOOL span made this call; return it."""
        calls = [s for s in self.of_kind(SpanKind.TOOL) if s.tool_call and s.tool_call.name == name]
        assert calls, self._fault(f"no TOOL span calls {name}")
        for span in calls:
            assert span.tool_call is not None
            if arguments is not None and span.tool_call.arguments != arguments:
                continue
            if result is not None and result not in shown(span.tool_call.result):
                continue
            return span
        raise AssertionError(self._fault(f"{name} was called otherwise: {calls[0].tool_call}"))

    def check_owner(self, *agents: str) -> None:
        """Every LLM span is below an AGENT span; the agents named are all there."""
        for span in self.of_kind(SpanKind.LLM):
            kinds = {ancestor.kind for ancestor in self.ancestors(span)}
            assert SpanKind.AGENT in kinds, self._fault(f"{span.name} is below no agent")
        seen = {span.agent or span.name for span in self.of_kind(SpanKind.AGENT)}
        assert set(agents) <= seen, self._fault(f"agents {seen}, without {set(agents) - seen}")

    def check_failure(self, failed: Span) -> None:
        """A span that failed has the exception; so have its ancestors the status; none else."""
        assert failed.status is Status.ERROR, self._fault(f"{failed.name} is {failed.status}")
        assert any(event.name == "exception" for event in failed.events), self._fault(
            f"{failed.name} has no exception"
        )
        allowed = {failed.span_id, *(span.span_id for span in self.ancestors(failed))}
        for span in self.spans:
            fails = span.status is Status.ERROR
            below = failed in self.ancestors(span)
            assert not fails or below or span.span_id in allowed, self._fault(f"{span.name} failed")

    def check_no_failure(self) -> None:
        """No span failed or recorded an exception."""
        for span in self.spans:
            assert span.status is Status.OK, self._fault(f"{span.name} is {span.status}")
            raised = [event for event in span.events if event.name == "exception"]
            assert not raised, self._fault(f"{span.name} recorded {raised[0].attributes}")

    def check_session(self, session_id: str) -> None:
        """The root is of the session."""
        assert self.root.session_id == session_id, self._fault(f"session {self.root.session_id}")

    def _fault(self, what: str) -> str:
        return f"{what}\n{self.tree()}"


def shown(value: Any) -> str:
    """Return a value as the text that a person would search in."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def decoded_of(span: ReadableSpan) -> DecodedSpan:
    """Return a span of the OpenTelemetry SDK as a server would decode it."""
    context, parent, scope = span.get_span_context(), span.parent, span.instrumentation_scope
    assert context is not None
    return DecodedSpan(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{parent.span_id:016x}" if parent else "",
        name=span.name,
        otel_kind=span.kind.value + 1,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        status_code=span.status.status_code.value,
        status_message=span.status.description or "",
        attributes=_plain(span.attributes),
        events=[
            SpanEvent(name=e.name, time_ns=e.timestamp, attributes=_plain(e.attributes))
            for e in span.events
        ],
        links=[
            SpanLink(
                trace_id=f"{link.context.trace_id:032x}",
                span_id=f"{link.context.span_id:016x}",
                attributes=_plain(link.attributes),
            )
            for link in span.links
        ],
        scope=Scope(name=scope.name, version=scope.version or "") if scope else Scope(),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dict(attributes or {}).items()
    }


@contextmanager
def record() -> Iterator[Recording]:
    """Trace into memory inside a `with` block, through Pellucid's own SDK; nothing is sent."""
    collector = _Collector()
    provider = TracerProvider(
        span_limits=SpanLimits(max_span_attributes=10_000),
        shutdown_on_exit=False,
        id_generator=OwnIds(),
    )
    provider.add_span_processor(collector)
    setup.init(provider=provider, url=_NOWHERE)
    try:
        yield Recording(collector)
    finally:
        setup.shutdown(0)
