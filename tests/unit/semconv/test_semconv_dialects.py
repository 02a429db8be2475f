"""What single vocabularies say, where no recording tells it."""

import json
from typing import Any

import pytest

from pellucid.core.span import (
    DecodedSpan,
    Document,
    LogRecord,
    Message,
    Part,
    PromptRef,
    Scope,
    Span,
    SpanEvent,
    SpanKind,
    Status,
    Tokens,
    ToolCall,
)
from pellucid.semconv.normalise import normalise
from pellucid.semconv.otlp import to_otlp

START = 1_795_000_000_000_000_000


def _read(
    attributes: dict[str, Any],
    *,
    name: str = "span",
    scope: str = "",
    events: list[SpanEvent] | None = None,
    logs: list[LogRecord] | None = None,
    status_code: int = 0,
) -> Span:
    decoded = DecodedSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        name=name,
        start_ns=START,
        end_ns=START + 10**9,
        status_code=status_code,
        attributes=attributes,
        events=events or [],
        scope=Scope(name=scope),
    )
    span = normalise(decoded, logs or ())
    assert normalise(to_otlp(span)) == span
    return span


def _said(role: str, text: str, **more: Any) -> Message:
    return Message(role=role, parts=[Part(type="text", content=text)], **more)


def test_ours_win_over_all_others_field_by_field() -> None:
    span = _read(
        {
            "pellucid.kind": "retriever",
            "pellucid.input": "ours",
            "pellucid.tags": '{"env": "prod"}',
            "pellucid.metadata": '{"a": 1}',
            "pellucid.cost_usd": 0.0,
            "pellucid.documents": '[{"id": "d", "text": "t", "score": 0.5}]',
            "openinference.span.kind": "LLM",
            "input.value": "theirs",
            "output.value": '{"b": 2}',
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "llm.model_name": "other",
            "metadata": '{"a": 2}',
            "gen_ai.request.temperature": 0.1,
            "tenant": 42,
        }
    )
    assert span.kind is SpanKind.RETRIEVER
    assert (span.input, span.output, span.model) == ("ours", {"b": 2}, "m")
    assert (span.tags, span.metadata, span.cost_usd) == ({"env": "prod"}, {"a": 1}, 0.0)
    assert span.documents == [Document(id="d", text="t", score=0.5)]
    assert span.parameters == {"temperature": 0.1}
    assert span.attributes == {"tenant": 42}


def test_pending_is_running() -> None:
    span = _read({"pellucid.kind": "LLM", "pellucid.pending": True})
    assert (span.pending, span.status) == (True, Status.RUNNING)


def test_a_bare_tag_list_becomes_tags_without_values() -> None:
    assert _read({"tag.tags": ["x", "y"]}).tags == {"x": "", "y": ""}
    assert _read({"pellucid.tags": '["x"]'}).tags == {"x": ""}


@pytest.mark.parametrize(
    ("attributes", "tokens"),
    [
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.cache_read.input_tokens": 90,
                "gen_ai.usage.cache_write.input_tokens": 7,
            },
            Tokens(input=107, output=5, cache_read=90, cache_write=7),
        ),
        (
            {"llm.token_count.total": 9, "llm.token_count.completion": 2},
            Tokens(input=7, output=2),
        ),
        (
            {"gen_ai.usage.input_tokens": "12", "gen_ai.usage.output_tokens": 3.0},
            Tokens(input=12, output=3),
        ),
        ({"gen_ai.usage.input_tokens": -1, "gen_ai.usage.output_tokens": True}, Tokens()),
    ],
)
def test_input_includes_both_caches(attributes: dict[str, Any], tokens: Tokens) -> None:
    assert _read(attributes).tokens == tokens


def test_an_error_says_what_went_wrong() -> None:
    failed = {"status_code": 2}
    event = SpanEvent(
        name="exception",
        time_ns=START,
        attributes={"exception.type": "ValueError", "exception.message": "no station"},
    )
    assert _read({}, events=[event], **failed).status_message == "no station"  # type: ignore[arg-type]
    typed = _read({"error.type": "TimeoutError"}, status_code=2)
    assert (typed.status, typed.status_message) == (Status.ERROR, "TimeoutError")
    assert typed.attributes == {"error.type": "TimeoutError"}


