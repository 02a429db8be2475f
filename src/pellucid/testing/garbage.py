# ruff: noqa: D102 (the names of tests are sentences)
"""The contract of every store that frees what deleted runs left."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.client.snapshots.packing import pack, unpack
from pellucid.core.digest import digest_bytes
from pellucid.core.errors import NotFound
from pellucid.core.garbage import Footprint, GarbageStore
from pellucid.core.ids import new_id
from pellucid.core.run import ArtifactWrite, RunWrite, Stamped
from pellucid.core.run_ports import RunStore, SnapshotStore
from pellucid.core.snapshot import (
    EntryKind,
    Manifest,
    SnapshotObject,
    TreeFile,
    build_tree,
    decode_manifest,
    encode_json,
    iter_files,
    manifest_blobs,
)

GRACE_S = 60.0


class SetMonotonic:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Stores(NamedTuple):
    """One engine's stores over the same empty database, and the clock of their grace."""

    runs: RunStore
    snapshots: SnapshotStore
    garbage: GarbageStore
    clock: SetMonotonic

    def settle(self) -> None:
        """Let so much time pass that nothing counts as recent."""
        for _ in range(2):
            self.clock.now_s += GRACE_S
            self.snapshots.find_missing([])

    def log(self, files: dict[str, str], *artifacts: bytes) -> str:
        """Log a run with a snapshot of files, as a client does, and return its id."""
        objects = snapshot_of(files)
        manifest = objects[-1].digest
        missing = set(self.snapshots.find_missing([item.digest for item in objects]))
        self.snapshots.put_objects([item for item in objects if item.digest in missing])
        self.snapshots.put_facts(manifest, [("tree", decode_manifest(_plain(objects[-1])).tree)])
        run_id = new_id()
        self.runs.write([naming(run_id, manifest, artifacts)], heard_ns=[time.time_ns()])
        return run_id

    def files_of(self, run_id: str) -> dict[str, str]:
        """Read a run's snapshot back whole. Raises NotFound if anything of it is missing."""

        def get(digest: str) -> bytes:
            if self.snapshots.find_missing([digest]):
                raise NotFound(digest)
            return unpack(self.snapshots.get_objects([digest])[0])

        manifest = decode_manifest(get(self.runs.get_run(run_id).snapshot_id or ""))
        for digest in manifest_blobs(manifest):
            get(digest)
        return {f.path: get(f.digest).decode() for f in iter_files(manifest.tree, get)}

    def free(self) -> Footprint:
        """Condemn and free all objects that may go."""
        self.garbage.condemn()
        total = Footprint()
        while (freed := self.garbage.free_objects(3)) is not None:
            total += freed
        return total


def snapshot_of(files: dict[str, str]) -> list[SnapshotObject]:
    """Return a snapshot's objects, children first, the manifest last."""
    blobs = {path: pack(text.encode()) for path, text in files.items()}
    tree = build_tree(
        [TreeFile(p, EntryKind.FILE, b.digest, b.size_bytes) for p, b in blobs.items()]
    )
    config = pack(encode_json({"files": len(files)}))
    manifest = Manifest(tree=tree.digest, config=config.digest)
    trees = [pack(data) for data in tree.objects.values()]
    return [*blobs.values(), *trees, config, pack(encode_json(manifest))]


def _plain(item: SnapshotObject) -> bytes:
    return unpack(item)


def naming(run_id: str, manifest: str, artifacts: Sequence[bytes] = ()) -> RunWrite:
    """Return the write that names a snapshot and files."""
    now_ns = time.time_ns()
    return RunWrite(
        run_id=run_id,
        experiment="e",
        time_ns=now_ns,
        snapshot=Stamped(value=manifest, time_ns=now_ns),
        artifacts=[
            ArtifactWrite(
                path=f"{number}.txt",
                digest=digest_bytes(data),
                size_bytes=len(data),
                media_type="text/plain",
                time_ns=now_ns,
            )
            for number, data in enumerate(artifacts)
        ],
    )


OLD = {"agent.py": "k = 1", "lib/a.py": "shared", "lib/b.py": "old", "old/only.py": "x"}
NEW = {"agent.py": "k = 2", "lib/a.py": "shared", "lib/b.py": "new"}


