"""The frames of an OTLP request without their content, to take a damaged one apart.

The same messages with the same numbers as OTLP's, but whatever may be damaged is declared as bytes:
the parser then checks lengths alone, and each part can be decoded by itself.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from google.protobuf import (  # type: ignore[import-untyped]  # has no types
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_PACKAGE = "pellucid.frames"
_FIELD = descriptor_pb2.FieldDescriptorProto
# message → field → (number, repeated, type; None is bytes)
_MESSAGES: dict[str, dict[str, tuple[int, bool, str | None]]] = {
    "Request": {"resources": (1, True, "Resource")},
    "Resource": {"resource": (1, True, None), "scopes": (2, True, "Scope")},
    "Scope": {"scope": (1, True, None), "items": (2, True, None)},
    "Attributes": {"pairs": (1, True, None)},
    "ScopeParts": {"name": (1, False, None), "version": (2, False, None), "pairs": (3, True, None)},
    "Pair": {"key": (1, False, None), "value": (2, False, None)},
    "Span": {
        "span_id": (2, False, None),
        "trace_state": (3, False, None),
        "name": (5, False, None),
        "pairs": (9, True, None),
        "events": (11, True, None),
        "links": (13, True, None),
        "status": (15, False, None),
    },
}


def _build() -> dict[str, Callable[[], Any]]:
    file = descriptor_pb2.FileDescriptorProto(name="pellucid/frames.proto", package=_PACKAGE)
    file.syntax = "proto3"
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, (number, repeated, type_name) in fields.items():
            field = message.field.add(name=name, number=number)
            field.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            field.type = _FIELD.TYPE_BYTES if type_name is None else _FIELD.TYPE_MESSAGE
            if type_name is not None:
                field.type_name = f".{_PACKAGE}.{type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _build()


def parse(message: str, data: bytes) -> Any:
    """Return one message's frames. Raises DecodeError if they do not fit into each other."""
    frames = _CLASSES[message]()
    frames.ParseFromString(data)
    return frames


class Kept(NamedTuple):
    """Attributes that decode, and what is wrong with each of the others."""

    pairs: list[KeyValue]
    faults: list[str]


def keep_pairs(encoded: Iterable[bytes]) -> Kept:
    """Decode attributes one by one."""
    kept = Kept([], [])
    for data in encoded:
        try:
            kept.pairs.append(KeyValue.FromString(data))
        except DecodeError as error:
            kept.faults.append(f"attribute {_key(data)!r} {explain(error)}")
    return kept


def find_span_fault(data: bytes) -> str:
    """Say what is wrong with a span that does not decode."""
    try:
        frames = parse("Span", data)
    except DecodeError:
        return "its bytes are malformed"
    for name in ("name", "trace_state"):
        if not _is_utf8(getattr(frames, name)):
            return f"{name} is not valid UTF-8"
    for pair in frames.pairs:
        if faults := keep_pairs([pair]).faults:
            return faults[0]
    parts: list[tuple[str, Any, list[bytes]]] = [
        ("an event", Span.Event, list(frames.events)),
        ("a link", Span.Link, list(frames.links)),
        ("status", Status, [frames.status]),
    ]
    for name, message, encoded in parts:
        for part in encoded:
            try:
                message.FromString(part)
            except DecodeError as error:
                return f"{name} {explain(error)}"
    return "it cannot be decoded"


def explain(error: DecodeError) -> str:
    """Return what a protobuf error means, without the library's words."""
    text = str(error)
    if "UTF-8" in text:
        return "is not valid UTF-8"
    if "Depth" in text:
        return "is nested too deeply"
    return "cannot be decoded"


def _key(data: bytes) -> str:
    try:
        return to_text(parse("Pair", data).key)[:100]
    except DecodeError:
        return "?"


def to_text(data: bytes) -> str:
    """Return bytes as text; what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
