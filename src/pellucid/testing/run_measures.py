# ruff: noqa: D102 (the names of tests are sentences)
"""The part of the run store's contract about which way metrics are better."""

import pytest

from pellucid.core.errors import NotFound
from pellucid.core.run import Direction, MeasureWrite
from pellucid.core.run_ports import RunStore
from pellucid.testing.run_builders import NOW, A, B, C, start, write_all

UP, DOWN = Direction.MAXIMIZE, Direction.MINIMIZE


def measure(name: str, direction: Direction, at: int = 0) -> MeasureWrite:
    """Return a declaration."""
    return MeasureWrite(name=name, direction=direction, time_ns=NOW + at)


class MeasuresContract:
    """Inherited by `RunStoreContract`."""

    def test_the_latest_declaration_holds_for_the_experiment(self, runs: RunStore) -> None:
        write_all(
            runs,
            start(A, measures=[measure("gap", DOWN, 5), measure("odd", UP), measure("odd", DOWN)]),
            start(B, "other", measures=[measure("gap", UP)]),
            start(C, measures=[measure("gap", UP, 4)]),
        )
        assert runs.list_measures("e") == {"gap": DOWN, "odd": DOWN}
        assert runs.list_measures("other") == {"gap": UP}
        assert runs.list_measures("none") == {}
        write_all(runs, start(C, measures=[measure("gap", UP, 6)]))
        assert runs.list_measures("e")["gap"] is UP

    def test_a_page_has_the_last_word_whatever_clocks_say(self, runs: RunStore) -> None:
        write_all(runs, start(A, measures=[measure("gap", DOWN, 10**15)]))
        runs.declare_measure("e", measure("gap", UP))
        runs.declare_measure("e", measure("new", DOWN))
        assert runs.list_measures("e") == {"gap": UP, "new": DOWN}
        with pytest.raises(NotFound):
            runs.declare_measure("none", measure("gap", UP))
