"""Deleting traces: first what would go, then, once more asked, away with it."""

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.trace import Deletion
from pellucid.server.services.traces import TraceService
from pellucid.server.web.page import Fragment, doc

Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
MOST = 500


@dataclass(frozen=True, kw_only=True)
class DeletePage(Fragment):
    """What a deletion would take away, and the button that does it."""

    template = "delete.html"

    title: str = doc("What is to be deleted")
    deletion: Deletion = doc("Everything that would go")
    action: str = doc("Where the button posts to")
    fields: dict[str, str] = doc("What the button sends")


@get("/traces/delete", include_in_schema=False)
async def ask_traces(traces: TraceService, ids: str = "") -> Response[str]:
    """Say what deleting these traces (ids, apart by commas) would take away."""
    wanted = _split(ids)
    found = [await traces.delete_trace(one, dry_run=True) for one in wanted]
    title = "Delete this trace?" if len(wanted) == 1 else f"Delete {len(wanted):,} traces?"
    return DeletePage(
        title=title, deletion=_sum(found), action="/traces/delete", fields={"ids": ids}
    ).respond()


@post("/traces/delete", status_code=200, include_in_schema=False)
async def delete_traces(data: Form, traces: TraceService) -> Response[str]:
    """Delete the traces and send the browser to their list; what is gone already is well."""
    experiment = ""
    for one in _split(str(data.get("ids") or "")):
        try:
            experiment = (await traces.get_summary(one)).experiment
            await traces.delete_trace(one)
        except NotFound:
            continue
    return _go_on(await _find_list(traces, experiment))


@get("/experiments/{slug:str}/delete", include_in_schema=False)
async def ask_experiment(traces: TraceService, slug: str, session: str = "") -> Response[str]:
    """Say what deleting an experiment's traces, or one session's, would take away."""
    name = (await traces.get_experiment(slug)).name
    if session:
        deletion = await traces.delete_session(name, session, dry_run=True)
        title = f"Delete session {session}?"
    else:
        deletion = await traces.delete_experiment(name, dry_run=True)
        title = f"Delete all traces of {name}?"
    return DeletePage(
        title=title,
        deletion=deletion,
        action=f"/experiments/{slug}/delete",
        fields={"session": session},
    ).respond()


@post("/experiments/{slug:str}/delete", status_code=200, include_in_schema=False)
async def delete_experiment(data: Form, traces: TraceService, slug: str) -> Response[str]:
    """Delete an experiment's traces, or one session's, and send the browser on."""
    name = (await traces.get_experiment(slug)).name
    session = str(data.get("session") or "")
    if session:
        await traces.delete_session(name, session)
    else:
        await traces.delete_experiment(name)
    return _go_on(await _find_list(traces, name, "sessions" if session else "traces"))


async def _find_list(traces: TraceService, experiment: str, page: str = "traces") -> str:
    """Return where an experiment's traces are listed; home, when its last one has gone."""
    slugs = {one.name: one.slug for one in await traces.list_experiments()}
    return f"/experiments/{slugs[experiment]}/{page}" if experiment in slugs else "/"


def _go_on(target: str) -> Response[str]:
    return Response("", status_code=200, headers={"HX-Redirect": target})


def _split(ids: str) -> list[str]:
    wanted = list(dict.fromkeys(one.strip() for one in ids.split(",") if one.strip()))
    if not 1 <= len(wanted) <= MOST:
        raise InvalidInput(f"Name 1 to {MOST} traces to delete; these are {len(wanted)}.")
    return wanted


def _sum(deletions: list[Deletion]) -> Deletion:
    return Deletion(
        trace_count=sum(one.trace_count for one in deletions),
        span_count=sum(one.span_count for one in deletions),
        score_count=sum(one.score_count for one in deletions),
        unreferenced=sorted({digest for one in deletions for digest in one.unreferenced}),
    )
