"""OTLP in JSON → decoded spans.

The mapping is OTLP's: ids in hex, 64-bit integers as strings or numbers, bytes in base64, enums as
numbers (names are read too); keys in camelCase or snake_case; unknown keys are ignored.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.span import Attributes, DecodedSpan, Dropped, Scope, SpanEvent, SpanLink
from pellucid.server.ingest.spans import (
    TOO_DEEP,
    Refused,
    check_span_id,
    check_time,
    check_trace_id,
    choose_experiment,
    keep_parent_id,
    name_span,
)
from pellucid.server.services.batch import Batch, Fault

MAX_DEPTH = 64
_KINDS = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(
        ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
    )
}
_STATUS_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
Json = dict[str, Any]


def decode_traces(body: bytes, header: str | None) -> Batch:
    """Decode an ExportTraceServiceRequest; `header` is the experiment that a header named.

    Raises InvalidInput if the text is no JSON or not of this form. A span that breaks a rule
    becomes a fault and leaves its neighbours alone.
    """
    batch = Batch()
    document, clean = parse(body)
    for r, outer in enumerate(objects(document, "resourceSpans", "resource_spans")):
        resource = read_resource(outer, batch)
        for s, middle in enumerate(objects(outer, "scopeSpans", "scope_spans")):
            scope = read_scope(middle, batch)
            for i, item in enumerate(objects(middle, "spans")):
                try:
                    if not clean:
                        check_unicode(item)
                    batch.spans.append(_span(item, resource, scope, header, (r, s, i), batch))
                except Refused as error:
                    batch.faults.append(Fault(_subject(item, (r, s, i)), str(error)))
    return batch


def parse(body: bytes) -> tuple[Json, bool]:
    """Return the document, and whether all of its strings are Unicode. Raises InvalidInput."""
    if not body:
        return {}, True
    try:
        document, clean = msgspec.json.decode(body), True
    except RecursionError:
        raise InvalidInput("The JSON body is nested too deeply to be an OTLP request.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A lone surrogate or bytes that are no UTF-8 must only cost the span they stand in.
        document, clean = _parse_leniently(body), False
    if not isinstance(document, dict):
        raise InvalidInput("The JSON body is not an object, so it is no OTLP request.")
    return document, clean


def _parse_leniently(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "surrogateescape"), parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidInput("The JSON body is nested too deeply to be an OTLP request.") from None
    except ValueError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value; send it as a string")


def check_unicode(item: Any) -> None:
    """Raises Refused if a string in it is not Unicode."""
    try:
        msgspec.json.encode(item)
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 20) : error.start]
        shown = around.encode("utf-8", "replace").decode()
        raise Refused(f"a string is not valid UTF-8 (after {shown!r})") from None


def get(item: Json, *names: str) -> Any:
    """Return the first of several spellings of a field that is set and not null."""
    for name in names:
        value = item.get(name)
        if value is not None:
            return value
    return None


def objects(item: Json, *names: str) -> list[Json]:
    """Return a list of objects; an absent one is empty. Raises InvalidInput."""
    value = get(item, *names)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidInput(f"{names[0]} is not a list of objects, as OTLP has it.")
    return value


def read_resource(outer: Json, batch: Batch) -> Attributes:
    """Return a resource's attributes; those that cannot be read become warnings."""
    resource = get(outer, "resource")
    return _lenient_attributes(resource, "a resource", batch)


def read_scope(middle: Json, batch: Batch) -> Scope:
    """Return an instrumentation scope; what cannot be read becomes a warning."""
    scope = get(middle, "scope")
    if not isinstance(scope, dict):
        return Scope()
    return Scope(
        name=_plain(get(scope, "name")),
        version=_plain(get(scope, "version")),
        attributes=_lenient_attributes(scope, "a scope", batch),
    )


