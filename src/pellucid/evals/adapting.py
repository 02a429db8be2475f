"""What adapters of other libraries' metrics share: an example in plain words, as a scorer."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from pellucid.core.score import ScoreSource
from pellucid.core.span import ToolCall
from pellucid.evals.calling import ThreadPool
from pellucid.evals.documents import as_documents
from pellucid.evals.score import Score
from pellucid.evals.scorer import Asked, Scorer, snake_case
from pellucid.evals.scorers.output import answer_of, as_text
from pellucid.evals.scorers.trajectory import calls_of
from pellucid.evals.trace import ExampleTrace

_ASKS = Asked(
    names=["inputs", "output", "expected", "documents", "gold_documents", "metadata", "trace"],
    optional=frozenset({"expected", "documents", "gold_documents", "metadata", "trace"}),
)


THREADS = ThreadPool()
"""Where blocking metrics run."""


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """One example as other libraries know it: a question, an answer, contexts."""

    question: str
    answer: str
    expected: str | None
    contexts: list[str]
    """The retrieved documents' texts, in order."""
    context_ids: list[str]
    gold_ids: list[str]
    tool_calls: list[ToolCall]
    expected_tool_calls: list[Any]
    inputs: dict[str, Any]
    output: Any
    wanted: Any
    """`expected` as the example has it."""
    metadata: dict[str, Any]

    def named(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return fields under other names (theirs → ours), those without a value left out."""
        found = {theirs: getattr(self, ours) for theirs, ours in names.items()}
        return {name: value for name, value in found.items() if value not in (None, [])}


def adapted(
    metric: Any,
    measure: Callable[[Material], Awaitable[Any]],
    *,
    library: str,
    name: str | None = None,
    lower_is_better: bool = False,
) -> Scorer:
    """Make a scorer of a function from material to a score."""

    async def score(**fields: Any) -> Any:
        return await measure(material(**fields))

    return Scorer(
        name or metric_name(metric),
        score,
        lower_is_better=lower_is_better,
        source=ScoreSource.MODEL,
        author=library,
        config={"library": library, "metric": type(metric).__qualname__},
        asks=_ASKS,
    )


def material(
    inputs: Mapping[str, Any],
    output: Any,
    expected: Any = None,
    documents: Any = (),
    gold_documents: Any = (),
    metadata: Mapping[str, Any] | None = None,
    trace: ExampleTrace | None = None,
) -> Material:
    """Read an example's fields as material."""
    retrieved = as_documents(documents)
    values = list(inputs.values())
    wanted = expected.get("tool_calls") if isinstance(expected, Mapping) else None
    return Material(
        question=as_text(values[0] if len(values) == 1 else dict(inputs)),
        answer=as_text(answer_of(output)),
        expected=None if expected is None else as_text(answer_of(expected)),
        contexts=[document.text or "" for document in retrieved],
        context_ids=[document.id or "" for document in retrieved],
        gold_ids=[str(identity) for identity in gold_documents],
        tool_calls=calls_of(output, trace),
        expected_tool_calls=list(wanted or []),
        inputs=dict(inputs),
        output=output,
        wanted=expected,
        metadata=dict(metadata or {}),
    )


def metric_name(metric: Any) -> str:
    """Return a metric's name as a score's: letters, digits and `_`."""
    name = getattr(metric, "name", None) or getattr(metric, "__name__", None)
    if callable(name):
        name = name()
    if not isinstance(name, str):
        name = snake_case(type(metric).__name__)
    kept = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in name)
    return snake_case(kept).strip("_") or "score"


def plain_score(value: Any, rationale: Any = None, **metadata: Any) -> Score | None:
    """Return a foreign value as a score; None and NaN are "does not apply"."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    kept = {key: item for key, item in metadata.items() if item not in (None, {}, [])}
    if not isinstance(value, bool | int | float | str):
        value = str(value)
    return Score(value, str(rationale) if rationale else None, metadata=kept)
