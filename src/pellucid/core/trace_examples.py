"""Traces as examples: what went in, what a good answer is, and what was retrieved."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pellucid.core.dataset import GoldDocuments, inputs_id
from pellucid.core.score import ScoreSource, ScoreValue
from pellucid.core.views import ScoreView, SpanView, TraceView

CORRECTIONS = ("correction", "expected", "expected_output")
"""Names of annotations that say what the output should have been."""
RETRIEVING = ("RETRIEVER", "RERANKER")


class FromTraces(msgspec.Struct, frozen=True, kw_only=True):
    """How traces become examples."""

    expected: str = "auto"
    """`auto`: a person's correction, else the output of a trace that ended well and that no person
    called bad. `output`, `none`, or `score.NAME`: the newest value of that score."""
    gold_documents: str = "retrieved"
    """`retrieved`: the documents of the last retrieval. `none`."""
    split: str | None = None

    def check(self) -> str | None:
        """Return what is wrong with it, if anything."""
        if self.expected not in ("auto", "output", "none") and not (
            self.expected.startswith("score.") and len(self.expected) > len("score.")
        ):
            return f"expected={self.expected[:80]!r} is none of auto, output, none, score.NAME"
        if self.gold_documents not in ("retrieved", "none"):
            return f"gold_documents={self.gold_documents[:80]!r} is neither retrieved nor none"
        return None


class TracedFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an example that a trace gives, and its output."""

    inputs: dict[str, Any]
    output: Any
    expected: Any
    gold_documents: GoldDocuments
    metadata: dict[str, Any]
    trace_id: str

    @property
    def id(self) -> str:
        """The example's id, from its inputs alone."""
        return inputs_id(self.inputs)


def read_trace(
    trace: TraceView, spans: Sequence[SpanView], how: FromTraces | None = None
) -> TracedFields:
    """Read a trace as an example."""
    how = how or FromTraces()
    root = root_of(spans)
    output = output_of(root)
    return TracedFields(
        inputs=inputs_of(root),
        output=output,
        expected=_expected(trace, output, how.expected),
        gold_documents=retrieved(spans) if how.gold_documents == "retrieved" else [],
        metadata=dict(trace.tags),
        trace_id=trace.trace_id,
    )


def root_of(spans: Sequence[SpanView]) -> SpanView | None:
    """Return the root, as contracts name it; None for no spans."""
    tops = [span for span in spans if span.parent_id is None] or list(spans)
    return min(tops, key=lambda span: (span.start_ns, span.span_id), default=None)


def inputs_of(root: SpanView | None) -> dict[str, Any]:
    """Return a root's input as named arguments; the last thing a user said counts as `input`."""
    if root is None:
        return {}
    if isinstance(root.input, Mapping):
        return dict(root.input)
    if root.input is not None:
        return {"input": root.input}
    asked = [
        text
        for message in root.input_messages
        if message.role == "user" and (text := _text(message.parts))
    ]
    return {"input": asked[-1]} if asked else {}


def output_of(root: SpanView | None) -> Any:
    """Return a root's output; the last message counts as it."""
    if root is None or root.output is not None:
        return None if root is None else root.output
    said = [text for message in root.output_messages if (text := _text(message.parts))]
    return said[-1] if said else None


def retrieved(spans: Sequence[SpanView]) -> list[str]:
    """Return the ids of the documents of the last retrieval, in order; texts have none."""
    found = [span for span in spans if span.kind in RETRIEVING and span.documents]
    last = max(found, key=lambda span: (span.start_ns, span.span_id), default=None)
    ids = [] if last is None else [one.id for one in last.documents if one.id]
    return list(dict.fromkeys(ids))


def _expected(trace: TraceView, output: Any, how: str) -> Any:
    if how in ("none", "output"):
        return output if how == "output" else None
    if how.startswith("score."):
        named = [one for one in trace.scores if one.name == how.removeprefix("score.")]
        return None if not named else _newest(named).value
    said = [one for one in trace.scores if one.source is ScoreSource.HUMAN]
    corrections = [one for one in said if one.name in CORRECTIONS and isinstance(one.value, str)]
    if corrections:
        return _newest(corrections).value
    if trace.status != "ok" or any(_is_bad(one.value) for one in said):
        return None
    return output


def _newest(scores: list[ScoreView]) -> ScoreView:
    return max(scores, key=lambda one: (one.time_ns, one.id))


def _is_bad(value: ScoreValue) -> bool:
    return value is False or (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 0.5
    )


def _text(parts: list[Any]) -> str:
    return "\n".join(part.content for part in parts if part.type == "text" and part.content)
