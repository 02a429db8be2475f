"""Deleting a run: first what would be freed, then, asked once more, away with it."""

from dataclasses import dataclass

from litestar import Response, get, post

from pellucid.core.errors import NotFound
from pellucid.core.garbage import Footprint
from pellucid.core.run import Run
from pellucid.server.services.garbage import GarbageService
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.page import Fragment, doc


@dataclass(frozen=True, kw_only=True)
class DeleteRunPage(Fragment):
    """What deleting a run would free, and the button that does it."""

    template = "run_delete.html"

    run: Run = doc("The run")
    footprint: Footprint = doc("Files and parts of its snapshot that no other run has")
    trace_count: int = doc("Its traces, which stay; up to 100 are counted")


@get("/runs/{run_id:str}/delete", include_in_schema=False)
async def ask_run(
    runs: RunService, garbage: GarbageService, traces: TraceService, run_id: str
) -> Response[str]:
    """Say what deleting a run would free."""
    run = await runs.get(run_id)
    found = await traces.list_traces(experiment=run.experiment, query=f"run={run.id}", limit=100)
    return DeleteRunPage(
        run=run,
        footprint=await garbage.weigh_run(run.id),
        trace_count=len(found.traces),
    ).respond()


@post("/runs/{run_id:str}/delete", status_code=200, include_in_schema=False)
async def delete_run(runs: RunService, traces: TraceService, run_id: str) -> Response[str]:
    """Delete a run and send the browser to the others; what is gone already is well."""
    target = "/"
    try:
        run = await runs.get(run_id)
        await runs.delete(run.id)
        slugs = {one.name: one.slug for one in await traces.list_experiments()}
        if run.experiment in slugs:
            target = f"/experiments/{slugs[run.experiment]}/runs"
    except NotFound:
        pass
    return Response("", status_code=200, headers={"HX-Redirect": target})
