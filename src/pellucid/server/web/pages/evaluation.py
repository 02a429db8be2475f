"""One evaluation: is it better than the one before, and which examples tell."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import InvalidInput, NotFound, QuerySyntaxError
from pellucid.core.run import Run
from pellucid.core.slug import slug_of
from pellucid.evals.compare import Comparison
from pellucid.evals.report import Report, ScorerInfo
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.runs import RunService
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService
from pellucid.server.web.evaluation_rows import (
    Group,
    Slice,
    find_moved,
    group_rows,
    list_keys,
    view_slices,
)
from pellucid.server.web.evaluation_view import (
    OPERATIONS,
    Card,
    Verdict,
    pick_score,
    view_cards,
    view_verdict,
)
from pellucid.server.web.example_query import parse_examples
from pellucid.server.web.example_view import ExampleView, view_example
from pellucid.server.web.page import Fragment, Page, Place, doc
from pellucid.server.web.pages.traces import QueryFault
from pellucid.server.web.terms import add_terms
from pellucid.server.web.values import TextView, view_text

COLUMNS = 4
WebRequest = Request[object, object, State]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One choice of a menu."""

    label: str
    href: str
    is_on: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ExamplePane(Fragment):
    """One example beside the table."""

    template = "evaluation_example.html"

    example: ExampleView = doc("The example in full")
    baseline_name: str = doc("What the baseline is called, or empty")


@dataclass(frozen=True, kw_only=True)
class ScorerPane(Fragment):
    """One scorer beside the table."""

    template = "evaluation_scorer.html"

    scorer: ScorerInfo = doc("What the report keeps of the scorer")
    prompt: TextView | None = doc("A judge's prompt")
    is_before: bool = doc("Whether the baseline's judge had another prompt or model")
    before: ScorerInfo | None = doc("The baseline's scorer of that name")
    before_prompt: TextView | None = doc("Its prompt, where it is another")
    baseline_name: str = doc("What the baseline is called, or empty")


@dataclass(frozen=True, kw_only=True)
class EvaluationPage(Page):
    """An evaluation: verdict, scores, examples, and one of them in full."""

    template = "evaluation.html"

    run: Run = doc("The run that it is")
    report: Report = doc("What the run keeps")
    name: str = doc("What it is called")
    baseline: Run | None = doc("The evaluation that it is measured by")
    baseline_name: str = doc("What that is called, or empty")
    baselines: list[Choice] = doc("Evaluations of the same data to choose from")
    verdict: Verdict = doc("The answer of the page")
    cards: list[Card] = doc("The scores")
    score_choices: dict[str, str] = doc("Where each score is chosen to group the rows by")
    score: str | None = doc("The score that rows are grouped by")
    columns: list[str] = doc("The scores that have a column")
    query: str = doc("The query as it was typed")
    fault: QueryFault | None = doc("What is wrong with the query, if anything")
    groups: list[Group] = doc("Rows that meet the query")
    matched: int = doc("How many examples meet the query")
    regressions: int = doc("How many became worse by the chosen score")
    improvements: int = doc("How many became better by it")
    keys: list[Choice] = doc("Metadata keys to slice by")
    slice_key: str = doc("The key that slices are shown of, or empty")
    slices: list[Slice] = doc("The slices")
    slice_scores: list[str] = doc("The scores beside the chosen one in the slices")
    slice_links: dict[str, str] = doc("Where each slice's examples are")
    base: str = doc("The page's path")
    kept: str = doc("The address's arguments that the fragments need")
    clear_url: str = doc("The page without its query")
    all_url: str = doc("The page with every row")
    example: ExampleView | None = doc("The example that is shown in full")
    artifact_url: str = doc("The report as JSON")


@get("/evaluations/{run_id:str}", include_in_schema=False)
async def show_evaluation(
    request: WebRequest,
    evaluations: EvaluationService,
    traces: TraceService,
    runs: RunService,
    threads: Threads,
    run_id: str,
) -> Response[str]:
    """Show one evaluation against a baseline."""
    asked = request.query_params
    opened = await _open(evaluations, runs, run_id, asked.get("baseline"))
    experiment = await traces.get_experiment(slug_of(opened.run.experiment))
    place = Place.of(experiment, "evaluations", rail=True)
    options = await evaluations.list_baselines(opened.run)

    def render() -> Response[str]:
        page = _page(opened, place, options, dict(asked))
        return page.respond(status=400 if page.fault else 200)

    # Hundreds of rows take a while; the loop is not to wait for them.
    return await threads.run(render)


