"""Opaque cursors of trace pages: the place after the last trace that was given."""

import base64
import binascii
from typing import NamedTuple

from pellucid.core.errors import InvalidInput
from pellucid.storage.spans.sqlite.codes import INT64_MAX


class Position(NamedTuple):
    """A place in the order newest first; what follows it is smaller."""

    start_ns: int
    trace_id: bytes


TOP = Position(INT64_MAX, b"\xff" * 17)
"""Before the newest trace."""


def encode_cursor(position: Position) -> str:
    """Return the text that `decode_cursor` reads."""
    data = position.start_ns.to_bytes(8) + position.trace_id
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_cursor(text: str) -> Position:
    """Read a cursor. Raises InvalidInput for a text that no page gave."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 24 or data[0] > 0x7F:
        raise InvalidInput(
            f"{text[:80]!r} is no cursor of a trace list. Pass `next` of the page before, as it is."
        )
    return Position(int.from_bytes(data[:8]), data[8:])
