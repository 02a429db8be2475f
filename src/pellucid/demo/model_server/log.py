"""What was served: the server's own account, an oracle for whoever traces its clients."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class ServedCall:
    """One request and what became of it; filled in while it is served."""

    path: str
    model: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """As sent, names in lower case, without the key."""
    stream: bool = False
    status: int = 0
    """0 until answered, or where the connection was cut before any byte."""
    id: str = ""
    text: str | None = None
    """What the first choice says in words."""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    """`{id, name, arguments}` of the first choice; arguments are JSON text."""
    finish_reason: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    streamed_tokens: int = 0
    """Output tokens that were sent; fewer than `output_tokens` where a stream was cut."""
    complete: bool = False
    """Whether the whole answer was sent."""
    started_ns: int = 0
    first_token_ns: int | None = None
    ended_ns: int | None = None


class RequestLog:
    """Served calls in the order of their arrival. Safe to use from several threads."""

    def __init__(self) -> None:
        self._calls: list[ServedCall] = []
        self._lock = threading.Lock()  # guards _calls

    def add(self, call: ServedCall) -> None:
        """Append one call."""
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()

    def __iter__(self) -> Iterator[ServedCall]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)

    def __getitem__(self, index: int) -> ServedCall:
        with self._lock:
            return self._calls[index]

    def served(self, path: str = "") -> list[ServedCall]:
        """Return the calls that were answered 200, of the paths that end with `path`."""
        return [call for call in self if call.status == 200 and call.path.endswith(path)]

    @property
    def input_tokens(self) -> int:
        """All input tokens of calls that were answered 200."""
        return sum(call.input_tokens for call in self.served())

    @property
    def output_tokens(self) -> int:
        """All output tokens of calls that were answered 200."""
        return sum(call.output_tokens for call in self.served())
