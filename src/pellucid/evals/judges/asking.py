"""One question to a judge's model: cached, limited, traced, its answer held to a schema."""

import itertools
import json
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from pellucid.core.dataset import digest
from pellucid.core.errors import PellucidError
from pellucid.core.span import SpanKind, Tokens
from pellucid.evals import journal, limits
from pellucid.evals.calling import within
from pellucid.evals.json_schema import violations
from pellucid.evals.models import ChatMessage, Completion, Model
from pellucid.evals.observe import child_span
from pellucid.evals.prices import estimated_cost

MOST_TRIES = 50
"""Braces at which an object is looked for: a text may be nothing but braces."""
THOUGHT = "</think>"
"""What some models write between their thoughts and their answer."""
_DECODER = json.JSONDecoder(strict=False)
"""Takes a line's end inside a string, as models write it."""


class JudgeFailed(PellucidError):
    """A judge's model gave no valid answer, also when asked to repair it."""


class Spent:
    """What the models cost that one scorer asked for one output."""

    def __init__(self) -> None:
        self.cost_usd: float | None = None

    def add(self, cost_usd: float | None) -> None:
        """Add what a call has cost; None where nobody knows."""
        if cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost_usd


SPENT: ContextVar[Spent | None] = ContextVar("pellucid_spent", default=None)
"""Where the calls of the scorer that runs are added up."""


async def ask(
    model: Model,
    prompt: str,
    schema: Mapping[str, Any],
    *,
    read: Any = None,
) -> dict[str, Any]:
    """Ask a model and return its answer, valid under `schema`; one repair is asked for.

    `read` turns an answer's text into a value before it is checked; by default the first JSON
    object in the text. Raises JudgeFailed, and what the model raises.
    """
    read = read or json_in
    prompt = prompt.encode("utf-8", "replace").decode()  # half a character cannot be sent
    messages: list[ChatMessage] = [{"role": "user", "content": prompt}]
    completion = await _complete(model, messages, schema)
    answer, faults = _checked(completion.text, schema, read)
    if not faults:
        return answer
    messages += [
        {"role": "assistant", "content": completion.text},
        {"role": "user", "content": _repair(faults, schema)},
    ]
    completion = await _complete(model, messages, schema)
    answer, faults = _checked(completion.text, schema, read)
    if faults:
        raise JudgeFailed(
            f"{model.name} gave no valid answer, also when asked again: {faults[0]}. "
            f"It said: {completion.text[:300]!r}"
        )
    return answer


def json_in(text: str) -> Any:
    """Return the first JSON object in a text, fenced or not. Raises ValueError."""
    braces = (start for start, character in enumerate(text) if character == "{")
    for start in itertools.islice(braces, MOST_TRIES):
        if (found := _object_at(text, start)) is not None:
            return found
    raise ValueError("there is no JSON object in the answer")


def _object_at(text: str, start: int) -> Any:
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value


def _checked(text: str, schema: Mapping[str, Any], read: Any) -> tuple[dict[str, Any], list[str]]:
    try:
        answer = read(text.rpartition(THOUGHT)[2])
    except ValueError as error:
        return {}, [str(error)]
    return answer, violations(answer, schema)


def _repair(faults: list[str], schema: Mapping[str, Any]) -> str:
    listed = "\n".join(f"- {fault}" for fault in faults[:10])
    shape = msgspec.json.encode(schema).decode()
    return (
        f"That answer cannot be read:\n{listed}\n\nAnswer again with nothing but one JSON object "
        f"that is valid under this schema:\n{shape}"
    )


async def _complete(
    model: Model, messages: list[ChatMessage], schema: Mapping[str, Any]
) -> Completion:
    answers = journal.CURRENT.get()
    key = digest(["model", model.identity, messages, schema, journal.SCOPE.get()])
    provider, _, name = model.name.rpartition(":")
    with child_span(f"chat {name}", SpanKind.LLM) as span:
        span.set("set_model", name, provider or None)
        span.set("set_messages", input=messages)
        kept = answers.find(key) if answers is not None else None
        if kept is not None:
            completion = msgspec.convert(kept, Completion)
            span.set("set_attribute", "pellucid.cached", True)
        else:
            completion = await _limited(model, messages, schema)
            if answers is not None:
                answers.keep(key, msgspec.to_builtins(completion))
        span.set("set_messages", output=[{"role": "assistant", "content": completion.text}])
        if kept is None:
            span.set(
                "set_usage",
                completion.tokens_in,
                completion.tokens_out,
                cost_usd=completion.cost_usd,
            )
    return completion


async def _limited(
    model: Model, messages: list[ChatMessage], schema: Mapping[str, Any]
) -> Completion:
    limit = limits.CURRENT.get()
    if limit is None:
        return await model.complete(messages, schema)
    async with limit.call(urgent=True):
        await limit.start()
        completion = await within(model.complete(messages, schema), limit.timeout_s, model.name)
    cost_usd = completion.cost_usd
    if cost_usd is None:
        tokens = Tokens(input=completion.tokens_in, output=completion.tokens_out)
        cost_usd = estimated_cost(completion.model, tokens)
    limit.spend(cost_usd)
    if (spent := SPENT.get()) is not None:
        spent.add(cost_usd)
    return completion
