"""An experiment's judges, and one of them: its prompt, versions and agreement with people."""

from dataclasses import dataclass
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import State

from pellucid.core.errors import NotFound
from pellucid.core.trace import ExperimentSummary
from pellucid.evals.confusion import Concordance
from pellucid.evals.report import ScorerInfo
from pellucid.server.services.judges import JudgeRecord, JudgeService, JudgeVersion
from pellucid.server.services.traces import TraceService
from pellucid.server.web.evaluation_view import figure
from pellucid.server.web.gist import ASKED, gist_of_preview
from pellucid.server.web.judge_view import (
    AgreementView,
    Dispute,
    Matrix,
    PromptView,
    UseRow,
    VersionRow,
    failures_of,
    find_disputes,
    version_label,
    view_agreement,
    view_disputes,
    view_matrix,
    view_prompts,
    view_uses,
    view_versions,
)
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.preview import plain_preview
from pellucid.server.web.values import json_text


@dataclass(frozen=True, kw_only=True)
class JudgeRow:
    """One judge of the list."""

    name: str
    href: str
    models: str
    version: str
    versions: int
    evaluations: int
    scores: int
    failures: int
    mean: str
    share: float | None
    cost_usd: float | None
    last_ns: int
    agreement: AgreementView


@dataclass(frozen=True, kw_only=True)
class JudgesPage(Page):
    """The judges of one experiment, the one that was used last first."""

    template = "judges.html"

    experiment: ExperimentSummary = doc("The experiment")
    rows: list[JudgeRow] = doc("The judges")


@dataclass(frozen=True, kw_only=True)
class JudgePage(Page):
    """One judge."""

    template = "judge.html"

    name: str = doc("The judge")
    headline: str = doc("The answer of the page: does it deserve trust")
    lines: list[str] = doc("What it rests on")
    info: ScorerInfo = doc("The version that is shown")
    label: str = doc("What that version is called")
    base_label: str = doc("What the version is called that it is held against, or empty")
    prompts: list[PromptView] = doc("Its templates")
    schema: str = doc("The form of its answer as JSON, or empty")
    versions: list[VersionRow] = doc("All versions, the latest first")
    version_urls: dict[str, str] = doc("Where each version is shown")
    against_urls: dict[str, str] = doc("Where the shown version is held against each")
    plain_url: str = doc("The shown version without another")
    agreement: AgreementView = doc("With people, of the version that is shown")
    matrix: Matrix | None = doc("People's labels against the judge's")
    disputes: list[Dispute] = doc("What they see differently, the newest first")
    disagreed: int = doc("How many there are in all")
    uses: list[UseRow] = doc("The evaluations that it scored")
    review_url: str = doc("Where its newest evaluation is reviewed")


@get("/experiments/{slug:str}/judges", include_in_schema=False)
async def list_judges(traces: TraceService, judges: JudgeService, slug: str) -> Response[str]:
    """Show an experiment's judges."""
    experiment = await traces.get_experiment(slug)
    found = await judges.list(experiment.name)
    return JudgesPage(
        title=f"Judges · {experiment.name}",
        place=Place.of(experiment, "judges"),
        experiment=experiment,
        rows=[_row(one, judge_url(slug, one.name)) for one in found],
    ).respond()


@get("/experiments/{slug:str}/judge", include_in_schema=False)
async def show_judge(
    request: Request[object, object, State], traces: TraceService, judges: JudgeService, slug: str
) -> Response[str]:
    """Show the judge `name`; `version` and `with` choose by digest what is shown, and against."""
    asked = request.query_params
    experiment = await traces.get_experiment(slug)
    record = await judges.get(experiment.name, str(asked.get("name", "")))
    shown = _version(record, str(asked.get("version", "")))
    against = str(asked.get("with", ""))
    base = _version(record, against) if against else None
    found = shown.agreement
    url = judge_url(slug, record.name)
    newest = record.uses[0]
    score = newest.judge.figures[0].name if newest.judge.figures else record.name
    headline, lines = _answer(record, shown, found)
    return JudgePage(
        title=f"{record.name} · Judges",
        place=Place.of(experiment, "judges"),
        name=record.name,
        headline=headline,
        lines=lines,
        info=shown.info,
        label=version_label(shown.digest),
        base_label=version_label(base.digest) if base is not None else "",
        prompts=view_prompts(shown.info, base.info if base is not None else None),
        schema=json_text(shown.info.schema) if shown.info.schema and _is_own(shown.info) else "",
        versions=view_versions(record, shown, base.digest if base is not None else ""),
        version_urls={one.digest: f"{url}&version={one.digest}" for one in record.versions},
        against_urls={
            one.digest: f"{url}&version={shown.digest}&with={one.digest}"
            for one in record.versions
            if one is not shown
        },
        plain_url=f"{url}&version={shown.digest}",
        agreement=view_agreement(found),
        matrix=view_matrix(found, list(shown.info.choices)) if found.n else None,
        disputes=view_disputes(shown.pairs, await _asked(traces, shown)),
        disagreed=found.n - found.same,
        uses=view_uses(record),
        review_url=f"/evaluations/{newest.run.id}?"
        + urlencode({"baseline": "none", "score": score, "review": "1"}),
    ).respond()


