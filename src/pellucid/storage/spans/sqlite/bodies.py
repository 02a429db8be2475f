"""Bodies of spans: both readings of each, several spans of a trace in one compressed block.

Spans of one trace repeat each other (resource, conversation so far), so a block of them is a
fraction of its parts. A block is one byte for the dictionary that its compressor had, then a zstd
frame of `msgpack([body, …])`. A body holds the span as decoded and as understood; what is equal in
both is kept once.
"""

import re
import threading
from collections.abc import Sequence
from enum import Enum
from functools import cache
from importlib.resources import files
from operator import is_
from typing import Any, Final

import msgspec
import zstandard
from msgspec.structs import replace

from pellucid.core import packing
from pellucid.core.span import Attributes, DecodedSpan, Message, Scope, Span

BLOCK_SPANS: Final = 32
BLOCK_BYTES: Final = 192 * 1024

_LEVEL = 3
_DICTIONARY = 1
_MARKER = b"pellucid-attachment:"
_MARKED = re.compile(_MARKER + rb"([0-9a-f]{64})")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NO_SCOPE = Scope()
_MISSING = object()

_RESOURCE, _SCOPE, _EVENTS, _LINKS, _INPUT, _OUTPUT = 1, 2, 4, 8, 16, 32


class Body(msgspec.Struct, frozen=True):
    """Both readings of one span."""

    decoded: DecodedSpan
    span: Span


class _Packed(msgspec.Struct, array_like=True):
    decoded: DecodedSpan
    span: Span
    shared: int
    """Which fields of `span` are those of `decoded`, or the text of its last message."""
    attributes: list[str] | None
    """Names of the raw attributes that are `span.attributes`; None if it stands in `span`."""


_encoder = msgspec.msgpack.Encoder()
_packer = packing.Packer(_encoder)
_decoder = msgspec.msgpack.Decoder(_Packed)
_block_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])


def pack(decoded: DecodedSpan, span: Span) -> bytes:
    """Encode one body.

    Raises UnicodeEncodeError, OverflowError or RecursionError for a value that has no encoding;
    `plain` makes one that has.
    """
    shared = 0
    changes: dict[str, Any] = {}
    if span.resource and _equal(span.resource, decoded.resource):
        shared |= _RESOURCE
        changes["resource"] = {}
    if _equal(span.scope, decoded.scope):
        shared |= _SCOPE
        changes["scope"] = _NO_SCOPE
    if span.events and _equal(span.events, decoded.events):
        shared |= _EVENTS
        changes["events"] = []
    if span.links and _equal(span.links, decoded.links):
        shared |= _LINKS
        changes["links"] = []
    if span.input is not None and span.input is _last_text(span.input_messages):
        shared |= _INPUT
        changes["input"] = None
    if span.output is not None and span.output is _last_text(span.output_messages):
        shared |= _OUTPUT
        changes["output"] = None
    names: list[str] | None = None
    if _are_among(span.attributes, decoded.attributes):
        names = list(span.attributes)
        changes["attributes"] = {}
    return bytes(_packer.pack(_Packed(decoded, replace(span, **changes), shared, names)))


def _last_text(messages: Sequence[Message]) -> str | None:
    parts = messages[-1].parts if messages else ()
    return parts[0].content if len(parts) == 1 else None


def _equal(first: Any, second: Any) -> bool:
    return first is second or bool(first == second)


def _are_among(attributes: Attributes, raw: Attributes) -> bool:
    # Mostly they are the very objects; map and is_ tell so without a step of Python each.
    if all(map(is_, map(raw.get, attributes), attributes.values())):
        return None not in attributes.values()
    return all(_same(raw.get(name, _MISSING), value) for name, value in attributes.items())


def _same(first: Any, second: Any) -> bool:
    # 1 == True == 1.0, and they must come back as they were.
    return first is second or (type(first) is type(second) and first == second)


def unpack(data: bytes | msgspec.Raw) -> Body:
    """Decode one body."""
    packed = _decoder.decode(data)
    decoded, shared = packed.decoded, packed.shared
    changes: dict[str, Any] = {}
    if shared & _RESOURCE:
        changes["resource"] = decoded.resource
    if shared & _SCOPE:
        changes["scope"] = decoded.scope
    if shared & _EVENTS:
        changes["events"] = decoded.events
    if shared & _LINKS:
        changes["links"] = decoded.links
    if shared & _INPUT:
        changes["input"] = _last_text(packed.span.input_messages)
    if shared & _OUTPUT:
        changes["output"] = _last_text(packed.span.output_messages)
    if packed.attributes is not None:
        changes["attributes"] = {name: decoded.attributes[name] for name in packed.attributes}
    return Body(decoded, replace(packed.span, **changes))


def attachment_digests(body: bytes, span: Span) -> set[bytes]:
    """Return the digests of the attachments that a packed body names."""
    found = {bytes.fromhex(ref.digest) for ref in span.attachments if _DIGEST.fullmatch(ref.digest)}
    if _MARKER in body:
        found.update(bytes.fromhex(text.decode()) for text in _MARKED.findall(body))
    return found


@cache
def _dictionary(version: int) -> zstandard.ZstdCompressionDict | None:
    """Return a dictionary that ships with the package: vocabulary, never anybody's data."""
    if version == 0:
        return None
    file = files(__package__) / "dictionaries" / f"{version}.txt"
    return zstandard.ZstdCompressionDict(
        file.read_bytes(), dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )


class Packer:
    """Makes blocks; of one thread at a time."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=_dictionary(_DICTIONARY), write_content_size=True
        )

    def block(self, bodies: Sequence[bytes]) -> bytes:
        """Compress packed bodies into a block."""
        content = _encoder.encode([msgspec.Raw(body) for body in bodies])
        return bytes([_DICTIONARY]) + self._compressor.compress(content)


_local = threading.local()  # a zstd decompressor serves one thread at a time


def open_block(content: bytes) -> list[msgspec.Raw]:
    """Return a block's packed bodies, each to be read by `unpack`."""
    decompressors: dict[int, zstandard.ZstdDecompressor] = _local.__dict__.setdefault("by", {})
    version = content[0]
    decompressor = decompressors.get(version)
    if decompressor is None:
        dictionary = _dictionary(version)
        decompressor = (
            zstandard.ZstdDecompressor(dict_data=dictionary)
            if dictionary is not None
            else zstandard.ZstdDecompressor()
        )
        decompressors[version] = decompressor
    return _block_decoder.decode(decompressor.decompress(memoryview(content)[1:]))


def plain(value: Any, depth: int = 0) -> Any:
    """Return a JSON-like value with what has no encoding replaced by the nearest thing that has.

    Lone surrogates become `?`, integers beyond 64 bits floats, anything deeper than 64 levels
    its kind's name.
    """
    if isinstance(value, str) and not isinstance(value, Enum):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool):
        if -(2**63) <= value < 2**64:
            return value
        return float(value) if value.bit_length() < 1024 else str(value.bit_length()) + " bits"
    if isinstance(value, dict):
        if depth > 64:
            return "…"
        return {plain(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if depth > 64:
            return "…"
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = {name: plain(getattr(value, name), depth + 1) for name in value.__struct_fields__}
        return type(value)(**fields)
    return value
