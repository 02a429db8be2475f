"""The Vercel AI SDK up to version 6 (`ai.*`); version 7 writes OTel GenAI names.

Source: spans recorded from versions 4 to 7. The outer span of a call (`ai.generateText`) repeats
the usage of the model calls below it (`ai.generateText.doGenerate`).
"""

from typing import Any

from pellucid.core.span import Document, Message, Part, SpanKind
from pellucid.semconv.bodies import request_messages
from pellucid.semconv.genai import read_parameter
from pellucid.semconv.messages import read_messages
from pellucid.semconv.parts import bytes_part, tool_call_part
from pellucid.semconv.rules import SESSION_KEYS, USER_KEYS, Dialect, Draft, Flat, Rule, table
from pellucid.semconv.tools import read_tools
from pellucid.semconv.usage import CACHE_READ, CACHE_WRITTEN, claim_usage
from pellucid.semconv.values import (
    UNREAD,
    encode_json,
    read_any_text,
    read_count,
    read_embedded,
    read_json_text,
    read_label,
    read_milliseconds,
    read_number,
    read_object,
    read_structure,
    read_text,
    read_value,
)

RANK = 1400

_METADATA = "ai.telemetry.metadata."
_SETTINGS = "ai.settings."
_CONTEXT = "ai.settings.context."
"""What version 7 calls metadata."""
_SCOPE_OF_7 = "gen_ai"
_SESSIONS = ("sessionId", "threadId", "chatId", "conversationId", *SESSION_KEYS)
_USERS = ("userId", *USER_KEYS)


def _read_operation(value: Any) -> Any:
    if type(value) is not str or not value.startswith("ai."):
        return UNREAD
    steps = value.split(".")
    if steps[1] == "toolCall":
        return SpanKind.TOOL
    if steps[1].startswith("embed"):
        return SpanKind.EMBEDDING
    if steps[1] == "rerank":
        return SpanKind.RERANKER
    return SpanKind.LLM if len(steps) > 2 else SpanKind.CHAIN


def _read_provider(value: Any) -> Any:
    """Read `openai.chat` as openai."""
    return value.partition(".")[0].lower() if type(value) is str and value else UNREAD


def _read_texts(value: Any) -> Any:
    """Read a list, native or JSON, whose members are JSON texts."""
    got = read_structure(value)
    if type(got) is not list or not got:
        return UNREAD
    return [read_json_text(item) for item in got]


def _match(name: str) -> Rule | None:
    place = 0 if name.startswith(_METADATA) else 10
    if name.startswith(_SETTINGS) and not name.startswith(_CONTEXT):
        return Rule("parameters", read_parameter, RANK, (name[len(_SETTINGS) :],))
    key = name[len(_CONTEXT) :] if place else name[len(_METADATA) :]
    if key in _SESSIONS:
        return Rule("session_id", read_label, RANK + place + _SESSIONS.index(key))
    if key in _USERS:
        return Rule("user_id", read_label, RANK + place + _USERS.index(key))
    return Rule("metadata", read_value, RANK + place, (key,))


def _refine(draft: Draft) -> None:
    claims = draft.claims
    if draft.decoded.scope.name == _SCOPE_OF_7:
        if "tool.result" in claims:  # always JSON there, texts too
            claims["tool.result"] = read_json_text(claims["tool.result"])
        return
    _claim_answer(draft)
    _claim_details(draft)
    prompt = claims.get("body_in")
    if "input_messages" not in claims and type(prompt) is dict:
        draft.claim("input_messages", request_messages(prompt), RANK)
    asked = claims.get("input_messages")
    if type(prompt) is dict and set(prompt) <= {"system", "prompt"} and "prompt" in prompt:
        claims["body_in"] = prompt["prompt"]
    elif prompt is not None and asked:
        del claims["body_in"]
    if "vercel.embeddings" in claims:
        sizes = claims["vercel.embeddings"]
        first = sizes[0] if type(sizes[0]) is list else sizes
        flat = Flat(RANK, ("dimensions",), len(first))
        draft.flats.setdefault("parameters", []).append(flat)
    if claims.get("kind") is SpanKind.RERANKER:
        _claim_ranking(draft)


