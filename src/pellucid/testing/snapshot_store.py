# ruff: noqa: D102 (the names of tests are sentences)
"""The contract of every store of snapshot objects."""

import pytest

from pellucid.core.digest import digest_bytes
from pellucid.core.errors import NotFound
from pellucid.core.run_ports import SnapshotStore
from pellucid.core.snapshot import SnapshotObject


def packed(data: bytes) -> SnapshotObject:
    """Return an object; the store does not look into `data`."""
    return SnapshotObject(digest_bytes(data), b"z" + data, len(data))


class SnapshotStoreContract:
    """Inherit, and give a fixture `snapshots` that returns an empty store."""

    def test_objects_are_got_as_they_were_put(self, snapshots: SnapshotStore) -> None:
        objects = [packed(bytes([n % 256]) * n) for n in range(1200)]
        snapshots.put_objects(objects)
        digests = [item.digest for item in objects]
        assert snapshots.get_objects(digests) == objects
        assert snapshots.get_objects(digests[::-1][:3]) == objects[::-1][:3]

    def test_what_is_missing_is_told_in_order(self, snapshots: SnapshotStore) -> None:
        here, away = packed(b"here"), packed(b"away")
        snapshots.put_objects([here])
        asked = [away.digest, here.digest, "0" * 64, away.digest]
        assert snapshots.find_missing(asked) == [away.digest, "0" * 64]
        with pytest.raises(NotFound):
            snapshots.get_objects([here.digest, away.digest])

    def test_putting_twice_takes_no_room(self, snapshots: SnapshotStore) -> None:
        assert snapshots.size_bytes() == 0
        snapshots.put_objects([packed(b"one")])
        size = snapshots.size_bytes()
        snapshots.put_objects([packed(b"one"), packed(b"one")])
        assert snapshots.size_bytes() == size == 4

    def test_facts_may_be_told_again(self, snapshots: SnapshotStore) -> None:
        facts = [("python", "3.11"), ("python", "3.11"), ("package.openai", "3")]
        snapshots.put_facts("0" * 64, facts)
        snapshots.put_facts("0" * 64, facts)
        snapshots.put_facts("0" * 64, [])
