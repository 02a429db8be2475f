"""Free what deleted runs left, in small steps beside everything else.

Bytes come before the write that names them, from clients that may be cut off in between. So what
somebody sent or asked for in the last minutes stays, and in the first minutes of a server all of
it. Files that no write ever named go after a week, as unfinished uploads do, and so do examples
that were sent ahead of a dataset's version which never came.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from pellucid.core.clock import Clock
from pellucid.core.clock import now_ns as system_clock
from pellucid.core.dataset_ports import DatasetStore
from pellucid.core.errors import PellucidError
from pellucid.core.garbage import Footprint, Garbage, GarbageStore
from pellucid.core.ports import ArtifactStore
from pellucid.server.services.threads import Threads

GRACE_S = 300.0
INTERVAL_S = 30.0
ORPHANS_EVERY_S = 24 * 3600.0
ORPHANED_NS = 7 * 24 * 3600 * 1_000_000_000
BATCH = 100
"""Files or objects of one commit: a write waits for one of them at most."""

_log = logging.getLogger(__name__)


class GarbageService:
    """Weighs and frees; `run` does it from time to time."""

    def __init__(
        self,
        store: GarbageStore,
        artifacts: ArtifactStore,
        *,
        datasets: DatasetStore | None = None,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        grace_s: float = GRACE_S,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._datasets = datasets
        self._threads = Threads("garbage", 1)
        self._clock = clock
        self._monotonic = monotonic
        self._grace_s = grace_s
        self._start = monotonic()

    async def weigh_run(self, run_id: str) -> Footprint:
        """Return what deleting a run would free. Raises NotFound."""
        return await self._threads.run(self._store.weigh_run, run_id)

    async def weigh(self) -> Garbage:
        """Return what deleted runs left, and how much of it must still wait."""
        return await self._threads.run(self._weigh)

    async def collect(self, *, rebuild: bool = False) -> Garbage:
        """Free what may go now; return what was freed and how much waits.

        With `rebuild`, a database file that cannot be made smaller in steps is written anew.
        """
        files, waiting, after = Footprint(), 0, ""
        while digests := await self._threads.run(self._store.list_artifacts, BATCH, after=after):
            after = digests[-1]
            step = await self._threads.run(self._store.free_artifacts, digests, self._discard)
            files += step.footprint
            waiting += step.waiting_count
        await self._threads.run(self._store.condemn)
        objects = Footprint()
        while (freed := await self._threads.run(self._store.free_objects, BATCH)) is not None:
            objects += freed
        left = await self._threads.run(self._store.weigh_snapshots)
        returned = await self._threads.run(self._store.shrink, rebuild=rebuild)
        return Garbage(
            footprint=files + objects,
            waiting_count=waiting + left.waiting_count,
            returned_bytes=returned,
        )

    async def note_orphans(self) -> int:
        """Note files that no write has named for a week, and return how many."""
        return await self._threads.run(self._note_orphans)

    async def free_examples(self) -> int:
        """Free examples that no dataset has named for a week, and return how many."""
        if self._datasets is None:
            return 0
        before_ns = self._clock() - ORPHANED_NS
        return await self._threads.run(self._datasets.free_orphans, before_ns=before_ns)

    async def run(self) -> None:
        """Collect until cancelled. A failure is logged, and tried again the next time."""
        looked_at = self._monotonic()
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                if self._monotonic() - looked_at >= ORPHANS_EVERY_S:
                    looked_at = self._monotonic()
                    await self.note_orphans()
                    await self.free_examples()
                if self._is_settled():
                    await self.collect()
            except PellucidError as error:
                _log.warning("What deleted runs left could not be freed: %s", error.message)
            except Exception:
                _log.exception("What deleted runs left could not be freed")

    def close(self) -> None:
        """Finish the step that runs."""
        self._threads.close()

    def _is_settled(self) -> bool:
        return self._monotonic() - self._start >= self._grace_s

    def _discard(self, digest: str) -> int | None:
        if not self._is_settled():
            return None
        before_ns = self._clock() - int(self._grace_s * 1e9)
        return self._artifacts.discard(digest, before_ns=before_ns)

    def _weigh(self) -> Garbage:
        count, size, after = 0, 0, ""
        while digests := self._store.list_artifacts(1000, after=after):
            after = digests[-1]
            for digest in self._store.find_unnamed(digests):
                held = self._artifacts.find_size(digest)
                count += held is not None
                size += held or 0
        files = Footprint(artifact_count=count, artifact_bytes=size)
        found = self._store.weigh_snapshots()
        return Garbage(
            footprint=files + found.footprint + self._store.weigh_condemned(),
            waiting_count=found.waiting_count,
        )

    def _note_orphans(self) -> int:
        count = 0
        held: list[str] = []

        def note() -> None:
            nonlocal count
            unnamed = self._store.find_unnamed(held)
            self._store.note_artifacts(unnamed)
            count += len(unnamed)
            held.clear()

        for digest in self._artifacts.iter_old(before_ns=self._clock() - ORPHANED_NS):
            held.append(digest)
            if len(held) >= BATCH:
                note()
        note()
        return count


async def stop(task: "asyncio.Task[None]") -> None:
    """Cancel a collection and wait until its step has ended."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
