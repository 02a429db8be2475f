"""Artifacts' bytes on their way: small ones in the background, large ones in resumable pieces."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from pellucid.client.notices import say_once
from pellucid.client.spool import Delivery
from pellucid.client.tracking.outbox import Outbox
from pellucid.core.digest import Hasher, digest_bytes
from pellucid.core.errors import PellucidError, Unavailable
from pellucid.core.run_paths import ARTIFACTS_PATH
from pellucid.core.run_views import UploadView

PIECE_BYTES = 4 << 20
BACKGROUND_BYTES = 32 << 20
"""Above this a file is sent in the call: it may change or go before a background does."""
SPOOLED_BYTES = 128 << 20
"""The largest file that is kept in the spool while the server is away."""
_BINARY = {"content-type": "application/octet-stream"}


class Stored(NamedTuple):
    """What a file was when it was read."""

    digest: str
    size_bytes: int


def upload_bytes(outbox: Outbox | None, data: bytes) -> str:
    """Send bytes in the background and return their digest."""
    digest = digest_bytes(data)
    if outbox is not None:
        _submit(outbox, digest, len(data), [data])
    return digest


def upload_file(outbox: Outbox | None, path: Path) -> Stored:
    """Send a file: in the background up to `BACKGROUND_BYTES`, else now, where a server answers."""
    if path.stat().st_size <= BACKGROUND_BYTES:
        data = path.read_bytes()
        return Stored(upload_bytes(outbox, data), len(data))
    hasher = Hasher()
    for piece in _pieces(path):
        hasher.update(piece)
    stored = Stored(hasher.hexdigest(), hasher.size_bytes)
    if outbox is not None and not _send_now(outbox, path, stored):
        if stored.size_bytes > SPOOLED_BYTES:
            say_once(
                f"large {stored.digest}",
                f"no server at {outbox.deliverer.url}, and {path} is too large for the spool: it "
                "is not kept. Log it again when the server is there.",
            )
        else:
            _submit(outbox, stored.digest, stored.size_bytes, _pieces(path))
    return stored


def _send_now(outbox: Outbox, path: Path, stored: Stored) -> bool:
    """Send a file's bytes from where the server has none yet; whether it has all of them."""
    from pellucid.client.tracking.connection import api_client

    client = api_client(outbox.deliverer)
    try:
        state = msgspec.json.decode(
            client.get(f"{ARTIFACTS_PATH}/{stored.digest}/upload"), type=UploadView
        )
        offset = state.received
        with open(path, "rb") as file:
            file.seek(offset)
            while not state.complete and (piece := file.read(PIECE_BYTES)):
                answer = client.post(
                    _target(stored.digest, offset, stored.size_bytes), piece, _BINARY
                )
                state = msgspec.json.decode(answer, type=UploadView)
                offset += len(piece)
        return state.complete
    except Unavailable:
        return False
    except PellucidError as error:
        say_once(f"artifact {stored.digest}", f"{path} could not be stored: {error.message}")
        return True
    finally:
        client.close()


def _submit(
    outbox: Outbox, digest: str, size_bytes: int, pieces: "Iterator[bytes] | list[bytes]"
) -> None:
    offset = 0
    for data in pieces:
        for start in range(0, len(data) or 1, PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            outbox.submit(
                Delivery(path=_target(digest, offset, size_bytes), headers=_BINARY, body=piece)
            )
            offset += len(piece)


def _target(digest: str, offset: int, size_bytes: int) -> str:
    return f"{ARTIFACTS_PATH}/{digest}?offset={offset}&size={size_bytes}"


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
