"""Pydantic AI and Logfire: OTel GenAI names, and some of their own beside them.

Source: spans recorded from pydantic-ai 2.68 (its versions 2 and 5 of the instrumentation) and
Logfire 5.2. An agent's `gen_ai.aggregated_usage.*` repeats its model calls and is not read.
"""

from typing import Any

from pellucid.core.span import Message, SpanKind
from pellucid.semconv.bodies import request_messages, response_messages
from pellucid.semconv.messages import messages_of, read_messages
from pellucid.semconv.rules import Dialect, Draft, table
from pellucid.semconv.usage import claim_usage
from pellucid.semconv.values import (
    UNREAD,
    read_object,
    read_reported_cost,
    read_structure,
    read_tags,
    read_text,
    read_value,
)

RANK = 1500
_WEAK = 4900


def _read_event_messages(value: Any) -> Any:
    """Read the first version's list of events: a message each, and the answer in a choice."""
    got = read_structure(value)
    if type(got) is not list:
        return UNREAD
    items = [item for item in got if type(item) is dict]
    return items if items and len(items) == len(got) else UNREAD


def _refine(draft: Draft) -> None:
    claims = draft.claims
    spoken = claims.get("logfire.all_messages")
    if spoken:
        _claim_conversation(draft, spoken)
    recorded = claims.get("logfire.events")
    if recorded:
        asked = [item for item in recorded if item.get("event.name") != "gen_ai.choice"]
        answered = [item for item in recorded if item.get("event.name") == "gen_ai.choice"]
        draft.claim("input_messages", messages_of(asked), RANK + 1)
        draft.claim("output_messages", response_messages({"choices": answered}), RANK + 1)
    request, response = claims.get("logfire.request"), claims.get("logfire.response")
    if request is not None and "messages" in request:
        draft.claim("input_messages", request_messages(request), _WEAK)
    if response is not None:
        message = response.get("message")
        body = {"message": message} if type(message) is dict else response
        draft.claim("output_messages", response_messages(body), _WEAK)
    for usage in (claims.get("logfire.usage"), (response or {}).get("usage")):
        if type(usage) is dict:
            claim_usage(draft, usage, _WEAK)


def _claim_conversation(draft: Draft, spoken: list[Message]) -> None:
    """Split an agent's whole conversation: what the last model call answered is the output."""
    split = len(spoken)
    while split and spoken[split - 1].role == "assistant":
        split -= 1
    if draft.claims.get("kind") in (None, SpanKind.AGENT):
        draft.claim("input_messages", spoken[:split], RANK)
        draft.claim("output_messages", spoken[split:], RANK)


DIALECT = Dialect(
    name="logfire",
    rules=table(
        RANK,
        ("operation.cost", "cost", read_reported_cost),
        ("final_result", "body_out", read_value),
        ("pydantic_ai.all_messages", "logfire.all_messages", read_messages),
        ("all_messages_events", "logfire.events", _read_event_messages),
        ("events", "logfire.events", _read_event_messages),
        ("tool_arguments", "tool.arguments", read_value),
        ("tool_response", "tool.result", read_value),
        ("model_name", "model", read_text),
        ("agent_name", "agent", read_text),
        ("request_data", "logfire.request", read_object),
        ("response_data", "logfire.response", read_object),
        ("logfire.tags", "tags", read_tags),
        ("gen_ai.usage.raw", "logfire.usage", read_object),
    ),
    refine=_refine,
    marks=(
        "logfire.json_schema",
        "pydantic_ai.all_messages",
        "all_messages_events",
        "gen_ai.usage.raw",
        "request_data",
        "response_data",
        "events",
    ),
)
