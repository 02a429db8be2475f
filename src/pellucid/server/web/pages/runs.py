"""The runs of an experiment: which change helped, and where the best one is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import InvalidInput, NotFound, QuerySyntaxError
from pellucid.core.run import Run
from pellucid.core.trace import ExperimentSummary
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.facets import write_key
from pellucid.server.web.format import quote_term
from pellucid.server.web.history import History, draw_history
from pellucid.server.web.measures import (
    Goals,
    format_change,
    format_measure,
    format_setting,
    read_value,
    verdict_of,
    write_order,
)
from pellucid.server.web.page import Fragment, Page, Place, doc
from pellucid.server.web.pages.traces import QueryFault, read_fault
from pellucid.server.web.runs_table import (
    MOST_CHOSEN,
    Cell,
    Column,
    View,
    cell_of,
    describe_columns,
    pick_columns,
    pick_value,
)
from pellucid.server.web.terms import add_terms

ROWS = 100
MOST_GROUPS = 24
_HISTORY_RUNS = 20_000


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run as a row: its cells in the order of the columns."""

    run: Run
    cells: list[Cell]
    change: str
    """Of the value that the page follows, against the baseline."""
    verdict: str
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    """Consecutive rows with one value of the param or tag that the list is grouped by."""

    label: str
    count: int | None
    """How many runs of the whole list have it; None where that was not counted."""
    href: str
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class RunsPage(Page):
    """The table of an experiment's runs."""

    template = "runs.html"

    experiment: ExperimentSummary = doc("The experiment")
    view: View = doc("What the address says: query, order, columns, group, baseline")
    fault: QueryFault | None = doc("What is wrong with the query or the order, if anything")
    faulty: str = doc("Which of the two is wrong: `query` or `order`")
    own: list[Column] = doc("The columns that every table has")
    columns: list[Column] = doc("The chosen ones")
    value_name: str = doc("The metric or score that the page follows, by its bare name")
    goal: str = doc("Whether the most (`max`) or the least (`min`) of it is best")
    pinned: Row | None = doc("The baseline")
    groups: list[Group] = doc("The rows; one group without a label if the list is not grouped")
    count: int = doc("How many runs match")
    best: Run | None = doc("The best of those that match")
    best_value: str = doc("Its value")
    next_url: str | None = doc("The next page, if there is one")
    is_later: bool = doc("Whether this is not the first page")
    history_url: str = doc("Where the page asks for the chart")
    columns_url: str = doc("Where the page asks for the column chooser")
    group_choices: list[str] = doc("Columns that the list can be grouped by")


@dataclass(frozen=True, kw_only=True)
class HistoryFragment(Fragment):
    """Best so far over the iterations."""

    template = "runs_history.html"

    history: History = doc("The staircase and its dots")
    value_name: str = doc("Name of what is drawn")
    value: str = doc("The metric or score that is drawn")
    view: View = doc("What the address says")
    experiment: str = doc("The experiment's name")
    goal: str = doc("`max` or `min`")
    is_guessed: bool = doc("Whether that is only read from the name")
    values: list[str] = doc("Metrics and scores that can be drawn instead")


@dataclass(frozen=True, kw_only=True)
class ColumnChooser(Fragment):
    """Every param, metric, score and tag of the experiment, with those that are shown ticked."""

    template = "runs_columns.html"

    view: View = doc("What the address says")
    families: list[tuple[str, list[tuple[str, str, int]]]] = doc(
        "Title → (column, bare name, how many runs have it)"
    )
    shown: tuple[str, ...] = doc("The columns that are shown")


def read_view(request: Request[object, object, State], base: str) -> View:
    """Read the address of the table; what it does not understand it leaves out."""
    held = request.query_params
    baseline = str(held.get("baseline", ""))
    columns = dict.fromkeys(str(one) for one in held.getall("col", []))
    return View(
        base=base,
        query=str(held.get("query", "")).strip(),
        order=str(held.get("order", "")).strip(),
        columns=tuple(columns)[:MOST_CHOSEN],
        group=str(held.get("group", "")),
        baseline=int(baseline) if baseline.isdecimal() and len(baseline) < 10 else None,
        value=str(held.get("value", "")),
        goal=str(held.get("goal", "")),
        chart="params" if held.get("chart") == "params" else "",
    )


