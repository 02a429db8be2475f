"""What the trace list adds up to: facets and a histogram, fetched once the list is there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.clock import now_ns
from pellucid.core.errors import InvalidInput
from pellucid.server.services.overview import (
    Bucket,
    Facet,
    draw_histogram,
    list_facets,
    percentile,
    read_newest,
)
from pellucid.server.services.traces import TraceService
from pellucid.server.web.format import quote_term
from pellucid.server.web.page import Fragment, doc
from pellucid.server.web.terms import add_terms, drop_terms, has_terms, replace_fields

CHART_WIDTH = 1000
CHART_HEIGHT = 64
_TICKS = 6


@dataclass(frozen=True, kw_only=True)
class FacetLink:
    """One value of a facet: `href` adds it to the query or takes it away, `exclude` bans it."""

    label: str
    count: int
    share: float
    is_on: bool
    is_excluded: bool
    href: str
    exclude: str


@dataclass(frozen=True, kw_only=True)
class FacetView:
    """One facet with its links."""

    title: str
    values: list[FacetLink]


@dataclass(frozen=True, kw_only=True)
class BarView:
    """One bar of the histogram, in the drawing's own units; `href` narrows the query to it."""

    x: float
    width: float
    y: float
    height: float
    error_height: float
    href: str
    label: str


@dataclass(frozen=True, kw_only=True)
class TickView:
    """One label below the histogram."""

    left: float
    at_ns: int


@dataclass(frozen=True, kw_only=True)
class ChartView:
    """The histogram: bars of traces with their errors, and a line of p95 duration."""

    bars: list[BarView]
    ticks: list[TickView]
    most: int
    longest_ns: int
    line: str
    from_ns: int
    until_ns: int
    is_daily: bool


@dataclass(frozen=True, kw_only=True)
class OverviewPage(Fragment):
    """Facets and histogram of the newest traces that match."""

    template = "overview.html"

    facets: list[FacetView] = doc("Fields with their values, counts and links")
    chart: ChartView | None = doc("The histogram; None where no trace matches")
    counted: int = doc("The traces that were counted")
    is_partial: bool = doc("Whether more match than were counted")
    errors: int = doc("Those of them that failed")
    p50_ns: int | None = doc("Duration that half of them do not exceed")
    p95_ns: int | None = doc("Duration that 95 in 100 of them do not exceed")


@get("/experiments/{slug:str}/traces/overview", include_in_schema=False)
async def show_overview(
    request: Request[object, object, State], traces: TraceService, slug: str
) -> Response[str]:
    """Answer with facets and histogram as a fragment.

    A query that cannot be read counts as none, so that the facets still offer one that can.
    """
    query = str(request.query_params.get("query", "")).strip()
    name = (await traces.get_experiment(slug)).name
    try:
        newest = await read_newest(traces, name, query)
    except InvalidInput:
        query = ""
        newest = await read_newest(traces, name, query)
    base = f"/experiments/{slug}/traces"
    durations = [trace.duration_ns for trace in newest.traces]
    return OverviewPage(
        facets=[
            _facet(facet, base, query, len(newest.traces))
            for facet in list_facets(newest.traces, quote_term)
        ],
        chart=draw_chart(draw_histogram(newest.traces, now_ns()), base, query),
        counted=len(newest.traces),
        is_partial=newest.is_partial,
        errors=sum(trace.status == "error" for trace in newest.traces),
        p50_ns=percentile(durations, 0.5),
        p95_ns=percentile(durations, 0.95),
    ).respond()


def _facet(facet: Facet, base: str, query: str, total: int) -> FacetView:
    values = []
    for value in facet.values:
        negated = tuple(f"-{term}" for term in value.terms)
        is_on = has_terms(query, value.terms)
        is_excluded = has_terms(query, negated)
        toggled = (
            drop_terms(query, value.terms)
            if is_on or is_excluded
            else add_terms(query, value.terms)
        )
        values.append(
            FacetLink(
                label=value.label,
                count=value.count,
                share=value.count / max(total, 1),
                is_on=is_on,
                is_excluded=is_excluded,
                href=_address(base, toggled),
                exclude=_address(base, add_terms(drop_terms(query, value.terms), negated[:1])),
            )
        )
    return FacetView(title=facet.title, values=values)


def draw_chart(buckets: list[Bucket], base: str, query: str) -> ChartView | None:
    """Place bars, line and labels; None without buckets."""
    if not buckets:
        return None
    most = max(bucket.count for bucket in buckets)
    longest = max((bucket.p95_ns or 0 for bucket in buckets), default=0)
    width = CHART_WIDTH / len(buckets)
    top = CHART_HEIGHT - 6
    points = [
        f"{(index + 0.5) * width:.1f},{CHART_HEIGHT - bucket.p95_ns / longest * top:.1f}"
        for index, bucket in enumerate(buckets)
        if bucket.p95_ns is not None and longest
    ]
    every = max(len(buckets) // _TICKS, 1)
    return ChartView(
        bars=[
            _bar(bucket, index, width, most, base, query)
            for index, bucket in enumerate(buckets)
            if bucket.count
        ],
        ticks=[
            TickView(left=index / len(buckets) * 100, at_ns=bucket.start_ns)
            for index, bucket in enumerate(buckets)
            if index % every == 0 and index / len(buckets) < 0.94
        ],
        most=most,
        longest_ns=longest,
        line=" ".join(points) if len(points) > 1 else "",
        from_ns=buckets[0].start_ns,
        until_ns=buckets[-1].end_ns,
        is_daily=buckets[0].end_ns - buckets[0].start_ns >= 7_200 * 10**9,
    )


def _bar(bucket: Bucket, index: int, width: float, most: int, base: str, query: str) -> BarView:
    height = max(bucket.count / most * (CHART_HEIGHT - 2), 1.5)
    terms = (f"since:{_iso(bucket.start_ns)}", f"until:{_iso(bucket.end_ns)}")
    errors = f", {bucket.errors} failed" if bucket.errors else ""
    return BarView(
        x=index * width + min(width * 0.1, 1),
        width=width - min(width * 0.2, 2),
        y=CHART_HEIGHT - height,
        height=height,
        error_height=max(bucket.errors / most * (CHART_HEIGHT - 2), 1.5) if bucket.errors else 0,
        href=_address(base, replace_fields(query, ("since", "until"), terms)),
        label=f"{bucket.count} traces{errors}",
    )


def _iso(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _address(base: str, query: str) -> str:
    return f"{base}?{urlencode({'query': query})}" if query else base
