"""TruLens' feedback functions, the methods of its providers (tested with 2.16)."""

import functools
import inspect
import statistics
from collections.abc import Callable
from typing import Any

from pellucid.core.errors import InvalidInput
from pellucid.evals.adapting import THREADS, Material, adapted, plain_score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import as_text

_NAMES = {
    "prompt": "question",
    "question": "question",
    "query": "question",
    "response": "answer",
    "statement": "answer",
    "text": "answer",
    "answer": "answer",
    "ground_truth": "expected",
    "expected": "expected",
    "summary": "answer",
}
_HARMS = {
    "controversiality",
    "criminality",
    "harmfulness",
    "insensitivity",
    "maliciousness",
    "misogyny",
    "stereotypes",
}
"""What counts from 0, none, to 1, in TruLens' own functions."""
_CONTEXTS = ("context", "source", "search")
"""What TruLens calls the retrieved text."""


def trulens(
    feedback: Callable[..., Any],
    *,
    each_context: bool | None = None,
    name: str | None = None,
    lower_is_better: bool | None = None,
    **arguments: Any,
) -> Scorer:
    """Score with a feedback function, such as `provider.groundedness_measure_with_cot_reasons`.

    Its parameters are filled by their names; `arguments` are added or take their place.
    `each_context` asks about every retrieved text by itself and takes the mean (as is meant for
    `context_relevance`, where it is the default); else they are given as one. `lower_is_better`
    is known of TruLens' own functions, such as `harmfulness`. What asks for a `trace` gets the
    question, the tool calls and the answer as JSON.
    """
    parameters = inspect.signature(feedback).parameters.values()
    wanted = [
        p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    title = name or feedback.__name__.removesuffix("_with_cot_reasons")
    if lower_is_better is None:
        lower_is_better = title in _HARMS
    if each_context is None:
        each_context = "context_relevance" in feedback.__name__

    async def measure(material: Material) -> Any:
        answers = []
        for context in material.contexts if each_context else ["\n\n".join(material.contexts)]:
            given = {
                key: _argument(key, material, context, title)
                for key in wanted
                if key not in arguments
            }
            call = functools.partial(feedback, **given, **arguments)
            answers.append(await THREADS.run(call))
        read = [_read(answer) for answer in answers]
        if not read:
            return None
        reasons = "\n".join(reason for _, reason in read if reason)
        return plain_score(statistics.fmean(value for value, _ in read), reasons)

    return adapted(
        feedback, measure, library="trulens", name=title, lower_is_better=lower_is_better
    )


def _argument(key: str, material: Material, context: str, title: str) -> Any:
    value = context if key in _CONTEXTS else None
    if key in _NAMES:
        value = getattr(material, _NAMES[key])
    if key == "trace":
        value = as_text(
            {
                "input": material.question,
                "tool_calls": material.tool_calls,
                "output": material.answer,
            }
        )
    if value is None:
        value = material.inputs.get(key, material.metadata.get(key))
    if value is None:
        raise InvalidInput(f"TruLens' {title} asks for {key!r}, which the example has not.")
    return value


def _read(answer: Any) -> tuple[float, str]:
    """Read a number, or a number with reasons."""
    if isinstance(answer, tuple):
        value, reasons = answer
        text = (
            reasons.get("reason") or reasons.get("reasons") if isinstance(reasons, dict) else None
        )
        return float(value), str(text or reasons or "")
    return float(answer), ""
