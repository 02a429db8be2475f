"""Spans that fit a request: a server refuses a larger one for good, and the span with it."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from pellucid.client.notices import say_once
from pellucid.client.tracing.otlp import Redact, encode_span

MAX_SPAN_BYTES: Final = 56 * 1024 * 1024
"""A server takes 64 MiB (contracts.md §4); the rest is for resource and scope."""
_MOST_BYTES_A_CHARACTER = 4


def encode_fitting(
    span: ReadableSpan,
    *,
    redact: Redact | None = None,
    attributes: Mapping[str, Any] | None = None,
    pending_at_ns: int | None = None,
) -> bytes:
    """Return one Span message as `encode_span` does, its longest texts cut where it is too large.

    Each text is left an equal share of `MAX_SPAN_BYTES`, so that short ones stay whole.
    """
    encoded = encode_span(span, redact=redact, attributes=attributes, pending_at_ns=pending_at_ns)
    if len(encoded) <= MAX_SPAN_BYTES:
        return encoded
    say_once(
        "span-too-large",
        f"span {span.name!r} holds {len(encoded) // 2**20} MiB: its longest texts are cut, for a "
        "server takes 64 MiB a request. Log what is so large as an artifact of a run.",
    )
    held = span.attributes if attributes is None else attributes
    values = len(held or {}) + sum(len(event.attributes or {}) for event in span.events)
    most = MAX_SPAN_BYTES // _MOST_BYTES_A_CHARACTER // max(values, 1)

    def shortened(name: str, value: Any) -> Any:
        return _shortened(value if redact is None else redact(name, value), most)

    return encode_span(span, redact=shortened, attributes=attributes, pending_at_ns=pending_at_ns)


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]}… {len(value) - most:,} more characters"
    if isinstance(value, list | tuple) and value:
        return [_shortened(item, most // len(value)) for item in value]
    return value
