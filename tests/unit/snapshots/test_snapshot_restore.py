import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pellucid.client.snapshots.cache import load_cache
from pellucid.client.snapshots.packing import encode_objects, pack
from pellucid.client.snapshots.restore import restore
from pellucid.core.digest import digest_bytes
from pellucid.core.errors import Conflict, InvalidInput, NotFound
from pellucid.core.run import RunStatus
from pellucid.core.run_views import DigestList, RunView
from pellucid.core.snapshot import (
    EntryKind,
    Manifest,
    SnapshotObject,
    TreeEntry,
    encode_json,
    encode_tree,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class OneSnapshot:
    """A server that holds one run's snapshot, and may lie about its bytes."""

    def __init__(self) -> None:
        self.objects: dict[str, SnapshotObject] = {}
        self.snapshot_id: str | None = None

    def put(self, data: bytes) -> str:
        item = pack(data)
        self.objects[item.digest] = item
        return item.digest

    def put_tree(self, *entries: TreeEntry) -> str:
        return self.put(encode_tree(list(entries)))

    def finish(self, tree: str) -> None:
        self.snapshot_id = self.put(encode_json(Manifest(tree=tree, file_count=1)))

    def get(self, path: str, params: Mapping[str, Any] = {}) -> bytes:
        run = RunView(
            id="a" * 32,
            experiment="e",
            number=12,
            name="",
            status=RunStatus.FINISHED,
            start_ns=0,
            end_ns=1,
            heard_ns=1,
            parent_id=None,
            params={},
            metrics={},
            tags={},
            scores={},
            notes="",
            snapshot_id=self.snapshot_id,
            parent_snapshot_id=None,
            error=None,
            source={},
            conflicts=[],
        )
        return msgspec.json.encode(run)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = {}) -> bytes:
        wanted = msgspec.json.decode(body, type=DigestList).digests
        if any(digest not in self.objects for digest in wanted):
            raise NotFound("no such object")
        # One at a time: an answer may hold only the first of what was asked.
        return encode_objects([self.objects[digest] for digest in wanted[:1]])


@pytest.fixture
def server() -> OneSnapshot:
    return OneSnapshot()


def entry(server: OneSnapshot, name: str, data: bytes, kind: EntryKind) -> TreeEntry:
    return TreeEntry(name, kind, server.put(data), len(data))


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_modes_come_back_as_they_were_whatever_the_umask(
    server: OneSnapshot, tmp_path: Path
) -> None:
    blob = server.put(b"x")
    inner = server.put_tree(
        TreeEntry("key", EntryKind.FILE, blob, 1, 0o600),
        TreeEntry("plain", EntryKind.FILE, blob, 1),
        TreeEntry("run.sh", EntryKind.EXECUTABLE, blob, 1, 0o700),
        TreeEntry("tool", EntryKind.EXECUTABLE, blob, 1),
        TreeEntry("written", EntryKind.FILE, blob, 1, 0o444),
    )
    closed = server.put_tree(TreeEntry("a", EntryKind.FILE, blob, 1))
    server.finish(
        server.put_tree(
            TreeEntry("closed", EntryKind.TREE, closed, 1, 0o555),
            TreeEntry("ours", EntryKind.TREE, inner, 4, 0o2775),
        )
    )
    previous = os.umask(0o077)
    try:
        target = restore("a" * 32, tmp_path / "t", server=server).path
    finally:
        os.umask(previous)
    wanted = {"key": 0o600, "plain": 0o644, "run.sh": 0o700, "tool": 0o755, "written": 0o444}
    assert {path.name: mode_of(path) for path in (target / "ours").iterdir()} == wanted
    assert [mode_of(target / name) for name in ("closed", "ours")] == [0o555, 0o2775]
    (target / "closed").chmod(0o755)


def test_a_mode_that_would_lend_its_owners_rights_is_refused(
    server: OneSnapshot, tmp_path: Path
) -> None:
    blob = server.put(b"x")
    server.finish(server.put_tree(TreeEntry("su", EntryKind.EXECUTABLE, blob, 1, 0o4755)))
    with pytest.raises(InvalidInput, match="mode 4755"):
        restore("a" * 32, tmp_path / "t", server=server)
    assert not (tmp_path / "t").exists()


