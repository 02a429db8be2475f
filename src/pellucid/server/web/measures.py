"""Metrics, scores and params as cells of a table, and which way each of them is better."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pellucid.core.leaves import find_param
from pellucid.core.run import Direction, Run

_LESS = re.compile(
    r"(?:^|[^a-z])(?:loss|errors?|costs?|latency|duration|seconds|time|ms|tokens?|perplexity|"
    r"mae|mse|rmse|wer|cer|misses|failures|failed|memory)(?:$|[^a-z])"
)
_PLAIN_NAME = re.compile(r'[^\s,"]+')


class Goals:
    """Which way each metric and score is better: as it was declared, else guessed from its name."""

    def __init__(self, declared: Mapping[str, Direction] = MappingProxyType({})) -> None:
        self._declared = declared

    def of(self, column: str) -> str:
        """Return `max` or `min` for a column such as `metric.loss`, or a bare name."""
        declared = self._find(column)
        if declared is not None:
            return "max" if declared is Direction.MAXIMIZE else "min"
        return goal_of(column)

    def is_guessed(self, column: str) -> bool:
        """Tell whether nobody has declared it."""
        return self._find(column) is None

    def _find(self, column: str) -> Direction | None:
        family, dot, name = column.partition(".")
        bare = name if dot and family in {"metric", "score"} else column
        return self._declared.get(bare)


GUESSED = Goals()


def goal_of(name: str) -> str:
    """Return `min` for a name that says a cost or a fault, else `max`."""
    return "min" if _LESS.search(name.lower()) else "max"


def format_measure(value: Any) -> str:
    """Write a metric or score so that three figures of it can be read."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e9 or 0 < size < 0.001:
        return f"{value:.2e}"
    if value == int(value):
        return f"{int(value):,}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}"


def format_setting(value: Any) -> str:
    """Write a param's value: text as it stands, everything else as JSON."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def format_change(before: Any, after: Any) -> str:
    """Write how a number changed, in per cent where that means something: `+18%`."""
    if not is_number(before) or not is_number(after):
        return ""
    if before == after:
        return "0%"
    if before == 0 or before * after < 0:
        return f"{after - before:+.3g}"
    percent = (after - before) / abs(before) * 100
    if abs(percent) >= 1000:
        return f"×{after / before:.3g}"
    return f"{percent:+.0f}%" if abs(percent) >= 9.5 else f"{percent:+.1f}%"


def verdict_of(before: Any, after: Any, goal: str) -> str:
    """Return `better`, `worse`, or an empty text for what is no change or cannot be told."""
    if not is_number(before) or not is_number(after) or before == after:
        return ""
    return "better" if (after > before) is (goal == "max") else "worse"


def is_number(value: Any) -> bool:
    """Tell whether a value can be compared as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_value(run: Run, column: str) -> Any:
    """Return what a run has in a column such as `metric.accuracy`; None if nothing."""
    family, _, name = column.partition(".")
    if family == "param":
        return find_param(run.params, name)
    held: dict[str, Mapping[str, Any]] = {
        "metric": run.metrics,
        "tag": run.tags,
        "score": run.scores,
    }
    return held.get(family, {}).get(name)


def write_order(column: str, *, descending: bool) -> str:
    """Write a column as an ordering; empty for a name that an ordering cannot say."""
    family, dot, name = column.partition(".")
    if '"' in name:
        return ""
    field = column if not dot or _PLAIN_NAME.fullmatch(name) else f'{family}."{name}"'
    return f"{field} {'desc' if descending else 'asc'}"


def best_of(values: Iterable[Any], goal: str) -> Any:
    """Return the best of some values; None if there is no number."""
    numbers = [value for value in values if is_number(value)]
    if not numbers:
        return None
    return max(numbers) if goal == "max" else min(numbers)
