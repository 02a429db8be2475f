"""Up to five evaluations side by side: which is better, and on which examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import InvalidInput, NotFound, QuerySyntaxError
from pellucid.core.run import Run
from pellucid.core.slug import slug_of
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService
from pellucid.server.web.comparing import SettingRow, setting_rows
from pellucid.server.web.evaluation_opened import called
from pellucid.server.web.evaluation_page import Choice
from pellucid.server.web.evaluation_rows import asked_of, gist
from pellucid.server.web.evaluation_view import pick_score
from pellucid.server.web.example_query import parse_examples
from pellucid.server.web.gist import ANSWERED
from pellucid.server.web.page import Fragment, Page, Place, doc
from pellucid.server.web.pages.traces import QueryFault
from pellucid.server.web.side_view import (
    FullCell,
    ScoreRow,
    Side,
    SideGroup,
    SideVerdict,
    find_all_moved,
    list_rows,
    view_full,
    view_groups,
    view_scores,
    view_sides_verdict,
)

MOST = 5
ROWS = 100
ADDABLE = 20
FILTERS = (
    ("All", ""),
    ("Regressions", "regressed:true"),
    ("Improvements", "improved:true"),
    ("Failed", "status:error"),
)
KNOWN_PARAMS = ("dataset", "dataset_version", "dataset_number", "dataset_split", "examples")


@dataclass(frozen=True, kw_only=True)
class Head:
    """One evaluation above its column."""

    run: Run
    name: str
    failed: int
    examples: int
    cost_usd: float | None
    is_baseline: bool
    baseline_url: str
    drop_url: str
    """The page without it; empty where two are left."""


@dataclass(frozen=True, kw_only=True)
class SidePane(Fragment):
    """One example as each evaluation answered it."""

    template = "evaluation_side.html"

    asked: str = doc("What the example asks")
    expected: str = doc("What is expected")
    answers: list[FullCell] = doc("The answers, the baseline's first")


@dataclass(frozen=True, kw_only=True)
class EvaluationComparePage(Page):
    """Evaluations side by side; the first is the baseline."""

    template = "evaluation_compare.html"

    heads: list[Head] = doc("The evaluations, the baseline first")
    verdict: SideVerdict = doc("The answer of the page")
    scores: list[ScoreRow] = doc("Every score of all of them")
    score_urls: dict[str, str] = doc("Where each score is chosen to go by")
    score: str | None = doc("The score that examples are sorted by")
    settings: list[SettingRow] = doc("Params that differ")
    runs_url: str = doc("Where the runs are compared: code, prompts, environment")
    addable: list[Choice] = doc("Evaluations of the same data to add")
    query: str = doc("The filter as it was typed")
    fault: QueryFault | None = doc("What is wrong with the filter, if anything")
    filters: list[Choice] = doc("Filters at hand")
    groups: list[SideGroup] = doc("One page of rows")
    matched: int = doc("How many examples meet the filter")
    first: int = doc("The number of the first row of this page")
    last: int = doc("The number of the last row of this page")
    earlier_url: str = doc("The page of rows before, or empty")
    later_url: str = doc("The page of rows after, or empty")
    hidden: list[tuple[str, str]] = doc("The address's arguments that the filter's form keeps")
    kept: str = doc("The address's arguments that the fragment needs")
    clear_url: str = doc("The page without its filter")
    swap_url: str = doc("Two of them the other way round, or empty")
    opened: str = doc("The example that is open")
    answers: list[FullCell] = doc("How each answered it")
    asked: str = doc("What it asks")
    expected: str = doc("What is expected of it")
    complete_url: str = doc("Where the filter is completed")


class _Links:
    """Addresses of the page with one argument changed."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        names = ("runs", "score", "query")
        self.kept = {name: str(asked[name]) for name in names if asked.get(name)}

    def to(self, **changes: str) -> str:
        """Return the address with these arguments; an empty one is left out."""
        found = {key: value for key, value in {**self.kept, **changes}.items() if value}
        return f"/evaluations/compare?{urlencode(found, safe=',')}"


@get("/evaluations/compare", include_in_schema=False)
async def compare_evaluations(
    request: Request[object, object, State],
    evaluations: EvaluationService,
    traces: TraceService,
    threads: Threads,
) -> Response[str]:
    """Compare the evaluations that `runs` names, between commas; the first is the baseline."""
    asked = dict(request.query_params)
    sides = await _sides(evaluations, asked)
    experiment = await traces.get_experiment(slug_of(sides[0].run.experiment))
    place = Place.of(experiment, "evaluations", rail=True)
    options = await evaluations.list_baselines(sides[0].run)

    def render() -> Response[str]:
        page = _page(sides, place, options, asked)
        return page.respond(status=400 if page.fault else 200)

    return await threads.run(render)


@get("/evaluations/compare/example", include_in_schema=False)
async def compare_example(
    request: Request[object, object, State], evaluations: EvaluationService
) -> Response[str]:
    """Answer with one example as each evaluation answered it."""
    asked = dict(request.query_params)
    sides = await _sides(evaluations, asked)
    wanted = str(asked.get("id", ""))
    answers = view_full(sides, wanted)
    if not answers:
        raise NotFound(f"No evaluation here has an example {wanted[:80]!r}.")
    question, expected = _question(sides, wanted)
    return SidePane(asked=question, expected=expected, answers=answers).respond()


