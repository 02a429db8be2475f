"""Bytes that were cut out of spans, with the type that they themselves show."""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from pellucid.core.digest import is_digest
from pellucid.core.errors import NotFound
from pellucid.core.ports import ArtifactStore, SpanStore
from pellucid.server.services.threads import Threads

BINARY = "application/octet-stream"


class Content(msgspec.Struct, frozen=True):
    """An attachment's bytes; `media_type` is `BINARY` unless they may be shown in a page."""

    data: bytes
    media_type: str


class AttachmentService:
    """Keeps, reads and drops attachments.

    Their store holds nothing else: an attachment that no span names may go. One whose span is
    still on its way into the span store is pinned.
    """

    def __init__(self, artifacts: ArtifactStore, spans: SpanStore, threads: Threads) -> None:
        self._artifacts = artifacts
        self._spans = spans
        self._threads = threads
        self._lock = threading.Lock()  # guards the pins, and a drop against a new pin
        self._pins: Counter[str] = Counter()

    async def get(self, digest: str) -> Content:
        """Return an attachment. Raises NotFound."""
        if not is_digest(digest):
            raise NotFound(f"There is no attachment {digest[:80]!r}: a digest is 64 hex digits.")
        data = await self._threads.run(self._artifacts.get, digest)
        return Content(data, sniff(data))

    def keep(self, digest: str, data: bytes) -> None:
        """Store and pin an attachment, durable on return; blocks."""
        with self._lock:
            self._pins[digest] += 1
        self._artifacts.put(data)

    def unpin(self, digests: Iterable[str]) -> None:
        """Take back as many pins of each as it is named."""
        with self._lock:
            self._pins.subtract(digests)
            self._pins += Counter()  # drops what is not pinned any more

    def drop(self, digests: Sequence[str]) -> None:
        """Delete those that no span names or will name in a moment; blocks."""
        with self._lock:
            for digest in self._spans.find_unreferenced(digests):
                if digest not in self._pins:
                    self._artifacts.delete(digest)


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
