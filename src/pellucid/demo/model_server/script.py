"""What the model says: rules, tried in order, from a request to a reply.

script = [
    Rule(Call("search", {"q": "disc"}), user="Blu-ray", offers="search"),
    Rule(lambda request: f"Found: {request.last.text}", tool="search"),
    "Anything else is answered with this, once.",
]
"""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pellucid.demo.model_server.errors import ApiError
from pellucid.demo.model_server.request import ModelRequest


@dataclass(frozen=True)
class Call:
    """A tool call in a reply; `arguments` may be text, also text that is no JSON."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None
    """Derived from the request where None."""

    @property
    def arguments_text(self) -> str:
        """The arguments as they go over the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong instead of, before or during a reply."""

    status: int | None = None
    """Answer with this status and an error body."""
    message: str = "The scripted server was told to fail."
    retry_after_s: float | None = None
    latency_s: float = 0.0
    """Wait this long before anything is sent."""
    disconnect_after: int | None = None
    """Close the connection after so many events of a stream; 0, or no stream: before any byte."""
    path: str = "*"
    """Which endpoints it strikes, as a pattern, for instance `*/chat/completions`."""
    when: Callable[[dict[str, Any]], bool] | None = None
    """Asked with the request's body."""
    times: int | None = 1
    """How often it strikes; None is always."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """All that can be said of a reply; `str`, `Call`, a list of calls or a dict are short forms."""

    text: str | None = None
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    """`stop`, `tool_calls` or `length` where None."""
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    """Counted as output, as the API does."""
    fault: Fault | None = None


ReplyLike = str | Reply | Call | Sequence[Call] | Mapping[str, Any]
ReplySource = ReplyLike | Callable[[ModelRequest], ReplyLike]


@dataclass(frozen=True)
class Rule:
    """A reply and when to give it; every condition that is set must hold."""

    reply: ReplySource
    user: str | None = None
    """A regular expression, searched in the newest user message."""
    system: str | None = None
    """A regular expression, searched in the system text."""
    tool: str | None = None
    """The newest message is this tool's result."""
    offers: str | None = None
    """This tool is offered."""
    model: str | None = None
    """A pattern such as `gpt-4o*`."""
    when: Callable[[ModelRequest], bool] | None = None
    times: int | None = None
    """How often it may be used; None is always."""

    def matches(self, request: ModelRequest) -> bool:
        """Tell whether every condition holds."""
        return (
            (self.user is None or re.search(self.user, request.user) is not None)
            and (self.system is None or re.search(self.system, request.system) is not None)
            and (self.tool is None or self.tool == request.answered_tool)
            and (self.offers is None or request.find_tool(self.offers) is not None)
            and (self.model is None or fnmatchcase(request.model, self.model))
            and (self.when is None or self.when(request))
        )


ScriptLike = Sequence[Rule | ReplySource] | Callable[[ModelRequest], ReplyLike]


class Script:
    """Rules and how often each was used. Safe to use from several threads.

    The first rule that matches and is not used up answers. A bare reply in the list is a rule
    without conditions that is used once.
    """

    def __init__(self, script: ScriptLike) -> None:
        entries: Sequence[Rule | ReplySource] = [Rule(script)] if callable(script) else script
        self._rules = [e if isinstance(e, Rule) else Rule(e, times=1) for e in entries]
        self._used = [0] * len(self._rules)
        self._lock = threading.Lock()  # guards _used

    def answer(self, request: ModelRequest) -> Reply:
        """Return the reply; raises ApiError where no rule is left that matches."""
        reply = self._take(request).reply
        return as_reply(reply(request) if callable(reply) else reply)

    def _take(self, request: ModelRequest) -> Rule:
        with self._lock:
            for index, rule in enumerate(self._rules):
                used_up = rule.times is not None and self._used[index] >= rule.times
                if not used_up and rule.matches(request):
                    self._used[index] += 1
                    return rule
        raise ApiError(
            f"No rule of the script is left for this request; its newest message is "
            f"{request.last.role}: {request.last.text[:200]!r}",
            code="script_exhausted",
        )


def as_reply(value: ReplyLike) -> Reply:
    """Spell out a short form; a dict becomes JSON text."""
    if isinstance(value, Reply):
        return value
    if isinstance(value, str):
        return Reply(text=value)
    if isinstance(value, Call):
        return Reply(calls=(value,))
    if isinstance(value, Mapping):
        return Reply(text=json.dumps(value, ensure_ascii=False))
    return Reply(calls=tuple(value))