async def _sides(evaluations: EvaluationService, asked: Mapping[str, Any]) -> list[Side]:
    names = [one.strip() for one in str(asked.get("runs", "")).split(",") if one.strip()]
    if not 2 <= len(names) <= MOST:
        raise InvalidInput(f"Name two to {MOST} evaluations: ?runs=ID,ID; these are {len(names)}.")
    opened = [await evaluations.get(name) for name in names]
    found = list({run.id: (run, report) for run, report in opened}.values())
    if len(found) < 2:
        raise InvalidInput("These are all the same evaluation; name another one.")
    base, *others = [run for run, _ in found]
    judged = [None, *await evaluations.compare_all(base, others)]
    return [
        Side(run=run, report=report, judgement=one)
        for (run, report), one in zip(found, judged, strict=True)
    ]


def _page(
    sides: Sequence[Side], place: Place, options: Sequence[Run], asked: Mapping[str, Any]
) -> EvaluationComparePage:
    ids = [side.run.id for side in sides]
    link = _Links({**asked, "runs": ",".join(ids)})
    score = _score(sides, asked.get("score"))
    text = str(asked.get("query", "")).strip()
    moved = find_all_moved(sides, score)
    fault = None
    try:
        rows = list_rows(sides, parse_examples(text), score, moved)
    except QuerySyntaxError as error:
        rows, fault = [], _fault(error, text)
    number = _number(asked.get("page"), (len(rows) - 1) // ROWS)
    groups = view_groups(sides, rows, score, first=number * ROWS, most=ROWS)
    opened = str(asked.get("example", ""))
    question, expected = _question(sides, opened)
    return EvaluationComparePage(
        title="Compare " + ", ".join(side.name for side in sides),
        place=place,
        heads=[_head(side, ids, link) for side in sides],
        verdict=view_sides_verdict(sides, score),
        scores=view_scores(sides, score),
        score_urls={name: link.to(score=name) for side in sides for name in side.report.scores},
        score=score,
        settings=_settings([side.run for side in sides]),
        runs_url="/compare?runs=" + ",".join(ids),
        addable=_addable(options, ids, link),
        query=text,
        fault=fault,
        filters=[
            Choice(label=label, href=link.to(query=term), is_on=text == term)
            for label, term in FILTERS
        ],
        groups=groups,
        matched=len(rows),
        first=min(number * ROWS + 1, len(rows)),
        last=min((number + 1) * ROWS, len(rows)),
        earlier_url=link.to(page=str(number)) if number else "",
        later_url=link.to(page=str(number + 2)) if (number + 1) * ROWS < len(rows) else "",
        hidden=[(key, value) for key, value in link.kept.items() if key != "query"],
        kept=urlencode({"runs": ",".join(ids), **({"score": score} if score else {})}, safe=","),
        clear_url=link.to(query=""),
        swap_url=link.to(runs=",".join(reversed(ids))) if len(ids) == 2 else "",
        opened=opened,
        answers=view_full(sides, opened),
        asked=question,
        expected=expected,
        complete_url=f"/evaluations/{ids[0]}/complete?",
    )


def _score(sides: Sequence[Side], asked: Any) -> str | None:
    if asked is not None and any(asked in side.report.scores for side in sides):
        return str(asked)
    return pick_score(sides[0].report, None)


def _number(asked: Any, last: int) -> int:
    text = str(asked or "1")
    number = int(text[:6]) if text.isdigit() else 1
    return min(max(number - 1, 0), max(last, 0))


def _fault(error: QuerySyntaxError, text: str) -> QueryFault:
    at = min(error.position, len(text))
    end = at + max(error.length, 1)
    return QueryFault(message=error.message, before=text[:at], wrong=text[at:end], after=text[end:])


def _head(side: Side, ids: Sequence[str], link: _Links) -> Head:
    own = side.run.id
    left = [one for one in ids if one != own]
    return Head(
        run=side.run,
        name=side.name,
        failed=len(side.report.errors),
        examples=len(side.report.examples),
        cost_usd=side.report.cost_usd or None,
        is_baseline=side.judgement is None,
        baseline_url=link.to(runs=",".join([own, *left])),
        drop_url=link.to(runs=",".join(left)) if len(ids) > 2 else "",
    )


def _settings(runs: Sequence[Run]) -> list[SettingRow]:
    return [row for row in setting_rows(runs) if row.differs and row.name not in KNOWN_PARAMS]


def _addable(options: Sequence[Run], ids: Sequence[str], link: _Links) -> list[Choice]:
    if len(ids) >= MOST:
        return []
    return [
        Choice(
            label=called(run),
            note=run.name,
            href=link.to(runs=",".join([*ids, run.id])),
            is_on=False,
        )
        for run in options
        if run.id not in ids
    ][:ADDABLE]


def _question(sides: Sequence[Side], example_id: str) -> tuple[str, str]:
    for side in sides:
        for one in side.report.examples:
            if one.id == example_id:
                return asked_of(one), gist(one.expected, ANSWERED)
    return "", ""
