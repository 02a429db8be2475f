"""What recordings of real frameworks mean: every span in a line, and one in full for each shape.

The expectations lie in `__snapshots__`; a change of them is read, then taken over with
`pytest tests/golden --snapshot-update`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from pellucid.core.span import DecodedSpan, LogRecord, Span, SpanKind, Tokens
from pellucid.semconv.attachments import cut
from pellucid.semconv.normalise import normalise
from pellucid.semconv.otlp import to_otlp
from pellucid.server.ingest.logs import decode_protobuf
from pellucid.server.ingest.protobuf import decode_traces

SAMPLES = Path(__file__).parent.parent / "otlp_samples"
SUFFIX = ".otlp.pb"
NAMES = sorted(
    path.name.removesuffix(SUFFIX)
    for path in SAMPLES.glob(f"*{SUFFIX}")
    if ".logs." not in path.name
)

TOTALS = {
    "ag2.native": (1795, 176),
    "ag2.olit": (1795, 176),
    "ag2.oi+openai": (1795, 176),
    "anthropic.oi": (216, 61),
    "openai.oi": (546, 183),
    "openai.gen": (546, 183),
    "langgraph.oi": (1146, 246),
    "langgraph.gen": (1146, 246),
    "langgraph.mlf": (1146, 246),
    "llamaindex.oi": (1430, 94),
    "llamaindex.mlf": (1430, 94),
    "llamaindex.native": (1430, 94),
    "pydanticai.native": (226, 56),
    "vercel-ai-v6": (224, 57),
    "openai.mlf": (546, 183),
    "bedrock.otl": (213, 45),
    "gemini.otl": (200, 66),
    "haystack.oi": (215, 37),
    "langchain.otl": (179, 48),
    "mistral.oi": (124, 28),
    "openai-agents.oi": (545, 63),
    "openai-js.langfuse": (180, 48),
    "openai-js.langsmith": (180, 48),
    "vercel-ai-v4": (460, 85),
    "vercel-ai-v5": (598, 144),
    "agent-framework.native": (784, 104),
    "bedrock.botocore": (186, 45),
    "google-adk.oi": (124, 37),
    "haystack.native": (215, 37),
    "langfuse-4": (399, 96),
    "litellm.native-2": (306, 88),
    "pydanticai.native-3": (196, 37),
    "semantic-kernel.native": (81, 22),
    "strands.native": (479, 90),
    "strands-0.2.native": (431, 90),
    "ag2x.native": (203, 37),
    "anthropic.langsmith": (137, 28),
    "anthropic.olit": (294, 64),
    "dspy.mlf": (466, 30),
    "dspy.oi+litellm+openai": (207, 26),
    "gemini.mlf": (192, 60),
    "gemini.olit": (200, 66),
    "llamaindex.oi+openai": (208, 11),
    "mastra": (422, 52),
    "mastra-0.24": (422, 52),
    "vercel-ai-v7": (598, 144),
}
"""Input and output tokens that were really used, as far as the recording can tell."""

DETAILS = {
    "bedrock.otl": (54, 21, 0),
    "gemini.otl": (56, 0, 17),
    "langchain.otl": (27, 0, 0),
    "mistral.oi": (17, 0, 0),
    "openai-agents.oi": (20, 0, 11),
    "openai-js.langfuse": (27, 0, 15),
    "openai-js.langsmith": (27, 0, 15),
    "vercel-ai-v4": (62, 13, 15),
    "vercel-ai-v5": (81, 13, 17),
    "agent-framework.native": (52, 0, 28),
    "bedrock.botocore": (35, 13, 0),
    "google-adk.oi": (35, 0, 9),
    "haystack.native": (20, 0, 11),
    "langfuse-4": (54, 0, 30),
    "litellm.native-2": (74, 13, 17),
    "pydanticai.native-3": (20, 0, 11),
    "strands.native": (87, 30, 0),
    "ag2x.native": (20, 0, 11),
    "anthropic.langsmith": (35, 13, 0),
    "anthropic.olit": (74, 30, 0),
    "dspy.oi+litellm+openai": (7, 0, 4),
    "gemini.mlf": (54, 0, 15),
    "gemini.olit": (56, 0, 17),
    "mastra": (26, 0, 14),
    "mastra-0.24": (26, 0, 14),
    "vercel-ai-v7": (108, 13, 0),
}
"""Of these tokens, those read from a cache, written to it, and spent on reasoning."""

_STRUCTURE = ("trace_id", "span_id", "parent_id", "start_ns", "duration_ns", "resource", "scope")
_TEXT = 160


class Recording(NamedTuple):
    name: str
    spans: list[DecodedSpan]
    logs: dict[tuple[str, str], list[LogRecord]]


class Total(NamedTuple):
    input: int
    output: int
    cost_usd: float
    details: tuple[int, int, int] = (0, 0, 0)
    """Read from a cache, written to it, spent on reasoning."""


def read_recording(name: str) -> Recording:
    spans = decode_traces((SAMPLES / f"{name}{SUFFIX}").read_bytes(), None).spans
    logs: dict[tuple[str, str], list[LogRecord]] = defaultdict(list)
    beside = SAMPLES / f"{name}.logs{SUFFIX}"
    if beside.exists():
        for record in decode_protobuf(beside.read_bytes(), None).logs:
            logs[record.trace_id, record.span_id].append(record)
    return Recording(name, list(spans), logs)


def normalise_recording(recording: Recording) -> list[Span]:
    return [
        normalise(cut(decoded).decoded, recording.logs.get((decoded.trace_id, decoded.span_id), ()))
        for decoded in recording.spans
    ]


def count_once(spans: Sequence[Span]) -> Total:
    """Total usage and reported cost by the law of contracts.md §1: no span whose descendant counts.

    Slow and obvious: every span looks at all that are below it.
    """
    below: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        below[span.trace_id, span.parent_id].append(span)

    def descendants(span: Span, seen: frozenset[str] = frozenset()) -> Iterable[Span]:
        for child in below[span.trace_id, span.span_id]:
            if child.span_id not in seen:
                yield child
                yield from descendants(child, seen | {child.span_id})

    counted = [
        span.tokens
        for span in spans
        if span.tokens.has_usage and not any(d.tokens.has_usage for d in descendants(span))
    ]
    costs = [
        span.cost_usd
        for span in spans
        if span.cost_usd and not any(d.cost_usd for d in descendants(span))
    ]
    total = {name: sum(getattr(one, name) for one in counted) for name in Tokens.__struct_fields__}
    return Total(
        total["input"],
        total["output"],
        round(sum(costs), 9),
        (total["cache_read"], total["cache_write"], total["reasoning"]),
    )


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.parametrize("name", NAMES)
def test_recording_means_what_it_meant(name: str, snapshot: SnapshotAssertion) -> None:
    spans = normalise_recording(read_recording(name))
    total = count_once(spans)
    shapes: dict[Any, Span] = {}
    for span in spans:
        shapes.setdefault(_shape(span), span)
    assert {
        "total": {name: getattr(total, name) for name in ("input", "output", "cost_usd")},
        "spans": [_line(span) for span in spans],
        "shapes": [_trim(span) for span in shapes.values()],
    } == snapshot


@pytest.mark.parametrize("name", NAMES)
def test_recording_survives_the_way_back(name: str) -> None:
    for span in normalise_recording(read_recording(name)):
        assert normalise(to_otlp(span)) == span


@pytest.mark.parametrize(("name", "expected"), TOTALS.items())
def test_tokens_are_counted_once(name: str, expected: tuple[int, int]) -> None:
    total = count_once(normalise_recording(read_recording(name)))
    assert (total.input, total.output) == expected


@pytest.mark.parametrize(("name", "expected"), DETAILS.items())
def test_cached_and_reasoning_tokens_are_told_apart(
    name: str, expected: tuple[int, int, int]
) -> None:
    assert count_once(normalise_recording(read_recording(name))).details == expected


def _shape(span: Span) -> Any:
    """Return what makes two spans alike: their kind, and which fields say something."""
    filled = [name for name in span.__struct_fields__ if getattr(span, name) not in _EMPTY]
    return span.kind, span.scope.name, tuple(filled), tuple(sorted(span.attributes))


_EMPTY: tuple[Any, ...] = (None, "", [], {}, 0, False)


def _line(span: Span) -> str:
    parts = [span.kind.value, span.name, span.status.value, span.model or "-"]
    if span.tokens.has_usage:
        parts.append(f"{span.tokens.input}>{span.tokens.output}")
    if span.cost_usd:
        parts.append(f"${span.cost_usd:.9f}")
    if span.kind is SpanKind.TOOL and span.tool_call is not None:
        parts.append(f"{span.tool_call.name}()")
    if span.documents:
        parts.append(f"{len(span.documents)} documents")
    return " | ".join(parts)


def _trim(span: Span) -> Any:
    built = msgspec.to_builtins(span)
    for name in _STRUCTURE:
        built.pop(name, None)
    built["attributes"] = sorted(span.attributes)
    built["events"] = [event.name for event in span.events]
    return _cut_texts(built)


def _cut_texts(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}… ({len(value)})"
    if isinstance(value, dict):
        return {key: _cut_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        shown = [_cut_texts(item) for item in value[:8]]
        return [*shown, f"… ({len(value)})"] if len(value) > 8 else shown
    return value
