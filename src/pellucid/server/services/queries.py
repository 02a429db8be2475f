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
from pellucid.core.query.habits import FAMILY_SYNONYMS
from pellucid.core.run import RunCount
from pellucid.server.services.hints import list_hints


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
        names = list_unresolved(query)
        params = {name for name in names if self._is_param(name)}
        if not params and not needs_runs(query) and not any(map(_is_of_run, names)):
            # The store itself tells scores from attributes.
            return text
        resolved = resolve(
            query,
            is_score=self._is_score,
            is_param=params.__contains__,
            is_attribute=self._is_attribute,
        )
        return replace_run_fields(resolved, self._runs.find_ids)

    def list_hints(self, text: str) -> list[str]:
        """Return why a query may have found nothing; blocks."""
        return list_hints(text, self._spans)

    def list_run_counts(self) -> Sequence[RunCount]:
        """List the experiments that have runs, with how many; blocks."""
        return self._runs.list_counts()

    def _is_param(self, name: str) -> bool:
        return self._runs.is_param(name) and not self._is_score(name)

    def _is_score(self, name: str) -> bool:
        return name in self._spans.list_keys("score", beginning=name, limit=1)

    def _is_attribute(self, name: str) -> bool:
        return name in self._spans.list_keys("attr", beginning=name, limit=1)


def _is_of_run(name: str) -> bool:
    return FAMILY_SYNONYMS.get(name.partition(".")[0].lower()) in ("param", "metric")
