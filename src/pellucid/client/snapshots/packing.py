"""Snapshot objects on the wire: zstd, each verified by its digest."""

from collections.abc import Sequence

import msgspec
import zstandard

from pellucid.core.digest import digest_bytes
from pellucid.core.errors import InvalidInput
from pellucid.core.snapshot import SnapshotObject

MAX_OBJECT_BYTES = 16 << 20
_LEVEL = 3


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    digest: str
    data: bytes
    size_bytes: int


_frames = msgspec.msgpack.Decoder(list[_Frame])


def pack(data: bytes) -> SnapshotObject:
    """Return bytes as an object."""
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
    return SnapshotObject(digest_bytes(data), compressed, len(data))


def unpack(item: SnapshotObject) -> bytes:
    """Return an object's plain bytes. Raises InvalidInput unless digest and size are right."""
    if not 0 <= item.size_bytes <= MAX_OBJECT_BYTES:
        raise InvalidInput(f"The object {item.digest} says it has {item.size_bytes} bytes.")
    try:
        data = zstandard.ZstdDecompressor().decompress(
            item.data, max_output_size=max(1, item.size_bytes)
        )
    except zstandard.ZstdError as error:
        raise InvalidInput(f"The object {item.digest} cannot be unpacked: {error}") from None
    if len(data) != item.size_bytes or digest_bytes(data) != item.digest:
        raise InvalidInput(f"The object {item.digest} does not have the bytes of its digest.")
    return data


def encode_objects(objects: Sequence[SnapshotObject]) -> bytes:
    """Return a request's or answer's body: msgpack, an array of (digest, data, size)."""
    return msgspec.msgpack.encode(
        [_Frame(item.digest, item.data, item.size_bytes) for item in objects]
    )


def decode_objects(body: bytes) -> list[SnapshotObject]:
    """Read such a body; nothing is unpacked yet. Raises InvalidInput."""
    try:
        frames = _frames.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The objects cannot be read: {error}") from None
    return [SnapshotObject(frame.digest, frame.data, frame.size_bytes) for frame in frames]
