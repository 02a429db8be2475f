"""Deleting runs frees what only they named, whatever else goes on meanwhile."""

import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pellucid.core.digest import digest_bytes
from pellucid.core.errors import NotFound
from pellucid.core.ids import new_id
from pellucid.server.services.garbage import ORPHANED_NS, GarbageService
from pellucid.storage.artifacts.local import LocalArtifactStore
from pellucid.storage.meta.datasets import SqlDatasetStore
from pellucid.storage.meta.engine import MetaDatabase
from pellucid.storage.meta.garbage import SqlGarbageStore
from pellucid.storage.meta.recent import RecentDigests
from pellucid.storage.meta.runs import SqlRunStore
from pellucid.storage.meta.snapshots import SqlSnapshotStore
from pellucid.testing.dataset_store import examples, save
from pellucid.testing.garbage import GRACE_S, OLD, SetMonotonic, Stores, naming, snapshot_of
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


class Rig:
    """A service over real stores, whose clocks a test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetMonotonic()
        self.ahead_ns = 0
        self.database = MetaDatabase.at(folder / "meta.db")
        recent = RecentDigests(grace_s=GRACE_S, clock=self.clock)
        self.artifacts = LocalArtifactStore(folder / "artifacts")
        self.stores = Stores(
            SqlRunStore(self.database),
            SqlSnapshotStore(self.database, recent),
            SqlGarbageStore(self.database, recent),
            self.clock,
        )
        self.service = GarbageService(
            self.stores.garbage,
            self.artifacts,
            clock=lambda: time.time_ns() + self.ahead_ns,
            monotonic=self.clock,
            grace_s=GRACE_S,
        )

    def log(self, *files: bytes) -> str:
        for data in files:
            self.artifacts.put(data)
        return self.stores.log(OLD, *files)

    def settle(self) -> None:
        self.stores.settle()
        self.ahead_ns += int(2 * GRACE_S * 1e9)

    def close(self) -> None:
        self.service.close()
        self.database.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


async def test_a_deleted_run_frees_its_bytes(rig: Rig) -> None:
    run, other = rig.log(b"own", b"shared"), rig.log(b"shared")
    rig.stores.runs.delete_run(run)
    assert (await rig.service.collect()).waiting_count == 1
    rig.settle()
    weighed = await rig.service.weigh()
    assert (weighed.footprint.artifact_count, weighed.footprint.artifact_bytes) == (1, 3)
    freed = await rig.service.collect()
    assert freed.footprint == weighed.footprint
    assert rig.artifacts.find_size(digest_bytes(b"own")) is None
    assert rig.artifacts.get(digest_bytes(b"shared")) == b"shared"
    assert rig.stores.files_of(other) == OLD
    rig.stores.runs.delete_run(other)
    rig.settle()
    footprint = (await rig.service.collect()).footprint
    assert (footprint.artifact_count, footprint.object_count > 0) == (1, True)
    assert rig.stores.snapshots.size_bytes() == 0
    assert [p for p in (rig.folder / "artifacts").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("made_by", ["this version", "an earlier one"])
async def test_the_file_of_the_database_becomes_smaller(rig: Rig, made_by: str) -> None:
    def size() -> int:
        with sqlite3.connect(rig.folder / "meta.db") as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.close()
        return int(pages) * 4096

    if made_by == "an earlier one":
        with sqlite3.connect(rig.folder / "meta.db", isolation_level=None) as connection:
            connection.execute("PRAGMA auto_vacuum=NONE").close()
            connection.execute("VACUUM").close()
        connection.close()
    run_id = rig.stores.log({f"{k}.txt": os.urandom(50_000).hex() for k in range(20)})
    full = size()
    rig.stores.runs.delete_run(run_id)
    rig.settle()
    freed = await rig.service.collect()
    assert freed.footprint.object_bytes > 1_000_000
    if made_by == "an earlier one":
        assert (freed.returned_bytes, size()) == (0, full)
        freed = await rig.service.collect(rebuild=True)
    assert freed.returned_bytes > 900_000
    assert size() == full - freed.returned_bytes
    assert (await rig.service.collect(rebuild=True)).returned_bytes == 0


async def test_an_upload_between_bytes_and_name_is_safe(rig: Rig) -> None:
    rig.stores.runs.delete_run(rig.log(b"same"))
    rig.settle()
    # As an upload does: it asks, is told that the bytes are here, and names them next.
    rig.ahead_ns = 0
    assert rig.artifacts.confirm(digest_bytes(b"same")) == 4
    assert (await rig.service.collect()).footprint.artifact_count == 0
    run = new_id()
    write = naming(run, snapshot_of(OLD)[-1].digest, [b"same"])
    rig.stores.runs.write([write], heard_ns=[time.time_ns()])
    rig.settle()
    assert (await rig.service.collect()).footprint.artifact_count == 0
    assert rig.artifacts.get(digest_bytes(b"same")) == b"same"


async def test_a_new_server_waits_before_it_frees(rig: Rig, tmp_path: Path) -> None:
    run = rig.log(b"own")
    rig.settle()
    rig.stores.runs.delete_run(run)
    rig.close()
    again = Rig(tmp_path)
    again.ahead_ns = int(9 * GRACE_S * 1e9)
    assert (await again.service.collect()).waiting_count == 2
    assert again.artifacts.get(digest_bytes(b"own")) == b"own"
    again.settle()
    footprint = (await again.service.collect()).footprint
    assert footprint.artifact_count == 1
    assert footprint.object_count > 0
    again.close()


async def test_files_that_nothing_ever_named_go_after_a_week(rig: Rig) -> None:
    rig.log(b"named")
    rig.artifacts.put(b"orphan")
    rig.settle()
    assert await rig.service.note_orphans() == 0
    rig.ahead_ns += ORPHANED_NS
    assert await rig.service.note_orphans() == 1
    assert (await rig.service.collect()).footprint.artifact_count == 1
    assert rig.artifacts.find_size(digest_bytes(b"orphan")) is None
    assert rig.artifacts.get(digest_bytes(b"named")) == b"named"


async def test_examples_without_a_dataset_go_after_a_week(rig: Rig) -> None:
    datasets = SqlDatasetStore(rig.database, clock=lambda: time.time_ns() + rig.ahead_ns)
    service = GarbageService(
        rig.stores.garbage,
        rig.artifacts,
        datasets=datasets,
        clock=lambda: time.time_ns() + rig.ahead_ns,
    )
    lost, kept = datasets.put_examples(examples(1, 2))
    assert await service.free_examples() == 0
    rig.ahead_ns += ORPHANED_NS // 2
    assert await service.free_examples() == 0
    save(datasets, digests=[kept])
    rig.ahead_ns += ORPHANED_NS
    assert await service.free_examples() == 1
    service.close()
    with pytest.raises(NotFound, match=lost):
        save(datasets, digests=[kept, lost])
    assert await rig.service.free_examples() == 0


def test_the_command_says_what_would_be_freed(project: Project, live_server: LiveServer) -> None:
    project.write(
        "train.py",
        """
        import sys, pellucid
        with pellucid.start_run(experiment="e") as run:
            pellucid.log_text("x" * 5000, "shared.txt")
            pellucid.log_text(sys.argv[1] * 1000, "own.txt")
        """,
    )
    project.run("train.py", "a")
    project.run("train.py", "b")

    def cli(*words: str) -> str:
        return project.run("-m", "pellucid", "runs", *words)

    told = json.loads(cli("delete", "e@1", "--dry-run", "--json"))
    assert (told["deleted"], told["artifact_count"], told["artifact_bytes"]) == (None, 1, 1000)
    assert told["object_count"] >= 1
    assert "would free 1 file (1.0 kB) and" in cli("delete", "e@1", "--dry-run")
    assert "To free: 0 files (0 bytes) and 0 snapshot objects" in cli("clean", "--dry-run")
    assert "Deleted e@1, which frees 1 file (1.0 kB)" in cli("delete", "e@1")
    out = cli("clean")
    assert "Freed: 0 files" in out
    assert "2 more wait" in out
    assert cli("show", "e@2").startswith("e@2")


def test_what_was_made_offline_needs_nothing_that_the_server_may_have_freed(
    tmp_path: Path, start_server: Callable[..., LiveServer], free_port: int
) -> None:
    port = ("--port", str(free_port))
    server = start_server(*port)
    project = Project(tmp_path / "project", server.url)
    project.write("lib/shared.py", "SHARED = 1\n")
    project.write(
        "train.py",
        """
        import sys, pellucid
        with pellucid.start_run(sys.argv[1], experiment="e"):
            pass
        """,
    )
    project.commit()
    project.run("train.py", "online")
    server.stop()
    spool = Path(project.environment["PELLUCID_SPOOL_DIR"])
    sizes = [0]
    for number in range(3):
        project.write("changed.py", f"NUMBER = {number}\n")
        project.run("train.py", f"offline {number}")
        sizes.append(sum(path.stat().st_size for path in spool.rglob("*") if path.is_file()))
    # The first holds the snapshot whole, the others what they have besides.
    first, second, third = (after - before for before, after in itertools.pairwise(sizes))
    assert max(second, third) < first
    # Another folder stands for one that has freed all of the first run's snapshot.
    (tmp_path / "other").mkdir()
    other = start_server(
        *port, folder=tmp_path / "other", environment={"PELLUCID_SPOOL_DIR": str(spool)}
    )
    other.wait_for_line("From the spool")
    for number in range(3):
        target = tmp_path / f"restored-{number}"
        project.run("-m", "pellucid", "restore", f"e@{number + 1}", "--to", str(target))
        assert (target / "changed.py").read_text() == f"NUMBER = {number}\n"
        assert (target / "lib" / "shared.py").read_text() == "SHARED = 1\n"
