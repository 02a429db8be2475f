"""Host names, origins and the lock on a folder."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.core.errors import PellucidError
from pellucid.server.auth.hosts import AllowedHosts, is_own_origin, split_host
from pellucid.server.auth.keys import KeyRing
from pellucid.server.services.attachments import BINARY, sniff
from pellucid.server.services.data_folder import FolderInUse, find_owner, own_folder


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Example.com:80", "example.com"),
        ("example.com.", "example.com"),
        ("[::1]:4380", "::1"),
        ("[::1", "::1"),
        ("", ""),
    ],
)
def test_split_host(header: str, host: str) -> None:
    assert split_host(header) == host


def test_a_wildcard_server_answers_to_the_address_of_the_connection() -> None:
    hosts = AllowedHosts("0.0.0.0")
    assert hosts.allows("192.168.1.5:4380", "192.168.1.5")
    assert not hosts.allows("192.168.1.6", "192.168.1.5")
    assert not hosts.allows("evil.example", "192.168.1.5")
    assert not AllowedHosts("127.0.0.1").allows("192.168.1.5", "192.168.1.5")
    assert AllowedHosts("192.168.1.5").allows("192.168.1.5", None)


def test_own_origins() -> None:
    assert is_own_origin("http://localhost:4380", "localhost:4380", None)
    assert is_own_origin("https://traces.example", "inside:80", "https://traces.example/base")
    assert not is_own_origin("http://traces.example", "inside:80", "https://traces.example")
    assert not is_own_origin("http://localhost:4381", "localhost:4380", None)
    assert not is_own_origin("http://", "", None)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_raises(one: str, other: str) -> None:
    AllowedHosts("127.0.0.1").allows(one, other)
    is_own_origin(one, other, None)
    is_own_origin(f"http://[{one}", other, None)


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=30))
def test_no_credential_raises_or_passes(header: str) -> None:
    ring = KeyRing("sécret key")
    assert not ring.accepts_header(header)
    assert not ring.accepts_cookies(header)


def test_a_key_that_is_not_ascii_passes_as_its_utf8_bytes() -> None:
    ring = KeyRing("sécret key")
    header = "Bearer " + "sécret key".encode().decode("latin-1")
    assert ring.accepts_header(header)
    assert ring.accepts("sécret key")


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert find_owner(folder) is None
    with own_folder(folder) as tell_url:
        with pytest.raises(FolderInUse, match=f"process {os.getpid()}"), own_folder(folder):
            pass
        tell_url("http://127.0.0.1:1")
        owner = find_owner(folder)
        assert owner is not None
        assert (owner.pid, owner.url) == (os.getpid(), "http://127.0.0.1:1")
    assert find_owner(folder) is None
    with own_folder(folder):
        pass


def test_a_path_that_is_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(PellucidError, match="cannot be created"), own_folder(tmp_path / "data"):
        pass


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7", "application/pdf"),
        (b"ID3\x04", "audio/mpeg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", BINARY),
        (b"<!doctype html><script>alert(1)</script>", BINARY),
        (b"<?xml version='1.0'?>", BINARY),
        (b"", BINARY),
        (b"RIFF", BINARY),
    ],
)
def test_sniff(data: bytes, media_type: str) -> None:
    assert sniff(data) == media_type
