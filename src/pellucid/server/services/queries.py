"""Queries on traces, on their way to the span store: fields of a run become sets of run ids."""

from collections.abc import Sequence
from typing import Protocol

from pellucid.core.ports import SpanStore
from pellucid.core.query import (
    TRACES,
    Compare,
    Has,
    Query,
    list_unresolved,
    needs_runs,
    parse,
    replace_run_fields,
    resolve,
)
from pellucid.core.run import RunCount


class RunFinder(Protocol):
    """What a query asks the run store."""

    def find_ids(self, leaf: Compare | Has) -> list[str]:
        """Return the ids of the runs that one comparison holds for."""
        ...

    def is_param(self, name: str) -> bool:
        """Tell whether any run has a param of this name."""
        ...

    def list_counts(self) -> Sequence[RunCount]:
        """List the experiments that have runs, the most recently used first."""
        ...


class QueryReader:
    """Reads the text of a query once; blocks, because it asks the stores."""

    def __init__(self, spans: SpanStore, runs: RunFinder) -> None:
        self._spans = spans
        self._runs = runs

    def read(self, text: str) -> str | Query:
        """Return what the span store takes. Raises QuerySyntaxError."""
        if not text.strip():
            return ""
        query = parse(text, TRACES)
        params = {name for name in list_unresolved(query) if self._is_param(name)}
        if not params and not needs_runs(query):
            # The store itself tells scores from attributes.
            return text
        resolved = resolve(query, is_score=self._is_score, is_param=params.__contains__)
        return replace_run_fields(resolved, self._runs.find_ids)

    def list_run_counts(self) -> Sequence[RunCount]:
        """List the experiments that have runs, with how many; blocks."""
        return self._runs.list_counts()

    def _is_param(self, name: str) -> bool:
        return self._runs.is_param(name) and not self._is_score(name)

    def _is_score(self, name: str) -> bool:
        found = self._spans.list_traces(
            experiment=None, query=f'has:score."{name}"', limit=1, cursor=None
        )
        return bool(found.traces)
