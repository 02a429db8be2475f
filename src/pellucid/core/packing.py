"""MessagePack into a buffer that is kept: growing a new one costs more than the encoding."""

import threading
from typing import Any, Final

import msgspec

_KEPT_BYTES: Final = 1024 * 1024
"""A larger buffer is let go of, so that one large value does not stay in memory."""


class Packer:
    """Encodes values; for any number of threads, each with a buffer of its own."""

    def __init__(self, encoder: msgspec.msgpack.Encoder) -> None:
        self._encoder = encoder
        self._local = threading.local()

    def pack(self, value: Any) -> bytearray:
        """Return a value's encoding, which the thread's next call overwrites.

        Raises what the encoder raises.
        """
        buffer: bytearray | None = self._local.__dict__.get("buffer")
        if buffer is None or len(buffer) > _KEPT_BYTES:
            buffer = self._local.buffer = bytearray()
        self._encoder.encode_into(value, buffer)
        return buffer