@get("/evaluations/{run_id:str}/example", include_in_schema=False)
async def show_example(
    request: WebRequest, evaluations: EvaluationService, runs: RunService, run_id: str
) -> Response[str]:
    """Answer with one example as a fragment."""
    asked = request.query_params
    opened = await _open(evaluations, runs, run_id, asked.get("baseline"))
    wanted = str(asked.get("id", ""))
    score = pick_score(opened.report, asked.get("score"))
    moved = find_moved(opened.comparison, score)
    state = "worse" if wanted in moved.worse else "better" if wanted in moved.better else ""
    example = view_example(opened.report, opened.before, wanted, state)
    if example is None:
        raise NotFound(f"The evaluation has no example {wanted[:80]!r}.")
    return ExamplePane(example=example, baseline_name=opened.there).respond()


@get("/evaluations/{run_id:str}/scorer", include_in_schema=False)
async def show_scorer(
    request: WebRequest, evaluations: EvaluationService, runs: RunService, run_id: str
) -> Response[str]:
    """Answer with one scorer as a fragment: who judges, by what prompt."""
    asked = request.query_params
    opened = await _open(evaluations, runs, run_id, asked.get("baseline"))
    wanted = str(asked.get("name", ""))
    scorer = _scorer(opened.report, wanted)
    if scorer is None:
        raise NotFound(f"The evaluation has no scorer {wanted[:80]!r}.")
    before = _scorer(opened.before, wanted)
    differs = before is not None and (before.prompt, before.author) != (
        scorer.prompt,
        scorer.author,
    )
    other = before.prompt if before is not None and before.prompt != scorer.prompt else None
    return ScorerPane(
        scorer=scorer,
        prompt=view_text(scorer.prompt) if scorer.prompt else None,
        is_before=differs,
        before=before,
        before_prompt=view_text(other) if other else None,
        baseline_name=opened.there,
    ).respond()


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """An evaluation, its baseline and what the two say together."""

    run: Run
    report: Report
    baseline: Run | None
    before: Report | None
    comparison: Comparison | None
    why: str

    @property
    def there(self) -> str:
        """What the baseline is called."""
        return called(self.baseline) if self.baseline is not None else ""


async def _open(
    evaluations: EvaluationService, runs: RunService, run_id: str, baseline: Any
) -> _Opened:
    run, report = await evaluations.get(run_id)
    other: Run | None = None
    if baseline == "none":
        why = "No baseline was chosen."
    elif baseline:
        other = await runs.get(str(baseline))
        why = ""
    else:
        known = await evaluations.list_baselines(run)
        other = next((one for one in known if one.start_ns < run.start_ns), None)
        why = "" if other else "It is the first evaluation of these examples: the next has one."
    if other is None or other.id == run.id:
        return _Opened(run=run, report=report, baseline=None, before=None, comparison=None, why=why)
    try:
        other, before = await evaluations.get(other.id)
    except (InvalidInput, NotFound) as error:
        if baseline:
            raise
        return _Opened(
            run=run, report=report, baseline=None, before=None, comparison=None, why=error.message
        )
    judged = await evaluations.compare(run, other)
    return _Opened(
        run=run,
        report=report,
        baseline=other,
        before=before,
        comparison=judged.comparison,
        why=judged.reason,
    )


