"""Identifiers. The client makes all of them, so that every write can be repeated safely."""

import os
import re
import time

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_ZERO_TRACE = "0" * 32
_ZERO_SPAN = "0" * 16


def new_id() -> str:
    """Return a new UUIDv7 as 32 hex digits without dashes; later ids sort after earlier ones.

    Source: RFC 9562, section 5.7 (48 bits of milliseconds, then random bits).
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    high = (milliseconds << 16) | 0x7000 | (random >> 68)
    low = 0x8000_0000_0000_0000 | (random & 0x3FFF_FFFF_FFFF_FFFF)
    return f"{high:016x}{low:016x}"


def is_trace_id(text: str) -> bool:
    """Tell whether `text` is 32 lowercase hex digits, not all zero."""
    return _TRACE_ID.fullmatch(text) is not None and text != _ZERO_TRACE


def is_span_id(text: str) -> bool:
    """Tell whether `text` is 16 lowercase hex digits, not all zero."""
    return _SPAN_ID.fullmatch(text) is not None and text != _ZERO_SPAN
