"""Bodies of spans: both readings of each, several spans of a trace in one compressed block.

Spans of one trace repeat each other (resource, conversation so far), so a block of them is a
fraction of its parts. Small traces that arrive together share a block. A block is one byte for the
dictionary that its compressor had (with the bit `_SHARED` if it is of several traces), then a zstd
frame of `msgpack([body, …])`. A body holds the span as decoded and as understood; what is equal in
both is kept once. In the place of one that was taken out is nil.
"""

import re
import threading
from collections.abc import Collection, Sequence
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

SHARED_SPANS: Final = 8
SHARED_BYTES: Final = 48 * 1024
"""Of a block that traces share: to open one of them, all of it is unpacked."""

_SHARED: Final = 0x80
_NOTHING: Final = msgspec.Raw(b"\xc0")
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
    # Mostly they are the very objects.
    if span.resource and (span.resource is decoded.resource or span.resource == decoded.resource):
        shared |= _RESOURCE
        changes["resource"] = {}
    if span.scope is decoded.scope or span.scope == decoded.scope:
        shared |= _SCOPE
        changes["scope"] = _NO_SCOPE
    if span.events and span.events == decoded.events:
        shared |= _EVENTS
        changes["events"] = []
    if span.links and span.links == decoded.links:
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


def attachment_digests(body: bytes | bytearray, span: Span) -> list[bytes]:
    """Return the digests of the attachments that a packed body names, in order, each once."""
    if not span.attachments and _MARKER not in body:
        return []
    found = {bytes.fromhex(ref.digest) for ref in span.attachments if _DIGEST.fullmatch(ref.digest)}
    found.update(bytes.fromhex(text.decode()) for text in _MARKED.findall(body))
    return sorted(found)


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

    def block(self, bodies: Sequence[bytes | msgspec.Raw], *, shared: bool = False) -> bytes:
        """Compress packed bodies into a block; `shared` if they are of several traces."""
        content = _encoder.encode([msgspec.Raw(body) for body in bodies])
        head = _DICTIONARY | (_SHARED if shared else 0)
        return bytes([head]) + self._compressor.compress(content)


_local = threading.local()  # (de)compressors serve one thread at a time


def packer() -> Packer:
    """Return the thread's packer."""
    found: Packer | None = _local.__dict__.get("packer")
    if found is None:
        found = _local.packer = Packer()
    return found


def is_shared(content: bytes) -> bool:
    """Tell whether a block holds bodies of several traces; its first byte is enough."""
    return content[0] & _SHARED != 0


def without(content: bytes, slots: Collection[int]) -> bytes | None:
    """Return a shared block without some of its bodies; None if no body is left."""
    opened = open_block(content)
    left = [_NOTHING if slot in slots else body for slot, body in enumerate(opened)]
    if all(body == _NOTHING for body in left):
        return None
    return packer().block(left, shared=True)


def keep_only(content: bytes, slots: Collection[int]) -> bytes | None:
    """Return a shared block with some of its bodies alone; None if these are none."""
    others = set(range(len(open_block(content)))).difference(slots)
    return without(content, others) if others else content


def open_block(content: bytes) -> list[msgspec.Raw]:
    """Return a block's packed bodies, each to be read by `unpack`."""
    decompressors: dict[int, zstandard.ZstdDecompressor] = _local.__dict__.setdefault("by", {})
    version = content[0] & ~_SHARED
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
