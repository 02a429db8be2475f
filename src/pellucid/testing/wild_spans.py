"""Hypothesis strategies of spans as no producer would write them: known names, wild values."""

from typing import Any

from hypothesis import strategies as st

from pellucid.core.span import DecodedSpan, LogRecord, Scope, SpanEvent, SpanLink
from pellucid.semconv.normalise import DIALECTS

KNOWN_NAMES = sorted({name for dialect in DIALECTS for name in dialect.rules})
FLATTENED_NAMES = [
    "llm.input_messages.0.message.role",
    "llm.input_messages.0.message.content",
    "llm.input_messages.0.message.tool_call_id",
    "llm.input_messages.0.function.0",
    "llm.input_messages.1.message.contents.0.message_content.type",
    "llm.input_messages.1.message.contents.0.message_content.text",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments",
    "llm.output_messages.0.message.content",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id",
    "llm.output_messages.0.message.content.0",
    "llm.tools.0.tool.json_schema",
    "llm.tools.0.tool.name",
    "llm.prompts.0.prompt.text",
    "retrieval.documents.0.document.content",
    "retrieval.documents.0.document.score",
    "retrieval.documents.10.document.metadata",
    "reranker.input_documents.0.document.id",
    "embedding.embeddings.0.embedding.text",
    "embedding.embeddings.0.embedding.vector",
    "output.images.0.image.url",
    "gen_ai.request.temperature",
    "gen_ai.request.anything",
    "gen_ai.prompt.variable.name",
    "llm.input_messages.x.message.role",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.tool_calls.0.arguments",
    "llm.request.functions.0.name",
    "traceloop.association.properties.thread_id",
    "langsmith.metadata.thread_id",
    "langsmith.metadata.x",
    "langfuse.observation.metadata.finish_reason",
    "langfuse.trace.metadata.x",
    "ai.settings.maxRetries",
    "ai.telemetry.metadata.userId",
    "metadata.user_agent",
    "temperature",
    "invocation_params",
    "model",
    "cost",
    "name",
    "message",
    "recipient_agent_type",
]
JSON_TEXTS = [
    "{}",
    "[]",
    "null",
    "[",
    '{"a": [1, 2.5, null]}',
    '"{}"',
    '"\\"[1]\\""',
    "1e999",
    "[" * 200 + "]" * 200,
    '{"messages": [{"role": "user", "content": "hi"}]}',
    '[{"role": "user", "content": "hi"}]',
    '[{"role": "tool", "content": [{"type": "text", "text": "x"}], "tool_call_id": "c"}]',
    '[{"role": "tool"}, {"role": "developer", "content": "{}"}]',
    '[{"role": "assistant", "parts": [{"type": "blob", "modality": "image", "content": "AA=="}]}]',
    '[{"role": "user", "parts": [{"type": "file", "id": "f", "url": "http://x/y.png",'
    ' "mime_type": "image/png", "name": "y"}, {"type": "x", "data": {"data": 1}}, 5, {}]}]',
    '[{"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function":'
    ' {"name": "f", "arguments": "\\"{\\\\\\"a\\\\\\":1}\\""}}]}]',
    '[{"type": "function_call_output", "call_id": "c", "output": {"type": "text", "value": "v"}}]',
    '[{"id": 1, "score": "0.5", "metadata": {"a": [1]}}, {"score": true, "text": {}}]',
    '[{"type": "function", "function": {"name": "f", "parameters": "{\\"a\\": 1}"}}]',
    '[{"uri": "pellucid-attachment:00", "size_bytes": 3}]',
]

