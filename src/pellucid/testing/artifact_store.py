# ruff: noqa: D102 (the names of tests are sentences)
"""The contract of every artifact store."""

import threading
import time
from collections.abc import Iterator

import pytest

from pellucid.core.digest import digest_bytes
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.ports import ArtifactStore

MISSING = "0" * 64
HOSTILE = (
    "",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "A" * 64,
    "0" * 63,
    "0" * 65,
    "0" * 63 + "/",
    "0" * 64 + "\n",
    "aa/../" + "0" * 58,
)


class ArtifactStoreContract:
    """Inherit, and give a fixture `artifacts` that returns an empty store."""

    def test_what_was_put_is_got_by_its_digest(self, artifacts: ArtifactStore) -> None:
        for data in (b"", b"x", b"disc" * 300_000, bytes(range(256))):
            digest = artifacts.put(data)
            assert digest == digest_bytes(data)
            assert artifacts.get(digest) == data
            assert artifacts.find_size(digest) == len(data)

    def test_putting_twice_changes_nothing(self, artifacts: ArtifactStore) -> None:
        assert artifacts.put(b"same") == artifacts.put(b"same")
        assert artifacts.get(digest_bytes(b"same")) == b"same"

    def test_what_was_deleted_is_gone_until_it_is_put_again(self, artifacts: ArtifactStore) -> None:
        digest, other = artifacts.put(b"gone"), artifacts.put(b"stays")
        for _ in range(2):
            artifacts.delete(digest)
        assert artifacts.find_size(digest) is None
        assert artifacts.get(other) == b"stays"
        assert artifacts.put(b"gone") == digest
        assert artifacts.get(digest) == b"gone"

    def test_what_was_lately_put_or_confirmed_is_not_discarded(
        self, artifacts: ArtifactStore
    ) -> None:
        digest = artifacts.put(b"wanted")
        long_ago, later = time.time_ns() - 10**12, time.time_ns() + 10**12
        assert list(artifacts.iter_old(before_ns=long_ago)) == []
        assert list(artifacts.iter_old(before_ns=later)) == [digest]
        assert artifacts.discard(digest, before_ns=long_ago) is None
        assert artifacts.get(digest) == b"wanted"
        time.sleep(0.05)
        then = time.time_ns()
        time.sleep(0.05)
        assert artifacts.confirm(digest) == 6
        assert artifacts.discard(digest, before_ns=then) is None
        assert artifacts.discard(digest, before_ns=later) == 6
        assert artifacts.discard(digest, before_ns=later) == 0
        assert artifacts.confirm(digest) is None
        assert artifacts.find_size(digest) is None
        assert artifacts.put(b"wanted") == digest

    def test_putting_again_confirms(self, artifacts: ArtifactStore) -> None:
        digest = artifacts.put(b"wanted")
        time.sleep(0.05)
        then = time.time_ns()
        time.sleep(0.05)
        artifacts.put(b"wanted")
        assert artifacts.discard(digest, before_ns=then) is None

    def test_a_late_end_of_an_upload_confirms(self, artifacts: ArtifactStore) -> None:
        digest = digest_bytes(b"late")
        artifacts.append_part(digest, 0, [b"late"])
        time.sleep(0.05)
        then = time.time_ns()
        time.sleep(0.05)
        artifacts.finish_part(digest)
        assert artifacts.discard(digest, before_ns=then) is None

    def test_what_was_never_put_is_not_found(self, artifacts: ArtifactStore) -> None:
        assert artifacts.find_size(MISSING) is None
        with pytest.raises(NotFound):
            artifacts.get(MISSING)
        with pytest.raises(NotFound):
            artifacts.iter_bytes(MISSING)

    def test_a_name_that_is_no_digest_is_refused(self, artifacts: ArtifactStore) -> None:
        for name in HOSTILE:
            with pytest.raises(InvalidInput):
                artifacts.get(name)
            with pytest.raises(InvalidInput):
                artifacts.find_size(name)
            with pytest.raises(InvalidInput):
                artifacts.append_part(name, 0, [b"x"])
            with pytest.raises(InvalidInput):
                artifacts.delete(name)

    def test_a_stream_is_stored_whole(self, artifacts: ArtifactStore) -> None:
        pieces = [b"a" * 700_000, b"", b"b" * 700_000, b"c"]
        digest = artifacts.put_stream(pieces, expected=digest_bytes(b"".join(pieces)))
        assert b"".join(artifacts.iter_bytes(digest)) == b"".join(pieces)

    def test_a_stream_with_another_digest_leaves_nothing(self, artifacts: ArtifactStore) -> None:
        with pytest.raises(InvalidInput):
            artifacts.put_stream([b"tampered"], expected=digest_bytes(b"original"))
        assert artifacts.find_size(digest_bytes(b"original")) is None
        assert artifacts.find_size(digest_bytes(b"tampered")) is None

    def test_a_broken_stream_leaves_nothing(self, artifacts: ArtifactStore) -> None:
        def broken() -> Iterator[bytes]:
            yield b"half"
            raise ConnectionError("gone")

        with pytest.raises(ConnectionError):
            artifacts.put_stream(broken())
        assert artifacts.find_size(digest_bytes(b"half")) is None

    def test_reading_starts_at_an_offset(self, artifacts: ArtifactStore) -> None:
        data = bytes(range(256)) * 10_000
        digest = artifacts.put(data)
        for offset in (0, 1, 1 << 20, (1 << 20) + 1, len(data) - 1, len(data)):
            assert b"".join(artifacts.iter_bytes(digest, offset=offset)) == data[offset:]

    def test_an_upload_goes_on_where_it_stopped(self, artifacts: ArtifactStore) -> None:
        data = bytes(range(256)) * 100
        digest = digest_bytes(data)

        def breaks() -> Iterator[bytes]:
            yield data[10:20]
            raise ConnectionError("gone")

        assert artifacts.find_part_size(digest) == 0
        assert artifacts.append_part(digest, 0, [data[:4], data[4:10]]) == 10
        with pytest.raises(ConnectionError):
            artifacts.append_part(digest, 10, breaks())
        assert artifacts.find_part_size(digest) == 20
        with pytest.raises(InvalidInput):
            artifacts.append_part(digest, 10, [data[10:]])
        assert artifacts.find_size(digest) is None
        artifacts.append_part(digest, 20, [data[20:]])
        assert artifacts.finish_part(digest) == len(data)
        assert artifacts.get(digest) == data
        assert artifacts.find_part_size(digest) == 0

    def test_an_upload_of_other_bytes_is_thrown_away(self, artifacts: ArtifactStore) -> None:
        digest = digest_bytes(b"original")
        with pytest.raises(NotFound):
            artifacts.finish_part(digest)
        artifacts.append_part(digest, 0, [b"tampered"])
        with pytest.raises(InvalidInput):
            artifacts.finish_part(digest)
        assert artifacts.find_size(digest) is None
        assert artifacts.find_part_size(digest) == 0

    def test_threads_may_put_the_same_bytes(self, artifacts: ArtifactStore) -> None:
        digests: list[str] = []
        threads = [
            threading.Thread(target=lambda: digests.append(artifacts.put(b"shared" * 1000)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert digests == [digest_bytes(b"shared" * 1000)] * 8
        assert artifacts.get(digests[0]) == b"shared" * 1000
