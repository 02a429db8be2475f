"""LlamaIndex's own tracing: no attributes, everything in the events of its dispatcher.

Source: spans recorded from llama-index-observability-otel. Spans are named `Class.method`.
"""

from typing import Any

from pellucid.core.span import Message, Part, SpanEvent, SpanKind
from pellucid.semconv.documents import documents_of
from pellucid.semconv.messages import messages_of
from pellucid.semconv.parts import parts_of_content, shown
from pellucid.semconv.rules import Dialect, Draft
from pellucid.semconv.values import (
    UNREAD,
    read_count,
    read_literal,
    read_structure,
    read_text,
    read_value,
)

RANK = 2000

_EVENT_KINDS = {
    "LLMChatStartEvent": SpanKind.LLM,
    "LLMCompletionStartEvent": SpanKind.LLM,
    "LLMPredictStartEvent": SpanKind.CHAIN,
    "EmbeddingStartEvent": SpanKind.EMBEDDING,
    "RetrievalStartEvent": SpanKind.RETRIEVER,
    "ReRankStartEvent": SpanKind.RERANKER,
    "QueryStartEvent": SpanKind.CHAIN,
    "SynthesizeStartEvent": SpanKind.CHAIN,
    "GetResponseStartEvent": SpanKind.CHAIN,
}
_CLASS_KINDS = (
    ("Tool.", SpanKind.TOOL),
    ("Retriever.", SpanKind.RETRIEVER),
    ("Embedding.", SpanKind.EMBEDDING),
    ("Splitter.", SpanKind.PARSER),
    ("Rerank.", SpanKind.RERANKER),
)


def _refine(draft: Draft) -> None:
    events = {event.name: event for event in draft.decoded.events}
    if "kind" not in draft.claims:
        draft.claim("kind", _kind(draft.decoded.name, events), RANK)
    for name, event in events.items():
        read = _READERS.get(name)
        if read is not None:
            read(draft, event)
    summary = draft.rest.get("llamaindex.step.input_summary")
    if type(summary) is str and "body_in" not in draft.claims:
        draft.claim("body_in", summary, RANK)
        if summary.startswith("ToolCall(") and draft.claims.get("kind") is SpanKind.TOOL:
            _claim_tool_call(draft, summary)


def _claim_tool_call(draft: Draft, summary: str) -> None:
    """Read `ToolCall(tool_name='…', tool_kwargs={…}, tool_id='…')`."""
    for part, field in (
        ("tool_name=", "tool.name"),
        ("tool_kwargs=", "tool.arguments"),
        ("tool_id=", "tool.id"),
    ):
        written = summary.partition(part)[2]
        end = written.find("}") + 1 if part == "tool_kwargs=" else written.find("'", 1) + 1
        got = read_literal(written[:end]) if part == "tool_kwargs=" else written[1 : end - 1]
        if got:
            draft.claim(field, got, RANK)


def _kind(name: str, events: dict[str, SpanEvent]) -> SpanKind:
    for event, kind in _EVENT_KINDS.items():
        if event in events:
            return kind
    if name.endswith(".run") and "Agent" in name:
        return SpanKind.AGENT
    return next((kind for part, kind in _CLASS_KINDS if part in name), SpanKind.CHAIN)


def _claim_text(draft: Draft, field: str, value: Any) -> None:
    text = read_text(value)
    if text is not UNREAD:
        draft.claim(field, text, RANK)


def _model(draft: Draft, event: SpanEvent) -> None:
    _claim_text(draft, "model", event.attributes.get("model_dict.model_name"))


def _chat_start(draft: Draft, event: SpanEvent) -> None:
    _model(draft, event)
    got = read_structure(event.attributes.get("messages"))
    messages = [] if got is UNREAD else messages_of(got)
    if messages:
        draft.claim("input_messages", messages, RANK)
    prompt = read_text(event.attributes.get("prompt"))
    if prompt is not UNREAD:
        asked = Message(role="user", parts=[Part(type="text", content=prompt)])
        draft.claim("input_messages", [asked], RANK)