@get("/experiments/{slug:str}/runs", include_in_schema=False)
async def list_runs(
    request: Request[object, object, State],
    traces: TraceService,
    runs: RunService,
    slug: str,
    cursor: str | None = None,
) -> Response[str]:
    """Show one page of an experiment's runs."""
    experiment = await traces.get_experiment(slug)
    view = read_view(request, f"/experiments/{slug}/runs")
    fault = None
    faulty = ""
    found: list[Run] = []
    following: str | None = None
    count = 0
    try:
        order = _order(view)
        page = await runs.search(
            experiment=experiment.name, query=view.query, order=order, limit=ROWS, cursor=cursor
        )
        found, following = page.runs, page.next
        is_whole = not cursor and following is None
        count = (
            len(found)
            if is_whole
            else await runs.count(experiment=experiment.name, query=view.query)
        )
    except InvalidInput as error:
        if cursor and not isinstance(error, QuerySyntaxError):
            raise
        is_query = isinstance(error, QuerySyntaxError)
        fault = read_fault(error, view.query if is_query else view.order)
        faulty = "query" if is_query else "order"
    chosen = view.columns or pick_columns(found)
    goals = Goals(await runs.list_measures(experiment.name))
    value = view.value or pick_value(found, chosen, goals)
    goal = view.goal if view.goal in {"max", "min"} else goals.of(value)
    baseline = await _find_baseline(runs, experiment.name, view.baseline)
    best = None
    if found and not cursor and view.order == write_order(value, descending=goal == "max"):
        best = None if view.group or read_value(found[0], value) is None else found[0]
    if best is None and not fault:
        best = await find_best(runs, experiment.name, view.query, value, goal)
    own, columns = describe_columns(
        view, chosen, [*found, *([baseline] if baseline else [])], goals
    )
    make = _RowMaker(columns, value, goal, baseline, best)
    return RunsPage(
        title=f"Runs · {experiment.name}",
        place=Place.of(experiment, "runs"),
        experiment=experiment,
        view=view,
        fault=fault,
        faulty=faulty,
        own=own,
        columns=columns,
        value_name=value.partition(".")[2],
        goal=goal,
        pinned=make(baseline) if baseline else None,
        groups=await _group(runs, experiment.name, view, [make(run) for run in found]),
        count=count,
        best=best,
        best_value=format_measure(read_value(best, value)) if best else "",
        next_url=view.link(cursor=following) if following else None,
        is_later=bool(cursor),
        history_url=view.link(
            base=f"{view.base}/{'parallel' if view.chart else 'history'}", value=value
        ),
        columns_url=view.link(base=f"{view.base}/columns", columns=chosen),
        group_choices=_group_choices(columns, view),
    ).respond(status=400 if fault else 200)


@get("/experiments/{slug:str}/runs/history", include_in_schema=False)
async def show_history(
    request: Request[object, object, State], traces: TraceService, runs: RunService, slug: str
) -> Response[str]:
    """Answer with the chart of the best so far."""
    experiment = await traces.get_experiment(slug)
    view = read_view(request, f"/experiments/{slug}/runs")
    goals = Goals(await runs.list_measures(experiment.name))
    chosen = await pick_history_value(runs, experiment.name, view, goals)
    value, goal = chosen.value, chosen.goal
    points = await runs.list_lineage(experiment.name, value=value, goal=goal, limit=_HISTORY_RUNS)
    return HistoryFragment(
        history=draw_history(points, baseline=view.baseline),
        value_name=value.partition(".")[2],
        value=value,
        view=view,
        experiment=experiment.name,
        goal=goal,
        is_guessed=goals.is_guessed(value),
        values=chosen.values[:100],
    ).respond()


class ChosenValue(NamedTuple):
    """What a chart of an experiment follows, and what it could follow instead."""

    value: str
    goal: str
    values: list[str]


async def pick_history_value(
    runs: RunService, experiment: str, view: View, goals: Goals
) -> ChosenValue:
    """Return the metric or score that the address names, else the first that should rise."""
    names = await runs.list_columns(experiment)
    values = [f"score.{name}" for name in names.scores]
    values += [f"metric.{name}" for name in names.metrics if not name.startswith("system.")]
    rising = [value for value in values if goals.of(value) == "max"]
    value = view.value or next(iter(rising or values), "")
    goal = view.goal if view.goal in {"max", "min"} else goals.of(value)
    return ChosenValue(value, goal, values)


