"""Spans in the making, and OTLP/JSON of them."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.semconv import attributes as names

_MS = 1_000_000
_ERROR = 2


@dataclass(kw_only=True)
class SeededSpan:
    """One span; times are nanoseconds since the Unix epoch."""

    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    error: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class SeededTrace:
    """One trace with its spans, parents first; `quality` is what its scores should say, 0 to 1."""

    trace_id: str
    experiment: str
    spans: list[SeededSpan]
    quality: float = 1.0

    def otlp(self) -> dict[str, Any]:
        """Return the trace as a ResourceSpans message in JSON."""
        service = {"service.name": self.experiment, "telemetry.sdk.language": "python"}
        return {
            "resource": {"attributes": _attributes(service)},
            "scopeSpans": [
                {
                    "scope": {"name": "pellucid.demo.seed"},
                    "spans": [_span(self.trace_id, span) for span in self.spans],
                }
            ],
        }


class TraceBuilder:
    """Adds spans to a trace while a clock goes on; `rng` decides all that is random."""

    def __init__(
        self,
        rng: random.Random,
        experiment: str,
        start_ns: int,
        inherited: Mapping[str, Any] | None = None,
    ) -> None:
        self.rng = rng
        self.clock_ns = start_ns
        self.trace = SeededTrace(
            trace_id=f"{rng.getrandbits(128) | 1:032x}", experiment=experiment, spans=[]
        )
        self._inherited = {names.EXPERIMENT: experiment, **(inherited or {})}
        self._open: list[SeededSpan] = []

    def begin(self, name: str, kind: str, **attributes: Any) -> SeededSpan:
        """Open a span below the one that is open."""
        span = SeededSpan(
            span_id=f"{self.rng.getrandbits(64) | 1:016x}",
            parent_id=self._open[-1].span_id if self._open else "",
            name=name,
            start_ns=self.clock_ns,
            end_ns=self.clock_ns,
            attributes={names.KIND: kind, **self._inherited, **_named(attributes)},
        )
        self.trace.spans.append(span)
        self._open.append(span)
        return span

    def end(self, *, error: str | None = None, **attributes: Any) -> SeededSpan:
        """Close the span that is open, as failed where `error` says why."""
        span = self._open.pop()
        self.wait(0.2, 2)
        span.end_ns = self.clock_ns
        span.attributes.update(_named(attributes))
        if error is not None:
            fail(span, error)
        return span

    def wait(self, low_ms: float, high_ms: float) -> None:
        """Let a random time pass; short times are likelier, as latencies are."""
        share = self.rng.random() ** 2
        self.clock_ns += int((low_ms + (high_ms - low_ms) * share) * _MS)

    def leaf(
        self,
        name: str,
        kind: str,
        between_ms: tuple[float, float],
        *,
        error: str | None = None,
        **attributes: Any,
    ) -> SeededSpan:
        """Add a span without children."""
        self.begin(name, kind, **attributes)
        self.wait(*between_ms)
        return self.end(error=error)

    def llm(
        self,
        name: str,
        model: str,
        messages: Sequence[tuple[str, str]],
        reply: str,
        *,
        error: str | None = None,
    ) -> SeededSpan:
        """Add a chat call; `messages` are (role, text)."""
        tokens_in = sum(len(text) for _, text in messages) // 4 + 12
        tokens_out = 0 if error else len(reply) // 4 + 1
        first_ms = self.rng.uniform(180, 900)
        span = self.begin(
            name,
            "LLM",
            model=model,
            provider="anthropic" if model.startswith("claude") else "openai",
            input_messages=[_message(role, text) for role, text in messages],
        )
        span.attributes["gen_ai.request.temperature"] = self.rng.choice([0.0, 0.2, 0.7])
        self.clock_ns += int((first_ms + tokens_out * self.rng.uniform(8, 25)) * _MS)
        if error is None:
            span.attributes.update(
                {
                    names.OUTPUT_MESSAGES: json.dumps([_message("assistant", reply)]),
                    names.INPUT_TOKENS: tokens_in,
                    names.OUTPUT_TOKENS: tokens_out,
                    names.TTFT_NS: int(first_ms * _MS),
                    names.FINISH_REASONS: ["stop"],
                }
            )
        return self.end(error=error)

    def tool(
        self,
        name: str,
        arguments: dict[str, Any],
        result: Any,
        *,
        error: str | None = None,
        between_ms: tuple[float, float] = (5, 600),
    ) -> SeededSpan:
        """Add a tool call."""
        attributes: dict[str, Any] = {"tool_name": name, "tool_arguments": arguments}
        if error is None:
            attributes["tool_result"] = result
        return self.leaf(name, "TOOL", between_ms, error=error, **attributes)

    def retrieve(self, query: str, texts: Sequence[str]) -> SeededSpan:
        """Add a search with scored documents, the best first."""
        scores = sorted((self.rng.uniform(0.2, 0.97) for _ in texts), reverse=True)
        documents = [
            {"id": f"doc-{abs(hash_of(text)) % 1000}", "text": text, "score": round(score, 3)}
            for text, score in zip(texts, scores, strict=True)
        ]
        self.begin("search", "RETRIEVER", input=query)
        self.leaf("embed query", "EMBEDDING", (20, 120), model="text-embedding-3-small")
        self.wait(5, 90)
        return self.end(documents=documents)


def fail(span: SeededSpan, error: str) -> None:
    """Mark a span as failed by an exception; `error` is `Type: message`."""
    kind, _, message = error.partition(": ")
    span.error = error
    span.events.append(
        {
            "timeUnixNano": str(span.end_ns),
            "name": "exception",
            "attributes": _attributes(
                {
                    "exception.type": kind,
                    "exception.message": message,
                    "exception.stacktrace": f'  File "agent.py", line 88, in call\n{error}',
                }
            ),
        }
    )


def hash_of(text: str) -> int:
    """Return a number that depends on the text alone, in every process."""
    return int.from_bytes(text.encode()[-6:], "big")


_NAMES = {
    "input": names.INPUT,
    "output": names.OUTPUT,
    "model": names.REQUEST_MODEL,
    "provider": names.PROVIDER,
    "input_messages": names.INPUT_MESSAGES,
    "documents": names.DOCUMENTS,
    "tool_name": names.TOOL_NAME,
    "tool_arguments": names.TOOL_CALL_ARGUMENTS,
    "tool_result": names.TOOL_CALL_RESULT,
    "attachments": names.ATTACHMENTS,
    "agent": names.AGENT_NAME,
}


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        _NAMES.get(name, name): value if isinstance(value, str) else json.dumps(value)
        for name, value in attributes.items()
    }


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _span(trace_id: str, span: SeededSpan) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "traceId": trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": 1,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": span.events,
        "status": {"code": _ERROR, "message": span.error} if span.error else {},
    }
    if span.parent_id:
        encoded["parentSpanId"] = span.parent_id
    return encoded


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)}