def _chat_end(draft: Draft, event: SpanEvent) -> None:
    get = event.attributes.get
    blocks = read_structure(get("response.message.blocks"))
    parts = shown(parts_of_content(blocks)) if type(blocks) is list else []
    text = read_text(get("response.text"))
    if text is not UNREAD and not parts:
        parts = [Part(type="text", content=text)]
    calls = read_structure(get("response.message.additional_kwargs.tool_calls"))
    if type(calls) is list and not any(part.type == "tool_call" for part in parts):
        for message in messages_of([{"role": "assistant", "tool_calls": calls}]):
            parts = [*parts, *message.parts]
    if parts:
        draft.claim("output_messages", [Message(role="assistant", parts=parts)], RANK)
    for name, field in (
        ("response.raw.usage.prompt_tokens", "tokens.input"),
        ("response.additional_kwargs.prompt_tokens", "tokens.input"),
        ("response.raw.usage.completion_tokens", "tokens.output"),
        ("response.additional_kwargs.completion_tokens", "tokens.output"),
        ("response.raw.usage.prompt_tokens_details.cached_tokens", "tokens.cache_read"),
        ("response.raw.usage.completion_tokens_details.reasoning_tokens", "tokens.reasoning"),
    ):
        count = read_count(get(name))
        if count is not UNREAD:
            draft.claim(field, count, RANK)
    _claim_finish(draft, read_structure(get("response.raw.choices")))


def _claim_finish(draft: Draft, choices: Any) -> None:
    first = choices[0] if type(choices) is list and choices else None
    if type(first) is dict:
        _claim_text(draft, "finish_reason", first.get("finish_reason"))


def _retrieval_start(draft: Draft, event: SpanEvent) -> None:
    get = event.attributes.get
    for name in (
        "str_or_query_bundle.query_str",
        "str_or_query_bundle",
        "query.query_str",
        "query",
    ):
        _claim_text(draft, "body_in", get(name))


def _retrieval_end(draft: Draft, event: SpanEvent) -> None:
    nodes = read_structure(event.attributes.get("nodes"))
    documents = None if nodes is UNREAD else documents_of(nodes)
    if documents:
        draft.claim("documents", documents, RANK)


def _embedding_end(draft: Draft, event: SpanEvent) -> None:
    chunks = read_value(event.attributes.get("chunks"))
    if type(chunks) is list and chunks:
        draft.claim("body_in", chunks[0] if len(chunks) == 1 else chunks, RANK)


def _query_end(draft: Draft, event: SpanEvent) -> None:
    get = event.attributes.get
    for name in ("response.response", "output"):
        _claim_text(draft, "body_out", get(name))


def _response_start(draft: Draft, event: SpanEvent) -> None:
    _claim_text(draft, "body_in", event.attributes.get("query_str"))


def _predict_start(draft: Draft, event: SpanEvent) -> None:
    for name in ("template.default_template.template", "template.template"):
        _claim_text(draft, "prompt.template", event.attributes.get(name))
    prefix = "template_args."
    variables = {
        name[len(prefix) :]: value
        for name, value in event.attributes.items()
        if name.startswith(prefix) and type(value) is str
    }
    if variables:
        draft.claim("prompt.variables", variables, RANK)


_READERS = {
    "LLMChatStartEvent": _chat_start,
    "LLMChatEndEvent": _chat_end,
    "LLMCompletionStartEvent": _chat_start,
    "LLMCompletionEndEvent": _chat_end,
    "LLMPredictStartEvent": _predict_start,
    "LLMPredictEndEvent": _query_end,
    "EmbeddingStartEvent": _model,
    "EmbeddingEndEvent": _embedding_end,
    "RetrievalStartEvent": _retrieval_start,
    "RetrievalEndEvent": _retrieval_end,
    "QueryStartEvent": _retrieval_start,
    "QueryEndEvent": _query_end,
    "SynthesizeStartEvent": _retrieval_start,
    "SynthesizeEndEvent": _query_end,
    "GetResponseStartEvent": _response_start,
    "workflow.output": _query_end,
    "step.output": _query_end,
}

DIALECT = Dialect(name="llamaindex", rules={}, refine=_refine, scopes=("llamaindex.",))
