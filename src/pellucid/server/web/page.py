"""A page is a documented context and a template; a test compares the two."""

import dataclasses
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, ClassVar

import jinja2
from litestar import Response
from litestar.enums import MediaType
from markupsafe import Markup

from pellucid.core.clock import now_ns
from pellucid.core.trace import ExperimentSummary
from pellucid.server.web import format as words
from pellucid.server.web.assets import asset_url, load_assets
from pellucid.server.web.gist import ANSWERED, ASKED, gist_of_preview
from pellucid.server.web.kinds import kind_look
from pellucid.server.web.preview import plain_preview, rich_preview

CSP = (
    "script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


def doc(text: str, **options: Any) -> Any:
    """Declare a field of a page together with the sentence that explains it."""
    return dataclasses.field(metadata={"doc": text}, **options)


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A part of a page, which htmx can also fetch alone."""

    template: ClassVar[str]

    def context(self) -> dict[str, Any]:
        """Return what the template sees: the fields, by their names."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def render(self) -> Markup:
        """Fill the template in; what comes out is escaped already."""
        return Markup(environment().get_template(self.template).render(self.context()))

    def respond(self, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[str]:
        """Answer with the filled template and the headers that every page carries."""
        return Response(
            str(self.render()),
            status_code=status,
            media_type=MediaType.HTML,
            headers=HEADERS | (headers or {}),
        )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the product a page stands; the sidebar and the palette show it."""

    section: str = doc("The sidebar's current entry: home, traces, sessions …", default="")
    experiment: str | None = doc("Name of the experiment that the page is in", default=None)
    slug: str | None = doc("That experiment's part of an address", default=None)
    trace_count: int = doc("How many traces it has", default=0)
    run_count: int = doc("How many runs it has", default=0)
    rail: bool = doc("Whether the sidebar is only icons, because the page has panes", default=False)

    @classmethod
    def of(
        cls, experiment: ExperimentSummary | None, section: str, *, rail: bool = False
    ) -> "Place":
        """Return a place in an experiment, which may have gone meanwhile."""
        if experiment is None:
            return cls(section=section, rail=rail)
        return cls(
            section=section,
            experiment=experiment.name,
            slug=experiment.slug,
            trace_count=experiment.trace_count,
            run_count=experiment.run_count,
            rail=rail,
        )


@dataclass(frozen=True, kw_only=True)
class Page(Fragment):
    """A whole document."""

    title: str = doc("What the tab and the window show before the product's name")
    place: Place = doc("Where in the product this is", default_factory=Place)


@cache
def environment() -> jinja2.Environment:
    """Return the templates' environment. Everything is escaped; an unknown name is an error."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("pellucid.server.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters |= {
        "duration": words.format_duration,
        "number": words.format_number,
        "count": words.format_count,
        "cost": words.format_cost,
        "size": words.format_size,
        "date": words.format_date,
        "instant": words.format_instant,
        "iso": words.format_iso,
        "score": words.format_score,
        "plural": words.plural,
        "short": words.short_id,
        "breakable": words.breakable,
        "plain": plain_preview,
        "asked": lambda preview: gist_of_preview(preview, ASKED),
        "answered": lambda preview: gist_of_preview(preview, ANSWERED),
        "rich": rich_preview,
        "age": lambda at_ns: words.format_age(at_ns, now_ns()),
    }
    modules = [name for name in load_assets() if name.startswith("components/")]
    templates.globals |= {
        "modules": modules,
        "asset": asset_url,
        "kind": kind_look,
        "version": version("pellucid"),
    }
    return templates