def _claim_details(draft: Draft) -> None:
    """Claim what only the provider's metadata tells of the usage.

    Anthropic's and Bedrock's input left their caches out before version 6, which has details;
    Gemini's output leaves the thoughts out.
    """
    provider = draft.claims.get("provider", "")
    provided = read_object(draft.decoded.attributes.get("ai.response.providerMetadata"))
    told = provided.get(_METADATA_OF.get(provider, provider)) if provided else None
    told = told if type(told) is dict else {}
    if provider in _BESIDE:
        usage = told.get("usage")
        _claim_caches(draft, {**told, **usage} if type(usage) is dict else told)
    elif type(told.get("usageMetadata")) is dict:
        claim_usage(draft, told["usageMetadata"], RANK - 1)
    for name, field in _OPENAI:
        count = read_count(told.get(name))
        if count is not UNREAD:
            draft.claim(field, count, RANK + 900)


def _claim_caches(draft: Draft, told: dict[str, Any]) -> None:
    claims = draft.claims
    if not _DETAILS.isdisjoint(draft.decoded.attributes) or "tokens.input" not in claims:
        return
    read, written = (_first_count(told, names) for names in (CACHE_READ, CACHE_WRITTEN))
    read = claims.get("tokens.cache_read", 0) if read is None else read
    if read or written:
        draft.claim("tokens.input", claims["tokens.input"] + read + (written or 0), RANK - 1)
        draft.claim("tokens.cache_read", read, RANK - 1)
        draft.claim("tokens.cache_write", written or 0, RANK - 1)


def _first_count(told: dict[str, Any], names: tuple[str, ...]) -> int | None:
    counts = (read_count(told.get(name)) for name in names)
    return next((int(count) for count in counts if count is not UNREAD), None)


_METADATA_OF = {"amazon-bedrock": "bedrock"}
_BESIDE = frozenset({"anthropic", "amazon-bedrock"})
_OPENAI = (
    ("cachedPromptTokens", "tokens.cache_read"),
    ("reasoningTokens", "tokens.reasoning"),
)
_DETAILS = frozenset(
    f"ai.usage.inputTokenDetails.{name}Tokens" for name in ("noCache", "cacheRead", "cacheWrite")
)


def _claim_answer(draft: Draft) -> None:
    get = draft.claims.get
    parts: list[Part] = []
    reasoning, text, produced = get("vercel.reasoning"), get("vercel.text"), get("vercel.object")
    if type(reasoning) is str and reasoning:
        parts.append(Part(type="reasoning", content=reasoning))
    if text:
        parts.append(Part(type="text", content=text))
    if produced is not None:
        written = produced if type(produced) is str else encode_json(produced)
        parts += [Part(type="text", content=written)] if written else []
        draft.claim("body_out", produced, RANK + 1)
    calls = get("vercel.calls")
    if type(calls) is list:
        parts += [part for part in map(_call, calls) if part is not None]
    files = get("vercel.files")
    if type(files) is list:
        parts += [part for part in map(_file, files) if part is not None]
    if text:
        draft.claim("body_out", text, RANK)
    if parts:
        message = Message(role="assistant", parts=parts, finish_reason=get("finish_reason"))
        draft.claim("output_messages", [message], RANK)


def _call(call: Any) -> Part | None:
    if type(call) is not dict:
        return None
    named = {"id": call.get("toolCallId"), "name": call.get("toolName"), **call}
    return tool_call_part(named)


def _file(item: Any) -> Part | None:
    item = read_embedded(item)
    if type(item) is not dict:
        return None
    data = item.get("base64", item.get("data", item.get("url")))
    media_type = item.get("mediaType", item.get("mimeType"))
    if type(data) is not str:
        return None
    return bytes_part(data, media_type if type(media_type) is str else None)


