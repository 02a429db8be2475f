"""OpenTelemetry spans → OTLP protobuf, written straight to bytes.

Writing the wire format by hand costs half of building message objects first, and needs no
protobuf runtime in the user's program. Field numbers are those of opentelemetry-proto 1.x
(`trace/v1/trace.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`).
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext

Redact = Callable[[str, Any], Any]
"""Takes an attribute's name and value and returns what may leave the process; None drops it."""

_MAX_DEPTH = 32
_INT64 = range(-(2**63), 2**63)
_UINT64_MASK = 2**64 - 1

# Tag byte = field number << 3 | wire type (0 varint, 1 eight bytes, 2 bytes, 5 four bytes).
_pack_double = struct.Struct("<d").pack
_pack_fixed64 = struct.Struct("<Q").pack
_pack_times = struct.Struct("<BQBQ").pack
_pack_flags = struct.Struct("<HI").pack
_FLAGS_TAG = 0x0185  # field 16, four bytes: a two-byte varint
_HAS_REMOTE_BIT, _REMOTE_BIT = 0x100, 0x200
_ONE_BYTE = [bytes([number]) for number in range(128)]
_TRUE, _FALSE = b"\x12\x02\x10\x01", b"\x12\x02\x10\x00"
_PENDING = b"\x4a\x18\x0a\x10pellucid.pending\x12\x04\x10\x01"

_keys: dict[str, bytes] = {}
_KEYS_LIMIT = 4096


def encode_request(groups: Sequence["ResourceGroup"]) -> bytes:
    """Return an ExportTraceServiceRequest."""
    return b"".join(_field(b"\x0a", group.encode()) for group in groups)


class ResourceGroup:
    """The spans of one resource, by scope: a ResourceSpans message in the making."""

    def __init__(self, resource: bytes) -> None:
        self._resource = resource
        self._scopes: dict[bytes, list[bytes]] = {}

    def add(self, scope: bytes, span: bytes) -> None:
        """Add one encoded span under its encoded scope."""
        self._scopes.setdefault(scope, []).append(span)

    def encode(self) -> bytes:
        """Return the message's bytes."""
        parts = [self._resource]
        for scope, spans in self._scopes.items():
            parts.append(_field(b"\x12", scope + b"".join(_field(b"\x12", s) for s in spans)))
        return b"".join(parts)


def encode_resource(span: ReadableSpan, redact: Redact | None) -> bytes:
    """Return the resource fields of ResourceSpans."""
    resource = span.resource
    message = _field(b"\x0a", encode_attributes(b"\x0a", resource.attributes, redact))
    if resource.schema_url:
        message += _text(b"\x1a", resource.schema_url)
    return message


def encode_scope(span: ReadableSpan, redact: Redact | None) -> bytes:
    """Return the scope fields of ScopeSpans."""
    scope = span.instrumentation_scope
    if scope is None:
        return b""
    fields = _text(b"\x0a", scope.name) + _text(b"\x12", scope.version or "")
    fields += encode_attributes(b"\x1a", scope.attributes, redact)
    message = _field(b"\x0a", fields)
    if scope.schema_url:
        message += _text(b"\x1a", scope.schema_url)
    return message


def encode_span(
    span: ReadableSpan,
    *,
    redact: Redact | None = None,
    attributes: Mapping[str, Any] | None = None,
    pending_at_ns: int | None = None,
) -> bytes:
    """Return one Span message.

    `attributes` stand in for the span's own. A span that is still open is given
    `pellucid.pending` and `pending_at_ns` as its end.
    """
    context = span.get_span_context()
    assert context is not None
    end_ns = pending_at_ns if pending_at_ns is not None else span.end_time
    parts = [
        b"\x0a\x10" + context.trace_id.to_bytes(16, "big"),
        b"\x12\x08" + context.span_id.to_bytes(8, "big"),
    ]
    if context.trace_state:
        parts.append(_text(b"\x1a", context.trace_state.to_header()))
    if span.parent is not None:
        parts.append(b"\x22\x08" + span.parent.span_id.to_bytes(8, "big"))
    parts.append(_text(b"\x2a", span.name))
    parts.append(b"\x30" + _ONE_BYTE[span.kind.value + 1])
    parts.append(_pack_times(0x39, span.start_time or 0, 0x41, end_ns or 0))
    own = span.attributes if attributes is None else attributes
    parts.append(encode_attributes(b"\x4a", own, redact))
    if pending_at_ns is not None:
        parts.append(_PENDING)
    _add_count(parts, b"\x50", span.dropped_attributes)
    _add_events(parts, span, redact)
    _add_count(parts, b"\x60", span.dropped_events)
    parts.extend(_field(b"\x6a", _encode_link(link, redact)) for link in span.links)
    _add_count(parts, b"\x70", span.dropped_links)
    _add_status(parts, span, redact)
    parts.append(_pack_flags(_FLAGS_TAG, _flags(context, span.parent)))
    return b"".join(parts)


