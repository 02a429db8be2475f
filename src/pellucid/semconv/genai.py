"""OpenTelemetry GenAI attributes, the current names and the earlier ones.

Source: OTel semantic conventions for GenAI, 1.27 to 1.40, and what instrumentations write; Sentry
and OpenRouter tell details behind another dot (`gen_ai.usage.input_tokens.cached`).
"""

from typing import Any

from pellucid.core.span import SpanKind
from pellucid.semconv import attributes as names
from pellucid.semconv.documents import read_documents
from pellucid.semconv.messages import read_instructions, read_messages
from pellucid.semconv.rules import Dialect, Rule, table
from pellucid.semconv.tools import read_tools
from pellucid.semconv.values import (
    UNREAD,
    json_safe,
    read_any_text,
    read_count,
    read_first_text,
    read_label,
    read_object,
    read_reported_cost,
    read_seconds,
    read_text,
    read_value,
)

RANK = 3000
_KIND_RANK = 5000
"""What an operation is called says less than any vocabulary's own span kind."""

_OPERATIONS = {
    "chat": SpanKind.LLM,
    "text_completion": SpanKind.LLM,
    "completion": SpanKind.LLM,
    "chat.completions": SpanKind.LLM,
    "chat.streaming_completions": SpanKind.LLM,
    "text.completions": SpanKind.LLM,
    "text.streaming_completions": SpanKind.LLM,
    "call_llm": SpanKind.LLM,
    "generate_content": SpanKind.LLM,
    "responses": SpanKind.LLM,
    "speech": SpanKind.LLM,
    "transcription": SpanKind.LLM,
    "audio": SpanKind.LLM,
    "embeddings": SpanKind.EMBEDDING,
    "embedding": SpanKind.EMBEDDING,
    "image_generation": SpanKind.IMAGE,
    "image": SpanKind.IMAGE,
    "generate_image": SpanKind.IMAGE,
    "execute_tool": SpanKind.TOOL,
    "tool": SpanKind.TOOL,
    "invoke_agent": SpanKind.AGENT,
    "create_agent": SpanKind.AGENT,
    "agent": SpanKind.AGENT,
    "invoke_workflow": SpanKind.CHAIN,
    "workflow": SpanKind.CHAIN,
    "framework": SpanKind.CHAIN,
    "conversation": SpanKind.CHAIN,
    "agent_step": SpanKind.CHAIN,
    "chain": SpanKind.CHAIN,
    "plan": SpanKind.CHAIN,
    "decide": SpanKind.TASK,
    "retrieval": SpanKind.RETRIEVER,
    "retrieve": SpanKind.RETRIEVER,
    "rerank": SpanKind.RERANKER,
    "execute_task": SpanKind.TASK,
    "task": SpanKind.TASK,
    "create_task": SpanKind.TASK,
    "guardrail": SpanKind.GUARDRAIL,
    "apply_guardrail": SpanKind.GUARDRAIL,
    "evaluate": SpanKind.EVALUATOR,
    "evaluation": SpanKind.EVALUATOR,
    "search_memory": SpanKind.MEMORY,
    "create_memory": SpanKind.MEMORY,
    "update_memory": SpanKind.MEMORY,
    "upsert_memory": SpanKind.MEMORY,
    "delete_memory": SpanKind.MEMORY,
    "create_memory_store": SpanKind.MEMORY,
    "delete_memory_store": SpanKind.MEMORY,
}


def read_operation(value: Any) -> Any:
    """Read an operation's name as a kind."""
    return _OPERATIONS.get(value, UNREAD) if type(value) is str else UNREAD


def read_model(value: Any) -> Any:
    """Read a model's name; some instrumentations say "unknown" where they know none."""
    return value if type(value) is str and value and value != "unknown" else UNREAD


def read_reason(value: Any) -> Any:
    """Read why a model stopped; Semantic Kernel writes `FinishReason.STOP`."""
    reason = read_first_text(value)
    if type(reason) is str and reason.startswith("FinishReason."):
        return reason.removeprefix("FinishReason.").lower()
    return reason


def read_system(value: Any) -> Any:
    """Read a provider's name from the vocabularies that write it in mixed case."""
    return value.lower() if type(value) is str and value else UNREAD


def read_parameter(value: Any) -> Any:
    """Read a request parameter; text stays text."""
    kind = type(value)
    return value if kind is str or kind is int or kind is bool else json_safe(value)


def _match(name: str) -> Rule | None:
    if name.startswith("gen_ai.request."):
        return Rule("parameters", read_parameter, RANK, (name[len("gen_ai.request.") :],))
    if name.startswith("gen_ai.prompt.variable."):
        key = name[len("gen_ai.prompt.variable.") :]
        return Rule("prompt.variables", read_value, RANK, (key,))
    return None