def test_langfuse_generation() -> None:
    span = _read(
        {
            "user.id": "u-1",
            "session.id": "s-1",
            "langfuse.trace.metadata.k": '"v"',
            "langfuse.trace.tags": ["t1"],
            "langfuse.trace.name": "mine",
            "langfuse.observation.input": '[{"role": "user", "content": "hi"}]',
            "langfuse.observation.model.name": "gpt-4o-mini",
            "langfuse.observation.model.parameters": '{"temperature": 0.1}',
            "langfuse.observation.type": "generation",
            "langfuse.observation.output": '{"role": "assistant", "content": "yo"}',
            "langfuse.observation.usage_details": json.dumps(
                {"input": 20, "output": 11, "total": 31, "input_cached_tokens": 16}
            ),
            "langfuse.observation.cost_details": '{"total": 0.5}',
            "langfuse.observation.completion_start_time": '"2026-11-18T11:06:40.250000Z"',
            "langfuse.observation.prompt.name": "triage",
            "langfuse.observation.prompt.version": 4,
        },
        scope="langfuse-sdk",
    )
    assert (span.kind, span.model, span.cost_usd) == (SpanKind.LLM, "gpt-4o-mini", 0.5)
    assert span.tokens == Tokens(input=20, output=11, cache_read=16)
    assert span.input_messages == [_said("user", "hi")]
    assert span.output_messages == [_said("assistant", "yo")]
    assert (span.input, span.output) == ("hi", "yo")
    assert (span.session_id, span.user_id, span.tags) == ("s-1", "u-1", {"t1": ""})
    assert (span.metadata, span.parameters) == ({"k": "v"}, {"temperature": 0.1})
    assert span.ttft_ns == 250_000_000
    assert span.prompt == PromptRef(name="triage", version="4")
    assert span.attributes == {"langfuse.trace.name": "mine"}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (
            {"input": 4, "input_cache_read": 16, "output": 8, "output_reasoning": 3, "total": 31},
            Tokens(input=20, output=11, cache_read=16, reasoning=3),
        ),
        (
            {
                "prompt_tokens": 20,
                "completion_tokens": 11,
                "total_tokens": 31,
                "prompt_tokens_details": {"cached_tokens": 16},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Tokens(input=20, output=11, cache_read=16, reasoning=3),
        ),
        (
            {"input_tokens": 4, "output_tokens": 5, "cache_read_input_tokens": 16},
            Tokens(input=20, output=5, cache_read=16),
        ),
        ({"total": 7}, Tokens(input=7)),
    ],
)
def test_langfuse_usage_in_every_dress(usage: dict[str, Any], tokens: Tokens) -> None:
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(usage),
    }
    assert _read(attributes).tokens == tokens


def test_langfuse_errors_are_a_level() -> None:
    span = _read(
        {
            "langfuse.observation.type": "tool",
            "langfuse.observation.input": '{"city": "x"}',
            "langfuse.observation.level": "ERROR",
            "langfuse.observation.status_message": "boom",
        },
        name="weather",
    )
    assert (span.status, span.status_message) == (Status.ERROR, "boom")
    assert span.tool_call == ToolCall(name="weather", arguments={"city": "x"})


def test_ag2_usage_records_repeat_model_calls_and_tell_of_others() -> None:
    attributes = {
        "ag2.span.type": "usage",
        "ag2.usage.kind": "model_call",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 56,
        "gen_ai.usage.output_tokens": 17,
    }
    scope = "opentelemetry.instrumentation.ag2"
    repeated = _read(attributes, name="record_usage model_call", scope=scope)
    assert (repeated.kind, repeated.tokens) == (SpanKind.TASK, Tokens())
    assert repeated.attributes["gen_ai.usage.input_tokens"] == 56
    told = _read(
        {**attributes, "ag2.usage.kind": "compaction"}, name="record_usage compaction", scope=scope
    )
    assert told.tokens == Tokens(input=56, output=17)


def test_openlit_guesses_are_dropped_and_kept() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "unknown",
        "gen_ai.usage.input_tokens": 21,
        "gen_ai.usage.output_tokens": 63,
        "gen_ai.server.time_to_first_token": 0.02,
        "gen_ai.request.stream": False,
    }
    span = _read(attributes, name="execute_task assistant", scope="openlit.instrumentation.ag2")
    assert (span.kind, span.model, span.ttft_ns) == (SpanKind.TASK, None, None)
    assert span.tokens == Tokens()
    assert span.attributes["gen_ai.usage.output_tokens"] == 63
    streamed = _read(
        {**attributes, "gen_ai.request.stream": True},
        name="chat gpt",
        scope="openlit.instrumentation.openai",
    )
    assert (streamed.ttft_ns, streamed.tokens) == (20_000_000, Tokens(input=21, output=63))


