"""Judges as pages show them: versions, agreement with people, prompts word by word."""

from typing import Any

import pytest

from pellucid.core.run import Run, RunStatus
from pellucid.core.score import Annotated, Score, ScoreSource, ScoreValue
from pellucid.evals.confusion import concordance
from pellucid.evals.report import ScorerInfo
from pellucid.server.services.evaluation_summary import Figure, JudgeUse, is_score_of
from pellucid.server.services.judges import Use, _record, pairs_of
from pellucid.server.web.judge_view import (
    view_agreement,
    view_disputes,
    view_matrix,
    view_prompts,
    view_uses,
    view_versions,
)

CHOICES: dict[str, ScoreValue] = {"right": 1.0, "half": 0.5, "wrong": 0.0}
FIGURE = Figure("right", 0.5, None, 4, 1, False, {})


def run(number: int) -> Run:
    return Run(
        id=f"run-{number}",
        experiment="e",
        number=number,
        name=f"run {number}",
        status=RunStatus.FINISHED,
        start_ns=number,
        end_ns=number,
        heard_ns=number,
        params={},
        metrics={},
        tags={},
        scores={},
        notes="",
        error=None,
        parent_id=None,
        snapshot_id=None,
        parent_snapshot_id=None,
        source={},
        conflicts=[],
    )


def use(number: int, prompt: str, digest: str | None = None, **fields: Any) -> Use:
    info = ScorerInfo(
        name="right", source="MODEL", prompt=prompt, digest=digest, choices=CHOICES, **fields
    )
    return Use(run(number), JudgeUse(info, [FIGURE], 0.25))


def annotated(trace: str, person: ScoreValue, judge: ScoreValue, run_id: str) -> Annotated:
    common: dict[str, Any] = {"name": "right", "time_ns": 1, "trace_id": trace}
    given = Score(id="p", value=person, source=ScoreSource.HUMAN, author="ann", **common)
    judged = Score(
        id="j", value=judge, source=ScoreSource.MODEL, run_id=run_id, rationale="so", **common
    )
    code = Score(id="c", value=0.1, source=ScoreSource.CODE, **common)
    return Annotated(annotation=given, beside=[code, judged])


def test_versions_are_told_apart_and_measured_each() -> None:
    found = [
        annotated("a", 1.0, 1.0, "run-3"),
        annotated("b", 0.0, 1.0, "run-3"),
        annotated("c", "half", 0.5, "run-1"),
        annotated("d", True, 0.5, "unknown"),
    ]
    uses = [use(3, "new", "d2"), use(2, "old", "d1"), use(1, "old")]
    record = _record("right", uses, found)
    assert [one.digest for one in record.versions] == ["d2", "d1"]
    new, old = record.versions
    assert (new.agreement.n, new.agreement.same) == (2, 1)
    assert [use.run.number for use in old.uses] == [2, 1]
    assert (old.agreement.n, old.agreement.accuracy) == (1, 1.0)
    assert (record.agreement.n, record.agreement.same) == (4, 3)
    rows = view_versions(record, new, "d1")
    assert [(row.is_shown, row.is_base) for row in rows] == [(True, False), (False, True)]
    assert rows[1].evaluations == 2
    assert [row.version for row in view_uses(record)] == ["d2", "d1", "d1"]
    (dispute,) = view_disputes(new.pairs, {"b": "why?"})
    assert (dispute.person, dispute.judge, dispute.asked) == ("wrong 0.00", "right 1.00", "why?")
    assert dispute.author == "ann"


def test_only_judges_scores_of_the_name_make_pairs() -> None:
    other = annotated("a", 1.0, 1.0, "r")
    pairs = pairs_of([other], "rig", choices=CHOICES, versions={})
    assert pairs == []
    assert is_score_of("right.tone", "right")
    assert not is_score_of("right_answers", "right")


def test_the_matrix_has_the_choices_in_their_order() -> None:
    found = concordance(
        [("wrong", "right"), ("right", "right"), ("odd", "half"), ("wrong", "wrong")]
    )
    matrix = view_matrix(found, list(CHOICES))
    assert matrix.labels == ["right", "half", "wrong", "odd"]
    assert [label for label, _ in matrix.rows] == ["right", "wrong", "odd"]
    assert dict(matrix.rows)["wrong"] == [
        (1, 0.5, False),
        (0, 0.0, False),
        (1, 0.5, True),
        (0, 0.0, False),
    ]


def test_no_annotation_is_no_figure() -> None:
    assert view_agreement(concordance([])).share is None
    view = view_agreement(concordance([("a", "a"), ("b", "a")]))
    assert (view.accuracy, view.same, view.n, view.kappa) == ("50%", 1, 2, "0.00")


@pytest.mark.parametrize("before", [None, "Is {{ output }} good?"])
def test_prompts_are_read_by_field_and_by_word(before: str | None) -> None:
    info = ScorerInfo(name="x", prompt="Is {{ output }} kind?", steps={"claims": "Split."})
    old = ScorerInfo(name="x", prompt=before, steps={"claims": "Split."}) if before else None
    claims, main = view_prompts(info, old)
    assert claims.title == "claims"
    assert [piece.text for piece in main.pieces if piece.is_field] == ["{{ output }}"]
    if before is None:
        assert main.words == []
    else:
        assert claims.is_same
        changed = [(word.change, word.text) for word in main.words if word.change != "same"]
        assert changed == [("removed", "good"), ("added", "kind")]
