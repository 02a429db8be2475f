"""One evaluation: is it better than the one before, and which examples tell."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body

from pellucid.core.clock import now_ns
from pellucid.core.errors import InvalidInput, NotFound
from pellucid.core.ids import new_id
from pellucid.core.score import Score, ScoreSource
from pellucid.core.slug import slug_of
from pellucid.evals.report import Report, ScorerInfo
from pellucid.server.services.completion import Completions
from pellucid.server.services.datasets import DatasetService
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.runs import RunService
from pellucid.server.services.scores import ScoreService
from pellucid.server.services.threads import Threads
from pellucid.server.services.traces import TraceService
from pellucid.server.web.dataset_view import link_version
from pellucid.server.web.evaluation_opened import Opened, open_evaluation
from pellucid.server.web.evaluation_page import build_page
from pellucid.server.web.example_completion import complete_examples
from pellucid.server.web.example_view import ExampleView, view_example
from pellucid.server.web.page import Fragment, Place, doc
from pellucid.server.web.pages.judges import judge_url
from pellucid.server.web.review_view import read_choice, view_review
from pellucid.server.web.values import TextView, view_text

WebRequest = Request[object, object, State]
Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]


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
    judge_url: str = doc("The judge's own page")


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has now said of an example, and how far the review has come."""

    id: str | None
    """The annotation's; None where there is none left."""
    label: str
    agrees: bool | None
    title: str
    reviewed: int
    disagreed: int
    summary: str


@get("/evaluations/{run_id:str}", include_in_schema=False)
async def show_evaluation(
    request: WebRequest,
    evaluations: EvaluationService,
    traces: TraceService,
    runs: RunService,
    scores: ScoreService,
    datasets: DatasetService,
    threads: Threads,
    run_id: str,
) -> Response[str]:
    """Show one evaluation against a baseline."""
    asked = request.query_params
    opened = await open_evaluation(evaluations, runs, scores, run_id, asked)
    experiment = await traces.get_experiment(slug_of(opened.run.experiment))
    place = Place.of(experiment, "evaluations", rail=True)
    options = await evaluations.list_baselines(opened.run)
    report = opened.report
    used = await datasets.find_used(report.dataset, report.dataset_number, report.dataset_version)
    data = link_version(used, report.dataset_split)

    def render() -> Response[str]:
        page = build_page(opened, place, options, dict(asked), data)
        return page.respond(status=400 if page.fault else 200)

    # Hundreds of rows take a while; the loop is not to wait for them.
    return await threads.run(render)


@get("/evaluations/{run_id:str}/example", include_in_schema=False)
async def show_example(
    request: WebRequest,
    evaluations: EvaluationService,
    runs: RunService,
    scores: ScoreService,
    run_id: str,
) -> Response[str]:
    """Answer with one example as a fragment."""
    asked = request.query_params
    opened = await open_evaluation(evaluations, runs, scores, run_id, asked)
    wanted = str(asked.get("id", ""))
    example = view_example(
        opened.report,
        opened.before,
        wanted,
        opened.state_of(wanted),
        score=opened.score,
        said=opened.said,
    )
    if example is None:
        raise NotFound(f"The evaluation has no example {wanted[:80]!r}.")
    return ExamplePane(example=example, baseline_name=opened.there).respond()


@get("/evaluations/{run_id:str}/scorer", include_in_schema=False)
async def show_scorer(
    request: WebRequest,
    evaluations: EvaluationService,
    runs: RunService,
    scores: ScoreService,
    run_id: str,
) -> Response[str]:
    """Answer with one scorer as a fragment: who judges, by what prompt."""
    asked = request.query_params
    opened = await open_evaluation(evaluations, runs, scores, run_id, asked)
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
    judge = opened.report.scorer_of(wanted)
    own = judge.name if judge is not None else wanted
    return ScorerPane(
        scorer=scorer,
        prompt=view_text(scorer.prompt) if scorer.prompt else None,
        is_before=differs,
        before=before,
        before_prompt=view_text(other) if other else None,
        baseline_name=opened.there,
        judge_url=judge_url(slug_of(opened.run.experiment), own),
    ).respond()