def test_vercel_7() -> None:
    span = _read(
        {
            "gen_ai.operation.name": "agent_step",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.client.operation.time_to_first_chunk": 0.25,
            "gen_ai.response.finish_reasons": ["tool-calls"],
            "ai.settings.context.userId": "u-1",
            "ai.settings.context.sessionId": "s-1",
            "ai.settings.context.plan": "free",
            "gen_ai.input.messages": json.dumps(
                [
                    {"role": "user", "parts": [{"type": "text", "content": "weather?"}]},
                    {
                        "role": "tool",
                        "parts": [{"type": "tool_call_response", "id": "c", "response": "sunny"}],
                    },
                ]
            ),
        },
        scope="ai",
    )
    assert (span.kind, span.ttft_ns, span.finish_reason) == (
        SpanKind.CHAIN,
        250_000_000,
        "tool-calls",
    )
    assert (span.user_id, span.session_id, span.metadata) == ("u-1", "s-1", {"plan": "free"})
    assert span.input_messages[1].parts == [
        Part(type="tool_call_response", id="c", response="sunny")
    ]


def test_vercel_reranking() -> None:
    span = _read(
        {
            "ai.operationId": "ai.rerank.doRerank",
            "ai.model.id": "rerank-v3.5",
            "ai.documents": ['"first"', '"second"'],
            "ai.ranking": ['{"index": 1, "relevanceScore": 0.9}', '{"index": 0, "score": 0.1}'],
        }
    )
    assert span.kind is SpanKind.RERANKER
    assert span.input_documents == [Document(text="first"), Document(text="second")]
    assert span.documents == [
        Document(text="second", score=0.9),
        Document(text="first", score=0.1),
    ]


def test_openinference_reranker() -> None:
    span = _read(
        {
            "openinference.span.kind": "RERANKER",
            "reranker.model_name": "bge",
            "reranker.query": "discs?",
            "reranker.top_k": 1,
            "reranker.input_documents.0.document.content": "a",
            "reranker.input_documents.1.document.content": "b",
            "reranker.output_documents.0.document.content": "b",
            "reranker.output_documents.0.document.score": 0.7,
        }
    )
    assert (span.kind, span.model, span.input) == (SpanKind.RERANKER, "bge", "discs?")
    assert span.parameters == {"top_k": 1}
    assert span.input_documents == [Document(text="a"), Document(text="b")]
    assert span.documents == [Document(text="b", score=0.7)]


def test_messages_in_span_events_of_an_earlier_generation() -> None:
    events = [
        SpanEvent(
            name="gen_ai.user.message",
            time_ns=START + 1,
            attributes={"content": '[{"text": "hi"}]'},
        ),
        SpanEvent(
            name="gen_ai.choice",
            time_ns=START + 2,
            attributes={"message": '[{"text": "yo"}]', "finish_reason": "end_turn"},
        ),
    ]
    span = _read({"gen_ai.operation.name": "chat"}, events=events)
    assert span.input_messages == [_said("user", "hi")]
    assert span.output_messages == [_said("assistant", "yo", finish_reason="end_turn")]
    assert (span.input, span.output, span.finish_reason) == ("hi", "yo", "end_turn")
    assert span.events == events


def test_messages_of_the_first_generation_of_events() -> None:
    events = [
        SpanEvent(name="gen_ai.content.prompt", time_ns=1, attributes={"gen_ai.prompt": "hi"}),
        SpanEvent(
            name="gen_ai.content.completion",
            time_ns=2,
            attributes={"gen_ai.completion": '[{"role": "assistant", "content": "yo"}]'},
        ),
    ]
    span = _read({"gen_ai.operation.name": "chat"}, events=events)
    assert (span.input_messages, span.output_messages) == (
        [_said("user", "hi")],
        [_said("assistant", "yo")],
    )


def test_the_parts_of_a_cost_make_a_cost() -> None:
    span = _read({"llm.cost.prompt": 0.25, "llm.cost.completion": 0.5})
    assert span.cost_usd == 0.75