def test_files_come_back_with_bytes_modes_and_links(server: OneSnapshot, tmp_path: Path) -> None:
    inner = server.put_tree(
        entry(server, "run.sh", b"#!/bin/sh\n", EntryKind.EXECUTABLE),
        entry(server, "up", b"../agent.py", EntryKind.LINK),
    )
    server.finish(
        server.put_tree(
            entry(server, "agent.py", b"\xff\x00\r\n", EntryKind.FILE),
            TreeEntry("tools", EntryKind.TREE, inner),
        )
    )
    target = tmp_path / "deep" / "run-12"
    restored = restore("e@12", target, server=server)
    assert restored.path == target
    assert everything_below(target) == ["agent.py", "tools", "tools/run.sh", "tools/up"]
    assert (target / "agent.py").read_bytes() == b"\xff\x00\r\n"
    assert (target / "tools" / "run.sh").stat().st_mode & 0o111
    assert not (target / "agent.py").stat().st_mode & 0o111
    assert (target / "tools" / "up").resolve() == (target / "agent.py").resolve()
    assert load_cache(target).last_snapshot == server.snapshot_id
    assert [path.name for path in target.parent.iterdir()] == ["run-12"]


def test_an_empty_folder_is_filled_and_any_other_is_refused(
    server: OneSnapshot, tmp_path: Path
) -> None:
    server.finish(server.put_tree(entry(server, "a", b"x", EntryKind.FILE)))
    (tmp_path / "empty").mkdir()
    restore("e@12", tmp_path / "empty", server=server)
    assert (tmp_path / "empty" / "a").read_bytes() == b"x"
    full = tmp_path / "full"
    full.mkdir()
    (full / ".hidden").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for target in (full, tmp_path / "empty", tmp_path / "file", tmp_path / "link"):
        with pytest.raises(Conflict):
            restore("e@12", target, server=server)
    assert everything_below(full) == [".hidden"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["..", "../x", "/etc/x", "a/b", "a\\b", ".", "", "a\0"])
def test_a_name_that_leaves_the_folder_is_refused(
    server: OneSnapshot, tmp_path: Path, name: str
) -> None:
    server.finish(server.put_tree(entry(server, name, b"x", EntryKind.FILE)))
    _refused(server, tmp_path)


@pytest.mark.parametrize("link", [b"/etc/passwd", b"..", b"../x", b"a/../../x"])
def test_a_link_that_leaves_the_folder_is_refused(
    server: OneSnapshot, tmp_path: Path, link: bytes
) -> None:
    server.finish(server.put_tree(entry(server, "link", link, EntryKind.LINK)))
    _refused(server, tmp_path)


def test_nothing_is_written_through_a_link(server: OneSnapshot, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inner = server.put_tree(entry(server, "x", b"x", EntryKind.FILE))
    data = encode_tree([TreeEntry("d", EntryKind.TREE, inner)])
    link = entry(server, "d", str(outside).encode(), EntryKind.LINK)
    both = data[:-1] + b"," + encode_tree([link])[1:]
    server.finish(server.put(both))
    _refused(server, tmp_path, allowed=["outside"])
    assert everything_below(outside) == []


def test_bytes_of_another_digest_are_refused(server: OneSnapshot, tmp_path: Path) -> None:
    file = entry(server, "a", b"good", EntryKind.FILE)
    server.finish(server.put_tree(file))
    evil = pack(b"evil")
    server.objects[file.digest] = SnapshotObject(file.digest, evil.data, evil.size_bytes)
    _refused(server, tmp_path)
    bomb = pack(b"\0" * 5_000_000)
    server.objects[file.digest] = SnapshotObject(file.digest, bomb.data, 4)
    _refused(server, tmp_path)
    del server.objects[file.digest]
    with pytest.raises(NotFound):
        restore("e@12", tmp_path / "target", server=server)


def test_a_run_without_a_snapshot_says_so(server: OneSnapshot, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no snapshot"):
        restore("e@12", tmp_path / "target", server=server)
    server.snapshot_id = digest_bytes(b"lost")
    with pytest.raises(NotFound, match="has not arrived"):
        restore("e@12", tmp_path / "target", server=server)


def _refused(server: OneSnapshot, tmp_path: Path, *, allowed: list[str] | None = None) -> None:
    with pytest.raises(InvalidInput):
        restore("e@12", tmp_path / "target", server=server)
    assert everything_below(tmp_path) == (allowed or [])
