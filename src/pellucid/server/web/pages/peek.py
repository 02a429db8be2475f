"""A glance at one trace beside the list."""

from dataclasses import dataclass

from litestar import Response, get

from pellucid.core.trace import TraceSummary
from pellucid.server.services.traces import TraceService
from pellucid.server.web.faults import FaultView, list_faults
from pellucid.server.web.page import Fragment, doc
from pellucid.server.web.pages.trace import failed_span
from pellucid.server.web.values import ValueView, view_value


@dataclass(frozen=True, kw_only=True)
class PeekPage(Fragment):
    """Question, answer, failure and figures of one trace."""

    template = "peek.html"

    trace: TraceSummary = doc("The trace's own fields and totals")
    values: list[ValueView] = doc("The root's input and output, whole")
    faults: list[FaultView] = doc("What its first failed span failed of")
    failed_name: str = doc("That span's name")


@get("/traces/{trace_id:str}/peek", include_in_schema=False)
async def show_peek(traces: TraceService, trace_id: str) -> Response[str]:
    """Answer with the glance as a fragment."""
    summary = await traces.get_summary(trace_id)
    columns = await traces.get_waterfall(trace_id)
    root = (await traces.get_span(trace_id, columns.span_ids[0])).span
    origin = failed_span(columns)
    failed = (await traces.get_span(trace_id, origin)).span if origin else None
    base = f"/traces/{summary.trace_id}/spans/{root.span_id}/values"
    return PeekPage(
        trace=summary,
        values=[
            view_value("Input", root.input, f"{base}/input"),
            view_value("Output", root.output, f"{base}/output"),
        ],
        faults=list_faults(failed) if failed else [],
        failed_name=failed.name if failed else "",
    ).respond()
