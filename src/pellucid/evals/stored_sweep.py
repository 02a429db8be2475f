"""A sweep as its run keeps it: one row a configuration."""

from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput


class StoredConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration; its evaluation is the run `run_id`."""

    run_id: str
    config: dict[str, Any]
    metrics: dict[str, float | None]
    """Means of scores, `latency_s` and `cost_usd` of an example."""
    broken: list[str] = []
    """The constraints that it breaks."""
    on_front: bool = False


class StoredSweep(msgspec.Struct, frozen=True, kw_only=True):
    """All configurations, the best first."""

    objective: str
    """The score to maximise, or to minimise with a `-` before it."""
    runs: list[StoredConfig]
    importance: dict[str, float] = {}
    """Each parameter's share of the objective's variance, the greatest first."""
    stages: dict[str, dict[str, Any]] = {}

    @property
    def goal(self) -> str:
        """The objective's name."""
        return self.objective.removeprefix("-")

    @property
    def minimises(self) -> bool:
        """Whether less of the objective is better."""
        return self.objective.startswith("-")


def read_sweep(data: bytes) -> StoredSweep:
    """Read the file of a sweep's run. Raises InvalidInput for another file."""
    try:
        return msgspec.json.decode(data, type=StoredSweep)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"This is not what a sweep keeps: {error}") from None
