"""Exceptions on spans: an event with type, message and stack trace, and the status."""

import logging
import traceback

from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import Status, StatusCode

from pellucid.client.encoding import qualified

_log = logging.getLogger("pellucid")

_MAX_MESSAGE = 10_000
_MAX_STACK = 64_000
_PAUSES = frozenset({"GraphBubbleUp", "WaitingForEvent"})
"""How LangGraph and LlamaIndex wait for a human, or hand over to another graph."""
_MAX_FRAMES = 100
"""The innermost frames: a deep recursion records its stack once a level, as it unwinds."""


def record(span: OtelSpan, error: BaseException, *, fail: bool = True) -> None:
    """Record an exception that leaves a span; an orderly end (GeneratorExit, exit 0) is none."""
    try:
        if not _is_orderly(error) and span.is_recording():
            _record(span, error, fail=fail)
    except Exception:  # it would take the place of the user's
        _log.debug("An exception could not be recorded", exc_info=True)


def _record(span: OtelSpan, error: BaseException, *, fail: bool) -> None:
    kind = qualified(type(error))
    message = message_of(error)
    span.add_event(
        "exception",
        {
            "exception.type": kind,
            "exception.message": message,
            "exception.stacktrace": _stack(error),
            "exception.escaped": "True" if fail else "False",
        },
    )
    if fail:
        name = kind.rpartition(".")[2]
        span.set_status(Status(StatusCode.ERROR, f"{name}: {message}" if message else name))


def _is_orderly(error: BaseException) -> bool:
    if isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code):
        return True
    return any(kind.__name__ in _PAUSES for kind in type(error).__mro__)


def message_of(error: BaseException) -> str:
    """Return an exception's text, whatever its `__str__` does."""
    try:
        text = str(error)
    except Exception as fault:  # the exception is the user's, and so is its __str__
        text = f"<{type(fault).__name__} in __str__>"
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"


def _stack(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error, limit=-_MAX_FRAMES))
    except Exception as fault:  # formatting calls the user's __str__ and __repr__
        text = f"<{type(fault).__name__} while the traceback was written>"
    if len(text) <= _MAX_STACK:
        return text
    half = _MAX_STACK // 2
    return f"{text[:half]}\n…\n{text[-half:]}"


def drop_frame(error: BaseException) -> None:
    """Take the calling wrapper's frame out of what it is about to raise again with a bare `raise`.

    Programs and frameworks show tracebacks to people and to models: they read as without tracing.
    """
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
