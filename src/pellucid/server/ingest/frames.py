"""OTLP's messages with the same numbers as OTLP's, but with their parts declared as bytes.

So the parser, which is C, checks and splits the frames alone. Each part is decoded by itself: one
that is damaged leaves the others alone, and attributes that repeat from span to span, which most
do, are decoded once.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from google.protobuf import (  # type: ignore[import-untyped]  # has no types
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from pellucid.core.span import Attributes
from pellucid.server.ingest.spans import TOO_DEEP

_PACKAGE = "pellucid.frames"
_FIELD = descriptor_pb2.FieldDescriptorProto
_BYTES, _FIXED32, _FIXED64 = _FIELD.TYPE_BYTES, _FIELD.TYPE_FIXED32, _FIELD.TYPE_FIXED64
_UINT32, _INT32 = _FIELD.TYPE_UINT32, _FIELD.TYPE_INT32


class _Field(NamedTuple):
    number: int
    type: Any = _BYTES
    """A scalar type, or the name of a message."""
    many: bool = False


_MESSAGES: dict[str, dict[str, _Field]] = {
    # ExportTraceServiceRequest, with its spans …
    "Traces": {"resources": _Field(1, "TracesOfResource", many=True)},
    "TracesOfResource": {
        "resource": _Field(1, many=True),
        "scopes": _Field(2, "TracesOfScope", many=True),
    },
    "TracesOfScope": {"scope": _Field(1, many=True), "items": _Field(2, "Span", many=True)},
    "Span": {
        "trace_id": _Field(1),
        "span_id": _Field(2),
        "trace_state": _Field(3),
        "parent_span_id": _Field(4),
        "name": _Field(5),
        "kind": _Field(6, _INT32),
        "start_time_unix_nano": _Field(7, _FIXED64),
        "end_time_unix_nano": _Field(8, _FIXED64),
        "attributes": _Field(9, many=True),
        "dropped_attributes_count": _Field(10, _UINT32),
        "events": _Field(11, many=True),
        "dropped_events_count": _Field(12, _UINT32),
        "links": _Field(13, many=True),
        "dropped_links_count": _Field(14, _UINT32),
        "status": _Field(15),
        "flags": _Field(16, _FIXED32),
    },
    # … and any request whose items may be damaged.
    "Request": {"resources": _Field(1, "Resource", many=True)},
    "Resource": {"resource": _Field(1, many=True), "scopes": _Field(2, "Scope", many=True)},
    "Scope": {"scope": _Field(1, many=True), "items": _Field(2, many=True)},
    "ResourceParts": {"attributes": _Field(1, many=True)},
    "ScopeParts": {"name": _Field(1), "version": _Field(2), "attributes": _Field(3, many=True)},
    "Pair": {"key": _Field(1), "value": _Field(2)},
}


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="pellucid/frames.proto", package=_PACKAGE)
    file.syntax = "proto3"
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, (number, kind, many) in fields.items():
            field = message.field.add(name=name, number=number)
            field.label = _FIELD.LABEL_REPEATED if many else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _build()
# Attributes that are met again and again, decoded. Cleared when full: the frequent ones are back
# at once.
_MAX_KNOWN = 8192
_MAX_KNOWN_BYTES = 64
_known: dict[bytes, tuple[str, Any]] = {}


class Damaged(ValueError):
    """A part that does not decode; the message says which, and what is wrong with it."""


class TooDeep(Damaged):
    """An attribute whose value is nested too deeply."""


def parse(message: str, data: bytes) -> Any:
    """Return one message's frames. Raises DecodeError if they do not fit into each other."""
    return _CLASSES[message].FromString(data)


def read_attributes(encoded: Iterable[bytes]) -> Attributes:
    """Return attributes as Python values; of a repeated key the last counts. Raises Damaged."""
    attributes: Attributes = {}
    known = _known
    for data in encoded:
        pair = known.get(data)
        if pair is None:
            pair = _read_pair(data)
        attributes[pair[0]] = pair[1]
    return attributes


def replace_deep(encoded: Iterable[bytes], owner: str, warnings: list[str]) -> Attributes:
    """Return attributes; text stands for values that are nested too deeply. Raises Damaged."""
    attributes: Attributes = {}
    for data in encoded:
        try:
            attributes.update(read_attributes([data]))
        except TooDeep as error:
            attributes[_key(data)] = TOO_DEEP
            warnings.append(f"{owner} was kept without a value: {error}")
    return attributes


def keep_attributes(encoded: Iterable[bytes], owner: str, warnings: list[str]) -> Attributes:
    """Return the attributes that decode; the others become warnings."""
    attributes: Attributes = {}
    for data in encoded:
        try:
            attributes.update(read_attributes([data]))
        except Damaged as error:
            warnings.append(f"{owner}'s {error} and was left out")
    return attributes


def _read_pair(data: bytes) -> tuple[str, Any]:
    try:
        decoded = KeyValue.FromString(data)
    except DecodeError as error:
        kind = TooDeep if _is_too_deep(error) else Damaged
        raise kind(f"attribute {_key(data)!r} {explain(error)}") from None
    # Most are strings; reading that field costs less than asking which one is set.
    value = decoded.value
    pair = decoded.key, value.string_value or value_of(value)
    # What can be changed is not shared.
    if len(data) <= _MAX_KNOWN_BYTES and not isinstance(pair[1], list | dict):
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known[data] = pair
    return pair


def value_of(value: Any) -> Any:
    """Return an AnyValue as a Python value; one without content is None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind)


def attributes_of(pairs: Iterable[KeyValue]) -> Attributes:
    """Return decoded attributes as Python values; of a repeated key the last counts."""
    return {pair.key: value_of(pair.value) for pair in pairs}


def read_text(data: bytes, name: str) -> str:
    """Return a string field. Raises Damaged if it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Damaged(f"{name} is not valid UTF-8") from None


def show(data: bytes) -> str:
    """Return bytes as text; what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def explain(error: DecodeError) -> str:
    """Return what a protobuf error means, without the library's words."""
    text = str(error)
    if "UTF-8" in text:
        return "is not valid UTF-8"
    return "is nested too deeply" if _is_too_deep(error) else "cannot be decoded"


def _is_too_deep(error: DecodeError) -> bool:
    return "Depth" in str(error)


def _key(data: bytes) -> str:
    try:
        return show(parse("Pair", data).key)[:100]
    except DecodeError:
        return "?"