def _page(
    opened: _Opened, place: Place, options: list[Run], asked: dict[str, Any]
) -> EvaluationPage:
    report, before, comparison = opened.report, opened.before, opened.comparison
    text = str(asked.get("query", "")).strip()
    fault: QueryFault | None = None
    try:
        query = parse_examples(text)
    except QuerySyntaxError as error:
        query = parse_examples("")
        at = min(error.position, len(text))
        end = at + max(error.length, 1)
        fault = QueryFault(
            message=error.message, before=text[:at], wrong=text[at:end], after=text[end:]
        )
    score = pick_score(report, asked.get("score"))
    moved = find_moved(comparison, score)
    columns = _columns(report, score)
    groups = (
        []
        if fault
        else group_rows(
            report,
            before,
            query,
            score=score,
            moved=moved,
            columns=columns,
            everything=asked.get("show") == "all",
        )
    )
    link = _Links(f"/evaluations/{opened.run.id}", asked)
    keys = list_keys(report)
    key = str(asked.get("by", ""))
    key = key if key in keys else ""
    others = [name for name in columns if name != score][:4]
    slices = view_slices(report, before, key, score, others) if key and score else []
    first = str(asked.get("example") or (groups[0].rows[0].id if groups else ""))
    state = next((g.key for g in groups for row in g.rows if row.id == first), "")
    return EvaluationPage(
        title=f"{called(opened.run)} · Evaluations",
        place=place,
        run=opened.run,
        report=report,
        name=opened.run.name or report.task,
        baseline=opened.baseline,
        baseline_name=opened.there,
        baselines=_baselines(opened, options, link),
        verdict=view_verdict(
            report,
            comparison,
            here=called(opened.run),
            there=opened.there,
            why=opened.why,
            chosen=score,
        ),
        cards=view_cards(report, before, comparison, score),
        score_choices={name: link.to(score=name) for name in report.scores},
        score=score,
        columns=columns,
        query=text,
        fault=fault,
        groups=groups,
        matched=sum(group.count for group in groups),
        regressions=len(moved.worse),
        improvements=len(moved.better),
        keys=[
            Choice(label="No slices", href=link.to(by=""), is_on=not key),
            *(Choice(label=one, href=link.to(by=one), is_on=one == key) for one in keys),
        ],
        slice_key=key,
        slices=slices,
        slice_scores=others,
        slice_links={one.term: link.to(query=add_terms(text, (one.term,))) for one in slices},
        base=link.base,
        kept=urlencode({k: asked[k] for k in ("baseline", "score") if asked.get(k)}),
        clear_url=link.to(query=""),
        all_url=link.to(show="all"),
        example=view_example(report, before, first, state) if first else None,
        artifact_url=f"/api/v1/runs/{opened.run.id}/artifacts/evaluation.json",
    )


class _Links:
    """Addresses of the page with one argument changed."""

    def __init__(self, base: str, asked: dict[str, Any]) -> None:
        names = ("baseline", "score", "by", "query", "show")
        self.base = base
        self._asked = {name: str(asked[name]) for name in names if asked.get(name)}

    def to(self, **changes: str) -> str:
        """Return the address with these arguments; an empty one is left out."""
        encoded = urlencode({k: v for k, v in {**self._asked, **changes}.items() if v})
        return f"{self.base}?{encoded}" if encoded else self.base


def called(run: Run) -> str:
    """Name a run in a sentence."""
    return f"#{run.number}" if run.number is not None else run.name or run.id[:8]


def _baselines(opened: _Opened, options: list[Run], link: _Links) -> list[Choice]:
    chosen = opened.baseline
    known = options
    if chosen is not None and all(one.id != chosen.id for one in options):
        known = [chosen, *options]
    return [
        *(
            Choice(
                label=called(one),
                note=one.name,
                href=link.to(baseline=one.id),
                is_on=chosen is not None and chosen.id == one.id,
            )
            for one in known[:20]
        ),
        Choice(label="No baseline", href=link.to(baseline="none"), is_on=chosen is None),
    ]


def _columns(report: Report, score: str | None) -> list[str]:
    names = list(report.scores)
    quality = [name for name in names if name not in OPERATIONS]
    order = dict.fromkeys([*([score] if score else []), *quality])
    return list(order)[:COLUMNS]


def _scorer(report: Report | None, name: str) -> ScorerInfo | None:
    if report is None:
        return None
    known = {info.name: info for info in report.scorers}
    found = known.get(name) or known.get(name.partition(".")[0])
    if found is None or found.name == name:
        return found
    return msgspec.structs.replace(found, name=name)
