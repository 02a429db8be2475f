import gzip
from typing import Any

import pytest

from pellucid.core.errors import InvalidInput, UnsupportedMediaType
from pellucid.server.api.encoding import PIECE_BYTES, unpacked


async def _read(chunks: list[bytes], encoding: bytes = b"gzip") -> list[bytes]:
    waiting = list(chunks)

    async def receive() -> Any:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    scope = {"type": "http", "headers": [(b"content-encoding", encoding), (b"x", b"y")]}
    scope, unpack = unpacked(scope, receive)
    assert scope["headers"] == [(b"x", b"y")]
    pieces = []
    while True:
        message = await unpack()
        pieces.append(message["body"])
        if not message["more_body"]:
            return pieces


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
@pytest.mark.parametrize("step", [7, 100_000])
async def test_gzip_comes_out_in_bounded_pieces(size: int, step: int) -> None:
    body = gzip.compress(b"x" * size)
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    pieces = await _read(chunks)
    assert b"".join(pieces) == b"x" * size
    assert max(map(len, pieces)) <= PIECE_BYTES


async def test_what_is_no_gzip_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cut short"):
        await _read([gzip.compress(b"hello")[:-9]])
    with pytest.raises(InvalidInput, match="not gzip"):
        await _read([b"hello"])
    with pytest.raises(UnsupportedMediaType):
        await _read([b"hello"], b"br")


def test_plain_bodies_pass_untouched() -> None:
    async def receive() -> Any:
        return None

    scope = {"type": "http", "headers": [(b"content-encoding", b"identity")]}
    assert unpacked(scope, receive) == (scope, receive)
