"""OpenTelemetry spans → OTLP protobuf, written straight to bytes.

Writing the wire format by hand costs half of building message objects first, and needs no
protobuf runtime in the user's program. Field numbers are those of opentelemetry-proto 1.x
(`trace/v1/trace.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`).
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status

from pellucid.client.encoding import integer_text

Redact = Callable[[str, Any], Any]
"""Takes an attribute's name and value and returns what may leave the process; None drops it."""

_MAX_DEPTH = 32
_INT64 = range(-(2**63), 2**63)
_UINT64_MASK = 2**64 - 1

# Tag byte = field number << 3 | wire type (0 varint, 1 eight bytes, 2 bytes, 5 four bytes).
_DOUBLE = struct.Struct("<d").pack
_FIXED32 = struct.Struct("<I").pack
_FIXED64 = struct.Struct("<Q").pack
_IDS = struct.Struct("<BB16sBB8s").pack
_TIMES = struct.Struct("<BBBQBQ").pack
_FLAGS = struct.Struct("<HI").pack  # field 16's tag is two bytes
_HAS_REMOTE_BIT, _REMOTE_BIT = 0x100, 0x200
_ONE_BYTE = [bytes([number]) for number in range(128)]
_PENDING = b"\x4a\x16\x0a\x10pellucid.pending\x12\x02\x10\x01"

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
        _IDS(0x0A, 16, context.trace_id.to_bytes(16), 0x12, 8, context.span_id.to_bytes(8)),
        _text(b"\x2a", span.name),
        _TIMES(0x30, span.kind.value + 1, 0x39, span.start_time or 0, 0x41, end_ns or 0),
        encode_attributes(b"\x4a", span.attributes if attributes is None else attributes, redact),
        _FLAGS(0x0185, _flags(context, span.parent)),
    ]
    add = parts.append
    if context.trace_state:
        add(_text(b"\x1a", context.trace_state.to_header()))
    if span.parent is not None:
        add(b"\x22\x08" + span.parent.span_id.to_bytes(8))
    if pending_at_ns is not None:
        add(_PENDING)
    if events := span.events:
        parts.extend(_field(b"\x5a", _encode_event(event, redact)) for event in events)
    if links := span.links:
        parts.extend(_field(b"\x6a", _encode_link(link, redact)) for link in links)
    add(_encode_status(span.status, redact))
    dropped = ((b"\x50", span.dropped_attributes), (b"\x60", span.dropped_events))
    for tag, count in (*dropped, (b"\x70", span.dropped_links)):
        if count:
            add(tag + _varint(count))
    return b"".join(parts)


def encode_attributes(
    tag: bytes, attributes: Mapping[str, Any] | None, redact: Redact | None
) -> bytes:
    """Return attributes as repeated KeyValue fields with this tag."""
    if not attributes:
        return b""
    parts: list[bytes] = []
    add = parts.append
    for name, value in _plain(attributes).items():
        if redact is not None:
            value = redact(name, value)
            if value is None:
                continue
        key = _keys.get(name) or _encode_key(name)
        if type(value) is str:
            # The usual case, without the calls: KeyValue{key, AnyValue{string}}.
            try:
                data = value.encode()
            except UnicodeEncodeError:
                data = value.encode("utf-8", "backslashreplace")
            text = b"\x0a" + _varint(len(data))
            inner = b"\x12" + _varint(len(text) + len(data)) + text
            add(tag + _varint(len(key) + len(inner) + len(data)) + key + inner)
            add(data)
        else:
            add(_field(tag, key + _any_value(b"\x12", value, _MAX_DEPTH)))
    return b"".join(parts)


def _plain(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the dict inside the SDK's attributes, whose own iteration is slow and may race."""
    copy = getattr(attributes, "copy", None)
    return copy() if copy is not None else attributes


def _any_value(tag: bytes, value: Any, depth: int) -> bytes:
    """Return a field that holds an AnyValue."""
    if type(value) is str:
        return _field(tag, _text(b"\x0a", value, even_empty=True))
    if isinstance(value, bool):
        return _field(tag, b"\x10\x01" if value else b"\x10\x00")
    if isinstance(value, int):
        if value in _INT64:
            return _field(tag, b"\x18" + _varint(value & _UINT64_MASK))
        return _field(tag, _text(b"\x0a", integer_text(value)))
    if isinstance(value, float):
        return _field(tag, b"\x21" + _DOUBLE(value))
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


def _encode_event(event: Event, redact: Redact | None) -> bytes:
    # A count of the attributes that an event dropped is not public in the SDK's older versions.
    message = b"\x09" + _FIXED64(event.timestamp or 0) + _text(b"\x12", event.name)
    return message + encode_attributes(b"\x1a", event.attributes, redact)


def _encode_link(link: Link, redact: Redact | None) -> bytes:
    context = link.context
    message = b"\x0a\x10" + context.trace_id.to_bytes(16)
    message += b"\x12\x08" + context.span_id.to_bytes(8)
    if context.trace_state:
        message += _text(b"\x1a", context.trace_state.to_header())
    message += encode_attributes(b"\x22", link.attributes, redact)
    remote = _REMOTE_BIT if context.is_remote else 0
    return message + b"\x35" + _FIXED32(context.trace_flags | _HAS_REMOTE_BIT | remote)


def _encode_status(status: Status, redact: Redact | None) -> bytes:
    code = status.status_code.value
    if not code:
        return b""
    description = status.description or ""
    if description and redact is not None:
        description = str(redact("status.message", description) or "")
    return _field(b"\x7a", _text(b"\x12", description) + b"\x18" + _ONE_BYTE[code])


def _flags(context: SpanContext, parent: SpanContext | None) -> int:
    remote = _REMOTE_BIT if parent is not None and parent.is_remote else 0
    return int(context.trace_flags) | _HAS_REMOTE_BIT | remote


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
    if number < 16384:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number >= 128:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
