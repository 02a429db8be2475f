"""The review of an evaluation: which keys answer, what counts as agreement, filters, completion."""

from typing import Any

import pytest

from pellucid.core.errors import InvalidInput
from pellucid.core.score import Annotated, Score, ScoreSource, ScoreValue
from pellucid.evals.report import ExampleResult, Repeat, Report, RunInfo, ScoreResult, ScorerInfo
from pellucid.server.web.evaluation_rows import find_moved
from pellucid.server.web.example_completion import complete_examples
from pellucid.server.web.example_query import meets, parse_examples
from pellucid.server.web.review_view import (
    find_said,
    list_choices,
    read_choice,
    view_review,
)

CHOICES: dict[str, ScoreValue] = {"right": 1.0, "half": 0.5, "wrong": 0.0}


def report(values: list[ScoreValue | None], **info: Any) -> Report:
    return Report(
        run=RunInfo(id="r"),
        dataset="d",
        dataset_version="v",
        task="t",
        scorers=[ScorerInfo(name="right", source="MODEL", **info)],
        examples=[
            ExampleResult(
                id=f"e{number}",
                inputs={"q": str(number)},
                metadata={"topic": ["discs", "film stock"][number % 2], "level": number},
                split="test" if number else None,
                repeats=[
                    Repeat(
                        trace_id=f"{number:032x}",
                        scores={"right": ScoreResult(value=value)} if value is not None else {},
                    )
                ],
            )
            for number, value in enumerate(values)
        ],
    )


def annotated(number: int, value: ScoreValue, name: str = "right", **fields: Any) -> Annotated:
    score = Score(
        id=f"s{number}",
        name=name,
        value=value,
        source=ScoreSource.HUMAN,
        time_ns=number,
        trace_id=f"{number:032x}",
        **fields,
    )
    return Annotated(annotation=score, beside=[])


def keys(view: Report, **info: Any) -> dict[str, tuple[str, ...]]:
    scorer = ScorerInfo(name="right", **info)
    return {one.label: one.keys for one in list_choices(view.scores["right"], scorer)}


def test_each_form_of_score_has_its_answers() -> None:
    assert keys(report([1.0, 0.5]), choices=CHOICES) == {
        "right": ("y", "1"),
        "half": ("2",),
        "wrong": ("n", "3"),
    }
    assert keys(report([True, False])) == {"yes": ("y",), "no": ("n",)}
    assert keys(report([3.0, 4.0]), scale=(1, 5)) == {str(n): (str(n),) for n in range(1, 6)}
    assert keys(report([3.0, 400.0]), scale=(0, 1000)) == {"yes": ("y",), "no": ("n",)}
    five = {"yes": ("y",), "no": ("n",), "0": ("1",), "0.25": ("2",), "0.5": ("3",)}
    assert keys(report([0.3, 0.9])) == {**five, "0.75": ("4",), "1": ("5",)}
    assert keys(report(["kind", "rude", "kind"])) == {"kind": ("1",), "rude": ("2",)}


def test_answers_are_read_as_the_score_has_them() -> None:
    view = report([1.0, 0.5], choices=CHOICES)
    assert [read_choice(view, "right", text) for text in ("half", "yes", "0.75")] == [
        0.5,
        True,
        0.75,
    ]
    for text in ("", "maybe", "nan", "inf", "1e999"):
        with pytest.raises(InvalidInput):
            read_choice(view, "right", text)
    assert read_choice(report(["kind", "rude"]), "right", "rude") == "rude"


def test_what_failed_is_not_waited_for() -> None:
    view = report([1.0, 0.0, 1.0])
    for example in view.examples[1:]:
        example.repeats[0].error = "it broke"
    assert view_review(view, "right", {}).total == 1
    assert view_review(view, "right", find_said(view, "right", [annotated(2, 1.0)])).total == 2


def test_what_people_said_stands_beside_the_score() -> None:
    view = report([1.0, 0.5, 0.0, None], choices=CHOICES)
    said = find_said(
        view,
        "right",
        [
            annotated(0, 1, author="ann", rationale="clear"),
            annotated(1, 0.0),
            annotated(3, True),
            annotated(2, 1.0, name="other"),
            annotated(9, 1.0),
        ],
    )
    assert {key: one.agrees for key, one in said.items()} == {"e0": True, "e1": False, "e3": None}
    assert (said["e0"].label, said["e0"].title) == ("right", "ann, as the scorer: clear")
    assert said["e1"].label == "wrong"
    review = view_review(view, "right", said)
    assert (review.reviewed, review.total, review.disagreed) == (3, 4, 1)
    assert review.summary == "agrees in 50%, κ 0.33"
    assert view_review(view, "right", {}).summary == ""


def test_annotations_are_filtered_by() -> None:
    view = report([1.0, 0.5, 0.0], choices=CHOICES)
    said = find_said(view, "right", [annotated(0, 1.0), annotated(1, 1.0)])
    moved = find_moved(None, "right", said)

    def found(query: str) -> list[str]:
        return [one.id for one in view.examples if meets(parse_examples(query), one, moved)]

    assert found("annotation:agree") == ["e0"]
    assert found("annotation:disagree") == ["e1"]
    assert found("has:annotation") == ["e0", "e1"]
    assert found("-has:annotation") == ["e2"]


@pytest.mark.parametrize(
    ("query", "proposals"),
    [
        ("annot", ["annotation:"]),
        ("annotation:d", ["disagree"]),
        ("score.r", ["right:"]),
        ("metadata.", ["topic:", "level:"]),
        ("metadata.topic:", ["discs", '"film stock"']),
        ("metadata.topic:f", ['"film stock"']),
        ("split:", ["test"]),
        ("status:", ["ok", "error"]),
    ],
)
def test_filters_are_completed_from_the_report(query: str, proposals: list[str]) -> None:
    found = complete_examples(report([0.2, 0.4, 0.9]), query, None)
    texts = [one.text for one in found.proposals]
    assert texts[: len(proposals)] == proposals
    assert query[: found.start] + texts[0] != query


def test_a_faulty_filter_says_where() -> None:
    found = complete_examples(report([0.2]), "colour:red ", None)
    assert found.fault is not None
    assert found.fault.position == 0
