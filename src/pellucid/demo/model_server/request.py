"""What a model was asked: one shape for `/chat/completions` and `/responses`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.tokens import IMAGE_TOKENS, MESSAGE_OVERHEAD, count_tokens


@dataclass(frozen=True, kw_only=True)
class RequestedCall:
    """A tool call that an earlier reply asked for; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """One message of the conversation; several text parts are joined by newlines."""

    role: str
    text: str = ""
    name: str | None = None
    calls: tuple[RequestedCall, ...] = ()
    call_id: str | None = None
    """The call that a `tool` message answers."""
    images: int = 0


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a tool answered, beside the call that it answers."""

    name: str
    arguments: dict[str, Any]
    content: str


@dataclass(frozen=True, kw_only=True)
class OfferedTool:
    """A function that the model may call; `parameters` is JSON Schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One request to generate, as scripts see it."""

    endpoint: str
    """`chat` or `responses`."""
    model: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[OfferedTool, ...] = ()
    forced_tool: str | None = None
    """The function that `tool_choice` demands by name, `*` where any one will do."""
    parallel_calls: bool = True
    json_wanted: bool = False
    json_schema: dict[str, Any] | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    choices: int = 1
    choice: int = 0
    """Which of the `choices` is being asked for, from 0."""
    stream: bool = False
    include_usage: bool = False
    body: dict[str, Any] = field(default_factory=dict)
    """The request as it came."""

    @property
    def system(self) -> str:
        """All system and developer text."""
        return "\n".join(m.text for m in self.messages if m.role in {"system", "developer"})

    @property
    def user(self) -> str:
        """The newest user message's text."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def last(self) -> ChatMessage:
        """The newest message."""
        return self.messages[-1]

    @property
    def text(self) -> str:
        """Everything that was said, by whomever."""
        return "\n".join(m.text for m in self.messages)

    @property
    def tool_results(self) -> list[ToolResult]:
        """Every tool result of the conversation, in order."""
        calls = {call.id: call for message in self.messages for call in message.calls}
        results = []
        for message in self.messages:
            call = calls.get(message.call_id or "") if message.role == "tool" else None
            if call is not None:
                arguments = _arguments(call.arguments)
                result = ToolResult(name=call.name, arguments=arguments, content=message.text)
                results.append(result)
        return results

    @property
    def answered_tool(self) -> str | None:
        """The tool that the newest message is a result of."""
        results = self.tool_results
        return results[-1].name if results and self.last.role == "tool" else None

    @property
    def input_tokens(self) -> int:
        """What the request costs: messages, tool definitions and the schema asked for."""
        total = 3
        for message in self.messages:
            total += MESSAGE_OVERHEAD + count_tokens(message.text)
            total += IMAGE_TOKENS * message.images
            total += sum(count_tokens(c.name) + count_tokens(c.arguments) for c in message.calls)
        for tool in self.tools:
            total += count_tokens(tool.name) + count_tokens(tool.description)
            total += count_tokens(json.dumps(tool.parameters))
        if self.json_schema is not None:
            total += count_tokens(json.dumps(self.json_schema))
        return total

    def find_tool(self, name: str) -> OfferedTool | None:
        """Return the offered tool of that name."""
        return next((tool for tool in self.tools if tool.name == name), None)


def required(body: Mapping[str, Any], name: str) -> Any:
    """Return a parameter that must be there; raises ApiError as the API words it."""
    if body.get(name) is None:
        raise ApiError(f"Missing required parameter: '{name}'.", param=name)
    return body[name]


def text_list(value: Any, name: str) -> tuple[str, ...]:
    """Read a string, a list of strings or null."""
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise ApiError(f"Invalid type for '{name}': expected strings.", param=name)
    return tuple(values)


@dataclass(frozen=True, kw_only=True)
class Content:
    """A message's content: its text and how many images it shows."""

    text: str
    images: int = 0


def read_content(content: Any, param: str) -> Content:
    """Read a string, null, or a list of content parts of either API."""
    if content is None or isinstance(content, str):
        return Content(text=content or "")
    if not isinstance(content, Sequence):
        raise ApiError(f"Invalid type for '{param}'.", param=param)
    texts: list[str] = []
    images = 0
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in {"text", "input_text", "output_text"}:
            texts.append(part["text"])
        elif kind == "refusal":
            texts.append(part["refusal"])
        elif kind in {"image_url", "input_image"}:
            images += 1
        elif kind not in {"input_audio", "file", "input_file"}:
            raise ApiError(f"Invalid value for '{param}': {kind!r}.", param=param)
    return Content(text="\n".join(texts), images=images)


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