def _plain(value: Any) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _lenient_attributes(owner: Any, name: str, batch: Batch) -> Attributes:
    attributes: Attributes = {}
    pairs = get(owner, "attributes") if isinstance(owner, dict) else None
    for pair in pairs if isinstance(pairs, list) else []:
        try:
            check_unicode(pair)
            attributes.update(read_attributes([pair]))
        except Refused as error:
            batch.warnings.append(f"{name}'s attribute was left out: {error}")
    return attributes


def _span(
    item: Json,
    resource: Attributes,
    scope: Scope,
    header: str | None,
    place: tuple[int, int, int],
    batch: Batch,
) -> DecodedSpan:
    subject, notes = _subject(item, place), batch.warnings
    attributes = read_attributes(get(item, "attributes"), subject, notes)
    parent_id = read_hex(item, "parentSpanId", "parent_span_id")
    status = _object(get(item, "status"), "status")
    return DecodedSpan(
        trace_id=check_trace_id(read_hex(item, "traceId", "trace_id")),
        span_id=check_span_id(read_hex(item, "spanId", "span_id")),
        parent_id=keep_parent_id(parent_id, subject, notes),
        name=read_text(item, "name"),
        otel_kind=_enum(get(item, "kind"), _KINDS, "kind"),
        start_ns=read_time(item, "startTimeUnixNano", "start_time_unix_nano"),
        end_ns=read_time(item, "endTimeUnixNano", "end_time_unix_nano"),
        status_code=_enum(get(status, "code"), _STATUS_CODES, "status.code"),
        status_message=read_text(status, "message"),
        trace_state=read_text(item, "traceState", "trace_state"),
        flags=read_int(item, "flags"),
        attributes=attributes,
        events=[_event(event, subject, notes) for event in _list(get(item, "events"), "events")],
        links=[_link(link) for link in _list(get(item, "links"), "links")],
        dropped=Dropped(
            attributes=read_int(item, "droppedAttributesCount", "dropped_attributes_count"),
            events=read_int(item, "droppedEventsCount", "dropped_events_count"),
            links=read_int(item, "droppedLinksCount", "dropped_links_count"),
        ),
        resource=resource,
        scope=scope,
        experiment=choose_experiment(attributes, resource, header),
    )


def _event(item: Any, subject: str, notes: list[str]) -> SpanEvent:
    event = _object(item, "an event")
    return SpanEvent(
        name=read_text(event, "name"),
        time_ns=read_time(event, "timeUnixNano", "time_unix_nano"),
        attributes=read_attributes(get(event, "attributes"), subject, notes),
        dropped_attributes=read_int(event, "droppedAttributesCount", "dropped_attributes_count"),
    )


def _link(item: Any) -> SpanLink:
    link = _object(item, "a link")
    return SpanLink(
        trace_id=read_hex(link, "traceId", "trace_id"),
        span_id=read_hex(link, "spanId", "span_id"),
        trace_state=read_text(link, "traceState", "trace_state"),
        attributes=read_attributes(get(link, "attributes")),
    )


def read_attributes(pairs: Any, owner: str = "", notes: list[str] | None = None) -> Attributes:
    """Return attributes as Python values; of a repeated key the last counts. Raises Refused.

    With `notes`, text stands for a value that is nested too deeply, and a note says so.
    """
    attributes: Attributes = {}
    for entry in _list(pairs, "attributes"):
        pair = _object(entry, "an attribute")
        key = read_text(pair, "key")
        try:
            attributes[key] = read_value(get(pair, "value"), MAX_DEPTH)
        except _TooDeep as error:
            if notes is None:
                raise Refused(f"attribute {key[:100]!r} {error}") from None
            attributes[key] = TOO_DEEP
            notes.append(f"{owner} was kept without a value: attribute {key[:100]!r} {error}")
        except Refused as error:
            raise Refused(f"attribute {key[:100]!r} {error}") from None
    return attributes


class _TooDeep(Refused):
    pass


