"""Bytes that were cut out of spans, with the type that they themselves show."""

import msgspec

from pellucid.core.digest import is_digest
from pellucid.core.errors import NotFound
from pellucid.core.ports import ArtifactStore
from pellucid.server.services.threads import Threads

BINARY = "application/octet-stream"


class Content(msgspec.Struct, frozen=True):
    """An attachment's bytes; `media_type` is `BINARY` unless they may be shown in a page."""

    data: bytes
    media_type: str


class AttachmentService:
    """Reads attachments."""

    def __init__(self, artifacts: ArtifactStore, threads: Threads) -> None:
        self._artifacts = artifacts
        self._threads = threads

    async def get(self, digest: str) -> Content:
        """Return an attachment. Raises NotFound."""
        if not is_digest(digest):
            raise NotFound(f"There is no attachment {digest[:80]!r}: a digest is 64 hex digits.")
        data = await self._threads.run(self._artifacts.get, digest)
        return Content(data, sniff(data))


def sniff(data: bytes) -> str:
    """Return the media type that the first bytes show, if a browser may show it; else `BINARY`.

    SVG and HTML are never among them: they carry scripts.
    Source: https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern
    """
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and len(data) >= 12:
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12], BINARY)
    if data[4:8] == b"ftyp":
        return {b"avif": "image/avif", b"M4A ": "audio/mp4"}.get(data[8:12], "video/mp4")
    # An MPEG audio frame: eleven set bits, then a version and layer that exist.
    if len(data) > 2 and data[0] == 0xFF and data[1] & 0xE6 in {0xE2, 0xE4, 0xE6}:
        return "audio/mpeg"
    return BINARY


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
