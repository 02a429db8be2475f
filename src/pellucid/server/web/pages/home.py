"""The home page: the way to a first trace, or what is here."""

from dataclasses import dataclass

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.settings import DEFAULT_URL
from pellucid.core.trace import ExperimentSummary, TraceSummary
from pellucid.server.services.traces import TraceService
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.pages.traces import AGENTS_ONLY
from pellucid.server.web.snippets import Snippet, list_snippets

NEWEST = 12


@dataclass(frozen=True, kw_only=True)
class FirstTracePage(Page):
    """Nothing was received yet: how to send a first trace, and a listener that opens it."""

    template = "first_trace.html"

    url: str = doc("Where this server is, as the browser reached it")
    snippets: list[Snippet] = doc("The ways in, one a tab")


@dataclass(frozen=True, kw_only=True)
class HomePage(Page):
    """The experiments with their totals, and the newest traces of all of them."""

    template = "home.html"

    experiments: list[ExperimentSummary] = doc("Most recently used first")
    traces: list[TraceSummary] = doc("The newest, of all experiments; not those of scorers")
    slugs: dict[str, str] = doc("Experiment name → its part of an address")


@get("/", include_in_schema=False)
async def show_home(request: Request[object, object, State], traces: TraceService) -> Response[str]:
    """Show the experiments, or the way to a first trace."""
    experiments = await traces.list_experiments()
    place = Place(section="home")
    if not experiments:
        url = str(request.base_url).rstrip("/")
        snippets = list_snippets(url, is_default_url=url == DEFAULT_URL)
        return FirstTracePage(
            title="Send your first trace", place=place, url=url, snippets=snippets
        ).respond()
    newest = await traces.list_traces(query=AGENTS_ONLY, limit=NEWEST)
    return HomePage(
        title="Home",
        place=place,
        experiments=experiments,
        traces=newest.traces,
        slugs={experiment.name: experiment.slug for experiment in experiments},
    ).respond()
