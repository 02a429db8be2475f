"""The forms that a judge's answer can have: a choice, a number on a scale, an object."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.core.score import ScoreValue
from pellucid.evals.json_schema import SchemaError, check_schema
from pellucid.evals.judges.asking import json_in
from pellucid.evals.score import Score

_REASONS = ("rationale", "reasoning", "reason", "explanation")
_VALUES = ("choice", "score", "verdict", "label", "answer", "value", "rating", "grade")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_RATIONALE = {"type": "string", "description": "Why, in one or two sentences."}


class Answer(Protocol):
    """What a judge's model is asked to answer with."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the answer."""
        ...

    def instructions(self) -> str:
        """Return the sentence that asks for this form."""
        ...

    def read(self, text: str) -> Any:
        """Read an answer's text. Raises ValueError."""
        ...

    def score(self, answer: Mapping[str, Any]) -> Any:
        """Turn a valid answer into a score or several."""
        ...


class ChoiceAnswer:
    """One of some labels, each with the value that it stands for."""

    def __init__(self, choices: Mapping[str, ScoreValue]) -> None:
        if len(choices) < 2:
            raise InvalidInput("A judge needs at least two choices.")
        self.choices = dict(choices)
        self.schema = _object({"choice": {"type": "string", "enum": list(self.choices)}})

    def instructions(self) -> str:
        """Return the sentence that asks for this form."""
        labels = ", ".join(f'"{label}"' for label in self.choices)
        return (
            'Answer with one JSON object and nothing else: {"rationale": why, in one or two '
            f'sentences, "choice": one of {labels}}}.'
        )

    def read(self, text: str) -> Any:
        """Read the object; a bare label or a label's value do too, and case does not matter."""
        label = self._label(text.strip().strip('".`*'))
        if label is not None:
            return {"rationale": "", "choice": label}
        answer = _renamed(json_in(text), "choice")
        if "choice" in answer:
            answer["choice"] = self._label(answer["choice"]) or answer["choice"]
        return answer

    def score(self, answer: Mapping[str, Any]) -> Score:
        """Return the label's value; the label stands in the metadata."""
        label = answer["choice"]
        return Score(self.choices[label], answer["rationale"] or None, metadata={"choice": label})

    def _label(self, text: Any) -> str | None:
        """Return the label that a model means by a text, or by the value of a label."""
        if not isinstance(text, str):
            meant = [label for label, value in self.choices.items() if value == text]
            return meant[0] if meant else None
        folded = re.sub(r"[\s-]+", "_", text.strip()).casefold()
        for label in self.choices:
            if re.sub(r"[\s-]+", "_", label).casefold() == folded:
                return label
        return None


class ScaleAnswer:
    """A number between two ends, both included."""

    def __init__(self, low: float, high: float) -> None:
        if low >= high:
            raise InvalidInput(f"A scale goes from low to high, not from {low:g} to {high:g}.")
        self.low, self.high = low, high
        self.schema = _object({"score": {"type": "number", "minimum": low, "maximum": high}})

    def instructions(self) -> str:
        """Return the sentence that asks for this form."""
        return (
            'Answer with one JSON object and nothing else: {"rationale": why, in one or two '
            f'sentences, "score": a number from {self.low:g} to {self.high:g}}}.'
        )

    def read(self, text: str) -> Any:
        """Read the object; a bare number is understood too."""
        if _NUMBER.fullmatch(text.strip()):
            return {"rationale": "", "score": float(text)}
        answer = _renamed(json_in(text), "score")
        if isinstance(answer.get("score"), str) and _NUMBER.fullmatch(answer["score"].strip()):
            answer["score"] = float(answer["score"])
        return answer

    def score(self, answer: Mapping[str, Any]) -> Score:
        """Return the number."""
        return Score(answer["score"], answer["rationale"] or None)


class SchemaAnswer:
    """An object of the user's own form; its numbers, bools and strings become scores."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            check_schema(schema)
        except SchemaError as error:
            raise InvalidInput(f"The judge's schema: {error}") from None
        self.schema = schema

    def instructions(self) -> str:
        """Return the sentence that asks for this form."""
        shape = msgspec.json.encode(self.schema).decode()
        return f"Answer with one JSON object and nothing else, valid under this schema: {shape}"

    def read(self, text: str) -> Any:
        """Read the object."""
        return json_in(text)

    def score(self, answer: Mapping[str, Any]) -> Any:
        """Return one score a property; a lone one bears the judge's own name."""
        why = next((answer[key] for key in _REASONS if isinstance(answer.get(key), str)), None)
        values = {
            key: value
            for key, value in answer.items()
            if key not in _REASONS and isinstance(value, bool | int | float | str)
        }
        if len(values) == 1:
            return Score(next(iter(values.values())), why, metadata=dict(answer))
        return {key: Score(value, why, metadata=dict(answer)) for key, value in values.items()}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    properties = {"rationale": _RATIONALE, **properties}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _renamed(answer: Any, wanted: str) -> dict[str, Any]:
    """Read near-synonyms of the two keys, which models without enforced schemas write."""
    if not isinstance(answer, dict):
        raise ValueError("the answer is not a JSON object")
    if wanted in answer and "rationale" in answer:
        return answer
    reason = next((str(answer[key]) for key in _REASONS if key in answer), "")
    value = next((answer[key] for key in (wanted, *_VALUES) if key in answer), None)
    return {"rationale": reason} if value is None else {"rationale": reason, wanted: value}
