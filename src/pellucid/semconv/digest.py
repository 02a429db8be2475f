"""The identity of what arrived: a digest of a decoded span, and how many attributes it had."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from pellucid.core.packing import Packer
from pellucid.core.span import DecodedSpan
from pellucid.semconv.attributes import PENDING

DIGEST_BYTES = 16

_packer = Packer(msgspec.msgpack.Encoder(order="sorted"))


def digest_of(decoded: DecodedSpan) -> bytes:
    """Return the BLAKE2b-128 of a span's canonical encoding (contracts.md §1, merge).

    The encoding is MessagePack with every map's keys sorted and defaults left out, so neither the
    order of attributes nor a field that is added later changes it. Call it before normalising and
    cutting. Never raises.
    """
    try:
        encoded: bytes | bytearray = _packer.pack(decoded)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Lone surrogates, integers beyond 64 bits, foreign types: slow and exact.
        encoded = _encode_anything(decoded).encode("utf-8", "surrogatepass")
    return blake2b(encoded, digest_size=DIGEST_BYTES).digest()


def attribute_count(decoded: DecodedSpan) -> int:
    """Return the number of attributes as decoded, without `pellucid.pending`."""
    return len(decoded.attributes) - (PENDING in decoded.attributes)


def _encode_anything(value: Any) -> str:
    """Encode without recursion: one token a value, map keys sorted by their own encoding."""
    tokens: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, msgspec.Struct):
            item = {name: getattr(item, name) for name in item.__struct_fields__}
        if isinstance(item, Mapping):
            tokens.append(f"map {len(item)}")
            for key in sorted(item, key=repr, reverse=True):
                waiting += (item[key], key)
        elif isinstance(item, list | tuple):
            tokens.append(f"list {len(item)}")
            waiting += reversed(item)
        else:
            tokens.append(f"{type(item).__name__} {item!r}")
    return "\n".join(tokens)
