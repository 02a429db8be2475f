"""Judges as an experiment's evaluations show them: versions, use, agreement with people."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from pellucid.core.errors import NotFound
from pellucid.core.run import Run
from pellucid.core.score import Annotated, Score, ScoreSource, ScoreValue
from pellucid.evals.confusion import Concordance, concordance, label_pair
from pellucid.evals.report import ScorerInfo
from pellucid.server.services.evaluation_summary import JudgeUse, is_score_of
from pellucid.server.services.evaluations import EvaluationService
from pellucid.server.services.scores import ScoreService

LISTED = 60
"""Evaluations that are looked at, the newest."""


class Use(NamedTuple):
    """One evaluation that a judge scored."""

    run: Run
    judge: JudgeUse


class Pair(NamedTuple):
    """A person's score beside the judge's of the same output, as labels that compare."""

    annotation: Score
    judged: Score
    person: str
    judge: str
    version: str
    """That of the judge; empty where the score's evaluation is not known."""

    @property
    def agrees(self) -> bool:
        """Whether both said the same."""
        return self.person == self.judge


class JudgeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One wording of a judge; `digest` is empty where evaluations keep no prompt."""

    digest: str
    info: ScorerInfo
    uses: list[Use]
    """The newest first."""
    pairs: list[Pair]

    @property
    def first_ns(self) -> int:
        """When it was first used."""
        return self.uses[-1].run.start_ns

    @property
    def models(self) -> list[str]:
        """The models that were asked, the latest first."""
        return list(dict.fromkeys(name for use in self.uses for name in models_of(use.judge)))

    @property
    def agreement(self) -> Concordance:
        """How far it agrees with people."""
        return agreement_of(self.pairs)


class JudgeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One judge of an experiment, by name."""

    name: str
    versions: list[JudgeVersion]
    """The latest first."""
    pairs: list[Pair]
    """All of them, the newest annotation first."""

    @property
    def uses(self) -> list[Use]:
        """Where it judged, the newest first."""
        found = [use for version in self.versions for use in version.uses]
        return sorted(found, key=lambda use: -use.run.start_ns)

    @property
    def agreement(self) -> Concordance:
        """How far it agrees with people, over all versions."""
        return agreement_of(self.pairs)


class JudgeService:
    """What pages ask about judges."""

    def __init__(self, evaluations: EvaluationService, scores: ScoreService) -> None:
        self._evaluations = evaluations
        self._scores = scores

    async def list(self, experiment: str) -> list[JudgeRecord]:
        """List an experiment's judges, the one that was used last first."""
        runs = (await self._evaluations.list_runs(experiment))[:LISTED]
        uses: dict[str, list[Use]] = {}
        for run in runs:
            for one in (await self._evaluations.summarise(run)).judges:
                uses.setdefault(one.info.name, []).append(Use(run, one))
        annotated = await self._scores.list_annotated(experiment=experiment)
        return [_record(name, found, annotated) for name, found in uses.items()]

    async def get(self, experiment: str, name: str) -> JudgeRecord:
        """Return one judge. Raises NotFound where no evaluation has one of that name."""
        for record in await self.list(experiment):
            if record.name == name:
                return record
        raise NotFound(f"No evaluation of {experiment!r} has a judge {name[:80]!r}.")


def agreement_of(pairs: Iterable[Pair]) -> Concordance:
    """Return how far judge and people agree; people are the first rater."""
    return concordance([(pair.person, pair.judge) for pair in pairs])


def models_of(use: JudgeUse) -> list[str]:
    """Return the models that a judge asked; of adapters, whoever is named as the author."""
    return use.info.models or ([use.info.author] if use.info.author else [])


def pairs_of(
    annotated: Sequence[Annotated],
    name: str,
    *,
    choices: dict[str, ScoreValue],
    versions: dict[str, str],
    scores: Collection[str] = (),
) -> list[Pair]:
    """Return a judge's pairs, of its name or of `scores`; `versions` tells them by run."""
    found = []
    for one in annotated:
        given = one.annotation
        if given.name not in scores and not is_score_of(given.name, name):
            continue
        for judged in one.beside:
            if judged.source is ScoreSource.MODEL:
                person, judge = label_pair(given.value, judged.value, choices)
                version = versions.get(judged.run_id or "", "")
                found.append(Pair(given, judged, person, judge, version))
    return found


def _record(name: str, uses: list[Use], annotated: Sequence[Annotated]) -> JudgeRecord:
    versions_of = _versions(uses)
    by_version: dict[str, list[Use]] = {}
    for use in uses:
        by_version.setdefault(versions_of[use.run.id], []).append(use)
    pairs = pairs_of(
        annotated,
        name,
        choices=uses[0].judge.info.choices,
        versions=versions_of,
        scores={given for use in uses for given in use.judge.info.gives},
    )
    versions = [
        JudgeVersion(
            digest=digest,
            info=found[0].judge.info,
            uses=found,
            pairs=[pair for pair in pairs if pair.version == digest],
        )
        for digest, found in by_version.items()
    ]
    return JudgeRecord(name=name, versions=versions, pairs=pairs)


def _versions(uses: Sequence[Use]) -> dict[str, str]:
    """Return each run's version; one that kept the prompt alone is that of the same prompt."""
    known = {
        use.judge.info.prompt: use.judge.version
        for use in uses
        if use.judge.info.digest is not None
    }
    return {
        use.run.id: known.get(use.judge.info.prompt, use.judge.version)
        if use.judge.info.digest is None
        else use.judge.version
        for use in uses
    }
