"""Compare two runs, results and snapshots."""

from pellucid.core.errors import NotFound
from pellucid.core.run import Run
from pellucid.core.run_diff import RunDiff, Side, diff_runs
from pellucid.core.snapshot import SnapshotParts, decode_manifest, read_parts
from pellucid.server.services.runs import RunService
from pellucid.server.services.snapshots import SnapshotService
from pellucid.server.services.threads import Threads


class DiffService:
    """What the compare page and `pellucid diff` ask."""

    def __init__(self, runs: RunService, snapshots: SnapshotService, threads: Threads) -> None:
        self._runs = runs
        self._snapshots = snapshots
        self._threads = threads

    async def diff(self, a: str, b: str) -> RunDiff:
        """Compare two runs, each an id, a unique prefix, or experiment@number. Raises NotFound.

        A run whose snapshot has not arrived is compared by its results alone.
        """
        first, second = await self._runs.get(a), await self._runs.get(b)
        return await self._threads.run(lambda: diff_runs(self._side(first), self._side(second)))

    def _side(self, run: Run) -> Side:
        get = self._snapshots.read_object
        if run.snapshot_id is None:
            return Side(run, None, SnapshotParts(), get)
        try:
            manifest = decode_manifest(get(run.snapshot_id))
        except NotFound:
            return Side(run, None, SnapshotParts(), get)
        return Side(run, manifest, read_parts(manifest, get), get)
