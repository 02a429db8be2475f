"""How a run of DSPy ends: well, with an error, or left by who read its stream.

DSPy calls the function on another line when there are callbacks, and ReAct shows tracebacks to the
model: they are made to read as without tracing.
"""

import asyncio
import dis
import functools
import inspect
from types import CodeType, TracebackType
from typing import Any

from pellucid.client.stages import is_let_go
from pellucid.client.tracing.span import Span

_LEFT = frozenset(
    "CancelledError GeneratorExit ClosedResourceError BrokenResourceError RunFinishedError".split()
)
"""What a stream's end raises in the run that feeds it, when its reader has gone."""


def close(span: Span, exception: Any, callback: Any) -> None:
    """End a span with what ended its run, or None; `callback` is who was told of it."""
    if _is_abandoned(exception):
        span.end()
    elif isinstance(exception, BaseException):
        _leave_no_mark(exception, callback)
        span.__exit__(type(exception), exception, None)
    else:
        span.end()


def _is_abandoned(exception: Any) -> bool:
    """Tell whether a run ended because nobody reads its stream any more: no failure."""
    from dspy import settings

    if isinstance(exception, asyncio.CancelledError | GeneratorExit) and is_let_go():
        return True
    stream = getattr(settings, "send_stream", None)
    if stream is None or exception is None:
        return False
    if _has_no_reader(stream):
        return True
    error, seen = exception, 0
    while isinstance(error, BaseException) and seen < 10:
        if type(error).__name__ in _LEFT:
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _has_no_reader(stream: Any) -> bool:
    """Tell whether a stream's reader has gone, so that whatever ends the run now is no matter."""
    statistics = getattr(stream, "statistics", None)
    return statistics is not None and statistics().open_receive_streams == 0


def _leave_no_mark(error: BaseException, callback: Any) -> None:
    """Have a traceback say what it would say without callbacks.

    DSPy calls the function on another line when there are callbacks, and ReAct shows tracebacks to
    the model. Frames stay; the wrapper's entry gets the place of the call without callbacks.
    """
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    rebuilt: TracebackType | None = None
    changed = False
    for entry in reversed(entries):
        place = _plain_call(entry, callback)
        changed = changed or place is not None
        offset, line = place if place is not None else (entry.tb_lasti, entry.tb_lineno)
        rebuilt = TracebackType(rebuilt, entry.tb_frame, offset, line)
    if changed:
        error.__traceback__ = rebuilt


def _plain_call(entry: TracebackType, callback: Any) -> tuple[int, int] | None:
    frame = entry.tb_frame
    code = frame.f_code
    if code.co_name not in {"sync_wrapper", "async_wrapper"}:
        return None
    if not code.co_filename.endswith("callback.py") or frame.f_locals.get("callbacks") != [
        callback
    ]:
        return None
    return _first_call(code)


@functools.cache
def _first_call(code: CodeType) -> tuple[int, int] | None:
    """Return offset and line of the first call of `fn`, the one without callbacks."""
    wanted = "SEND" if code.co_flags & inspect.CO_COROUTINE else "CALL_FUNCTION_EX"
    for instruction in dis.get_instructions(code):
        positions = instruction.positions
        if instruction.opname == wanted and positions is not None and positions.lineno:
            return instruction.offset, positions.lineno
    return None
