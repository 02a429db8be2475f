import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid.core.errors import StorageUnavailable
from pellucid.core.ports import ArtifactStore
from pellucid.storage.artifacts.local import LocalArtifactStore
from pellucid.testing.artifact_store import ArtifactStoreContract


class TestLocalArtifactStore(ArtifactStoreContract):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> ArtifactStore:
        return LocalArtifactStore(tmp_path / "artifacts")


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_the_same_bytes_take_one_file_in_a_sharded_folder(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    digest = store.put(b"disc")
    store.put(b"disc")
    assert _files(tmp_path) == [tmp_path / digest[:2] / digest[2:4] / digest]


def test_a_damaged_file_is_noticed_and_healed(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    digest = store.put(b"disc")
    path = tmp_path / digest[:2] / digest[2:4] / digest
    path.write_bytes(b"disk")
    with pytest.raises(StorageUnavailable):
        store.get(digest)
    path.write_bytes(b"")
    store.put(b"disc")
    assert store.get(digest) == b"disc"


def test_a_refused_or_broken_put_leaves_no_file(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        store.put_stream(broken())
    assert _files(tmp_path) == []


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    (tmp_path / "parts").chmod(0o500)
    with pytest.raises(StorageUnavailable):
        store.put(b"disc")
    (tmp_path / "parts").chmod(0o700)


def test_abandoned_uploads_are_removed_after_a_week(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    for name in ("a" * 64, "b" * 64):
        store.append_part(name, 0, [b"half"])
    os.utime(tmp_path / "parts" / ("a" * 64), (0, 0))
    store = LocalArtifactStore(tmp_path)
    assert [store.find_part_size(name) for name in ("a" * 64, "b" * 64)] == [0, 4]


def test_a_crash_while_discarding_loses_nothing(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    digest = store.put(b"set aside")
    path = tmp_path / digest[:2] / digest[2:4] / digest
    path.rename(tmp_path / "parts" / f"aside-{digest}")
    assert store.find_size(digest) is None
    assert LocalArtifactStore(tmp_path).get(digest) == b"set aside"
