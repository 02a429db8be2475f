"""The page of one evaluation: what its template shows, and how that is put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pellucid.core.errors import QuerySyntaxError
from pellucid.core.query import Query
from pellucid.core.run import Run
from pellucid.evals.report import Report
from pellucid.server.web.dataset_view import DataLink
from pellucid.server.web.evaluation_opened import Opened, called
from pellucid.server.web.evaluation_rows import (
    SHOWN,
    Group,
    Slice,
    group_rows,
    list_keys,
    view_slices,
)
from pellucid.server.web.evaluation_view import (
    OPERATIONS,
    Card,
    Verdict,
    view_cards,
    view_verdict,
)
from pellucid.server.web.example_query import parse_examples
from pellucid.server.web.example_view import ExampleView, view_example
from pellucid.server.web.page import Page, Place, doc
from pellucid.server.web.pages.traces import QueryFault
from pellucid.server.web.review_view import ReviewView, view_review
from pellucid.server.web.terms import add_terms

COLUMNS = 4
"""Scores that have a column; what people said takes the place of one, in a review of two."""
BASELINES = 20
MOST_ROWS = 2000
"""Rows of one group where all are asked for."""
MOST_REPEATS = 20
UNREVIEWED = "-has:annotation"
DISAGREEMENTS = "annotation:disagree"
ARGUMENTS = ("baseline", "score", "by", "query", "show", "review", "repeat")
KEPT = ("baseline", "score", "review", "repeat")
"""Those that the fragments need."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One choice of a menu."""

    label: str
    href: str
    is_on: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class EvaluationPage(Page):
    """An evaluation: verdict, scores, examples, and one of them in full."""

    template = "evaluation.html"

    run: Run = doc("The run that it is")
    report: Report = doc("What the run keeps")
    name: str = doc("What it is called")
    data: DataLink | None = doc("The version of the server's dataset that it used")
    baseline: Run | None = doc("The evaluation that it is measured by")
    baseline_name: str = doc("What that is called, or empty")
    baselines: list[Choice] = doc("Evaluations of the same data to choose from")
    verdict: Verdict = doc("The answer of the page")
    cards: list[Card] = doc("The scores")
    score_choices: dict[str, str] = doc("Where each score is chosen to group the rows by")
    score: str | None = doc("The score that rows are grouped by")
    columns: list[str] = doc("The scores that have a column")
    has_said: bool = doc("Whether what people said has a column")
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
    review: ReviewView | None = doc("The review by a person, where one is going on")
    review_url: str = doc("Where a review begins, or ends")
    review_filters: list[Choice] = doc("All rows, those not reviewed, the disagreements")
    repeat: str = doc("The repeat that was asked for, or empty")
    repeats: list[Choice] = doc("Which of several repeats is reviewed")
    answers_url: str = doc("Where the review's answers go")
    side_url: str = doc("Where both evaluations stand side by side, or empty")
    base: str = doc("The page's path")
    kept: str = doc("The address's arguments that the fragments need")
    clear_url: str = doc("The page without its query")
    all_url: str = doc("The page with every row")
    example: ExampleView | None = doc("The example that is shown in full")
    artifact_url: str = doc("The report as JSON")


class _Asked(NamedTuple):
    """The query, read or not."""

    text: str
    query: Query
    fault: QueryFault | None


class _Links:
    """Addresses of the page with one argument changed."""

    def __init__(self, base: str, asked: Mapping[str, Any]) -> None:
        self.base = base
        self._asked = {name: str(asked[name]) for name in ARGUMENTS if asked.get(name)}

    def to(self, **changes: str) -> str:
        """Return the address with these arguments; an empty one is left out."""
        encoded = urlencode({k: v for k, v in {**self._asked, **changes}.items() if v})
        return f"{self.base}?{encoded}" if encoded else self.base