_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 100),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.sampled_from(JSON_TEXTS),
    st.sampled_from(
        ["LLM", "tool", "chat", "execute_tool", "RETRIEVER", "data:image/png;base64,AA"]
    ),
)
values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "id", "parts", "name", "data", "uri"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
names = st.one_of(
    st.sampled_from(KNOWN_NAMES), st.sampled_from(FLATTENED_NAMES), st.text(max_size=12)
)
attributes = st.dictionaries(names, values, max_size=12)
events = st.lists(
    st.builds(
        SpanEvent,
        name=st.sampled_from(
            [
                "exception",
                "gen_ai.user.message",
                "gen_ai.choice",
                "gen_ai.tool.message",
                "log",
                "LLMChatStartEvent",
                "LLMChatEndEvent",
                "RetrievalEndEvent",
                "QueryEndEvent",
                "EmbeddingEndEvent",
                "ai.stream.firstChunk",
            ]
        ),
        time_ns=st.integers(0, 10**10),
        attributes=st.dictionaries(
            st.sampled_from(
                [
                    "exception.message",
                    "content",
                    "role",
                    "tool_calls",
                    "message",
                    "body",
                    "id",
                    "gen_ai.input.messages",
                    "gen_ai.event.content",
                    "messages",
                    "nodes",
                    "chunks",
                    "response.message.blocks",
                    "response.response",
                    "model_dict.model_name",
                ]
            ),
            values,
            max_size=4,
        ),
    ),
    max_size=3,
)
_SCOPES = sorted({scope for dialect in DIALECTS for scope in dialect.scopes})


@st.composite
def decoded_spans(draw: st.DrawFn) -> DecodedSpan:
    """Draw a decoded span whose attributes may hold anything that OTLP can carry."""
    start = draw(st.integers(0, 10**10))
    return DecodedSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        parent_id=draw(st.sampled_from(["", "3" * 16])),
        name=draw(
            st.sampled_from(
                ["chat", "execute_tool search", "execute_task x", "autogen process a_b", ""]
            )
            | st.text(max_size=8)
        ),
        otel_kind=draw(st.integers(0, 5)),
        start_ns=start,
        end_ns=draw(st.integers(0, 2 * 10**10)),
        status_code=draw(st.integers(0, 2)),
        status_message=draw(st.text(max_size=4)),
        attributes=draw(attributes),
        events=draw(events),
        links=draw(st.lists(st.just(SpanLink(trace_id="4" * 32, span_id="5" * 16)), max_size=1)),
        resource=draw(st.dictionaries(st.text(max_size=4), values, max_size=1)),
        scope=Scope(name=draw(st.sampled_from(["", "x", *_SCOPES]))),
        experiment=draw(st.sampled_from(["default", "other"])),
    )


log_records = st.lists(
    st.builds(
        LogRecord,
        trace_id=st.just("1" * 32),
        span_id=st.just("2" * 16),
        digest=st.binary(min_size=2, max_size=2),
        time_ns=st.integers(0, 10**10),
        event_name=st.sampled_from(["", "gen_ai.user.message", "gen_ai.choice"]),
        severity=st.sampled_from(["", "INFO"]),
        body=values,
        attributes=st.dictionaries(st.sampled_from(["event.name", "content"]), values, max_size=2),
    ),
    max_size=3,
)


_anything = st.one_of(
    st.floats(),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.integers(-(2**80), 2**80),
    st.binary(max_size=200),
    st.none(),
    st.sampled_from(['{"a":"\ud800"}', '[{"role":"user","content":"\ud800"}]']),
)


@st.composite
def impossible_spans(draw: st.DrawFn) -> DecodedSpan:
    """Draw a span that no wire can carry: NaN, lone surrogates, integers beyond 64 bits."""
    inner = st.recursive(
        _anything,
        lambda item: st.lists(item, max_size=3) | st.dictionaries(names, item, max_size=3),
        max_leaves=6,
    )
    body = draw(inner)
    event = SpanEvent(name="gen_ai.choice", time_ns=1, attributes={"message": body, "body": body})
    return DecodedSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        start_ns=1,
        end_ns=2,
        attributes=draw(st.dictionaries(names, inner, max_size=8)),
        events=[event],
        scope=Scope(name=draw(st.sampled_from(["", *_SCOPES]))),
    )
