"""Writes about runs go on whatever a store answers."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from pellucid.core.run import RunReceipt, RunWrite
from pellucid.server.services.runs import RunService
from pellucid.server.services.threads import Threads


class _Forgetful:
    """A store that tells nothing of one run."""

    def write(self, writes: Sequence[RunWrite], *, heard_ns: Sequence[int]) -> list[RunReceipt]:
        return [
            RunReceipt(run_id=write.run_id, number=1, conflicts=[])
            for write in writes
            if write.run_id != "b" * 32
        ]


async def test_an_answer_without_a_receipt_fails_its_request_alone() -> None:
    readers = Threads("test-readers", 1)
    service = RunService(cast(Any, _Forgetful()), readers)
    known, unknown = (RunWrite(run_id=x * 32, experiment="e", time_ns=1) for x in "ab")
    try:
        with pytest.raises(KeyError):
            await service.write([unknown])
        assert [receipt.run_id for receipt in await service.write([known])] == ["a" * 32]
    finally:
        service.close()
        readers.close()
