"""autoevals' scorers (tested with 0.4.1)."""

from typing import Any

from pellucid.evals.adapting import THREADS, Material, adapted, plain_score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import answer_of

_TEXTUAL = {f"autoevals.{name}" for name in ("llm", "moderation", "ragas", "string")}
_VALUES = {"output": "output", "expected": "wanted"}


def autoevals(metric: Any, *, name: str | None = None, **arguments: Any) -> Scorer:
    """Score with an autoevals scorer, such as `Factuality()`.

    It gets `output`, `expected`, `input`, `context`; `arguments` are added or take their place.
    Those that read text get text; others, such as `NumericDiff()`, the values themselves.
    """
    reads_text = any(base.__module__ in _TEXTUAL for base in type(metric).__mro__)

    async def measure(material: Material) -> Any:
        fields = material.named({"input": "question", "context": "contexts"})
        # Its async way fails with some models; the sync one, on a thread, does not.
        answers = {"output": material.answer, "expected": material.expected}
        if not reads_text:
            answers = {key: answer_of(getattr(material, kept)) for key, kept in _VALUES.items()}
        given = {**answers, **fields, **arguments}
        result = await THREADS.run(lambda: metric.eval(**given))
        metadata = dict(result.metadata or {})
        if result.error is not None:
            raise result.error
        return plain_score(result.score, metadata.pop("rationale", None), **metadata)

    return adapted(metric, measure, library="autoevals", name=name or _name(metric))


def _name(metric: Any) -> str | None:
    named = getattr(metric, "_name", None)
    if not callable(named):
        return None
    from pellucid.evals.scorer import snake_case

    return snake_case(str(named())).replace(" ", "_")
