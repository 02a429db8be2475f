"""Unpacking bodies: every encoding, cut anywhere, and bombs."""

import asyncio
import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from pellucid.core.errors import InvalidInput, TooLarge, Unavailable, UnsupportedMediaType
from pellucid.server.ingest import body
from pellucid.server.ingest.body import MAX_BODY_BYTES, check_encoding, unpack


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", _raw_deflate),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
}


@pytest.fixture(params=PACKERS)
def packer(request: pytest.FixtureRequest) -> tuple[str, Callable[[bytes], bytes]]:
    return PACKERS[request.param]


def test_unpacks_what_was_packed(packer: tuple[str, Callable[[bytes], bytes]]) -> None:
    encoding, pack = packer
    for data in (b"x", b"hello" * 1000, os.urandom(300_000), bytes(3_000_000)):
        assert unpack(pack(data), encoding) == data


def test_a_body_cut_anywhere_is_refused(packer: tuple[str, Callable[[bytes], bytes]]) -> None:
    encoding, pack = packer
    packed = pack(b"hello world, " * 20)
    for length in range(1, len(packed)):
        with pytest.raises(InvalidInput):
            unpack(packed[:length], encoding)


def test_a_bomb_is_refused_without_unpacking_it(
    packer: tuple[str, Callable[[bytes], bytes]],
) -> None:
    encoding, pack = packer
    bomb = pack(bytes(MAX_BODY_BYTES + 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            unpack(bomb, encoding)
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_BODY_BYTES
    finally:
        tracemalloc.stop()


def test_gzip_members_follow_each_other() -> None:
    assert unpack(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", "gzip") == b"ab"


def test_many_empty_gzip_members_are_refused() -> None:
    with pytest.raises(InvalidInput, match="members"):
        unpack(gzip.compress(b"") * 100_000, "gzip")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress"])
def test_other_encodings_are_named(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=encoding):
        check_encoding(encoding)


async def test_a_body_that_pauses_for_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "_PAUSE_S", 0.3)
    pieces = [b"a"] * 4

    async def receive() -> dict[str, object]:
        if not pieces:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": pieces.pop(), "more_body": True}

    reserved: list[int] = []
    with pytest.raises(Unavailable, match="4 bytes of it arrived"):
        await body.read_body(receive, None, reserved.append)
    assert reserved == [1, 1, 1, 1]
