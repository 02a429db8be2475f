"""The contract of every span store, one noun a file.

Inherit `SpanStoreContract` and give fixtures: `store` returns an empty store that reads the clock
`clock` and normalises with `spans.toy_normalise`; `reopen` closes the last opened store and opens
the same data again; `fresh` opens one more empty store as a context manager;
`settle`, where a store works on behind the writes, lets it finish that.
"""

import pytest

from pellucid.testing.span_store.deletion import DeletionContract
from pellucid.testing.span_store.laws import LawContract
from pellucid.testing.span_store.logs import LogContract
from pellucid.testing.span_store.queries import QueryContract, Settle
from pellucid.testing.span_store.rollups import RollupContract
from pellucid.testing.span_store.scores import ScoreContract
from pellucid.testing.span_store.spans import SpanContract
from pellucid.testing.span_store.support import Clock, Fresh, Reopen, assert_agrees
from pellucid.testing.span_store.surveys import SurveyContract


class SpanStoreContract(
    SpanContract,
    LawContract,
    RollupContract,
    ScoreContract,
    LogContract,
    DeletionContract,
    QueryContract,
    SurveyContract,
):
    """All of it."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Return a clock that stands at `spans.START`."""
        return Clock()


__all__ = ["Clock", "Fresh", "Reopen", "Settle", "SpanStoreContract", "assert_agrees"]
