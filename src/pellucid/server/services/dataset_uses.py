"""Which evaluations used a dataset, told from their runs' params."""

from typing import NamedTuple

from pellucid.core.run import Run
from pellucid.evals.run_files import EVALUATION, TYPE_TAG
from pellucid.server.services.runs import RunService

LOOKED_AT = 1000
"""The newest evaluations of all experiments."""
LISTED = 50
_EVALUATIONS = f'tag."{TYPE_TAG}":{EVALUATION}'


class Use(NamedTuple):
    """How often a dataset was evaluated with, and when last."""

    evaluations: int
    last_ns: int


class DatasetUses:
    """What pages ask about the evaluations of datasets."""

    def __init__(self, runs: RunService) -> None:
        self._runs = runs

    async def count(self) -> dict[str, Use]:
        """Return the uses of each dataset by name, of the newest evaluations."""
        page = await self._runs.search(query=_EVALUATIONS, limit=LOOKED_AT)
        uses: dict[str, Use] = {}
        for run in page.runs:
            name = run.params.get("dataset")
            if isinstance(name, str):
                known = uses.get(name, Use(0, 0))
                uses[name] = Use(known.evaluations + 1, max(known.last_ns, run.start_ns))
        return uses

    async def list(self, name: str) -> list[Run]:
        """List the newest evaluations of a dataset, the newest first."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        query = f'{_EVALUATIONS} param.dataset="{quoted}"'
        return (await self._runs.search(query=query, limit=LISTED)).runs


def number_of(run: Run) -> int | None:
    """Return the number of the dataset version that an evaluation used, where it says one."""
    number = run.params.get("dataset_number")
    return number if isinstance(number, int) and not isinstance(number, bool) else None
