"""The home page: the way to a first trace, or what is here."""

from collections import Counter
from collections.abc import Sequence
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
OF_A_NAME = 5
"""So many of one name at most, where there are several: a busy agent hides no other."""
LOOKED_AT = 100
WITHOUT_EVALUATIONS = f"{AGENTS_ONLY} -root:TASK"


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
    traces: list[TraceSummary] = doc("Newest first, of all experiments, a few of each name")
    left_out: list[str] = doc("What the newest traces go without, in words")
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
    found = await traces.list_traces(query=WITHOUT_EVALUATIONS, limit=LOOKED_AT)
    evaluated = not found.traces  # and nothing else was traced
    if evaluated:
        found = await traces.list_traces(query=AGENTS_ONLY, limit=LOOKED_AT)
    newest = choose_newest(found.traces)
    several = len({_called(trace) for trace in found.traces}) > 1
    left_out = [] if evaluated else ["without evaluations"]
    left_out += [f"at most {OF_A_NAME} of a name"] if several else []
    return HomePage(
        title="Home",
        place=place,
        experiments=experiments,
        traces=newest,
        left_out=left_out,
        slugs={experiment.name: experiment.slug for experiment in experiments},
    ).respond()


def choose_newest(traces: Sequence[TraceSummary]) -> list[TraceSummary]:
    """Return the traces that the page shows, of several names only a few each."""
    if len({_called(trace) for trace in traces}) < 2:
        return list(traces[:NEWEST])
    shown: Counter[tuple[str, str]] = Counter()
    chosen = []
    for trace in traces:
        shown[_called(trace)] += 1
        if shown[_called(trace)] <= OF_A_NAME:
            chosen.append(trace)
    return chosen[:NEWEST]


def _called(trace: TraceSummary) -> tuple[str, str]:
    return trace.experiment, trace.name
