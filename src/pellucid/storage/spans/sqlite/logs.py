"""Log records in the file."""

import msgspec

from pellucid.core.span import LogRecord
from pellucid.storage.spans.sqlite import bodies


def encode_log(record: LogRecord) -> bytes:
    """Encode a log record; what has no encoding is replaced by the nearest thing that has."""
    try:
        return msgspec.msgpack.encode(record)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        return msgspec.msgpack.encode(bodies.plain(record))


decode_log = msgspec.msgpack.Decoder(LogRecord).decode
