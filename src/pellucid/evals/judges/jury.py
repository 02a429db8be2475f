"""Several judges, one verdict."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreSource
from pellucid.evals.blocking import run_blocking
from pellucid.evals.judges.asking import JudgeFailed
from pellucid.evals.judges.judge import Judge
from pellucid.evals.score import Score
from pellucid.evals.scorer import Asked, Scorer

VOTES = ("majority", "mean", "median")


class Jury(Scorer):
    """Asks all judges at once and combines what they say; a minority of failures is survived."""

    def __init__(self, judges: Sequence[Judge], *, vote: str = "majority", name: str) -> None:
        if len(judges) < 2 or vote not in VOTES:
            raise InvalidInput(f"A jury has two judges or more and votes by {', '.join(VOTES)}.")
        self.judges = list(judges)
        self.vote = vote
        names = list(dict.fromkeys(n for judge in judges for n in judge.asks.names))
        optional = frozenset.intersection(
            *(judge.asks.optional | (set(names) - set(judge.asks.names)) for judge in judges)
        )
        super().__init__(
            name,
            self.ascore,
            lower_is_better=judges[0].lower_is_better,
            source=ScoreSource.MODEL,
            author=" + ".join(judge.model.name for judge in judges),
            config={"judges": [judge.config for judge in judges], "vote": vote},
            asks=Asked(names=names, optional=optional),
        )
        self.needs = tuple({need for judge in judges for need in judge.needs})
        self.makes_calls = True

    def __call__(self, **fields: Any) -> Any:
        """Judge by hand; waits for the models."""
        return run_blocking(lambda: self.ascore(**fields))

    async def ascore(self, **fields: Any) -> Score:
        """Judge. Raises JudgeFailed unless more than half of the judges gave a verdict."""
        answers = await asyncio.gather(
            *(judge.ascore(**judge.arguments(fields)) for judge in self.judges),
            return_exceptions=True,
        )
        scores: dict[str, Score] = {}
        failed: dict[str, str] = {}
        for judge, answer in zip(self.judges, answers, strict=True):
            label = _label(judge, scores | dict.fromkeys(failed, Score(0)))
            if isinstance(answer, Score):
                scores[label] = answer
            elif isinstance(answer, asyncio.CancelledError):
                raise answer
            else:
                failed[label] = str(answer)
        if len(scores) * 2 <= len(self.judges):
            raise JudgeFailed(f"{len(failed)} of {len(self.judges)} judges failed: {failed}")
        return self._verdict(scores, failed)

    def _verdict(self, scores: dict[str, Score], failed: dict[str, str]) -> Score:
        values = [score.value for score in scores.values()]
        votes = Counter(values)
        if self.vote == "majority":
            best = max(votes.values())
            leading = [value for value, n in votes.items() if n == best]
            value: Any = leading[0] if len(leading) == 1 else _between(leading)
        else:
            combine = statistics.fmean if self.vote == "mean" else statistics.median
            value = combine([float(value) for value in values])
        return Score(
            value,
            "\n".join(f"{who}: {s.value} – {s.rationale or ''}" for who, s in scores.items()),
            metadata={
                "votes": {who: score.value for who, score in scores.items()},
                "failed": failed,
                "agreement": max(votes.values()) / len(values),
            },
        )


def jury(
    judge: Callable[..., Judge] | Sequence[Judge],
    models: Sequence[Any] = (),
    *,
    vote: str = "majority",
    name: str | None = None,
) -> Jury:
    """Make a jury: `jury(correctness, models=[…])`, or of judges that are made already.

    `majority` takes the most frequent value (a tie between numbers: their median; between
    categories: `no majority`); `mean` and `median` need numbers.
    """
    judges = [judge(model=model) for model in models] if callable(judge) else list(judge)
    if not judges:
        raise InvalidInput("A jury needs judges: jury(correctness, models=[…]).")
    return Jury(judges, vote=vote, name=name or f"{judges[0].name}_jury")


def _between(values: list[Any]) -> Any:
    if all(isinstance(value, int | float) for value in values):
        return statistics.median(float(value) for value in values)
    return "no majority"


def _label(judge: Judge, taken: dict[str, Any]) -> str:
    label, number = judge.model.name, 2
    while label in taken:
        label, number = f"{judge.model.name} {number}", number + 1
    return label