def build_page(
    opened: Opened,
    place: Place,
    options: Sequence[Run],
    asked: Mapping[str, Any],
    data: DataLink | None,
) -> EvaluationPage:
    """Return the page of an evaluation; a query that cannot be read shows no rows."""
    report, score = opened.report, opened.score
    question = _read(str(asked.get("query", "")).strip())
    reviewing = bool(asked.get("review")) and score is not None
    columns = _columns(report, score)[: 2 if reviewing else 3 if opened.said else COLUMNS]
    groups = _groups(opened, question, columns, asked, reviewing)
    link = _Links(f"/evaluations/{opened.run.id}", asked)
    first = str(asked.get("example") or _first(groups, reviewing))
    moved = opened.moved
    return EvaluationPage(
        title=f"{opened.here} · Evaluations",
        place=place,
        run=opened.run,
        report=report,
        name=opened.run.name or report.task,
        data=data,
        baseline=opened.baseline,
        baseline_name=opened.there,
        baselines=_baselines(opened, options, link),
        verdict=view_verdict(
            report,
            opened.comparison,
            here=opened.here,
            there=opened.there,
            why=opened.why,
            chosen=score,
        ),
        cards=view_cards(report, opened.before, opened.comparison, score),
        score_choices={name: link.to(score=name) for name in report.scores},
        score=score,
        columns=columns,
        has_said=reviewing or bool(opened.said),
        query=question.text,
        fault=question.fault,
        groups=groups,
        matched=sum(group.count for group in groups),
        regressions=len(moved.worse),
        improvements=len(moved.better),
        **_sliced(opened, columns, question.text, str(asked.get("by", "")), link),
        **_reviewed(opened, reviewing, question.text, link),
        side_url=_side_url(opened),
        base=link.base,
        kept=urlencode({k: asked[k] for k in KEPT if asked.get(k)}),
        clear_url=link.to(query=""),
        all_url=link.to(show="all"),
        example=view_example(
            report, opened.before, first, opened.state_of(first), score=score, said=opened.said
        )
        if first
        else None,
        artifact_url=f"/api/v1/runs/{opened.run.id}/artifacts/evaluation.json",
    )


def _read(text: str) -> _Asked:
    try:
        return _Asked(text, parse_examples(text), None)
    except QuerySyntaxError as error:
        at = min(error.position, len(text))
        end = at + max(error.length, 1)
        fault = QueryFault(
            message=error.message, before=text[:at], wrong=text[at:end], after=text[end:]
        )
        return _Asked(text, parse_examples(""), fault)


def _groups(
    opened: Opened,
    question: _Asked,
    columns: Sequence[str],
    asked: Mapping[str, Any],
    reviewing: bool,
) -> list[Group]:
    if question.fault:
        return []
    return group_rows(
        opened.report,
        opened.before,
        question.query,
        score=opened.score,
        moved=opened.moved,
        columns=columns,
        said=opened.said,
        most=MOST_ROWS if reviewing or asked.get("show") == "all" else SHOWN,
    )


def _first(groups: Sequence[Group], reviewing: bool) -> str:
    """Return the example to open at: in a review the first that nobody has judged."""
    rows = [row for group in groups for row in group.rows]
    waiting = [row for row in rows if row.said is None and not row.error] if reviewing else []
    return (waiting or rows)[0].id if rows else ""


def _sliced(
    opened: Opened, columns: Sequence[str], query: str, asked: str, link: _Links
) -> dict[str, Any]:
    """Return the fields of the page that are about slices."""
    report, score = opened.report, opened.score
    keys = list_keys(report)
    key = asked if asked in keys else ""
    others = [name for name in columns if name != score][:4]
    slices = view_slices(report, opened.before, key, score, others) if key and score else []
    return {
        "keys": [
            Choice(label="No slices", href=link.to(by=""), is_on=not key),
            *(Choice(label=one, href=link.to(by=one), is_on=one == key) for one in keys),
        ],
        "slice_key": key,
        "slices": slices,
        "slice_scores": others,
        "slice_links": {one.term: link.to(query=add_terms(query, (one.term,))) for one in slices},
    }


def _reviewed(opened: Opened, reviewing: bool, query: str, link: _Links) -> dict[str, Any]:
    """Return the fields of the page that are about the review."""
    filters = (("All", ""), ("Unreviewed", UNREVIEWED), ("Disagreements", DISAGREEMENTS))
    review = None
    if reviewing and opened.score is not None:
        review = view_review(opened.report, opened.score, opened.said)
    several = opened.repeats if reviewing else 1
    part = f"/repeats/{opened.repeat}" if opened.repeat > 1 else ""
    return {
        "review": review,
        "repeats": [
            Choice(
                label=f"{number}",
                href=link.to(repeat="" if number == 1 else str(number), example=""),
                is_on=number == opened.repeat,
            )
            for number in range(1, several + 1 if several > 1 else 1)
        ][:MOST_REPEATS],
        "repeat": str(opened.repeat) if opened.repeat > 1 else "",
        "answers_url": f"{link.base}{part}/annotations",
        "review_url": link.to(review="" if reviewing else "1"),
        "review_filters": [
            Choice(label=label, href=link.to(query=term), is_on=query == term)
            for label, term in filters
        ],
    }


def _side_url(opened: Opened) -> str:
    if opened.baseline is None or opened.comparison is None:
        return ""
    return f"/evaluations/compare?runs={opened.baseline.id},{opened.run.id}"


def _baselines(opened: Opened, options: Sequence[Run], link: _Links) -> list[Choice]:
    chosen = opened.baseline
    known = list(options)
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
            for one in known[:BASELINES]
        ),
        Choice(label="No baseline", href=link.to(baseline="none"), is_on=chosen is None),
    ]


def _columns(report: Report, score: str | None) -> list[str]:
    quality = [name for name in report.scores if name not in OPERATIONS]
    return list(dict.fromkeys([*([score] if score else []), *quality]))
