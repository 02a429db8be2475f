"""What went wrong in a span, read from its events: type, message and the frames."""

import re
from dataclasses import dataclass

from pellucid.core.span import Span, SpanEvent, Status

STACK_LIMIT = 40_000
_FRAME = re.compile(r'\s*File "(?P<path>[^"]*)", line \d+')
_LIBRARY = ("site-packages", "dist-packages", "/lib/python", "<frozen ", "\\lib\\python")


@dataclass(frozen=True, kw_only=True)
class StackLine:
    """One line of a stack trace. `ink`: frame (yours), library, source or error."""

    ink: str
    text: str


@dataclass(frozen=True, kw_only=True)
class FaultView:
    """One exception, or a failure that left only its message."""

    type: str
    message: str
    stack: list[StackLine]
    stack_text: str


def list_faults(span: Span) -> list[FaultView]:
    """List a span's exceptions in order; a failed span without any yields its status message."""
    faults = [view_exception(event) for event in span.events if event.name == "exception"]
    if faults or span.status is not Status.ERROR:
        return faults
    message = span.status_message or "The span ended with an error and left no message."
    return [FaultView(type="Error", message=message, stack=[], stack_text="")]


def view_exception(event: SpanEvent) -> FaultView:
    """Read an `exception` event (OpenTelemetry's names)."""
    stack = str(event.attributes.get("exception.stacktrace") or "")[-STACK_LIMIT:]
    return FaultView(
        type=str(event.attributes.get("exception.type") or "Exception"),
        message=str(event.attributes.get("exception.message") or ""),
        stack=_lines(stack),
        stack_text=stack,
    )


def _lines(stack: str) -> list[StackLine]:
    lines = stack.rstrip().splitlines()
    views = []
    ink = "source"
    for number, line in enumerate(lines):
        frame = _FRAME.match(line)
        if frame:
            ink = "library" if any(part in frame["path"] for part in _LIBRARY) else "frame"
            views.append(StackLine(ink=ink, text=line))
        elif line and not line[0].isspace():
            last = number == len(lines) - 1
            views.append(StackLine(ink="error" if last else "source", text=line))
        else:
            views.append(StackLine(ink="library" if ink == "library" else "source", text=line))
    return views
