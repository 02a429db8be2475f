"""What is kept of a run as a file: bytes that know what they are."""

from typing import NamedTuple


class Content(NamedTuple):
    """Bytes with their media type, and how the names of such files end."""

    data: bytes
    media_type: str
    suffix: str
