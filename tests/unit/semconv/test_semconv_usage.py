"""Token totals of vocabularies that no recording shows, with caches, reasoning and streaming."""

import json
from typing import Any

import pytest

from pellucid.core.span import DecodedSpan, Scope, Span, SpanKind, Tokens
from pellucid.semconv.normalise import normalise
from pellucid.semconv.otlp import to_otlp


def _read(attributes: dict[str, Any], scope: str = "") -> Span:
    decoded = DecodedSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        name="span",
        start_ns=1,
        end_ns=10**9,
        attributes=attributes,
        scope=Scope(name=scope),
    )
    span = normalise(decoded)
    assert normalise(to_otlp(span)) == span
    return span


def _counts(tokens: Tokens) -> tuple[int, ...]:
    return (
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        tokens.reasoning,
    )


OPENAI = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
RESPONSES = {
    "input_tokens": 11,
    "output_tokens": 7,
    "total_tokens": 18,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens_details": {"reasoning_tokens": 2},
}
ANTHROPIC = {
    "input_tokens": 11,
    "output_tokens": 7,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 5,
}
GEMINI = {
    "prompt_token_count": 100,
    "candidates_token_count": 20,
    "thoughts_token_count": 50,
    "cached_content_token_count": 30,
    "total_token_count": 170,
}
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "logfire openai": (
        "logfire.openai",
        {"request_data": {"model": "gpt-4o"}, "response_data": {"usage": OPENAI}},
        (11, 7, 3, 0, 2),
    ),
    "logfire openai responses": (
        "logfire.openai",
        {"request_data": {"model": "gpt-4o"}, "response_data": {"usage": RESPONSES}},
        (11, 7, 3, 0, 2),
    ),
    "logfire anthropic": (
        "logfire.anthropic",
        {"request_data": {"model": "claude"}, "response_data": {"usage": ANTHROPIC}},
        (19, 7, 3, 5, 0),
    ),
    "logfire with attributes, too": (
        "logfire.openai",
        {
            "response_data": {"usage": OPENAI},
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.output_tokens": 7,
        },
        (11, 7, 3, 0, 2),
    ),
    "openllmetry's first names": (
        "opentelemetry.instrumentation.openai",
        {"llm.usage.prompt_tokens": 10, "llm.usage.completion_tokens": 4},
        (10, 4, 0, 0, 0),
    ),
    "adk": (
        "gcp.vertex.agent",
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gcp.vertex.agent.llm_response": {"usage_metadata": GEMINI},
        },
        (100, 70, 30, 0, 50),
    ),
    "adk without contents": (
        "gcp.vertex.agent",
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.experimental.reasoning_tokens": 50,
            "gen_ai.usage.experimental.cached_tokens": 30,
        },
        (100, 70, 30, 0, 50),
    ),
    "strands on bedrock": (
        "strands.telemetry.tracer",
        {
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.total_tokens": 142,
            "gen_ai.usage.cache_read_input_tokens": 30,
            "gen_ai.usage.cache_write_input_tokens": 5,
        },
        (135, 7, 30, 5, 0),
    ),
    "a total that includes reasoning beside the output": (
        "",
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.reasoning_tokens": 50,
            "gen_ai.usage.total_tokens": 170,
        },
        (100, 70, 0, 0, 50),
    ),
    "a total of input and output, caches and reasoning within": (
        "",
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 70,
            "gen_ai.usage.cache_read_input_tokens": 30,
            "gen_ai.usage.reasoning_tokens": 50,
            "gen_ai.usage.total_tokens": 170,
        },
        (100, 70, 30, 0, 50),
    ),
    "semantic kernel, early": (
        "semantic_kernel.utils.telemetry.model_diagnostics.decorators",
        {"gen_ai.response.prompt_tokens": 11, "gen_ai.response.completion_tokens": 7},
        (11, 7, 0, 0, 0),
    ),
    "microsoft.extensions.ai, early": (
        "Experimental.Microsoft.Extensions.AI",
        {"gen_ai.response.input_tokens": 11, "gen_ai.response.output_tokens": 7},
        (11, 7, 0, 0, 0),
    ),
    "pydantic-ai, openai": (
        "pydantic-ai",
        {
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.details.cached_tokens": 3,
            "gen_ai.usage.details.reasoning_tokens": 2,
        },
        (11, 7, 3, 0, 2),
    ),
    "pydantic-ai, anthropic": (
        "pydantic-ai",
        {
            "gen_ai.usage.input_tokens": 19,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.details.cache_read_input_tokens": 3,
            "gen_ai.usage.details.cache_creation_input_tokens": 5,
            "gen_ai.usage.details.input_tokens": 11,
        },
        (19, 7, 3, 5, 0),
    ),
    "vercel 4 and 5, anthropic": (
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "anthropic.messages",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 7,
            "ai.usage.cachedInputTokens": 30,
            "gen_ai.usage.input_tokens": 100,
            "ai.response.providerMetadata": {"anthropic": {"cacheCreationInputTokens": 5}},
        },
        (135, 7, 30, 5, 0),
    ),
    "vercel 6, anthropic": (
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "anthropic.messages",
            "ai.usage.inputTokens": 135,
            "ai.usage.outputTokens": 7,
            "ai.usage.inputTokenDetails.noCacheTokens": 100,
            "ai.usage.inputTokenDetails.cacheReadTokens": 30,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 5,
        },
        (135, 7, 30, 5, 0),
    ),
    "openlit": (
        "openlit.otel.tracing",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.prompt_tokens_details.cache_read": 3,
            "gen_ai.usage.completion_tokens_details.reasoning": 2,
        },
        (11, 7, 3, 0, 2),
    ),
    "langsmith": (
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            "langsmith.usage_metadata": {
                "input_tokens": 19,
                "output_tokens": 7,
                "input_token_details": {"cache_read": 3, "cache_creation": 5},
            },
        },
        (19, 7, 3, 5, 0),
    ),
    "haystack, chat": (
        "haystack",
        {
            "haystack.component.type": "OpenAIChatGenerator",
            "haystack.component.output": {
                "replies": [
                    {
                        "role": "assistant",
                        "meta": {"model": "gpt-4o", "usage": OPENAI},
                        "content": [{"text": "yes"}],
                    }
                ]
            },
        },
        (11, 7, 3, 0, 2),
    ),
    "haystack, text": (
        "haystack",
        {
            "haystack.component.type": "OpenAIGenerator",
            "haystack.component.output": {"replies": ["yes"], "meta": [{"usage": OPENAI}]},
        },
        (11, 7, 3, 0, 2),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_tokens_are_what_the_provider_counted(name: str) -> None:
    scope, given, counts = CASES[name]
    attributes = {
        key: json.dumps(value) if isinstance(value, dict) else value for key, value in given.items()
    }
    assert _counts(_read(attributes, scope).tokens) == counts


def test_what_routers_tell_behind_another_dot_is_read() -> None:
    found = _read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.input_tokens.cached": 40,
            "gen_ai.usage.input_tokens.cache_write": 30,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.output_tokens.reasoning": 5,
            "gen_ai.usage.input_cost": 0.25,
            "gen_ai.usage.output_cost": 0.5,
            "wandb.thread_id": "thread-1",
        }
    )
    assert found.tokens == Tokens(
        input=100, output=20, cache_read=40, cache_write=30, reasoning=5, image=0
    )
    assert found.cost_usd == 0.75
    assert found.session_id == "thread-1"
    assert found.attributes == {}
    told = _read({"gen_ai.usage.total_cost": 0.003, "gen_ai.usage.input_cost": 0.002})
    assert told.cost_usd == 0.003


def test_haystack_components_have_kinds_documents_and_messages() -> None:
    found = _read(
        {
            "haystack.component.type": "InMemoryBM25Retriever",
            "haystack.component.output": json.dumps(
                {"documents": [{"id": "d1", "content": "a disc", "score": 0.5}]}
            ),
        }
    )
    assert found.kind is SpanKind.RETRIEVER
    assert [(one.id, one.text, one.score) for one in found.documents] == [("d1", "a disc", 0.5)]
    said = _read(
        {
            "haystack.component.type": "OpenAIChatGenerator",
            "haystack.component.output": json.dumps(
                {"replies": [{"role": "assistant", "content": [{"text": "yes"}]}]}
            ),
        }
    )
    assert said.kind is SpanKind.LLM
    assert [message.parts[0].content for message in said.output_messages] == ["yes"]


def test_strands_tells_the_first_token_in_milliseconds() -> None:
    span = _read({"gen_ai.server.time_to_first_token": 350}, "strands.telemetry.tracer")
    assert span.ttft_ns == 350_000_000
