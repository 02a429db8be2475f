# ruff: noqa: D102 (the names of tests are sentences)
"""Rollups: sums per experiment, time, kind and model."""

import pytest

from pellucid.core.errors import InvalidInput
from pellucid.core.ports import SpanStore
from pellucid.core.rollup import percentile_ns
from pellucid.core.span import SpanKind, Status
from pellucid.testing.span_store.support import Reopen, minute_cells
from pellucid.testing.spans import SECOND, START, make_arrival, usage

_HOUR_NS = 3600 * SECOND


class RollupContract:
    """What holds of rollups; the laws' tests compare them with a recomputation."""

    def test_cells_are_read_by_time(self, store: SpanStore, reopen: Reopen) -> None:
        store.write(
            [
                make_arrival(n, 1, at=n * 60, took=n, kind=SpanKind.LLM, model="m", tokens=usage())
                for n in range(1, 121)
            ]
        )
        store.write([make_arrival(200, 1, experiment="other", status=Status.ERROR)])
        store = reopen()
        store.write([make_arrival(201, 1, experiment="other")])
        hours = store.read_rollups(experiment="default", step_minutes=60)
        assert sum(cell.figures.count for cell in hours) == 120
        assert all(cell.time_ns % _HOUR_NS == 0 for cell in hours)
        assert [cell.time_ns for cell in hours] == sorted(cell.time_ns for cell in hours)
        (total,) = store.read_rollups(experiment="default", step_minutes=0)
        assert (total.kind, total.model, total.time_ns) == (SpanKind.LLM, "m", 0)
        assert total.figures.tokens.input == 1200
        assert sum(total.figures.latency.values()) == 120
        median = percentile_ns(total.figures.latency, 0.5)
        assert median is not None
        assert abs(median - 60 * SECOND) < 4 * SECOND
        (other,) = store.read_rollups(experiment="other", step_minutes=0)
        assert (other.figures.count, other.figures.error_count) == (2, 1)
        since = START - START % (60 * SECOND) + 600 * SECOND
        few = store.read_rollups(
            experiment="default", since_ns=since, until_ns=since + 300 * SECOND, step_minutes=1
        )
        assert len(few) == 5
        assert min(cell.time_ns for cell in few) == since

    def test_unknown_steps_and_experiments(self, store: SpanStore) -> None:
        store.write([make_arrival(1, 1)])
        assert store.read_rollups(experiment="unknown") == []
        with pytest.raises(InvalidInput):
            store.read_rollups(step_minutes=7)

    def test_a_late_root_moves_the_contributions(self, store: SpanStore) -> None:
        store.write([make_arrival(1, n, 1, experiment="early", tokens=usage()) for n in (2, 3)])
        store.write([make_arrival(1, 1, experiment="late")])
        assert {key.experiment for key in minute_cells(store)} == {"late"}