def judge_url(slug: str, name: str) -> str:
    """Return where a judge is shown."""
    return f"/experiments/{slug}/judge?{urlencode({'name': name})}"


def _row(record: JudgeRecord, href: str) -> JudgeRow:
    latest, uses = record.versions[0], record.uses
    first = uses[0].judge.figures[0] if uses[0].judge.figures else None
    mean = first.mean if first is not None else None
    costs = [use.judge.cost_usd for use in uses if use.judge.cost_usd is not None]
    return JudgeRow(
        name=record.name,
        href=href,
        models=", ".join(latest.models),
        version=version_label(latest.digest) if latest.digest else "",
        versions=len(record.versions),
        evaluations=len(uses),
        scores=sum(one.n for use in uses for one in use.judge.figures),
        failures=failures_of(uses),
        mean=figure(mean) if mean is not None else "",
        share=mean if mean is not None and 0 <= mean <= 1 else None,
        cost_usd=sum(costs) if costs else None,
        last_ns=uses[0].run.start_ns,
        agreement=view_agreement(record.agreement),
    )


def _version(record: JudgeRecord, asked: str) -> JudgeVersion:
    """Return the version of a digest or its beginning; the latest where none is asked for."""
    if not asked:
        return record.versions[0]
    for one in record.versions:
        if one.digest.startswith(asked):
            return one
    raise NotFound(f"{record.name} has no version {asked[:80]!r} in the evaluations here.")


def _answer(record: JudgeRecord, shown: JudgeVersion, found: Concordance) -> tuple[str, list[str]]:
    several = f"version {version_label(shown.digest)} of " if len(record.versions) > 1 else ""
    lines = [f"It asks {', '.join(shown.models)}."] if shown.models else []
    if not found.n:
        everywhere = record.agreement.n
        aside = f" {everywhere} annotations are of other versions." if everywhere else ""
        headline = f"Nobody has checked {several}{record.name} yet"
        why = "Review an evaluation, and this page tells how far the judge agrees with you."
        return headline, [why + aside, *lines]
    view = view_agreement(found)
    headline = (
        f"{several}{record.name} agrees with people in {found.same} of {found.n}: {view.accuracy}"
    )
    sure = f"95 % interval {view.interval}"
    kappa = f", Cohen's κ {view.kappa}: {_strength(found.kappa)}" if found.kappa is not None else ""
    few = " Thirty annotations and more tell better." if found.n < 30 else ""
    return headline[0].upper() + headline[1:] if several else headline, [
        f"{sure}{kappa}.{few}",
        *lines,
    ]


def _strength(kappa: float | None) -> str:
    """Name an agreement beyond chance, by Landis & Koch (1977)."""
    for least, word in ((0.8, "almost perfect"), (0.6, "substantial"), (0.4, "moderate")):
        if kappa is not None and kappa > least:
            return f"{word} beyond chance"
    return "weak beyond chance" if kappa is not None and kappa > 0 else "no better than chance"


def _is_own(info: ScorerInfo) -> bool:
    """Whether the answer's form is neither choices nor a scale, which are told in words."""
    return not info.choices and info.scale is None


async def _asked(traces: TraceService, shown: JudgeVersion) -> dict[str, str]:
    """Return what was asked in the traces of disagreements."""
    found = {}
    for pair in find_disputes(shown.pairs):
        trace_id = pair.annotation.trace_id or ""
        try:
            summary = await traces.get_summary(trace_id)
        except NotFound:  # deleted meanwhile
            continue
        found[trace_id] = plain_preview(gist_of_preview(summary.input_preview, ASKED))
    return found
