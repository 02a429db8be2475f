"""What ag2's agents and messages say, as spans show it."""

import json
from typing import Any

from pellucid.client.encoding import simplify
from pellucid.semconv.messages import encode_messages, messages_of, tool_calls_of

_LONG_MESSAGE = 65_536


def members_of(group: Any) -> list[str]:
    """Return who is in a group, without the helpers that ag2 adds."""
    return [name for name in map(name_of, group.agents) if not name.startswith("_")]


def title_of(agent: Any) -> str:
    """Return an agent's name; those that ag2 makes for itself begin with `_`."""
    return name_of(agent).lstrip("_")


def summary_text(summary: Any) -> Any:
    """Return a chat's summary, which may be a message."""
    return summary.get("content") or summary if isinstance(summary, dict) else summary


def name_of(agent: Any) -> str:
    """Return an agent's name."""
    return str(getattr(agent, "name", agent))


def content_of(message: Any) -> Any:
    """Return what a message says: its text, else what it calls or was answered."""
    if not isinstance(message, dict):
        return message
    content = _plain(message).get("content")
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, dict) and part.get("text")]
        return "\n".join(map(str, texts)) or content
    if content:
        return content
    if message.get("tool_calls"):
        return tool_calls_of(messages_of([message])) or message["tool_calls"]
    return message.get("tool_responses") or content


def encoded(messages: list[Any]) -> str:
    """Return messages as an attribute's JSON."""
    found = messages_of([_simple(_plain(message)) for message in messages])
    return encode_messages(found) if found else "[]"


def _plain(message: Any) -> Any:
    """Leave out what ag2 adds for itself: `_` before a name, "None" beside a call."""
    if not isinstance(message, dict):
        return message
    name = message.get("name")
    if type(name) is str and name[:1] == "_":
        message = {**message, "name": title_of(name)}
    if message.get("content") == "None" and message.get("tool_calls"):
        message = {**message, "content": None}
    return message


def _simple(message: Any) -> Any:
    """Simplify a message, unless it holds texts alone, as nearly all of them do."""
    if type(message) is dict:
        size = 0
        for value in message.values():
            if type(value) is str:
                size += len(value)
            elif value is not None:
                return simplify(message)
        if size < _LONG_MESSAGE:
            return message
    return simplify(message)


def parsed(arguments: Any) -> Any:
    """Return the arguments of a call, or their text where they are no JSON."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def as_said(message: Any, asker: str) -> Any:
    """Give a message the role that it has in the whole chat; each agent calls itself assistant."""
    if not isinstance(message, dict) or message.get("role") not in {"user", "assistant"}:
        return message
    name = message.get("name")
    if not name:
        return message
    return {**message, "role": "user" if name == asker else "assistant"}
