"""The columns of the runs table: which are shown, in what order, and what stands in the cells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from pellucid.core.leaves import flatten_params
from pellucid.core.run import Run
from pellucid.server.web.measures import (
    GUESSED,
    Goals,
    format_measure,
    format_setting,
    goal_of,
    read_value,
    write_order,
)

FAMILIES = ("param", "metric", "score", "tag")
MOST_CHOSEN = 60
_DEFAULTS = {"param": 3, "score": 3, "metric": 3, "tag": 1}
_OWN = {"number": "Run", "name": "Name", "start": "Age", "duration": "Duration"}


@dataclass(frozen=True, kw_only=True)
class View:
    """What an address says about the table."""

    base: str
    query: str = ""
    order: str = ""
    columns: tuple[str, ...] = ()
    group: str = ""
    baseline: int | None = None
    value: str = ""
    goal: str = ""
    chart: str = ""
    """`params` for parallel coordinates in the place of the best so far."""

    def link(self, **changes: object) -> str:
        """Return the address with some of it changed; the page begins anew."""
        held: dict[str, object] = {
            "query": self.query,
            "order": self.order,
            "group": self.group,
            "baseline": self.baseline,
            "value": self.value,
            "goal": self.goal,
            "chart": self.chart,
        } | changes
        columns = held.pop("columns", self.columns)
        assert isinstance(columns, tuple)
        base = str(held.pop("base", self.base))
        pairs = [(name, str(value)) for name, value in held.items() if value]
        encoded = urlencode([*pairs, *(("col", column) for column in columns)])
        return f"{base}?{encoded}" if encoded else base

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """Return the fields that a form must send along, except some."""
        held = {
            "query": self.query,
            "order": self.order,
            "group": self.group,
            "baseline": str(self.baseline or ""),
            "value": self.value,
            "goal": self.goal,
            "chart": self.chart,
        }
        pairs = [(name, value) for name, value in held.items() if value and name not in without]
        if "col" not in without:
            pairs += [("col", column) for column in self.columns]
        return pairs


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its id such as `metric.accuracy`, and how its header sorts."""

    id: str
    family: str
    name: str
    is_number: bool
    sort: str
    """`ascending`, `descending`, or empty."""
    href: str
    """Sorts by it; empty if that cannot be said."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in a column for one run."""

    text: str
    is_best: bool = False


def pick_columns(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the columns to show where none were chosen: what differs between the runs first."""
    picked: list[str] = []
    for family, most in _DEFAULTS.items():
        counts: Counter[str] = Counter()
        values: dict[str, set[str]] = {}
        for run in runs:
            for name in _names(run, family):
                counts[name] += 1
                values.setdefault(name, set()).add(repr(read_value(run, f"{family}.{name}")))
        ranked = sorted(
            (
                name
                for name in counts
                # An evaluation logs the mean of a score as a metric of the same name.
                if not name.startswith("system.") and f"score.{name}" not in picked
            ),
            key=lambda name: (len(values[name]) < 2, -counts[name]),
        )
        picked += [f"{family}.{name}" for name in ranked[:most]]
    return tuple(picked)


def pick_value(runs: Sequence[Run], columns: Sequence[str], goals: Goals = GUESSED) -> str:
    """Return the metric or score that the chart follows where none was chosen."""
    found = [column for column in columns if column.split(".")[0] in {"score", "metric"}]
    with_value = [
        column for column in found if any(read_value(run, column) is not None for run in runs)
    ]
    rising = [column for column in with_value if goals.of(column) == "max"]
    return next(iter(rising or with_value), "")


def describe_columns(
    view: View, columns: Sequence[str], runs: Sequence[Run], goals: Goals = GUESSED
) -> tuple[list[Column], list[Column]]:
    """Return the fixed columns and the chosen ones."""
    own = [
        _column(
            view,
            name,
            "own",
            label,
            is_number=name in {"start", "duration", "number"},
            goal=goal_of(label),
        )
        for name, label in _OWN.items()
    ]
    chosen = []
    for column in columns:
        family, _, name = column.partition(".")
        held = [value for run in runs if (value := read_value(run, column)) is not None]
        figures = family == "metric" or all(isinstance(value, int | float) for value in held)
        chosen.append(
            _column(
                view,
                column,
                family,
                name,
                is_number=bool(held) and figures,
                goal=goals.of(column),
            )
        )
    return own, chosen


def _column(
    view: View, column: str, family: str, label: str, *, is_number: bool, goal: str
) -> Column:
    current, _, way = view.order.strip().rpartition(" ")
    up, down = (write_order(column, descending=False), write_order(column, descending=True))
    is_current = bool(down) and current == down.removesuffix(" desc")
    first = up if (family == "own" and column == "name") or goal == "min" else down
    second = up if first is down else down
    following = second if is_current and view.order == first else first
    if is_current and view.order == second:
        following = ""
    return Column(
        id=column,
        family=family,
        name=label,
        is_number=is_number,
        sort="descending"
        if column == "start" and not view.order
        else ("descending" if way == "desc" else "ascending")
        if is_current
        else "",
        href=view.link(order=following) if down else "",
    )


def cell_of(run: Run, column: Column, best: object) -> Cell:
    """Return a cell; `best` is the column's best value, or None."""
    value = read_value(run, column.id)
    if value is None:
        return Cell(text="")
    text = format_setting(value) if column.family == "param" else format_measure(value)
    return Cell(text=text[:400], is_best=best is not None and value == best)


def _names(run: Run, family: str) -> list[str]:
    if family == "param":
        return list(flatten_params(run.params))
    held: dict[str, Mapping[str, object]] = {
        "metric": run.metrics,
        "tag": run.tags,
        "score": run.scores,
    }
    return list(held[family])