def _claim_ranking(draft: Draft) -> None:
    documents = draft.claims.get("vercel.documents")
    ranking = draft.claims.get("vercel.ranking")
    texts = documents if type(documents) is list else []
    given = [Document(text=item if type(item) is str else encode_json(item)) for item in texts]
    if given:
        draft.claim("input_documents", given, RANK)
    found: list[Document] = []
    for entry in ranking if type(ranking) is list else []:
        entry = read_embedded(entry)
        if type(entry) is not dict:
            continue
        index = read_count(entry.get("index", entry.get("originalIndex")))
        score = read_number(entry.get("relevanceScore", entry.get("score")))
        if index is not UNREAD and index < len(given):
            found.append(Document(text=given[index].text, score=None if score is UNREAD else score))
    if found:
        draft.claim("documents", found, RANK)


DIALECT = Dialect(
    name="vercel",
    rules={
        **table(
            RANK,
            ("ai.operationId", "kind", _read_operation),
            ("ai.model.id", "model", read_text),
            ("ai.response.model", "model", read_text),
            ("ai.model.provider", "provider", _read_provider),
            ("ai.prompt.messages", "input_messages", read_messages),
            ("ai.prompt", "body_in", read_json_text),
            ("ai.value", "body_in", read_json_text),
            ("ai.values", "body_in", _read_texts),
            ("ai.prompt.tools", "tools", read_tools),
            ("ai.response.text", "vercel.text", read_any_text),
            ("ai.response.object", "vercel.object", read_json_text),
            ("ai.response.toolCalls", "vercel.calls", read_structure),
            ("ai.response.reasoning", "vercel.reasoning", read_any_text),
            ("ai.response.files", "vercel.files", _read_texts),
            ("ai.response.finishReason", "finish_reason", read_text),
            ("ai.response.msToFirstChunk", "ttft", read_milliseconds),
            ("ai.usage.inputTokens", "tokens.input", read_count),
            ("ai.usage.promptTokens", "tokens.input", read_count),
            ("ai.usage.tokens", "tokens.input", read_count),
            ("ai.usage.outputTokens", "tokens.output", read_count),
            ("ai.usage.completionTokens", "tokens.output", read_count),
            ("ai.usage.inputTokenDetails.cacheReadTokens", "tokens.cache_read", read_count),
            ("ai.usage.cachedInputTokens", "tokens.cache_read", read_count),
            ("ai.usage.inputTokenDetails.cacheWriteTokens", "tokens.cache_write", read_count),
            ("ai.usage.outputTokenDetails.reasoningTokens", "tokens.reasoning", read_count),
            ("ai.usage.reasoningTokens", "tokens.reasoning", read_count),
            ("ai.usage.totalTokens", "tokens.total", read_count),
            ("ai.toolCall.name", "tool.name", read_text),
            ("ai.toolCall.id", "tool.id", read_label),
            ("ai.toolCall.args", "tool.arguments", read_json_text),
            ("ai.toolCall.input", "tool.arguments", read_json_text),
            ("ai.toolCall.result", "tool.result", read_json_text),
            ("ai.toolCall.output", "tool.result", read_json_text),
            ("ai.embedding", "vercel.embeddings", _read_texts),
            ("ai.embeddings", "vercel.embeddings", _read_texts),
            ("ai.documents", "vercel.documents", _read_texts),
            ("ai.ranking", "vercel.ranking", _read_texts),
        ),
        "ai.prompt.toolChoice": Rule("parameters", read_json_text, RANK, ("toolChoice",)),
    },
    match=_match,
    prefixes=(_METADATA, _SETTINGS),
    refine=_refine,
    scopes=(_SCOPE_OF_7,),
    marks=("ai.operationId", "ai.embedding", "ai.embeddings", "ai.documents", "ai.ranking"),
)