def encode_attributes(
    tag: bytes, attributes: Mapping[str, Any] | None, redact: Redact | None
) -> bytes:
    """Return attributes as repeated KeyValue fields with this tag."""
    if not attributes:
        return b""
    parts = []
    for name, value in attributes.items():
        if redact is not None:
            value = redact(name, value)
            if value is None:
                continue
        key = _keys.get(name) or _encode_key(name)
        parts.append(_field(tag, key + _any_value(b"\x12", value, _MAX_DEPTH)))
    return b"".join(parts)


def _any_value(tag: bytes, value: Any, depth: int) -> bytes:
    """Return a field that holds an AnyValue."""
    if type(value) is str:
        return _field(tag, _text(b"\x0a", value, even_empty=True))
    if isinstance(value, bool):
        return _field(tag, b"\x10\x01" if value else b"\x10\x00")
    if isinstance(value, int):
        if value in _INT64:
            return _field(tag, b"\x18" + _varint(value & _UINT64_MASK))
        return _field(tag, _text(b"\x0a", str(value)))
    if isinstance(value, float):
        return _field(tag, b"\x21" + _pack_double(value))
    if isinstance(value, str):
        return _field(tag, _text(b"\x0a", value, even_empty=True))
    if isinstance(value, bytes):
        return _field(tag, _field(b"\x3a", value))
    if value is None or depth == 0:
        return _field(tag, b"")
    if isinstance(value, Mapping):
        items = [
            _field(b"\x0a", _encode_key(str(name)) + _any_value(b"\x12", item, depth - 1))
            for name, item in value.items()
        ]
        return _field(tag, _field(b"\x32", b"".join(items)))
    if isinstance(value, Sequence):
        items = [_any_value(b"\x0a", item, depth - 1) for item in value]
        return _field(tag, _field(b"\x2a", b"".join(items)))
    return _field(tag, _text(b"\x0a", f"<{type(value).__name__}>"))


def _add_events(parts: list[bytes], span: ReadableSpan, redact: Redact | None) -> None:
    for event in span.events:
        message = b"\x09" + _pack_fixed64(event.timestamp or 0) + _text(b"\x12", event.name)
        message += encode_attributes(b"\x1a", event.attributes, redact)
        parts.append(_field(b"\x5a", message))
        # A count of what the event dropped is not public in the SDK's older versions.


def _encode_link(link: Link, redact: Redact | None) -> bytes:
    context = link.context
    message = b"\x0a\x10" + context.trace_id.to_bytes(16, "big")
    message += b"\x12\x08" + context.span_id.to_bytes(8, "big")
    if context.trace_state:
        message += _text(b"\x1a", context.trace_state.to_header())
    message += encode_attributes(b"\x22", link.attributes, redact)
    remote = _REMOTE_BIT if context.is_remote else 0
    return message + b"\x35" + struct.pack("<I", context.trace_flags | _HAS_REMOTE_BIT | remote)


def _add_status(parts: list[bytes], span: ReadableSpan, redact: Redact | None) -> None:
    code = span.status.status_code.value
    description = span.status.description or ""
    if description and redact is not None:
        description = str(redact("status.message", description) or "")
    if code or description:
        parts.append(_field(b"\x7a", _text(b"\x12", description) + b"\x18" + _ONE_BYTE[code]))


def _flags(context: SpanContext, parent: SpanContext | None) -> int:
    remote = _REMOTE_BIT if parent is not None and parent.is_remote else 0
    return int(context.trace_flags) | _HAS_REMOTE_BIT | remote


def _add_count(parts: list[bytes], tag: bytes, count: int) -> None:
    if count:
        parts.append(tag + _varint(count))


def _encode_key(name: str) -> bytes:
    key = _keys.get(name)
    if key is None:
        key = _text(b"\x0a", name, even_empty=True)
        if len(_keys) < _KEYS_LIMIT:
            _keys[name] = key
    return key


def _text(tag: bytes, text: str, *, even_empty: bool = False) -> bytes:
    if not text and not even_empty:
        return b""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form; its escape can at least be read.
        data = text.encode("utf-8", "backslashreplace")
    return _field(tag, data)


def _field(tag: bytes, data: bytes) -> bytes:
    size = len(data)
    return tag + (_ONE_BYTE[size] if size < 128 else _varint(size)) + data


def _varint(number: int) -> bytes:
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number >= 128:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
