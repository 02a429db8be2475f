"""Request bodies: read with a bound, unpacked with a bound."""

import asyncio
import contextlib
import io
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import zstandard

from pellucid.core.errors import InvalidInput, TooLarge, Unavailable, UnsupportedMediaType

MAX_BODY_BYTES = 64 * 1024 * 1024
_STEP_BYTES = 1024 * 1024
_SLICE_BYTES = 64 * 1024
_MAX_MEMBERS = 10_000
_PAUSE_S = 30.0
_READ_S = 600.0
_LULL_S = 0.3
_MAX_WINDOW_BYTES = 128 * 1024 * 1024

Receive = Callable[[], Awaitable[Any]]


class Disconnected(Exception):
    """The sender went away before its request was complete."""


async def read_body(receive: Receive, length: int | None, reserve: Callable[[int], None]) -> bytes:
    """Return a request's body as it was sent, at most `MAX_BODY_BYTES` of it.

    `reserve` is told of every piece and may raise. Raises TooLarge, Unavailable if the rest did
    not come in time, and Disconnected.
    """
    if length is not None and length > MAX_BODY_BYTES:
        await _pass_over(receive)
        raise _too_large()
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_PAUSE_S) as deadline:
            end = asyncio.get_running_loop().time() + _READ_S
            while True:
                message = await receive()
                deadline.reschedule(min(asyncio.get_running_loop().time() + _PAUSE_S, end))
                if message["type"] == "http.disconnect":
                    raise Disconnected
                piece: bytes = message.get("body", b"")
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    pieces.clear()
                    await _pass_over(receive)
                    raise _too_large()
                reserve(len(piece))
                pieces.append(piece)
                if not message.get("more_body", False):
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError:
        # Not a fault of what was sent: a 4xx would make senders throw it away.
        raise Unavailable(
            f"The rest of the body did not come in time; {size} bytes of it arrived."
        ) from None


async def _pass_over(receive: Receive) -> None:
    """Drop what is still coming of a body: many senders read no answer before they have sent all.

    A sender that waits is not waited for, and what goes on for ever is cut off.
    """
    left = 4 * MAX_BODY_BYTES
    with contextlib.suppress(TimeoutError):
        while left > 0:
            message = await asyncio.wait_for(receive(), _LULL_S)
            if message["type"] == "http.disconnect":
                raise Disconnected
            left -= len(message.get("body", b""))
            if not message.get("more_body", False):
                return


def check_encoding(encoding: str) -> None:
    """Raises UnsupportedMediaType for a Content-Encoding that `unpack` does not read."""
    if encoding not in {"", "identity", "gzip", "x-gzip", "deflate", "zstd"}:
        raise UnsupportedMediaType(
            f"Content-Encoding {encoding[:40]!r} is not supported. "
            "Send gzip, deflate, zstd or none."
        )


def unpack(body: bytes, encoding: str) -> bytes:
    """Return the body without its Content-Encoding; never holds more than `MAX_BODY_BYTES`.

    Raises TooLarge, and InvalidInput for bytes that are not of that encoding or end too early.
    """
    if encoding in {"", "identity"} or not body:
        return body
    try:
        if encoding == "zstd":
            return _unpack_zstd(body)
        if encoding == "deflate":
            return _unpack_zlib(body, zlib.MAX_WBITS if _has_zlib_header(body) else -zlib.MAX_WBITS)
        return _unpack_zlib(body, zlib.MAX_WBITS | 16)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise InvalidInput(f"The body is not {encoding}, or it is cut short: {error}.") from None


def _has_zlib_header(body: bytes) -> bool:
    # RFC 1950, 2.2: method 8, and the first two bytes are a multiple of 31.
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0


def _unpack_zlib(body: bytes, wbits: int) -> bytes:
    out = bytearray()
    position = 0
    # Several gzip members may follow each other (RFC 1952, 2.2).
    for _ in range(_MAX_MEMBERS):
        position = _unpack_member(body, position, zlib.decompressobj(wbits), out)
        if not body[position : position + _STEP_BYTES].strip(b"\0"):
            return bytes(out)
    raise InvalidInput(f"The body has more than {_MAX_MEMBERS} gzip members; send it as one.")


def _unpack_member(body: bytes, position: int, stream: Any, out: bytearray) -> int:
    """Append one compressed stream's bytes to `out` and return the position after it."""
    data = b""
    while not stream.eof:
        if not data:
            data = body[position : position + _SLICE_BYTES]
            position += len(data)
        # One byte beyond the bound tells a body of exactly the bound from a longer one.
        piece = stream.decompress(data, min(_STEP_BYTES, MAX_BODY_BYTES + 1 - len(out)))
        # Without input it may still hold output; with neither the stream was cut short.
        if not data and not piece and not stream.eof:
            raise EOFError("the compressed stream has no end")
        out += piece
        if len(out) > MAX_BODY_BYTES:
            raise _too_large()
        data = stream.unconsumed_tail
    return position - len(stream.unused_data)


def _unpack_zstd(body: bytes) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    # First only counted: the call that returns all of it takes no bound.
    size = 0
    with unpacker.stream_reader(io.BytesIO(body), read_size=_STEP_BYTES) as reader:
        while piece := reader.read(_STEP_BYTES):
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise _too_large()
    stream = unpacker.decompressobj()
    data: bytes = stream.decompress(body)
    if not stream.eof:
        raise EOFError("the compressed stream has no end")
    return data


def _too_large() -> TooLarge:
    return TooLarge(
        f"The body is larger than {MAX_BODY_BYTES // 2**20} MiB after decompression. "
        "Send fewer spans at once."
    )
