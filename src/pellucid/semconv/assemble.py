"""From the claims that dialects made to the canonical span.

What is derived, in this order of trust:

- `pellucid.input` and `pellucid.output` are what they say.
- On a model call whose messages are understood, the text of the last user message and of the answer
  (the tool calls where there is no text). Another vocabulary's request or response *body* says the
  same, less readably, and stays in the raw attributes.
- Otherwise that vocabulary's input and output, and the same texts where it has none.
- A TOOL span's arguments and result are its input and output where it names none, and vice versa.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pellucid.core.span import (
    Document,
    LogRecord,
    Message,
    Part,
    PromptRef,
    Span,
    SpanEvent,
    SpanKind,
    Status,
    Tokens,
    ToolCall,
)
from pellucid.semconv.attributes import ATTACHMENT_SCHEME, KIND
from pellucid.semconv.bodies import MODEL_CALLS
from pellucid.semconv.documents import documents_of
from pellucid.semconv.events import (
    error_message,
    first_token_ns,
    join_logs,
    messages_from_events,
)
from pellucid.semconv.messages import text_of, tool_calls_of, typed
from pellucid.semconv.parts import plain_answer
from pellucid.semconv.rules import Draft
from pellucid.semconv.values import read_embedded

_Get = Callable[..., Any]

ERROR_CODE = 2
_NO_TOKENS = Tokens()
_GOOGLE = frozenset(
    {"google", "gemini", "gcp.gen_ai", "gcp.gemini", "gcp.vertex_ai", "google_genai", "vertex_ai"}
)
"""What Gemini's provider is called."""
_RETURN_DOCUMENTS = frozenset({SpanKind.RETRIEVER, SpanKind.RERANKER})


class _Said(NamedTuple):
    """What kind of stage a span is, and what it was given and gave."""

    kind: SpanKind
    input: Any
    output: Any
    input_messages: list[Message]
    output_messages: list[Message]
    tool_call: ToolCall | None


def assemble(draft: Draft, logs: Sequence[LogRecord] = ()) -> Span:
    """Return the span that a draft's claims make."""
    decoded, claims = draft.decoded, draft.claims
    get = claims.get
    events = decoded.events
    if logs:
        events = join_logs(events, logs)
    pending = get("pending", False)
    failed = decoded.status_code == ERROR_CODE or "failed" in claims
    said = _read(draft, events)
    kept = get("kept")
    return Span(
        trace_id=decoded.trace_id,
        span_id=decoded.span_id,
        parent_id=decoded.parent_id,
        name=decoded.name,
        kind=said.kind,
        status=Status.RUNNING if pending else Status.ERROR if failed else Status.OK,
        status_message=decoded.status_message
        or get("status_message")
        or (error_message(events, decoded.attributes) if failed else ""),
        start_ns=decoded.start_ns,
        duration_ns=max(decoded.end_ns - decoded.start_ns, 0),
        pending=pending,
        experiment=decoded.experiment,
        run_id=get("run_id"),
        session_id=get("session_id"),
        user_id=get("user_id"),
        tags=_union(draft, "tags"),
        metadata=_union(draft, "metadata"),
        agent=get("agent"),
        model=get("model"),
        provider=get("provider"),
        parameters=_union(draft, "parameters"),
        input=said.input,
        output=said.output,
        input_messages=said.input_messages,
        output_messages=said.output_messages,
        tools=get("tools", []),
        tool_call=said.tool_call,
        documents=_documents(get, said.kind, said.output),
        input_documents=get("input_documents", []),
        tokens=_tokens(draft),
        cost_usd=_cost(claims),
        ttft_ns=get("ttft") if "ttft" in claims or not events else first_token_ns(decoded, events),
        finish_reason=get("finish_reason") or _finish_of(said.output_messages),
        prompt=_prompt(draft),
        attachments=get("attachments", []),
        attributes={**draft.rest, **kept} if kept else draft.rest,
        events=events,
        links=decoded.links,
        dropped=decoded.dropped,
        resource=decoded.resource,
        scope=decoded.scope,
        otel_kind=decoded.otel_kind,
        trace_state=decoded.trace_state,
        flags=decoded.flags,
    )