def test_log_records_join_a_span_once_and_in_order() -> None:
    def record(digest: bytes, time_ns: int, name: str, body: Any) -> LogRecord:
        return LogRecord(
            trace_id="1" * 32,
            span_id="2" * 16,
            digest=digest,
            time_ns=time_ns,
            event_name=name,
            body=body,
        )

    said = record(b"2", START + 2, "gen_ai.user.message", {"content": "hi"})
    system = record(b"1", START + 1, "gen_ai.system.message", {"content": "be brief"})
    answer = record(
        b"3", START + 3, "gen_ai.choice", {"message": {"content": "yo"}, "finish_reason": "stop"}
    )
    span = _read({"gen_ai.operation.name": "chat"}, logs=[answer, said, system, said])
    assert span.input_messages == [_said("system", "be brief"), _said("user", "hi")]
    assert span.output_messages == [_said("assistant", "yo", finish_reason="stop")]
    assert [event.name for event in span.events] == [
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.choice",
    ]
    assert span.events[0].attributes == {"body": {"content": "be brief"}}


def test_adk_bodies() -> None:
    span = _read(
        {
            "gcp.vertex.agent.llm_request": json.dumps(
                {
                    "model": "gemini-2.5-flash",
                    "config": {"system_instruction": "be brief"},
                    "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                }
            ),
            "gcp.vertex.agent.llm_response": json.dumps(
                {"content": {"role": "model", "parts": [{"text": "yo"}]}}
            ),
            "gen_ai.request.model": "gemini-2.5-flash",
        },
        name="call_llm",
        scope="gcp.vertex.agent",
    )
    assert span.kind is SpanKind.LLM
    assert span.input_messages == [_said("system", "be brief"), _said("user", "hi")]
    assert span.output_messages == [_said("assistant", "yo")]


def test_text_that_looks_like_json_stays_text() -> None:
    text = '{"answer": "yes"}'
    span = _read(
        {
            "openinference.span.kind": "LLM",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": text,
            "llm.input_messages.0.message.content": '[{"type": "refund", "text": "x"}]',
        }
    )
    assert span.output_messages == [_said("assistant", text)]
    assert span.input_messages == [_said("user", '[{"type": "refund", "text": "x"}]')]
    assert span.output == text


def test_attachments_give_parts_their_media_type() -> None:
    digest = "a" * 64
    uri = f"pellucid-attachment:{digest}"
    span = _read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": json.dumps(
                [{"role": "user", "parts": [{"type": "blob", "content": uri}]}]
            ),
            "pellucid.attachments": json.dumps(
                [{"uri": uri, "media_type": "image/png", "size_bytes": 3, "name": "x.png"}]
            ),
        }
    )
    assert span.input_messages[0].parts == [Part(type="image", uri=uri, media_type="image/png")]
    assert [(one.digest, one.size_bytes) for one in span.attachments] == [(digest, 3)]


def test_openllmetry_takes_values_out_of_langchain_frames() -> None:
    scope = "opentelemetry.instrumentation.langchain"
    frame: dict[str, Any] = {"tags": [], "metadata": {}, "kwargs": {}}
    message = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "ToolMessage"],
        "kwargs": {"content": "sunny", "type": "tool", "tool_call_id": "c1"},
    }
    tool = _read(
        {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "get_weather",
            "gen_ai.tool.call.arguments": json.dumps({"input_str": "{'city': 'x'}", **frame}),
            "gen_ai.tool.call.result": json.dumps({"output": message, "kwargs": {}}),
            "traceloop.association.properties.thread_id": "t-1",
            "traceloop.association.properties.user_id": "u",
        },
        scope=scope,
    )
    assert tool.tool_call == ToolCall(name="get_weather", arguments={"city": "x"}, result="sunny")
    assert (tool.session_id, tool.user_id) == ("t-1", "u")
    chain = _read(
        {
            "traceloop.span.kind": "workflow",
            "gen_ai.operation.name": "invoke_agent",
            "traceloop.entity.input": json.dumps({"inputs": {"q": "hi"}, **frame}),
            "traceloop.entity.output": json.dumps({"outputs": "yo", "kwargs": {}}),
            "gen_ai.request.model": "unknown",
        },
        scope=scope,
    )
    assert (chain.kind, chain.input, chain.output) == (SpanKind.CHAIN, {"q": "hi"}, "yo")
    assert (chain.model, chain.attributes) == (None, {"gen_ai.request.model": "unknown"})
