"""Streamed answers: generated while the program reads them, in the context of the query."""

import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

Done = Callable[[str, BaseException | None], None]
"""Called once with the text that was streamed, and the error that ended it."""


def hold_response(response: Any, context: Context, done: Done) -> None:
    """Replace the generator of a streaming response; `done` is called when it ends.

    It ends at its end, when closed, when it fails, or when nobody holds it any more.
    """
    tokens = response.response_gen
    held = _Held(context, done)
    response.response_gen = (
        _read_async(tokens, held) if hasattr(tokens, "__anext__") else _read(iter(tokens), held)
    )
    weakref.finalize(response.response_gen, held.finish)


def hold_chat(response: Any, context: Context, done: Done) -> bool:
    """Do the same with a chat's stream that the program reads, not a thread of LlamaIndex's.

    Returns False where it is not of that kind.
    """
    if getattr(response, "is_writing_to_memory", True):
        return False
    held = _Held(context, done)
    for name, read in (("chat_stream", _read), ("achat_stream", _read_async)):
        pieces = getattr(response, name, None)
        if pieces is not None:
            setattr(response, name, read(pieces, held))
            weakref.finalize(getattr(response, name), held.finish)
            return True
    return False


class _Held:
    """What was read of a stream, and whom to tell when it ends, once."""

    def __init__(self, context: Context, done: Done) -> None:
        self.context = context
        self.texts: list[str] = []
        self._done: Done | None = done

    def finish(self, error: BaseException | None = None) -> None:
        """Tell of the end."""
        done, self._done = self._done, None
        if done is not None:
            done("".join(self.texts), error)


def _text_of(piece: Any) -> str:
    """Return the text of a token, or of a piece of a chat's stream."""
    return piece if isinstance(piece, str) else str(getattr(piece, "delta", None) or "")


def _read(tokens: Any, held: _Held) -> Generator[Any, None, None]:
    try:
        while True:
            attached = otel_context.attach(held.context)
            try:
                token = next(tokens)
            except StopIteration:
                break
            finally:
                otel_context.detach(attached)
            held.texts.append(_text_of(token))
            yield token
    except GeneratorExit:
        if hasattr(tokens, "close"):
            tokens.close()
        raise
    except BaseException as error:
        held.finish(error)
        raise
    finally:
        held.finish()


async def _read_async(tokens: Any, held: _Held) -> AsyncGenerator[Any, None]:
    try:
        while True:
            attached = otel_context.attach(held.context)
            try:
                token = await anext(tokens)
            except StopAsyncIteration:
                break
            finally:
                otel_context.detach(attached)
            held.texts.append(_text_of(token))
            yield token
    except GeneratorExit:
        if hasattr(tokens, "aclose"):
            await tokens.aclose()
        raise
    except BaseException as error:
        held.finish(error)
        raise
    finally:
        held.finish()
