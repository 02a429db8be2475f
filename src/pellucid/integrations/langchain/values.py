"""LangChain's values as plain ones: messages, documents, commands, prompts, states.

Classes are known by name, so that nothing here imports LangChain.
"""

import functools
from typing import Any

_FAMILIES = {
    "BaseMessage": "message",
    "Document": "document",
    "Command": "command",
    "Send": "send",
    "Interrupt": "interrupt",
    "PromptValue": "prompt",
    "Overwrite": "overwrite",
}
_ROLES = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "function": "tool",
}
_CALL_BLOCKS = frozenset({"tool_use", "tool_call", "tool_call_chunk", "function_call"})
_MAX_DEPTH = 12


def family(value: Any) -> str | None:
    """Return which of LangChain's own kinds of value this is, or None."""
    kind: Any = type(value)
    return _family(kind)


def is_message(value: Any) -> bool:
    """Tell whether a value is one of LangChain's messages."""
    return family(value) == "message"


@functools.lru_cache(maxsize=4096)
def _family(kind: Any) -> str | None:
    for base in kind.__mro__:
        found = _FAMILIES.get(base.__name__)
        if found is not None and base.__module__.startswith(("langchain", "langgraph")):
            return found
    return None


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value with LangChain's own values in it replaced by short plain ones."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool) or depth > _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: plain(item, depth + 1) for key, item in dict.items(value)}
    if kind is list or (isinstance(value, tuple) and not hasattr(kind, "_fields")):
        return [plain(item, depth + 1) for item in value]
    read = _READERS.get(family(value) or "")
    return read(value, depth) if read is not None else value


def message(value: Any) -> Any:
    """Return one chat message as `{role, content, …}`, whatever way it was written."""
    if isinstance(value, str):
        return {"role": "user", "content": value}
    if isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str):
        return {"role": _ROLES.get(value[0], value[0]), "content": plain(value[1])}
    if family(value) != "message":
        return plain(value)
    role = getattr(value, "role", None) or _ROLES.get(value.type, value.type)
    calls = getattr(value, "tool_calls", None) or []
    shown: dict[str, Any] = {"role": role, "content": _content(value.content, bool(calls))}
    if getattr(value, "name", None):
        shown["name"] = value.name
    reasoning = value.additional_kwargs.get("reasoning_content")
    if isinstance(reasoning, str) and reasoning:
        shown["reasoning_content"] = reasoning
    if calls:
        shown["tool_calls"] = [
            {"id": call.get("id"), "name": call.get("name"), "arguments": call.get("args")}
            for call in calls
        ]
    if getattr(value, "tool_call_id", None):
        shown["tool_call_id"] = value.tool_call_id
    if getattr(value, "status", None) == "error":
        shown["status"] = "error"
    return shown


def conversation(value: Any) -> list[Any] | None:
    """Return the messages of a state, a list of them or a prompt; None where there are none."""
    found = dict.get(value, "messages") if isinstance(value, dict) else value
    if found is not None and family(found) == "prompt":
        found = found.to_messages()
    if family(found) == "message":
        found = [found]
    if not isinstance(found, list) or not found:
        return None
    if isinstance(value, dict):
        return [message(item) for item in found]
    return [message(m) for m in found] if family(found[0]) == "message" else None


def text_of(said: list[Any]) -> str | None:
    """Return what the last message says in words."""
    content = said[-1].get("content") if said and isinstance(said[-1], dict) else None
    if isinstance(content, str):
        return content or None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    return None


_SCORES = ("relevance_score", "query_similarity_score", "score")
"""Where rerankers and filters leave a document's score, in its metadata or state."""


def document(value: Any, score: Any = None) -> dict[str, Any]:
    """Return a document as Pellucid shows it; the score as its metadata has it, if not given."""
    metadata = dict(value.metadata or {})
    if score is None:
        held = {**metadata, **(getattr(value, "state", None) or {})}
        score = next((held[name] for name in _SCORES if name in held), None)
    try:
        score = None if score is None else float(score)
    except (TypeError, ValueError):
        score = None
    return {
        "id": value.id or metadata.get("id"),
        "text": value.page_content,
        "score": score,
        "metadata": metadata,
    }


def _content(content: Any, has_calls: bool) -> Any:
    if not isinstance(content, list):
        return content
    parts = [
        _block(block)
        for block in content
        if not (has_calls and isinstance(block, dict) and block.get("type") in _CALL_BLOCKS)
    ]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if all(isinstance(text, str) for text in texts):
        return "".join(text for text in texts if text)
    return parts


def _block(block: Any) -> Any:
    """Return a content block of LangChain's or a provider's own kind in OpenAI's or OTel's."""
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if not isinstance(block, dict):
        return block
    kind = block.get("type")
    if kind in {"reasoning", "thinking"}:
        said = block.get("reasoning") or block.get("thinking") or ""
        return {"type": "reasoning", "content": said}
    if kind in {"image", "audio", "file", "video"}:
        return _media(kind, block)
    return block


def _media(kind: str, block: dict[str, Any]) -> dict[str, Any]:
    source = block.get("source")
    held = source if isinstance(source, dict) else block
    media_type = held.get("mime_type") or held.get("media_type")
    data = held.get("base64") or held.get("data")
    uri = held.get("url")
    if isinstance(data, str) and data:
        uri = f"data:{media_type or 'application/octet-stream'};base64,{data}"
    return {"type": kind, "uri": uri, "media_type": media_type}


def _command(value: Any, depth: int) -> Any:
    held = {name: getattr(value, name, None) for name in ("graph", "update", "resume", "goto")}
    return {
        name: plain(item, depth + 1)
        for name, item in held.items()
        if item is not None and item != () and item != {}
    }


_READERS: dict[str, Any] = {
    "message": lambda value, depth: message(value),
    "document": lambda value, depth: document(value),
    "command": _command,
    "send": lambda value, depth: {"node": value.node, "arg": plain(value.arg, depth + 1)},
    "interrupt": lambda value, depth: {
        "id": getattr(value, "id", None),
        "value": plain(value.value, depth + 1),
    },
    "prompt": lambda value, depth: [message(item) for item in value.to_messages()],
    "overwrite": lambda value, depth: plain(value.value, depth + 1),
}