def _read(draft: Draft, events: list[SpanEvent]) -> _Said:
    kind = draft.claims.get("kind") or _guess_kind(draft)
    input_messages, output_messages = _messages(draft, events)
    if kind is SpanKind.LLM and "output_images" in draft.claims and not text_of(output_messages):
        kind = SpanKind.IMAGE
    given = _content(draft, "input", "body_in", kind, input_messages)
    gave = _content(draft, "output", "body_out", kind, output_messages)
    tool_call = _tool_call(draft, kind, given, gave)
    if tool_call is not None and kind is SpanKind.TOOL:
        if KIND not in draft.decoded.attributes:
            given, gave = _plain_arguments(given), _plain_result(gave)
        given = tool_call.arguments if given is None else given
        gave = tool_call.result if gave is None else gave
    return _Said(kind, given, gave, input_messages, output_messages, tool_call)


def _guess_kind(draft: Draft) -> SpanKind:
    claims = draft.claims
    if "tool.name" in claims:
        return SpanKind.TOOL
    if "model" in claims and ("tokens.output" in claims or "input_messages" in claims):
        return SpanKind.LLM
    if "documents" in claims:
        return SpanKind.RETRIEVER
    return SpanKind.UNKNOWN


class _Messages(NamedTuple):
    input: list[Message]
    output: list[Message]


def _messages(draft: Draft, events: Sequence[SpanEvent]) -> _Messages:
    get = draft.claims.get
    received: list[Message] = get("input_messages") or []
    sent: list[Message] = get("output_messages") or []
    if events and not (received and sent):
        found = messages_from_events(events)
        received, sent = received or found.input, sent or found.output
    system = get("system")
    if system and not any(message.role == "system" for message in received):
        received = [Message(role="system", parts=system), *received]
    received = _with_images(received, get("input_images"), "user")
    sent = _with_images(sent, get("output_images"), "assistant")
    attachments = get("attachments")
    if attachments:
        types = {ATTACHMENT_SCHEME + one.digest: one.media_type for one in attachments}
        received, sent = typed(received, types), typed(sent, types)
    return _Messages(received, sent)


def _with_images(messages: list[Message], images: list[Part] | None, role: str) -> list[Message]:
    if not images:
        return messages
    shown = {part.uri for message in messages for part in message.parts}
    missing = [image for image in images if image.uri not in shown]
    return [*messages, Message(role=role, parts=missing)] if missing else messages


def _content(draft: Draft, name: str, field: str, kind: SpanKind, messages: list[Message]) -> Any:
    """Return a span's input or output; `field` is that of another vocabulary's body."""
    claims = draft.claims
    explicit = claims.get(name)
    if explicit is not None:
        return explicit
    if not messages or (kind not in MODEL_CALLS and claims.get(field) is not None):
        return draft.body(field)
    if kind is SpanKind.EMBEDDING and len(messages) > 1:  # a text each
        return [text_of([message]) for message in messages]
    text = (text_of(messages, "user") if name == "input" else "") or text_of(messages)
    return text or tool_calls_of(messages) or draft.body(field)


def _tool_call(draft: Draft, kind: SpanKind, given: Any, answered: Any) -> ToolCall | None:
    get = draft.claims.get
    name, identity = get("tool.name"), get("tool.id")
    arguments, result = get("tool.arguments"), get("tool.result")
    if kind is SpanKind.TOOL:
        if arguments is None:
            arguments = given if given is not None else get("tool.parameters")
        if result is None:
            result = answered
        if KIND not in draft.decoded.attributes:
            name = _name_in(result) or name
            arguments, result = _plain_arguments(arguments), _plain_result(result)
        name = name or draft.decoded.name.removeprefix("execute_tool ") or None
        return ToolCall(id=identity, name=name, arguments=arguments, result=result)
    if name is None and identity is None and arguments is None and result is None:
        return None
    return ToolCall(id=identity, name=name, arguments=arguments, result=result)


def _name_in(result: Any) -> str | None:
    """Return the tool's name out of a framework's result (LlamaIndex)."""
    name = result.get("tool_name") if type(result) is dict else None
    return name if type(name) is str else None


_SMOLAGENTS = frozenset({"args", "sanitize_inputs_outputs", "kwargs"})


def _plain_arguments(arguments: Any) -> Any:
    """Take the arguments out of the frame that a framework puts around them."""
    if type(arguments) is dict and type(arguments.get("kwargs")) is dict:
        bare = len(arguments) <= 2 or (arguments.keys() == _SMOLAGENTS and not arguments["args"])
        return arguments["kwargs"] if bare else arguments
    return arguments


