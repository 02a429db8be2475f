"""What the trace list adds up to: facets and a histogram, fetched once the list is there."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.clock import now_ns
from pellucid.core.errors import InvalidInput
from pellucid.core.survey import Survey, TimeBin, TimeBins
from pellucid.server.services.traces import TraceService
from pellucid.server.web.facets import Facet, FacetValue, list_facets
from pellucid.server.web.page import Fragment, doc
from pellucid.server.web.terms import add_terms, drop_terms, has_terms, keep_fields, replace_fields

CHART_HEIGHT = 64
_TICKS = 6
_MINUTE_NS = 60 * 10**9
_DAY_NS = 1440 * _MINUTE_NS
_PRECISIONS = (("second", 20 * _MINUTE_NS), ("minute", 5 * _DAY_NS), ("day", 300 * _DAY_NS))
"""How exact the labels of the time axis are, while all of it is shorter than this."""


@dataclass(frozen=True, kw_only=True)
class FacetLink:
    """One value of a facet: `href` adds it to the query or takes it away, `exclude` bans it."""

    value: FacetValue
    share: float
    is_on: bool
    is_excluded: bool
    href: str
    exclude: str


@dataclass(frozen=True, kw_only=True)
class FacetView:
    """One facet with its links."""

    title: str
    remark: str
    links: list[FacetLink]


@dataclass(frozen=True, kw_only=True)
class BarView:
    """One bar of the histogram, in the drawing's own units; `href` narrows the query to it."""

    x: float
    width: float
    height: float
    error_height: float
    href: str
    label: str


@dataclass(frozen=True, kw_only=True)
class TickView:
    """One label below the histogram, `left` percent from its beginning."""

    left: float
    at_ns: int


@dataclass(frozen=True, kw_only=True)
class ChartView:
    """The histogram: bars of traces with their errors."""

    bars: list[BarView]
    ticks: list[TickView]
    most: int
    traces: int
    errors: int
    from_ns: int
    until_ns: int
    precision: str
    """How exact the labels are: second, minute, day or month."""
    is_current: bool
    """Whether it reaches up to now."""
    sampled: int
    """Traces that were looked at where the counts are estimated; else 0."""


@dataclass(frozen=True, kw_only=True)
class OverviewPage(Fragment):
    """Facets and histogram of the traces that match."""

    template = "overview.html"

    facets: list[FacetView] = doc("Fields with their values, counts and links")
    chart: ChartView | None = doc("The histogram; None where no trace matches")
    counted: int = doc("The traces whose values were counted")
    is_partial: bool = doc("Whether more match than were counted")


@get("/experiments/{slug:str}/traces/overview", include_in_schema=False)
async def show_overview(
    request: Request[object, object, State], traces: TraceService, slug: str
) -> Response[str]:
    """Answer with facets and histogram as a fragment.

    A query that cannot be read counts as none, so that the facets still offer one that can. Where
    nothing matches they are those of the time range, each with a count of 0.
    """
    query = str(request.query_params.get("query", "")).strip()
    name = (await traces.get_experiment(slug)).name
    try:
        survey, bins = await _read(traces, name, query)
    except InvalidInput:
        query = ""
        survey, bins = await _read(traces, name, query)
    facets = list_facets(survey)
    if not (survey.trace_count or survey.partial):
        around = await traces.survey(experiment=name, query=keep_fields(query, ("since", "until")))
        facets = [_without_counts(facet) for facet in list_facets(around)]
    base = f"/experiments/{slug}/traces"
    return OverviewPage(
        facets=[_link(facet, base, query, survey.trace_count) for facet in facets],
        chart=draw_chart(bins, base, query),
        counted=survey.trace_count,
        is_partial=survey.partial,
    ).respond()


async def _read(traces: TraceService, name: str, query: str) -> tuple[Survey, TimeBins]:
    return await asyncio.gather(
        traces.survey(experiment=name, query=query),
        traces.count_by_time(experiment=name, query=query),
    )


def _without_counts(facet: Facet) -> Facet:
    return Facet(facet.title, [replace(value, count=0) for value in facet.values])


def _link(facet: Facet, base: str, query: str, total: int) -> FacetView:
    links = []
    for value in facet.values:
        negated = tuple(f"-{term}" for term in value.terms)
        is_on = has_terms(query, value.terms)
        is_excluded = has_terms(query, negated[:1])
        without = drop_terms(query, value.terms)
        toggled = without if is_on or is_excluded else add_terms(query, value.terms)
        links.append(
            FacetLink(
                value=value,
                share=min(value.count / max(total, 1), 1.0),
                is_on=is_on,
                is_excluded=is_excluded,
                href=_address(base, toggled),
                exclude=_address(base, add_terms(without, negated[:1])),
            )
        )
    return FacetView(title=facet.title, remark=facet.remark, links=links)


def draw_chart(counted: TimeBins, base: str, query: str) -> ChartView | None:
    """Place bars and labels; None where nothing was counted."""
    bins = counted.bins
    most = max((one.count for one in bins), default=0)
    if not most:
        return None
    every = max(len(bins) // _TICKS, 1)
    return ChartView(
        bars=[
            _bar(
                one,
                index,
                len(bins),
                most,
                _since(base, query, one),
                is_estimated=counted.partial,
            )
            for index, one in enumerate(bins)
            if one.count
        ],
        ticks=[
            TickView(left=index / len(bins) * 100, at_ns=one.start_ns)
            for index, one in enumerate(bins)
            if index % every == 0 and index / len(bins) < 0.86
        ],
        most=most,
        traces=sum(one.count for one in bins),
        errors=sum(one.error_count for one in bins),
        from_ns=bins[0].start_ns,
        until_ns=bins[-1].end_ns,
        precision=_precision(bins[-1].end_ns - bins[0].start_ns),
        is_current=bins[-1].end_ns >= now_ns(),
        sampled=counted.sampled,
    )


def _precision(length_ns: int) -> str:
    return next((name for name, most in _PRECISIONS if length_ns < most), "month")


def _bar(
    one: TimeBin, index: int, count: int, most: int, href: str, *, is_estimated: bool
) -> BarView:
    width = 1000 / count
    top = CHART_HEIGHT - 2
    failed = f", {one.error_count:,} failed" if one.error_count else ""
    about = "about " if is_estimated else ""
    return BarView(
        x=index * width + min(width * 0.1, 1),
        width=width - min(width * 0.2, 2),
        height=max(one.count / most * top, 1.5),
        error_height=max(one.error_count / most * top, 1.5) if one.error_count else 0,
        href=href,
        label=f"{about}{one.count:,} {'trace' if one.count == 1 else 'traces'}{failed}",
    )


def _since(base: str, query: str, one: TimeBin) -> str:
    terms = (f"since:{_iso(one.start_ns)}", f"until:{_iso(one.end_ns)}")
    return _address(base, replace_fields(query, ("since", "until"), terms))


def _iso(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _address(base: str, query: str) -> str:
    return f"{base}?{urlencode({'query': query})}"
