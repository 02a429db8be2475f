"""What a report keeps of its judges, and how two raters' labels are compared."""

import json

import pytest
from sklearn.metrics import (  # type: ignore[import-untyped]
    accuracy_score,
    cohen_kappa_score,
)

from pellucid import judges, make_judge
from pellucid.core.score import ScoreValue
from pellucid.evals.confusion import concordance, label_pair
from pellucid.evals.evaluate import evaluate
from pellucid.evals.judges.definition import describe_scorer
from pellucid.evals.models import Completion
from pellucid.evals.report import Report


def answer(prompt: str) -> str:
    """Judge by the length of the prompt."""
    return json.dumps({"rationale": "so", "choice": ["good", "bad"][len(prompt) % 2]})


def test_a_judge_is_kept_with_prompt_choices_and_models() -> None:
    judge = make_judge("tone", "Is it? {{ output }}", choices={"good": 1, "bad": 0}, model=answer)
    info = describe_scorer(judge)
    assert (info.prompt, info.choices) == ("Is it? {{ output }}", {"good": 1, "bad": 0})
    assert info.models == [judge.model.name]
    assert info.schema["properties"]["choice"]["enum"] == ["good", "bad"]
    assert info.digest
    assert info.source == "MODEL"


def test_a_version_is_what_the_answer_depends_on_but_the_model() -> None:
    first = describe_scorer(judges.correctness(answer))
    assert describe_scorer(judges.correctness("openai:gpt-4o")).digest == first.digest
    worked = judges.correctness(answer).with_examples([{"output": "a", "judgement": "correct"}])
    assert describe_scorer(worked).digest != first.digest
    assert describe_scorer(worked).worked == [{"output": "a", "judgement": "correct"}]
    other = make_judge("correctness", "Is {{ output }} right?", choices=["yes", "no"], model=answer)
    assert describe_scorer(other).digest != first.digest


def test_all_prompts_of_steps_and_juries_are_kept() -> None:
    steps = describe_scorer(judges.groundedness(answer)).steps
    assert list(steps) == ["claims"]
    assert "{{ output }}" in steps["claims"]
    jury = judges.jury(judges.correctness, models=[answer, "openai:gpt-4o"])
    info = describe_scorer(jury)
    assert info.prompt == judges.correctness(answer).prompt
    assert len(info.models) == 2
    assert info.models[1] == "openai:gpt-4o"


class Priced:
    """A model that says what its answers cost."""

    name = "priced"
    identity = "priced"

    async def complete(self, messages: object, schema: object) -> Completion:
        """Answer."""
        return Completion(
            text='{"rationale": "", "choice": "good"}',
            model="priced",
            tokens_in=3,
            tokens_out=1,
            cost_usd=0.25,
        )


def test_what_judges_cost_is_kept_by_scorer() -> None:
    report = evaluate(
        lambda question: question,
        [{"inputs": {"question": str(n)}} for n in range(4)],
        [make_judge("tone", "{{ output }}", choices=["good", "bad"], model=Priced())],
        progress=False,
        resume=False,
    )
    assert report.scores["tone"].cost_usd == 1.0
    assert report.examples[0].scores["tone"].cost_usd == 0.25
    again = Report.from_json(report.to_json())
    assert again.scorers[0].choices == {"good": "good", "bad": "bad"}


def test_stored_figures_are_not_those_of_a_slice() -> None:
    report = evaluate(
        lambda n: n,
        [{"inputs": {"n": n}, "metadata": {"odd": n % 2}} for n in range(10)],
        [lambda output: output / 2],
        progress=False,
        resume=False,
    )
    report.figures = {name: summary.figures for name, summary in report.scores.items()}
    stored = Report.from_json(report.to_json())
    (name,) = stored.scores
    assert stored.scores[name].interval == report.scores[name].interval
    odd = stored.where(odd=1).scores[name]
    assert odd.interval is not None
    assert odd.interval != stored.scores[name].interval


@pytest.mark.parametrize(
    ("person", "judge", "labels"),
    [
        (True, 0.75, ("yes", "yes")),
        (False, 0.75, ("no", "yes")),
        (0.75, 0.5, ("mostly", "half")),
        ("mostly", 0.75, ("mostly", "mostly")),
        (4, 4.0, ("4", "4")),
        (0.2, 0.4, ("below 0.5", "below 0.5")),
        (0.9, 0.4, ("0.5 and more", "below 0.5")),
        ("rude", "kind", ("rude", "kind")),
        (True, "good", ("yes", "good")),
    ],
)
def test_values_are_compared_as_labels(
    person: ScoreValue, judge: ScoreValue, labels: tuple[str, str]
) -> None:
    assert label_pair(person, judge, {"mostly": 0.75, "half": 0.5}) == labels


def test_the_agreement_is_that_of_a_reference() -> None:
    people = [*"aabbccabca", *"abcabcabca"]
    judged = [*"aabbcaabcb", *"abccbcabaa"]
    found = concordance(list(zip(people, judged, strict=True)))
    assert found.accuracy == pytest.approx(accuracy_score(people, judged))
    assert found.kappa == pytest.approx(cohen_kappa_score(people, judged))
    assert sum(n for row in found.confusion.values() for n in row.values()) == found.n == 20
    assert concordance([]).accuracy == 0.0
    assert concordance([]).kappa is None
