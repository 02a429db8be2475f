"""OTLP logs, in protobuf or JSON → log records that join a span.

A record without trace and span id has no place in Pellucid: it is left out, and the answer says so.
"""

import hashlib
from typing import Any

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogProto

from pellucid.core.span import Attributes, LogRecord, Scope
from pellucid.semconv.digest import DIGEST_BYTES
from pellucid.server.ingest import frames, otlp_json
from pellucid.server.ingest.frames import attributes_of, value_of
from pellucid.server.ingest.otlp_json import MAX_DEPTH, Json, get
from pellucid.server.ingest.protobuf import parse_damaged, read_resource, read_scope
from pellucid.server.ingest.spans import Refused, check_span_id, check_time, check_trace_id
from pellucid.server.services.batch import Batch, Fault

_canonical = msgspec.msgpack.Encoder(order="sorted")
_SEVERITIES = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def decode_protobuf(body: bytes, header: str | None) -> Batch:
    """Decode an ExportLogsServiceRequest. Raises InvalidInput if the bytes are no such message."""
    batch = Batch()
    request = parse_damaged(body, "ExportLogsServiceRequest")
    for r, outer in enumerate(request.resources):
        resource = read_resource(outer.resource, batch)
        for s, middle in enumerate(outer.scopes):
            scope = read_scope(middle.scope, batch)
            for i, data in enumerate(middle.items):
                try:
                    proto = LogProto.FromString(data)
                except DecodeError as error:
                    reason = f"a part of it {frames.explain(error)}"
                    batch.faults.append(Fault(_subject((r, s, i)), reason))
                    continue
                _add_proto(proto, resource, scope, (r, s, i), batch)
    return _told(batch)


def _add_proto(
    proto: Any, resource: Attributes, scope: Scope, place: tuple[int, int, int], batch: Batch
) -> None:
    if not proto.trace_id or not proto.span_id:
        batch.left_out += 1
        return
    attributes = attributes_of(proto.attributes)
    try:
        record = LogRecord(
            trace_id=check_trace_id(proto.trace_id.hex()),
            span_id=check_span_id(proto.span_id.hex()),
            digest=b"",
            time_ns=check_time(
                "time_unix_nano", proto.time_unix_nano or proto.observed_time_unix_nano
            ),
            event_name=_event_name(proto.event_name, attributes),
            severity=proto.severity_text or _severity(proto.severity_number),
            body=value_of(proto.body),
            attributes=attributes,
            resource=resource,
            scope=scope,
        )
    except Refused as error:
        batch.faults.append(Fault(_subject(place), str(error)))
        return
    batch.logs.append(_identify(record))


def decode_json(body: bytes, header: str | None) -> Batch:
    """Decode an ExportLogsServiceRequest in JSON. Raises InvalidInput if it has not this form."""
    batch = Batch()
    document, clean = otlp_json.parse(body)
    for r, outer in enumerate(otlp_json.objects(document, "resourceLogs", "resource_logs")):
        resource = otlp_json.read_resource(outer, batch)
        for s, middle in enumerate(otlp_json.objects(outer, "scopeLogs", "scope_logs")):
            scope = otlp_json.read_scope(middle, batch)
            for i, item in enumerate(otlp_json.objects(middle, "logRecords", "log_records")):
                try:
                    if not clean:
                        otlp_json.check_unicode(item)
                    record = _read_record(item, resource, scope)
                except Refused as error:
                    batch.faults.append(Fault(_subject((r, s, i)), str(error)))
                    continue
                if record is None:
                    batch.left_out += 1
                else:
                    batch.logs.append(_identify(record))
    return _told(batch)


def _read_record(item: Json, resource: Attributes, scope: Scope) -> LogRecord | None:
    trace_id = otlp_json.read_hex(item, "traceId", "trace_id")
    span_id = otlp_json.read_hex(item, "spanId", "span_id")
    if not trace_id or not span_id:
        return None
    attributes = otlp_json.read_attributes(get(item, "attributes"))
    time_ns = otlp_json.read_time(item, "timeUnixNano", "time_unix_nano")
    number = otlp_json.read_int(item, "severityNumber", "severity_number")
    text = otlp_json.read_text(item, "severityText", "severity_text")
    return LogRecord(
        trace_id=check_trace_id(trace_id),
        span_id=check_span_id(span_id),
        digest=b"",
        time_ns=time_ns
        or otlp_json.read_time(item, "observedTimeUnixNano", "observed_time_unix_nano"),
        event_name=_event_name(otlp_json.read_text(item, "eventName", "event_name"), attributes),
        severity=text or _severity(number),
        body=otlp_json.read_value(get(item, "body"), MAX_DEPTH),
        attributes=attributes,
        resource=resource,
        scope=scope,
    )


def _identify(record: LogRecord) -> LogRecord:
    # Sorted keys: the order of attributes makes no other record.
    content = _canonical.encode(record)
    digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
    return msgspec.structs.replace(record, digest=digest)


def _event_name(field: str, attributes: Attributes) -> str:
    # Before the field existed the name was an attribute.
    return field or str(attributes.get("event.name") or "")


def _severity(number: int) -> str:
    # Four numbers a level, from 1.
    level = (number + 3) // 4
    return _SEVERITIES[level] if 0 <= level < len(_SEVERITIES) else ""


def _subject(place: tuple[int, int, int]) -> str:
    r, s, i = place
    return f"resource_logs[{r}].scope_logs[{s}].log_records[{i}]"


def _told(batch: Batch) -> Batch:
    if batch.left_out:
        batch.warnings.append(
            f"{batch.left_out} log records without trace and span id are not kept"
        )
    return batch
