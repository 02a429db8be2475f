"""Compressed request bodies, unpacked as they stream in: clients spool theirs with gzip."""

import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from pellucid.core.errors import InvalidInput, UnsupportedMediaType

PIECE_BYTES = 1 << 20

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
_GZIP = zlib.MAX_WBITS | 16


def unpacked(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """Return a request as if it had been sent without Content-Encoding.

    Never holds more than `PIECE_BYTES` of what comes out, so the limits behind it stop a bomb.
    """
    encoding = _header(scope, b"content-encoding").strip().lower()
    if scope.get("type") != "http" or encoding in {b"", b"identity"}:
        return scope, receive
    dropped = {b"content-encoding", b"content-length"}
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in dropped]
    return {**scope, "headers": headers}, _Unpacker(receive, encoding)


class _Unpacker:
    def __init__(self, receive: Receive, encoding: bytes) -> None:
        self._receive = receive
        self._encoding = encoding
        self._stream = zlib.decompressobj(_GZIP)
        self._pending = b""
        self._is_last = False

    async def __call__(self) -> Any:
        if self._encoding not in {b"gzip", b"x-gzip"}:
            shown = self._encoding[:40].decode("latin-1")
            raise UnsupportedMediaType(
                f"Content-Encoding {shown!r} is not supported here. Send gzip or none."
            )
        while not self._pending and not self._is_last:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._pending = message.get("body", b"")
            self._is_last = not message.get("more_body", False)
        try:
            piece = self._stream.decompress(self._pending, PIECE_BYTES)
        except zlib.error as error:
            raise InvalidInput(f"The body is not gzip: {error}.") from None
        self._pending = self._stream.unconsumed_tail
        # A full piece may have left output inside, also with no input left.
        more = bool(self._pending) or not self._is_last or len(piece) == PIECE_BYTES
        if not more and not self._stream.eof:
            raise InvalidInput("The gzip body is cut short.")
        return {"type": "http.request", "body": piece, "more_body": more}


def _header(scope: Scope, wanted: bytes) -> bytes:
    for name, value in scope.get("headers", ()):
        if name.lower() == wanted:
            return bytes(value)
    return b""
