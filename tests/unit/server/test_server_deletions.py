"""Deletions that take long: other writes do not wait for them."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from pellucid.core.trace import Deletion
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService

WAIT_S = 60.0


class _Store:
    """Deletes for as long as it is told to."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def delete_experiment(self, experiment: str, *, dry_run: bool) -> Deletion:
        assert self.may_end.wait(WAIT_S)
        return Deletion(trace_count=1, span_count=1, score_count=0, unreferenced=[])

    def renormalise(self, *, version: int, limit: int, after: int, prices: bool) -> int:
        return 0


class _Attachments:
    def drop(self, digests: Sequence[str]) -> None:
        assert digests == []


async def test_long_deletions_keep_no_other_write_waiting() -> None:
    store: Any = _Store()
    attachments: Any = _Attachments()
    queries: Any = None
    threads = [Threads(name, 2) for name in ("reader", "writer", "deleter")]
    readers, writers, deleters = threads
    service = TraceService(
        store, queries, attachments, readers=readers, writers=writers, deleters=deleters
    )
    deletions = [asyncio.create_task(service.delete_experiment(f"e{n}")) for n in range(4)]
    try:
        async with asyncio.timeout(WAIT_S):
            assert await service.renormalise(after=0, limit=1) == 0
        assert not any(deletion.done() for deletion in deletions)
    finally:
        store.may_end.set()
        found = await asyncio.gather(*deletions)
        for one in threads:
            one.close()
    assert [deletion.trace_count for deletion in found] == [1] * 4
