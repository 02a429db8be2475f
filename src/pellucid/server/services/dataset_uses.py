"""Which evaluations and sweeps used a dataset, told from their runs' params."""

from collections.abc import Iterable
from typing import NamedTuple

from pellucid.core.run import Run
from pellucid.evals.run_files import EVALUATION, SWEEP, TYPE_TAG
from pellucid.server.services.runs import RunService

LOOKED_AT = 1000
"""The newest evaluations of all experiments."""
LISTED = 50
_TYPED = f'tag."{TYPE_TAG}"'


class Use(NamedTuple):
    """How often a dataset was evaluated with, and when last."""

    evaluations: int
    last_ns: int


class Evaluation(NamedTuple):
    """One evaluation that used a dataset, or a sweep, which stands for all its parts."""

    run: Run
    is_sweep: bool
    number: int | None
    """The number of the dataset's version, where the run says one."""
    split: str | None


class DatasetUses:
    """What pages ask about the evaluations of datasets."""

    def __init__(self, runs: RunService) -> None:
        self._runs = runs

    async def count(self) -> dict[str, Use]:
        """Return the uses of each dataset by name, of the newest evaluations."""
        page = await self._runs.search(query=f"{_TYPED}:{EVALUATION}", limit=LOOKED_AT)
        uses: dict[str, Use] = {}
        for one in self._together(page.runs, await self._sweeps(page.runs)):
            name = str(one[1].params["dataset"])
            known = uses.get(name, Use(0, 0))
            last_ns = max(known.last_ns, one[0].run.start_ns)
            uses[name] = Use(known.evaluations + 1, last_ns)
        return uses

    async def list(self, name: str) -> list[Evaluation]:
        """List the newest evaluations and sweeps of a dataset, the newest first."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        query = f'{_TYPED}:{EVALUATION} param.dataset="{quoted}"'
        page = await self._runs.search(query=query, limit=LOOKED_AT)
        found = self._together(page.runs, await self._sweeps(page.runs))
        return [one[0] for one in found][:LISTED]

    async def _sweeps(self, runs: Iterable[Run]) -> dict[str, Run]:
        """Return the sweeps that some of these runs may be parts of, by id."""
        if not any(run.parent_id for run in runs):
            return {}
        page = await self._runs.search(query=f"{_TYPED}:{SWEEP}", limit=LOOKED_AT)
        return {run.id: run for run in page.runs}

    @staticmethod
    def _together(runs: Iterable[Run], sweeps: dict[str, Run]) -> Iterable[tuple[Evaluation, Run]]:
        """Yield each evaluation, and each sweep once, with a run that names its dataset."""
        seen: set[str] = set()
        for run in runs:
            if not isinstance(run.params.get("dataset"), str):
                continue
            sweep = sweeps.get(run.parent_id or "")
            shown = sweep or run
            if shown.id not in seen:
                seen.add(shown.id)
                yield Evaluation(shown, sweep is not None, number_of(run), split_of(run)), run


def number_of(run: Run) -> int | None:
    """Return the number of the dataset version that an evaluation used, where it says one."""
    number = run.params.get("dataset_number")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def split_of(run: Run) -> str | None:
    """Return the split that an evaluation used, if it was one."""
    split = run.params.get("dataset_split")
    return split if isinstance(split, str) else None
