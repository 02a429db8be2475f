"""What changed between two versions of a dataset, word by word."""

from dataclasses import dataclass

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.dataset_versions import DatasetVersion, DiffPage
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.dataset_view import ChangeView, dataset_url, view_change
from pellucid.server.web.page import Page, doc
from pellucid.server.web.pages.datasets import place_of

CHANGES = 100
VERSIONS = 100


@dataclass(frozen=True, kw_only=True)
class DatasetDiffPage(Page):
    """Two versions of a dataset, compared."""

    template = "dataset_diff.html"

    name: str = doc("The dataset")
    diff: DiffPage = doc("Both versions, and how many examples differ")
    changes: list[ChangeView] = doc("Some of the examples that differ")
    before_choices: list[tuple[DatasetVersion, str]] = doc("Versions to compare with, and where")
    after_choices: list[tuple[DatasetVersion, str]] = doc("Versions to show, and where")
    swap_url: str = doc("The other way round")
    next_url: str = doc("The next examples, or empty")
    list_url: str = doc("The list of datasets")
    before_url: str = doc("The earlier version's page")
    after_url: str = doc("The later version's page")


@get("/datasets/{name:str}/diff", include_in_schema=False)
async def show_diff(
    request: Request[object, object, State],
    name: str,
    datasets: DatasetService,
    traces: TraceService,
) -> Response[str]:
    """Show what changed between two versions."""
    asked = request.query_params
    slug, after = str(asked.get("experiment", "")), str(asked.get("to", "latest"))
    later = await datasets.get_version(name, after)
    before = str(asked.get("from", "") or later.base or later.number)
    found = await datasets.diff(
        name, before, str(later.number), limit=CHANGES, cursor=str(asked.get("at", ""))
    )
    versions = (await datasets.list_versions(name, limit=VERSIONS)).versions
    place = await place_of(traces, slug)

    def address(start: int, end: int, at: str = "") -> str:
        span = {"from": start, "to": end, "at": at}
        return dataset_url(name, "/diff", **span, experiment=slug)

    first, last = found.before.number, found.after.number
    return DatasetDiffPage(
        title=f"{name} {first} → {last} · Datasets",
        place=place,
        name=name,
        diff=found,
        changes=[view_change(change) for change in found.changes],
        before_choices=[(one, address(one.number, last)) for one in versions],
        after_choices=[(one, address(first, one.number)) for one in versions],
        swap_url=address(last, first),
        next_url=address(first, last, found.next) if found.next else "",
        list_url=f"/experiments/{place.slug}/datasets" if place.slug else "/datasets",
        before_url=dataset_url(name, version=first, experiment=slug),
        after_url=dataset_url(name, version=last, experiment=slug),
    ).respond()
