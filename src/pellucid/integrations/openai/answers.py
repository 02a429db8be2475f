"""Answers of the OpenAI SDK in every shape that it gives: whole, streamed, raw."""

import json
import logging
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pellucid.client.instrument import drop_frame
from pellucid.integrations.openai.call import Call, body_of, plain
from pellucid.semconv.openai_wire import StreamReader

_log = logging.getLogger("pellucid")


def received(call: Call, result: Any) -> Any:
    """Take an answer of any shape that the SDK gives; what it holds stays as it is."""
    try:
        if call.raw:
            _watch_raw(call, result)
        elif call.streams and hasattr(result, "_iterator"):
            _watch_stream(call, result)
        else:
            call.take(plain(result) if call.whole is None else call.whole)
    except Exception:
        _log.debug("Pellucid could not read an OpenAI response", exc_info=True)
        call.end()
    return result


def _watch_raw(call: Call, result: Any) -> None:
    """`with_raw_response` and `with_streaming_response`: the body is read when the user does."""
    http = getattr(result, "http_response", None)
    if call.raw == "true" and not call.streams and http is not None:
        whole = _json(http.content)
        call.take(whole if type(whole) is dict else body_of(http))
        return
    parse = result.parse

    def parsed(*args: Any, **kwargs: Any) -> Any:
        value = parse(*args, **kwargs)
        if hasattr(value, "__await__"):
            return _parsed_later(call, value)
        _take_parsed(call, value)
        return value

    result.parse = parsed
    heard = _Body(call)
    if call.raw == "stream" and http is not None:
        _hear(heard, http)
    weakref.finalize(result, call.let_go)
    # A streamed response is closed by its own block; a legacy one only by reading its stream.
    closing = result if hasattr(result, "close") else http
    for name in ("close", "aclose"):
        if closing is not None and hasattr(closing, name):
            _end_after(call, closing, name, heard)


async def _parsed_later(call: Call, value: Any) -> Any:
    value = await value
    _take_parsed(call, value)
    return value


def _take_parsed(call: Call, value: Any) -> None:
    if hasattr(value, "_iterator"):
        if not call.watched:
            _watch_stream(call, value)
    else:
        call.take(plain(value))


def _end_after(call: Call, closing: Any, name: str, heard: "_Body") -> None:
    close = getattr(closing, name)
    if hasattr(close, "__func__") and close.__func__.__code__.co_flags & 0x80:  # a coroutine

        async def closed_later() -> None:
            await close()
            heard.take()

        setattr(closing, name, closed_later)
        return

    def closed() -> None:
        close()
        heard.take()

    setattr(closing, name, closed)


class _Body:
    """The bytes of an answer that the program reads itself."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._reader = StreamReader(call.endpoint)
        self._rest = bytearray()
        self._is_sound = call.endpoint.operation == "speak"
        self._bytes = 0

    def hear(self, part: bytes) -> None:
        """Take the next bytes; those of a stream are read line by line."""
        if self._call.watched:
            return
        self._bytes += len(part)
        if self._is_sound:  # too much to keep
            self._call.last_ns = time.time_ns()
            return
        self._rest += part
        if not self._call.streams:
            self._call.last_ns = time.time_ns()
            return
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            if line[:5] == b"data:" and line[5:].strip() != b"[DONE]":
                _feed(self._call, self._reader, _json(line[5:]))

    def take(self) -> None:
        """Take what was read before the answer was closed, and end."""
        if self._call.watched:
            return
        if self._is_sound:
            self._call.take({"bytes": self._bytes})
        elif self._call.streams:
            self._call.take_stream(self._reader)
        else:
            self._call.take(_json(self._rest))


def _json(text: bytes | bytearray) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # not all of it was read, or it is something else
        return None


def _hear(heard: _Body, http: Any) -> None:
    """Hear what goes through what all ways to read a body of httpx go through."""
    sync, later = http.iter_bytes, http.aiter_bytes

    def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        try:
            for part in sync(*args, **kwargs):
                heard.hear(part)
                yield part
        except BaseException as error:
            drop_frame(error)
            raise

    async def aiter_bytes(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        try:
            async for part in later(*args, **kwargs):
                heard.hear(part)
                yield part
        except BaseException as error:
            drop_frame(error)
            raise

    http.iter_bytes = iter_bytes
    http.aiter_bytes = aiter_bytes


def _watch_stream(call: Call, stream: Any) -> None:
    """Read a stream's chunks as the program does; it ends when they do, or when it is let go."""
    reader = StreamReader(call.endpoint)
    call.watched = True
    if hasattr(stream._iterator, "__anext__"):
        stream._iterator = _chunks_async(call, reader, stream._iterator)
    else:
        stream._iterator = _chunks(call, reader, stream._iterator)
    # One that is never read runs none of its code.
    weakref.finalize(stream, call.let_go, reader)
    close = stream.close

    if hasattr(stream, "__aiter__"):

        async def close_later() -> None:
            await close()
            call.take_stream(reader)

        stream.close = close_later
    else:

        def close_now() -> None:
            close()
            call.take_stream(reader)

        stream.close = close_now


def _chunks(call: Call, reader: StreamReader, chunks: Iterator[Any]) -> Iterator[Any]:
    end_ns: int | None = None
    try:
        for chunk in chunks:
            if not _feed(call, reader, chunk):
                yield chunk
    except GeneratorExit:
        end_ns = call.last_ns
        raise
    except BaseException as error:
        _fail_stream(call, reader, error)
        drop_frame(error)
        raise
    finally:
        call.take_stream(reader, end_ns)


async def _chunks_async(
    call: Call, reader: StreamReader, chunks: AsyncIterator[Any]
) -> AsyncIterator[Any]:
    end_ns: int | None = None
    try:
        async for chunk in chunks:
            if not _feed(call, reader, chunk):
                yield chunk
    except GeneratorExit:
        end_ns = call.last_ns
        raise
    except BaseException as error:
        _fail_stream(call, reader, error)
        drop_frame(error)
        raise
    finally:
        call.take_stream(reader, end_ns)


def _fail_stream(call: Call, reader: StreamReader, error: BaseException) -> None:
    call.take_part(reader)
    call.fail(error)


def _feed(call: Call, reader: StreamReader, chunk: Any) -> bool:
    """Read one chunk; return whether it only brings the usage that we asked for."""
    call.last_ns = time.time_ns()
    try:
        body = plain(chunk)
        had_token = reader.has_token
        reader.feed(body)
        if reader.has_token and not had_token:
            call.first_token()
        return bool(call.hides_usage and body.get("usage") and not body.get("choices"))
    except Exception:
        _log.debug("Pellucid could not read a chunk of an OpenAI stream", exc_info=True)
        return False
