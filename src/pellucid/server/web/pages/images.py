"""The images of an experiment: which prompt drew which, run by run."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.run import Artifact, LineagePoint
from pellucid.core.trace import ExperimentSummary
from pellucid.server.services.runs import RunService
from pellucid.server.services.traces import TraceService
from pellucid.server.web.page import Page, Place, doc

MOST_IMAGES = 240
MOST_BESIDE = 5
_MOST_RUNS = 20_000


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image, with its run and its place on this page."""

    artifact: Artifact
    number: int | None
    run_name: str
    href: str
    is_selected: bool


@dataclass(frozen=True, kw_only=True)
class PromptGroup:
    """The images that one prompt drew, newest first."""

    prompt: str
    anchor: str
    pictures: list[Picture]


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The image in the pane, and the others of its key in its run by step."""

    picture: Picture
    steps: list[Picture]
    beside_url: str


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the address asks for."""

    text: str = ""
    model: str = ""
    run: str = ""
    image: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImagesPage(Page):
    """The prompt → image index."""

    template = "images.html"

    experiment: ExperimentSummary = doc("The experiment")
    filters: Filters = doc("What the address asks for")
    groups: list[PromptGroup] = doc("Images by prompt")
    count: int = doc("How many images are shown")
    models: list[str] = doc("Models among them, to choose from")
    selected: Selected | None = doc("The image in the pane")
    beside: list[tuple[Picture, str]] = doc("Images put side by side, with the address without it")
    more_url: str | None = doc("Older images")
    fault: str = doc("What is wrong with what was asked, if anything")
    clear_url: str = doc("This page without filters")


@get("/experiments/{slug:str}/images", include_in_schema=False)
async def list_images(
    request: Request[object, object, State],
    traces: TraceService,
    runs: RunService,
    slug: str,
    cursor: str | None = None,
) -> Response[str]:
    """Show the images of an experiment by prompt."""
    experiment = await traces.get_experiment(slug)
    held = request.query_params
    filters = Filters(
        text=str(held.get("text", "")).strip(),
        model=str(held.get("model", "")),
        run=str(held.get("run", "")).strip().removeprefix("#"),
        image=str(held.get("image", "")),
        beside=tuple(str(one) for one in held.getall("beside", []))[:MOST_BESIDE],
    )
    base = f"/experiments/{slug}/images"
    run_id, fault = await _run_id(runs, experiment.name, filters.run)
    found: list[Artifact] = []
    following = None
    if not fault:
        page = await runs.list_images(
            experiment=experiment.name,
            run_id=run_id,
            text=filters.text,
            model=filters.model or None,
            limit=MOST_IMAGES,
            cursor=cursor,
        )
        found, following = page.artifacts, page.next
    points = await runs.list_lineage(experiment.name, limit=_MOST_RUNS) if found else []
    maker = _Maker(base, filters, points)
    selected = await _selected(runs, maker, filters)
    return ImagesPage(
        title=f"Images · {experiment.name}",
        place=Place.of(experiment, "images", rail=True),
        experiment=experiment,
        filters=filters,
        groups=_by_prompt(maker, found),
        count=len(found),
        models=sorted({one.model for one in found if one.model} | {filters.model} - {""}),
        selected=selected,
        beside=await _beside(runs, maker, filters),
        more_url=maker.link(cursor=following) if following else None,
        fault=fault,
        clear_url=base,
    ).respond()


class _Maker:
    """Makes pictures with their addresses on this page."""

    def __init__(self, base: str, filters: Filters, points: Sequence[LineagePoint]) -> None:
        self._base = base
        self._filters = filters
        self._points = {point.run_id: point for point in points}

    def link(self, **changes: object) -> str:
        """Return this page's address with some of it changed."""
        held: dict[str, object] = {
            "text": self._filters.text,
            "model": self._filters.model,
            "run": self._filters.run,
            "image": self._filters.image,
        } | changes
        beside = held.pop("beside", self._filters.beside)
        assert isinstance(beside, tuple)
        pairs = [(name, str(value)) for name, value in held.items() if value]
        encoded = urlencode([*pairs, *(("beside", one) for one in beside)])
        return f"{self._base}?{encoded}" if encoded else self._base

    def __call__(self, artifact: Artifact) -> Picture:
        point = self._points.get(artifact.run_id)
        return Picture(
            artifact=artifact,
            number=point.number if point else None,
            run_name=point.name if point else "",
            href=self.link(image=name_of(artifact)),
            is_selected=name_of(artifact) == self._filters.image,
        )


def name_of(artifact: Artifact) -> str:
    """Name an image in an address: its run and its path."""
    return f"{artifact.run_id}:{artifact.path}"


def _by_prompt(maker: _Maker, found: Sequence[Artifact]) -> list[PromptGroup]:
    held: dict[str, list[Picture]] = {}
    for artifact in found:
        held.setdefault(artifact.prompt or "", []).append(maker(artifact))
    return [
        PromptGroup(prompt=prompt, anchor=f"p{index}", pictures=pictures)
        for index, (prompt, pictures) in enumerate(held.items())
    ]


async def _run_id(runs: RunService, experiment: str, run: str) -> tuple[str | None, str]:
    if not run:
        return None, ""
    try:
        return await runs.resolve(f"{experiment}@{run}" if run.isdecimal() else run), ""
    except (NotFound, InvalidInput) as error:
        return None, error.message


async def _find(runs: RunService, name: str) -> Artifact | None:
    run_id, _, path = name.partition(":")
    try:
        artifact = await runs.get_artifact(run_id, path)
    except NotFound:
        return None
    return artifact if artifact.kind == "image" else None


async def _selected(runs: RunService, maker: _Maker, filters: Filters) -> Selected | None:
    artifact = await _find(runs, filters.image) if filters.image else None
    if artifact is None:
        return None
    same = [
        one
        for one in await runs.list_artifacts(artifact.run_id)
        if one.kind == "image" and one.key == artifact.key and one.key is not None
    ]
    same.sort(key=lambda one: (one.step or 0, one.time_ns))
    name = name_of(artifact)
    beside = tuple(one for one in filters.beside if one != name)
    return Selected(
        picture=maker(artifact),
        steps=[maker(one) for one in same],
        beside_url=maker.link(beside=(*beside, name)[-MOST_BESIDE:]),
    )


async def _beside(runs: RunService, maker: _Maker, filters: Filters) -> list[tuple[Picture, str]]:
    pictures = []
    for name in filters.beside:
        artifact = await _find(runs, name)
        if artifact is not None:
            rest = tuple(one for one in filters.beside if one != name)
            pictures.append((maker(artifact), maker.link(beside=rest)))
    return pictures