@get("/evaluations/{run_id:str}/complete", include_in_schema=False)
async def complete(request: WebRequest, evaluations: EvaluationService, run_id: str) -> Completions:
    """Propose how a query over the examples may go on."""
    _, report = await evaluations.get(run_id)
    asked = request.query_params
    at = str(asked.get("at", ""))
    return complete_examples(
        report, str(asked.get("query", "")), int(at[:9]) if at.isdigit() else None
    )


ANSWERS = [
    "/evaluations/{run_id:str}/annotations",
    "/evaluations/{run_id:str}/repeats/{repeat:int}/annotations",
]
"""Where answers about the first repeat go, and about another."""


@post(ANSWERS, status_code=200, include_in_schema=False)
async def annotate_example(
    data: Form,
    evaluations: EvaluationService,
    runs: RunService,
    scores: ScoreService,
    run_id: str,
    repeat: int = 1,
) -> Given:
    """Store what a person says of one example by one score."""
    asked = {**data, "baseline": "none", "repeat": repeat}
    opened = await open_evaluation(evaluations, runs, scores, run_id, asked)
    score, wanted = opened.score, str(data.get("example", ""))
    example = next((one for one in opened.report.examples if one.id == wanted), None)
    if score is None or example is None or not example.repeats or example.trace_id is None:
        raise NotFound(f"The evaluation has no example {wanted[:80]!r} with a trace.")
    value = read_choice(opened.report, score, str(data.get("value", "")))
    await scores.add(
        [
            Score(
                id=new_id(),
                name=score,
                value=value,
                rationale=str(data.get("note") or "").strip() or None,
                source=ScoreSource.HUMAN,
                author=str(data.get("author") or "").strip() or None,
                time_ns=now_ns(),
                trace_id=example.trace_id,
                run_id=opened.run.id,
                example_id=example.id,
            )
        ]
    )
    return await _given(evaluations, runs, scores, opened, wanted)


@delete([f"{path}/{{score_id:str}}" for path in ANSWERS], status_code=200, include_in_schema=False)
async def retract_annotation(
    request: WebRequest,
    evaluations: EvaluationService,
    runs: RunService,
    scores: ScoreService,
    run_id: str,
    score_id: str,
    repeat: int = 1,
) -> Given:
    """Take back what a person said; what was said before it counts again."""
    asked = {**request.query_params, "baseline": "none", "repeat": repeat}
    opened = await open_evaluation(evaluations, runs, scores, run_id, asked)
    wanted = str(asked.get("example", ""))
    said = opened.said.get(wanted)
    if said is None or said.id != score_id:
        raise InvalidInput("Only what was said last of an example can be taken back.")
    await scores.delete(score_id)
    return await _given(evaluations, runs, scores, opened, wanted)


async def _given(
    evaluations: EvaluationService,
    runs: RunService,
    scores: ScoreService,
    opened: Opened,
    example_id: str,
) -> Given:
    asked = {"score": opened.score, "baseline": "none", "repeat": opened.repeat}
    again = await open_evaluation(evaluations, runs, scores, opened.run.id, asked)
    review = view_review(again.report, opened.score or "", again.said)
    said = again.said.get(example_id)
    return Given(
        id=said.id if said is not None else None,
        label=said.label if said is not None else "",
        agrees=said.agrees if said is not None else None,
        title=said.title if said is not None else "",
        reviewed=review.reviewed,
        disagreed=review.disagreed,
        summary=review.summary,
    )


def _scorer(report: Report | None, name: str) -> ScorerInfo | None:
    if report is None:
        return None
    found = report.scorer_of(name)
    if found is None or found.name == name:
        return found
    return msgspec.structs.replace(found, name=name)