def read_value(item: Any, depth: int) -> Any:
    """Return an AnyValue as a Python value; one without content is None. Raises Refused."""
    if item is None:
        return None
    if depth == 0:
        raise _TooDeep("is nested too deeply")
    if not isinstance(item, dict):
        raise Refused('has a value that is no object such as {"stringValue": …}')
    for name, value in item.items():
        reader = _VALUES.get(name)
        if reader is not None and value is not None:
            return reader(value, depth - 1)
    return None


def _string(value: Any, depth: int) -> str:
    if not isinstance(value, str):
        raise Refused("has a stringValue that is no string")
    return value


def _bool(value: Any, depth: int) -> bool:
    if not isinstance(value, bool):
        raise Refused("has a boolValue that is neither true nor false")
    return value


def _int(value: Any, depth: int) -> int:
    number = _to_int(value)
    if number is None or not -(2**63) <= number < 2**63:
        raise Refused("has an intValue that is no 64-bit integer")
    return number


def _double(value: Any, depth: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused("has a doubleValue that is no number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise Refused("has a doubleValue that is no number") from None


def _bytes(value: Any, depth: int) -> bytes:
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (AttributeError, binascii.Error, ValueError):
        raise Refused("has a bytesValue that is not base64") from None


def _array(value: Any, depth: int) -> list[Any]:
    values = _list(get(_object(value, "an arrayValue"), "values"), "arrayValue.values")
    return [read_value(entry, depth) for entry in values]


def _map(value: Any, depth: int) -> dict[str, Any]:
    entries = _list(get(_object(value, "a kvlistValue"), "values"), "kvlistValue.values")
    pairs = [_object(entry, "an entry of kvlistValue") for entry in entries]
    return {read_text(pair, "key"): read_value(get(pair, "value"), depth) for pair in pairs}


_VALUES: dict[str, Callable[[Any, int], Any]] = {
    camel_or_snake: reader
    for names, reader in (
        (("stringValue", "string_value"), _string),
        (("boolValue", "bool_value"), _bool),
        (("intValue", "int_value"), _int),
        (("doubleValue", "double_value"), _double),
        (("arrayValue", "array_value"), _array),
        (("kvlistValue", "kvlist_value"), _map),
        (("bytesValue", "bytes_value"), _bytes),
    )
    for camel_or_snake in names
}


def read_text(item: Json, *names: str) -> str:
    """Return a string field; an absent one is "". Raises Refused."""
    value = get(item, *names)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(f"{names[0]} is not a string")
    return value


def read_int(item: Json, *names: str) -> int:
    """Return a small unsigned integer field; an absent one is 0. Raises Refused."""
    value = get(item, *names)
    number = 0 if value is None else _to_int(value)
    if number is None or not 0 <= number < 2**32:
        raise Refused(f"{names[0]} is not an unsigned 32-bit integer")
    return number


def read_time(item: Json, *names: str) -> int:
    """Return a time in nanoseconds; an absent one is 0. Raises Refused."""
    value = get(item, *names)
    number = 0 if value is None else _to_int(value)
    if number is None:
        raise Refused(f"{names[0]} is not an integer")
    return check_time(names[0], number)


def _to_int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else None
    if isinstance(value, str) and len(value) <= 24:
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() else None
    return None


def read_hex(item: Json, *names: str) -> str:
    """Return an id in lower case; an absent one is "". Raises Refused."""
    value = read_text(item, *names)
    if value and not all(character in "0123456789abcdefABCDEF" for character in value):
        raise Refused(f"{names[0]} is not hexadecimal")
    return value.lower()


def _enum(value: Any, names: dict[str, int], field: str) -> int:
    if value is None:
        return 0
    number = names.get(value) if isinstance(value, str) else None
    if number is None:
        number = _to_int(value)
    if number is None or not 0 <= number < 2**31:
        raise Refused(f"{field} is not one of OTLP's numbers or names")
    return number


def _object(value: Any, name: str) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{name} is not an object")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"{name} is not a list")
    return value


def _subject(item: Json, place: tuple[int, int, int]) -> str:
    def show(*names: str) -> str:
        value = get(item, *names)
        return _plain(value)

    return name_span(show("spanId", "span_id"), show("name"), place)
