"""Streamed answers: generated while the program reads them, in the context of the query."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

Done = Callable[[str], None]
"""Called once with the text that was streamed."""


def hold_response(response: Any, context: Context, done: Done) -> None:
    """Replace the generator of a streaming response; `done` is called when it ends."""
    tokens = response.response_gen
    response.response_gen = (
        _AsyncTokens(tokens, context, done)
        if hasattr(tokens, "__anext__")
        else _Tokens(iter(tokens), context, done)
    )


class _Held:
    """A stream of texts that ends once: at its end, when closed, or when it is let go."""

    def __init__(self, tokens: Any, context: Context, done: Done) -> None:
        self._tokens = tokens
        self._context = context
        self._done: Done | None = done
        self._texts: list[str] = []

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done("".join(self._texts))

    def _take(self, token: Any) -> Any:
        self._texts.append(str(token))
        return token

    def __del__(self) -> None:
        self._finish()


class _Tokens(_Held, Iterator[Any]):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        token = otel_context.attach(self._context)
        try:
            return self._take(next(self._tokens))
        except BaseException:
            self._finish()
            raise
        finally:
            otel_context.detach(token)

    def close(self) -> None:
        """End the stream, as a generator's `close` does."""
        if hasattr(self._tokens, "close"):
            self._tokens.close()
        self._finish()


class _AsyncTokens(_Held, AsyncIterator[Any]):
    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        token = otel_context.attach(self._context)
        try:
            return self._take(await anext(self._tokens))
        except BaseException:
            self._finish()
            raise
        finally:
            otel_context.detach(token)

    async def aclose(self) -> None:
        """End the stream, as a generator's `aclose` does."""
        if hasattr(self._tokens, "aclose"):
            await self._tokens.aclose()
        self._finish()
