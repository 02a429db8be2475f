"""One example of an evaluation in full: what was asked, expected and said, and every score."""

from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.core.span import Document
from pellucid.evals.report import ExampleResult, Repeat, Report, ScoreResult
from pellucid.server.web.evaluation_rows import Cell, answered_of, asked_of, cell_of, show_score
from pellucid.server.web.review_view import Said
from pellucid.server.web.values import TextView, ValueView, json_line, view_text, view_value

DOCUMENTS = 30


@dataclass(frozen=True, kw_only=True)
class ScoreView:
    """One score with its reasons."""

    cell: Cell
    source: str
    rationale: TextView | None
    error: str | None
    metadata: ValueView | None
    trace_id: str | None
    was: str
    was_rationale: str
    said: Said | None
    """What a person said by this score."""


@dataclass(frozen=True, kw_only=True)
class FoundDocument:
    """One document that the answer was made from; `is_gold` is None where nothing is known."""

    rank: int
    id: str
    score: float | None
    text: TextView | None
    is_gold: bool | None


@dataclass(frozen=True, kw_only=True)
class RepeatView:
    """One of several runs of the example."""

    number: int
    actual: str
    error: str
    scores: list[tuple[str, str]]
    trace_id: str | None


@dataclass(frozen=True, kw_only=True)
class ExampleView:
    """All there is to say about one example."""

    id: str
    number: int
    title: str
    state: str
    inputs: ValueView | None
    expected: ValueView
    actual: ValueView
    error: str | None
    before: str
    before_error: str | None
    before_trace_id: str | None
    scores: list[ScoreView]
    documents: list[FoundDocument]
    missing: list[str]
    """Gold documents that were not found."""
    metadata: list[tuple[str, str]]
    repeats: list[RepeatView]
    trace_id: str | None


def view_example(
    report: Report,
    baseline: Report | None,
    example_id: str,
    state: str = "",
    *,
    score: str | None = None,
    said: Mapping[str, Said] | None = None,
) -> ExampleView | None:
    """Return one example; None where the evaluation has none of that id.

    `score` is the one that the page goes by, `said` what people said by it, by example.
    """
    number, example = next(
        ((i, one) for i, one in enumerate(report.examples, 1) if one.id == example_id),
        (0, None),
    )
    if example is None or not example.repeats:
        return None
    before = None
    if baseline is not None:
        before = next((one for one in baseline.examples if one.id == example_id), None)
    trace_url = f"/traces/{example.trace_id}" if example.trace_id else ""
    inputs = example.inputs
    is_plain = len(inputs) == 1 and isinstance(next(iter(inputs.values())), str)
    return ExampleView(
        id=example.id,
        number=number,
        title=asked_of(example) or f"Example {number}",
        state=state,
        inputs=None if is_plain else view_value("Inputs", inputs, trace_url),
        expected=view_value("Expected", example.expected, trace_url),
        actual=view_value("Actual", _said(example.output), trace_url),
        error=example.error,
        before=answered_of(before) if before is not None else "",
        before_error=before.error if before is not None else None,
        before_trace_id=before.trace_id if before is not None and before.repeats else None,
        scores=_scores(report, example, before, score, (said or {}).get(example_id)),
        documents=_documents(example),
        missing=_missing(example),
        metadata=[(key, json_line(value)[:200]) for key, value in example.metadata.items()],
        repeats=_repeats(example),
        trace_id=example.trace_id,
    )


def _said(output: object) -> object:
    """Return an answer's text where the output has one beside other things."""
    if isinstance(output, dict) and isinstance(output.get("answer"), str):
        return output["answer"]
    return output


def _scores(
    report: Report,
    example: ExampleResult,
    before: ExampleResult | None,
    chosen: str | None,
    said: Said | None,
) -> list[ScoreView]:
    views = []
    for name, summary in report.scores.items():
        result = example.repeats[0].scores.get(name)
        if result is None:
            continue
        info = report.scorer_of(name)
        old = before.repeats[0].scores.get(name) if before is not None and before.repeats else None
        kind = {"MODEL": "judge", "HUMAN": "person"}.get(info.source, "code") if info else "code"
        views.append(
            ScoreView(
                cell=cell_of(name, example, before, summary),
                source=f"{kind} · {info.author}" if info and info.author else kind,
                rationale=view_text(result.rationale) if result.rationale else None,
                error=result.error,
                metadata=_metadata(result),
                trace_id=result.trace_id,
                was=show_score(old),
                was_rationale=(old.rationale or "") if old is not None else "",
                said=said if said is not None and said.score == name else None,
            )
        )
    return sorted(
        views,
        key=lambda view: (view.cell.name != chosen, not view.rationale, not view.cell.is_low),
    )


def _metadata(result: ScoreResult) -> ValueView | None:
    left = {key: value for key, value in result.metadata.items() if key != "choice"}
    return view_value("Details", left, "") if left else None


def _documents(example: ExampleResult) -> list[FoundDocument]:
    gold = _gold(example)
    return [
        FoundDocument(
            rank=rank,
            id=document.id or f"Document {rank}",
            score=document.score,
            text=view_text(document.text) if document.text else None,
            is_gold=document.id in gold if gold else None,
        )
        for rank, document in enumerate(example.documents[:DOCUMENTS], 1)
    ]


def _missing(example: ExampleResult) -> list[str]:
    documents: list[Document] = example.documents
    found = {document.id for document in documents}
    return sorted(_gold(example) - found) if documents else []


def _gold(example: ExampleResult) -> set[str]:
    given = example.gold_documents
    if isinstance(given, dict):
        return {name for name, grade in given.items() if grade > 0}
    return set(given)


def _repeats(example: ExampleResult) -> list[RepeatView]:
    if len(example.repeats) < 2:
        return []
    return [_repeat(one) for one in sorted(example.repeats, key=lambda one: one.number)]


def _repeat(repeat: Repeat) -> RepeatView:
    return RepeatView(
        number=repeat.number + 1,
        actual=json_line(_said(repeat.output))[:300] if repeat.output is not None else "",
        error=repeat.error or "",
        scores=[(name, show_score(result)) for name, result in repeat.scores.items()],
        trace_id=repeat.trace_id,
    )
