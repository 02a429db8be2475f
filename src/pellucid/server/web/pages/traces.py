"""The trace list: one row a trace, newest first, filtered by one query."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import InvalidInput, QuerySyntaxError
from pellucid.core.span import SpanKind
from pellucid.core.trace import ExperimentSummary, TracePage, TraceSummary
from pellucid.server.services.traces import TraceService
from pellucid.server.web.matches import list_marks
from pellucid.server.web.page import Fragment, Page, Place, doc
from pellucid.server.web.terms import drop_terms, replace_fields

ROWS = 50
SCORE_COLUMNS = 2
AGENTS_ONLY = "-root:EVALUATOR"
"""The query of a list whose newest traces are scorers' at work, until another is asked for."""
_RANGES = [("Last 15 minutes", "15m"), ("Last hour", "1h"), ("Last 24 hours", "24h")]
_RANGES += [("Last 7 days", "7d"), ("Last 30 days", "30d")]


@dataclass(frozen=True, kw_only=True)
class QueryFault:
    """Why a query cannot be read, cut so that the wrong stretch can be underlined."""

    message: str
    before: str
    wrong: str
    after: str
    proposal: str | None = None
    """The whole query put right, where the fault leaves no doubt."""


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """One choice of the time menu."""

    label: str
    href: str
    is_on: bool


@dataclass(frozen=True, kw_only=True)
class TraceRows(Fragment):
    """The table's rows alone, fetched again and again while the page is live."""

    template = "trace_rows.html"

    traces: list[TraceSummary] = doc("Newest first")
    score_names: list[str] = doc("The scores that have a column, most frequent first")
    longest_ns: int = doc("The longest duration on the page, which a full bar stands for")
    marked: str = doc("The query, where a trace's page is to mark words of it; else empty")


@dataclass(frozen=True, kw_only=True)
class TracesPage(Page):
    """The traces of one experiment."""

    template = "traces.html"

    experiment: ExperimentSummary = doc("The experiment, with its totals")
    query: str = doc("The query as it was typed")
    fault: QueryFault | None = doc("What is wrong with the query, if anything")
    traces: list[TraceSummary] = doc("Newest first")
    score_names: list[str] = doc("The scores that have a column, most frequent first")
    longest_ns: int = doc("The longest duration on the page, which a full bar stands for")
    marked: str = doc("The query, where a trace's page is to mark words of it; else empty")
    newest_url: str | None = doc("The first page, when this is a later one")
    older_url: str | None = doc("The next page, if there is one")
    ranges: list[TimeRange] = doc("Time ranges to choose from, and which one the query has")
    hints: list[str] = doc("Where nothing matches: what may be meant")
    is_partial: bool = doc("Whether the search ran out of time before it had looked at all")
    marks: list[str] = doc("Words of the query to mark in the rows")
    rows_url: str = doc("Where the live table asks for its rows")
    overview_url: str = doc("Where the page asks for facets and histogram")


@get("/experiments/{slug:str}/traces", include_in_schema=False)
async def list_traces(
    request: Request[object, object, State],
    traces: TraceService,
    slug: str,
    cursor: str | None = None,
) -> Response[str]:
    """Show one page of an experiment's traces."""
    text = _query(request)
    experiment = await traces.get_experiment(slug)
    base = f"/experiments/{slug}/traces"
    fault = None
    page = TracePage(traces=[], next=None)
    look = partial(traces.list_traces, experiment=experiment.name, limit=ROWS, cursor=cursor)
    try:
        page = await look(query=text)
        is_scored = any(trace.root_kind is SpanKind.EVALUATOR for trace in page.traces)
        if is_scored and "query" not in request.query_params:
            text = AGENTS_ONLY
            page = await look(query=text)
    except InvalidInput as error:
        if cursor is not None and not isinstance(error, QuerySyntaxError):
            raise
        fault = read_fault(error, text)
    return TracesPage(
        title=f"Traces · {experiment.name}",
        place=Place.of(experiment, "traces"),
        experiment=experiment,
        query=text,
        fault=fault,
        traces=page.traces,
        score_names=pick_scores(page.traces),
        longest_ns=_longest(page.traces),
        marked=text if list_marks(text) or "span(" in text else "",
        newest_url=_address(base, text, None) if cursor else None,
        older_url=_address(base, text, page.next) if page.next else None,
        ranges=list_ranges(base, text),
        hints=page.hints,
        is_partial=page.partial,
        marks=list_marks(text),
        rows_url=_address(f"{base}/rows", text, None),
        overview_url=_address(f"{base}/overview", text, None),
    ).respond(status=400 if fault else 200)


@get("/experiments/{slug:str}/traces/rows", include_in_schema=False)
async def list_rows(
    request: Request[object, object, State], traces: TraceService, slug: str
) -> Response[str]:
    """Answer with the newest rows as a fragment."""
    text = _query(request)
    experiment = await traces.get_experiment(slug)
    page = await traces.list_traces(experiment=experiment.name, query=text, limit=ROWS)
    return TraceRows(
        traces=page.traces,
        score_names=pick_scores(page.traces),
        longest_ns=_longest(page.traces),
        marked=text if list_marks(text) or "span(" in text else "",
    ).respond()


def _query(request: Request[object, object, State]) -> str:
    """Return the query of an address; the framework keeps an argument named `query` to itself."""
    return str(request.query_params.get("query", "")).strip()


def list_ranges(base: str, query: str) -> list[TimeRange]:
    """Return the time menu: each choice takes the place of the range that a query has."""
    choices = (("All time", ()), *((label, (f"since:{age}",)) for label, age in _RANGES))
    ranges = []
    for label, terms in choices:
        narrowed = replace_fields(query, ("since", "until"), terms)
        is_on = drop_terms(narrowed, ()) == drop_terms(query, ())
        ranges.append(TimeRange(label=label, href=_address(base, narrowed, None), is_on=is_on))
    if not any(one.is_on for one in ranges):
        here = TimeRange(label="As in the query", href=_address(base, query, None), is_on=True)
        ranges.append(here)
    return ranges


def pick_scores(traces: list[TraceSummary]) -> list[str]:
    """Return the names of the most frequent scores, which get a column each."""
    counts: dict[str, int] = {}
    for trace in traces:
        for name in {score.name for score in trace.scores}:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))[:SCORE_COLUMNS]


def _longest(traces: list[TraceSummary]) -> int:
    return max((trace.duration_ns for trace in traces), default=0) or 1


def read_fault(error: InvalidInput, query: str) -> QueryFault:
    """Return where and why a query cannot be read."""
    start, end, proposal = 0, len(query), None
    if isinstance(error, QuerySyntaxError):
        start = min(error.position, len(query))
        end = start + max(error.length, 1)
        proposal = error.proposal
    return QueryFault(
        message=error.message,
        before=query[:start],
        wrong=query[start:end],
        after=query[end:],
        proposal=proposal,
    )


def _address(base: str, query: str, cursor: str | None) -> str:
    # An empty query is written too: it asks for everything, scorers' traces among it.
    parameters = {"query": query} | ({"cursor": cursor} if cursor else {})
    return f"{base}?{urlencode(parameters)}"
