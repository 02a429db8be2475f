"""What a report keeps of its scorers: of a judge all that it takes to read and repeat it."""

from collections.abc import Mapping
from typing import Any

from pellucid.core.dataset import digest
from pellucid.core.score import ScoreValue
from pellucid.evals.judges.answer import ChoiceAnswer, ScaleAnswer
from pellucid.evals.judges.judge import Judge
from pellucid.evals.judges.jury import Jury
from pellucid.evals.report import ScorerInfo
from pellucid.evals.scorer import Scorer


def describe_scorer(scorer: Scorer) -> ScorerInfo:
    """Return what a report keeps of a scorer."""
    members = scorer.judges if isinstance(scorer, Jury) else [scorer]
    judges = [one for one in members if isinstance(one, Judge)]
    if not judges:
        return ScorerInfo(
            name=scorer.name,
            lower_is_better=scorer.lower_is_better,
            source=str(scorer.source),
            author=scorer.author,
        )
    first = judges[0]
    return ScorerInfo(
        name=scorer.name,
        lower_is_better=scorer.lower_is_better,
        source=str(scorer.source),
        author=scorer.author,
        prompt=first.prompt,
        version=first.version,
        digest=digest(_identity(scorer, judges)),
        models=[judge.model.name for judge in judges],
        steps=_steps(judges),
        choices=_choices(first),
        scale=(first.answer.low, first.answer.high)
        if isinstance(first.answer, ScaleAnswer)
        else None,
        schema=dict(first.answer.schema),
        worked=[dict(one) for one in first.examples],
    )


def _identity(scorer: Scorer, judges: list[Judge]) -> list[Any]:
    """Say what makes a version: everything but which models are asked."""
    own = [[judge.steps, _without_model(judge.config)] for judge in judges]
    return [scorer.config.get("vote"), own]


def _without_model(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "model"}


def _steps(judges: list[Judge]) -> dict[str, str]:
    first = judges[0]
    others = {
        f"{judge.name} ({judge.model.name})": judge.prompt
        for judge in judges[1:]
        if judge.prompt != first.prompt
    }
    return {**first.steps, **others}


def _choices(judge: Judge) -> dict[str, ScoreValue]:
    return dict(judge.answer.choices) if isinstance(judge.answer, ChoiceAnswer) else {}