def _plain_result(result: Any) -> Any:
    """Take the result out of a tool message (LangChain) or a tool output (LlamaIndex)."""
    if type(result) is not dict:
        return result
    if result.get("type") == "constructor" and type(result.get("kwargs")) is dict:
        result = result["kwargs"]
    if result.get("type") == "tool" and "content" in result:
        return plain_answer(result["content"])
    if "tool_name" in result and "raw_output" in result:
        return result["raw_output"]
    return result


def _documents(get: _Get, kind: SpanKind, output: Any) -> list[Document]:
    claimed: list[Document] = get("documents") or []
    if claimed or kind not in _RETURN_DOCUMENTS or type(output) not in (list, dict):
        return claimed
    if type(output) is list and output and type(read_embedded(output[0])) is str:
        return []  # texts that may be anything: the output shows them
    return documents_of(output) or []


def _tokens(draft: Draft) -> Tokens:
    get = draft.claims.get
    cache_read, cache_write = get("tokens.cache_read", 0), get("tokens.cache_write", 0)
    output, reasoning = get("tokens.output", 0), get("tokens.reasoning", 0)
    if "tokens.thoughts" in draft.claims and not reasoning:
        reasoning = draft.claims["tokens.thoughts"]
        output += reasoning  # Gemini's output leaves them out
    received = get("tokens.input")
    beyond = get("tokens.total", 0) - output - (received or 0)
    if received is None:
        uncached = get("tokens.input_uncached")
        if uncached is not None:
            received = uncached + cache_read + cache_write
        else:
            received = max(get("tokens.total", 0) - output, 0)
    elif KIND not in draft.decoded.attributes:
        # A producer may pass on the provider's figures, where `input` excludes both caches, or
        # `output` the reasoning; a total tells.
        caches = cache_read + cache_write
        if beyond > 0 and get("provider") in _GOOGLE:
            # Gemini's input includes its cache, and its output leaves the thoughts out.
            output, reasoning = output + beyond, reasoning or beyond
        elif caches > received or caches == beyond:
            received += caches
        elif caches and caches + reasoning == beyond:
            received, output = received + caches, output + reasoning
        elif reasoning and reasoning == beyond:
            output += reasoning
    if not (received or output or cache_read or cache_write or "tokens.image" in draft.claims):
        return Tokens(reasoning=reasoning) if reasoning else _NO_TOKENS
    return Tokens(
        input=received,
        output=output,
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=reasoning,
        image=get("tokens.image", 0),
    )


def _cost(claims: dict[str, Any]) -> float | None:
    cost: float | None = claims.get("cost")
    if cost is None and ("cost.input" in claims or "cost.output" in claims):
        return float(claims.get("cost.input", 0) + claims.get("cost.output", 0))
    return cost


def _union(draft: Draft, field: str) -> dict[str, Any]:
    """Merge an object that was claimed whole with the members that came one by one."""
    whole: dict[str, Any] | None = draft.claims.get(field)
    flats = draft.flats.get(field)
    if flats is None:
        return whole or {}
    rank = flats[0].rank
    if whole is None and all(flat.rank == rank for flat in flats):
        return {str(flat.path[-1]): flat.value for flat in flats}
    ranked = [(f.rank, str(f.path[-1]), {str(f.path[-1]): f.value}) for f in flats]
    if whole is not None:
        ranked.append((draft.ranks[field], "", whole))
    ranked.sort(key=lambda entry: entry[:2], reverse=True)
    merged: dict[str, Any] = {}
    for _, _, members in ranked:
        merged.update(members)
    return merged


def _finish_of(messages: list[Message]) -> str | None:
    return next((m.finish_reason for m in reversed(messages) if m.finish_reason), None)


def _prompt(draft: Draft) -> PromptRef | None:
    get = draft.claims.get
    ours: PromptRef | None = get("prompt")
    if ours is not None:
        return ours
    name, version, template = get("prompt.name"), get("prompt.version"), get("prompt.template")
    if "prompt.variables" in draft.claims or "prompt.variables" in draft.flats:
        variables = _union(draft, "prompt.variables")
    else:
        variables = {}
        if name is None and version is None and template is None:
            return None
    return PromptRef(name=name, version=version, template=template, variables=variables)