class GarbageStoreContract:
    """Inherit, and give a fixture `stores` that returns `Stores` over an empty database."""

    def test_a_deleted_runs_files_go_unless_another_run_names_them(self, stores: Stores) -> None:
        first = stores.log(OLD, b"own", b"shared", b"own")
        stores.log(NEW, b"shared")
        weighed = stores.garbage.weigh_run(first)
        assert (weighed.artifact_count, weighed.artifact_bytes) == (1, 3)
        assert stores.garbage.list_artifacts(10) == []
        stores.runs.delete_run(first)
        noted = stores.garbage.list_artifacts(10)
        assert set(noted) == {digest_bytes(b"own"), digest_bytes(b"shared")}
        assert stores.garbage.find_unnamed(noted) == [digest_bytes(b"own")]
        discarded: list[str] = []

        def discard(digest: str) -> int:
            discarded.append(digest)
            return 3

        freed = stores.garbage.free_artifacts(noted, discard)
        assert (freed.footprint.artifact_count, freed.footprint.artifact_bytes) == (1, 3)
        assert discarded == [digest_bytes(b"own")]
        assert stores.garbage.list_artifacts(10) == []

    def test_a_file_that_must_wait_is_tried_again(self, stores: Stores) -> None:
        stores.runs.delete_run(stores.log(OLD, b"own"))
        (digest,) = stores.garbage.list_artifacts(10)
        assert stores.garbage.free_artifacts([digest], lambda _: None).waiting_count == 1
        assert stores.garbage.list_artifacts(10) == [digest]
        assert stores.garbage.list_artifacts(10, after=digest) == []
        stores.log(NEW, b"own")
        assert stores.garbage.free_artifacts([digest], lambda _: 3).footprint == Footprint()
        assert stores.garbage.list_artifacts(10) == []

    def test_noted_files_are_as_good_as_deleted_ones(self, stores: Stores) -> None:
        stores.garbage.note_artifacts([])
        stores.garbage.note_artifacts(["0" * 64, "1" * 64])
        stores.garbage.note_artifacts(["1" * 64])
        assert stores.garbage.list_artifacts(1) == ["0" * 64]

    def test_only_what_no_other_snapshot_has_is_freed(self, stores: Stores) -> None:
        first, second = stores.log(OLD), stores.log(NEW)
        size = stores.snapshots.size_bytes()
        stores.settle()
        weighed = stores.garbage.weigh_run(first)
        stores.runs.delete_run(first)
        assert stores.garbage.weigh_snapshots().footprint == weighed
        freed = stores.free()
        assert freed == weighed
        # Three blobs, three folders, the configuration and the manifest.
        assert freed.object_count == 8
        assert stores.snapshots.size_bytes() == size - freed.object_bytes
        assert stores.files_of(second) == NEW
        assert stores.free() == Footprint()
        assert stores.garbage.weigh_snapshots().footprint == Footprint()

    def test_a_snapshot_that_another_run_has_too_stays(self, stores: Stores) -> None:
        first, second = stores.log(OLD), stores.log(OLD)
        stores.settle()
        assert stores.garbage.weigh_run(first).object_count == 0
        stores.runs.delete_run(first)
        assert stores.free() == Footprint()
        assert stores.files_of(second) == OLD
        stores.runs.delete_run(second)
        stores.settle()
        assert stores.free().object_count > 0
        assert stores.snapshots.size_bytes() == 0

    def test_what_was_lately_wanted_waits(self, stores: Stores) -> None:
        run = stores.log(OLD)
        stores.runs.delete_run(run)
        assert stores.garbage.weigh_snapshots().waiting_count == 1
        assert stores.free() == Footprint()
        stores.settle()
        manifest = snapshot_of(OLD)[-1].digest
        assert stores.snapshots.find_missing([manifest]) == []
        # A client was told that it is here, and names it next.
        assert stores.free() == Footprint()
        again = new_id()
        stores.runs.write([naming(again, manifest)], heard_ns=[time.time_ns()])
        stores.settle()
        assert stores.free() == Footprint()
        assert stores.files_of(again) == OLD

    def test_what_is_condemned_is_missing_and_put_again_is_here(self, stores: Stores) -> None:
        stores.runs.delete_run(stores.log(OLD))
        stores.settle()
        objects = snapshot_of(OLD)
        digests = [item.digest for item in objects]
        assert stores.garbage.condemn() == len(objects)
        assert stores.garbage.weigh_condemned().object_count == len(objects)
        assert stores.snapshots.find_missing(digests) == digests
        # As after a crash: nothing was freed yet, and a new run has the same project.
        run = stores.log(OLD)
        assert stores.garbage.free_objects(100) is None
        assert stores.files_of(run) == OLD

    @settings(
        max_examples=10,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(
        steps=st.lists(
            st.one_of(
                st.dictionaries(
                    st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"]),
                    st.sampled_from("xyz"),
                    min_size=1,
                ),
                st.sampled_from(["delete", "condemn", "free", "settle"]),
            ),
            max_size=12,
        )
    )
    def test_no_run_ever_lacks_a_part(
        self, stores: Stores, steps: list[dict[str, str] | str]
    ) -> None:
        held: dict[str, dict[str, str]] = {}
        for step in steps:
            if isinstance(step, dict):
                held[stores.log(step)] = step
            elif step == "delete" and held:
                run = next(iter(held))
                del held[run]
                stores.runs.delete_run(run)
            elif step == "condemn":
                stores.garbage.condemn()
            elif step == "free":
                stores.garbage.free_objects(2)
            elif step == "settle":
                stores.settle()
            for run, files in held.items():
                assert stores.files_of(run) == files
        for run in held:
            stores.runs.delete_run(run)
        stores.settle()
        stores.free()
        assert stores.snapshots.size_bytes() == 0