@get("/experiments/{slug:str}/runs/columns", include_in_schema=False)
async def choose_columns(
    request: Request[object, object, State], traces: TraceService, runs: RunService, slug: str
) -> Response[str]:
    """Answer with the column chooser."""
    experiment = await traces.get_experiment(slug)
    view = read_view(request, f"/experiments/{slug}/runs")
    names = await runs.list_columns(experiment.name)
    families = [
        ("Params", "param", names.params),
        ("Metrics", "metric", names.metrics),
        ("Scores", "score", names.scores),
        ("Tags", "tag", names.tags),
    ]
    return ColumnChooser(
        view=view,
        families=[
            (title, [(f"{family}.{name}", name, count) for name, count in held.items()])
            for title, family, held in families
            if held
        ],
        shown=view.columns,
    ).respond()


class _RowMaker:
    """Makes the rows of one table."""

    def __init__(
        self,
        columns: list[Column],
        value: str,
        goal: str,
        baseline: Run | None,
        best: Run | None,
    ) -> None:
        self._columns = columns
        self._value = value
        self._goal = goal
        self._baseline = baseline
        self._best = best

    def __call__(self, run: Run) -> Row:
        before = read_value(self._baseline, self._value) if self._baseline else None
        after = read_value(run, self._value)
        best = read_value(self._best, self._value) if self._best else None
        is_itself = self._baseline is not None and run.id == self._baseline.id
        return Row(
            run=run,
            cells=[
                cell_of(run, column, best if column.id == self._value else None)
                for column in self._columns
            ],
            change="" if is_itself else format_change(before, after),
            verdict=verdict_of(before, after, self._goal),
            is_best=best is not None and after == best,
        )


async def _find_baseline(runs: RunService, experiment: str, number: int | None) -> Run | None:
    if number is None:
        return None
    try:
        return await runs.get(f"{experiment}@{number}")
    except NotFound:
        return None


async def find_best(
    runs: RunService, experiment: str, query: str, value: str, goal: str
) -> Run | None:
    """Return the run with the best value of all that match a query."""
    order = write_order(value, descending=goal == "max")
    if not value or not order:
        return None
    page = await runs.search(experiment=experiment, query=query, order=order, limit=1)
    return page.runs[0] if page.runs and read_value(page.runs[0], value) is not None else None


def _order(view: View) -> str:
    grouped = write_order(view.group, descending=False)
    if view.group.split(".")[0] not in {"param", "tag"}:
        grouped = ""
    return ", ".join(part for part in (grouped, view.order) if part)


async def _group(runs: RunService, experiment: str, view: View, rows: Sequence[Row]) -> list[Group]:
    if view.group.split(".")[0] not in {"param", "tag"}:
        return [Group(label="", count=None, href="", rows=list(rows))] if rows else []
    family, _, name = view.group.partition(".")
    field = f"{family}.{write_key(name)}"
    gathered: list[tuple[Any, list[Row]]] = []
    for row in rows:
        value = read_value(row.run, view.group)
        if not gathered or gathered[-1][0] != value:
            gathered.append((value, []))
        gathered[-1][1].append(row)
    groups = []
    for index, (value, held) in enumerate(gathered):
        is_missing = value is None
        text = format_setting(value)
        term = f"-has:{field}" if is_missing else f"{field}={quote_term(text)}"
        narrowed = add_terms(view.query, (term,))
        is_simple = isinstance(value, str | int | float) or is_missing
        count = None
        if is_simple and index < MOST_GROUPS:
            count = await runs.count(experiment=experiment, query=narrowed)
        groups.append(
            Group(
                label=f"{name}: none" if is_missing else f"{name}: {text}",
                count=count,
                href=view.link(query=narrowed, group="") if is_simple else "",
                rows=held,
            )
        )
    return groups


def _group_choices(columns: Sequence[Column], view: View) -> list[str]:
    choices = [column.id for column in columns if column.family in {"param", "tag"}]
    if view.group and view.group not in choices:
        choices.append(view.group)
    return choices


def describe_run(run: Run) -> str:
    """Name a run in a few words: `#12 k five`."""
    return f"#{run.number} {run.name}" if run.number is not None else run.name or run.id[:8]