_RULES = table(
    RANK,
    (names.REQUEST_MODEL, "model", read_model),
    (names.RESPONSE_MODEL, "model", read_model),
    (names.PROVIDER, "provider", read_text),
    ("gen_ai.system", "provider", read_system),
    (names.INPUT_MESSAGES, "input_messages", read_messages),
    (names.OUTPUT_MESSAGES, "output_messages", read_messages),
    (names.SYSTEM_INSTRUCTIONS, "system", read_instructions),
    (names.TOOL_DEFINITIONS, "tools", read_tools),
    (names.TOOL_NAME, "tool.name", read_text),
    (names.TOOL_CALL_ID, "tool.id", read_label),
    (names.TOOL_CALL_ARGUMENTS, "tool.arguments", read_value),
    (names.TOOL_CALL_RESULT, "tool.result", read_value),
    (names.AGENT_NAME, "agent", read_text),
    ("session.id", "session_id", read_label),
    (names.CONVERSATION_ID, "session_id", read_label),
    ("wandb.thread_id", "session_id", read_label),
    (names.USER_ID, "user_id", read_label),
    ("enduser.id", "user_id", read_label),
    ("gen_ai.user", "user_id", read_label),
    (names.INPUT_TOKENS, "tokens.input", read_count),
    ("gen_ai.usage.prompt_tokens", "tokens.input", read_count),
    ("gen_ai.response.prompt_tokens", "tokens.input", read_count),
    ("gen_ai.response.input_tokens", "tokens.input", read_count),
    (names.OUTPUT_TOKENS, "tokens.output", read_count),
    ("gen_ai.usage.completion_tokens", "tokens.output", read_count),
    ("gen_ai.response.completion_tokens", "tokens.output", read_count),
    ("gen_ai.response.output_tokens", "tokens.output", read_count),
    (names.CACHE_READ_TOKENS, "tokens.cache_read", read_count),
    ("gen_ai.usage.cache_read_input_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.details.cache_read_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.details.cache_read_input_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.details.cached_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.prompt_tokens_details.cache_read", "tokens.cache_read", read_count),
    ("gen_ai.usage.prompt_tokens_details.cached_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.cached_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.cached_input_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.experimental.cached_tokens", "tokens.cache_read", read_count),
    ("gen_ai.usage.input_tokens.cached", "tokens.cache_read", read_count),
    (names.CACHE_WRITE_TOKENS, "tokens.cache_write", read_count),
    ("gen_ai.usage.cache_creation.input_tokens", "tokens.cache_write", read_count),
    ("gen_ai.usage.cache_creation_input_tokens", "tokens.cache_write", read_count),
    ("gen_ai.usage.details.cache_write_tokens", "tokens.cache_write", read_count),
    ("gen_ai.usage.details.cache_creation_input_tokens", "tokens.cache_write", read_count),
    ("gen_ai.usage.cache_write_input_tokens", "tokens.cache_write", read_count),
    ("gen_ai.usage.prompt_tokens_details.cache_write", "tokens.cache_write", read_count),
    ("gen_ai.usage.input_tokens.cache_write", "tokens.cache_write", read_count),
    (names.REASONING_TOKENS, "tokens.reasoning", read_count),
    ("gen_ai.usage.reasoning_tokens", "tokens.reasoning", read_count),
    ("gen_ai.usage.details.reasoning_tokens", "tokens.reasoning", read_count),
    ("gen_ai.usage.completion_tokens_details.reasoning", "tokens.reasoning", read_count),
    ("gen_ai.usage.completion_tokens_details.reasoning_tokens", "tokens.reasoning", read_count),
    ("gen_ai.usage.output_tokens.reasoning", "tokens.reasoning", read_count),
    ("gen_ai.usage.experimental.reasoning_tokens", "tokens.thoughts", read_count),
    ("gen_ai.usage.total_tokens", "tokens.total", read_count),
    ("gen_ai.usage.cost", "cost", read_reported_cost),
    ("gen_ai.usage.total_cost", "cost", read_reported_cost),
    ("gen_ai.usage.input_cost", "cost.input", read_reported_cost),
    ("gen_ai.usage.output_cost", "cost.output", read_reported_cost),
    (names.FINISH_REASONS, "finish_reason", read_reason),
    ("gen_ai.response.finish_reason", "finish_reason", read_reason),
    ("gen_ai.response.time_to_first_chunk", "ttft", read_seconds),
    ("gen_ai.client.operation.time_to_first_chunk", "ttft", read_seconds),
    ("gen_ai.retrieval.documents", "documents", read_documents),
    ("gen_ai.retrieval.query.text", "body_in", read_any_text),
    ("gen_ai.prompt.name", "prompt.name", read_text),
    ("gen_ai.prompt.version", "prompt.version", read_label),
    ("gen_ai.prompt.template", "prompt.template", read_text),
    ("gen_ai.prompt.variables", "prompt.variables", read_object),
)
_RULES["gen_ai.operation.name"] = Rule("kind", read_operation, _KIND_RANK)
_RULES["gen_ai.retrieval.top_k"] = Rule("parameters", read_count, RANK, ("top_k",))
_RULES["gen_ai.embeddings.dimension.count"] = Rule("parameters", read_count, RANK, ("dimensions",))

DIALECT = Dialect(
    name="genai",
    rules=_RULES,
    match=_match,
    prefixes=("gen_ai.request.", "gen_ai.prompt.variable."),
)
