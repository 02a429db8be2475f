"""Artifacts' bytes: uploads in pieces that may be repeated, downloads verified."""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import NamedTuple
from weakref import WeakValueDictionary

from pellucid.core.digest import is_digest
from pellucid.core.errors import Conflict, InvalidInput, NotFound
from pellucid.core.ports import ArtifactStore
from pellucid.core.run_views import UploadView
from pellucid.server.services.attachments import BINARY, sniff
from pellucid.server.services.threads import Threads

SVG = "image/svg+xml"
PIECE_BYTES = 4 << 20
MAX_ARTIFACT_BYTES = 50 << 30
_SVG_LOOKED_INTO = 4096
_SVG_BEGIN = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<\?[^>]*>|<!--(?:(?!-->).)*-->|<!DOCTYPE\s[^>\[]*(?:\[[^\]]*\]\s*)?>)*"
    rb"<svg[\s>/]",
    re.DOTALL,
)


class Stored(NamedTuple):
    """An artifact on its way out; `media_type` is `BINARY` unless a page may show the bytes."""

    pieces: AsyncIterator[bytes]
    media_type: str
    size_bytes: int
    """Of what the pieces hold."""


class ArtifactService:
    """Bytes by digest. An upload that broke goes on where `get_upload` says."""

    def __init__(self, store: ArtifactStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads
        self._uploads: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get_upload(self, digest: str) -> UploadView:
        """Return how far the upload of a digest is."""
        size = await self._threads.run(self._store.confirm, digest)
        if size is not None:
            return UploadView(digest=digest, received=size, complete=True)
        received = await self._threads.run(self._store.find_part_size, digest)
        return UploadView(digest=digest, received=received, complete=False)

    async def upload(
        self, digest: str, chunks: AsyncIterable[bytes], *, offset: int, size: int
    ) -> UploadView:
        """Take the bytes from `offset` of an artifact of `size` bytes; complete, it is verified.

        Bytes that are here already are passed over. Raises Conflict if bytes before `offset` are
        missing, and InvalidInput if the whole has another digest.
        """
        if not is_digest(digest):
            raise InvalidInput(f"{digest[:80]!r} is not a digest (64 lowercase hex digits).")
        if not 0 <= offset <= size <= MAX_ARTIFACT_BYTES:
            raise InvalidInput(
                f"offset={offset} and size={size} do not fit; an artifact has up to "
                f"{MAX_ARTIFACT_BYTES >> 30} GiB."
            )
        lock = self._uploads.setdefault(digest, asyncio.Lock())
        async with lock:
            state = await self.get_upload(digest)
            if state.complete:
                return state
            if offset > state.received:
                raise Conflict(
                    f"The upload of {digest} goes on at byte {state.received}, not {offset}."
                )
            received = await self._append(digest, chunks, offset, state.received)
            if received > size:
                raise InvalidInput(f"More than the {size} bytes announced arrived for {digest}.")
            if received == size:
                await self._threads.run(self._store.finish_part, digest)
            return UploadView(digest=digest, received=received, complete=received == size)

    async def _append(
        self, digest: str, chunks: AsyncIterable[bytes], position: int, received: int
    ) -> int:
        async for piece in _in_pieces(chunks):
            fresh = piece[max(0, received - position) :]
            position += len(piece)
            if fresh:
                received = await self._threads.run(
                    self._store.append_part, digest, received, [fresh]
                )
        if received == 0:
            await self._threads.run(self._store.append_part, digest, 0, [])
        return received

    async def read(self, digest: str, *, offset: int = 0) -> Stored:
        """Return an artifact's bytes from `offset`; the last come once the digest is verified.

        Raises NotFound at once.
        """
        size = await self._threads.run(self._store.find_size, digest)
        if size is None:
            raise NotFound(f"There is no artifact {digest}.")
        if not 0 <= offset <= size:
            raise InvalidInput(f"offset={offset} lies outside the {size} bytes of {digest}.")
        pieces = await self._threads.run(self._store.iter_bytes, digest, offset=offset)
        first = await self._threads.run(next, pieces, None)

        async def iterate() -> AsyncIterator[bytes]:
            piece = first
            while piece is not None:
                yield piece
                piece = await self._threads.run(next, pieces, None)

        media_type = BINARY if offset or first is None else sniff(first)
        if media_type == BINARY and not offset and first is not None and is_svg(first):
            media_type = SVG
        return Stored(iterate(), media_type, size - offset)

    async def get(self, digest: str) -> bytes:
        """Return all bytes at once, verified; for small ones. Raises NotFound."""
        return await self._threads.run(self._store.get, digest)


def is_svg(data: bytes) -> bool:
    """Tell whether bytes begin as an SVG file: with its element, after what XML lets stand before.

    In an `<img>`, browsers run none of its scripts and fetch nothing that it names.
    """
    return _SVG_BEGIN.match(data[:_SVG_LOOKED_INTO]) is not None


async def _in_pieces(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Join small chunks, so that each sync to disk is worth it."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
