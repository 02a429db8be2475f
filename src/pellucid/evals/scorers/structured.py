"""Structured answers: JSON Schema, differences between JSON values, numbers within a tolerance."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pellucid.core.errors import InvalidInput
from pellucid.evals.json_schema import SchemaError, check_schema, violations
from pellucid.evals.score import Score
from pellucid.evals.scorer import Scorer
from pellucid.evals.scorers.output import answer_of, as_text

_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def json_schema(
    schema: Mapping[str, Any], *, field: str | None = None, name: str = "json_schema"
) -> Scorer:
    """True if the answer (JSON text or a value) is valid under a JSON Schema; says what is not."""
    try:
        check_schema(schema)
    except SchemaError as error:
        raise InvalidInput(f"json_schema: {error}") from None

    def score(output: Any) -> Score:
        try:
            value = _value(output if field is None else answer_of(output, field))
        except msgspec.DecodeError as error:
            return Score(False, f"The answer is not JSON: {error}")
        found = violations(value, schema)
        return Score(not found, "; ".join(found[:5]) or None)

    return Scorer(name, score, quick=True, config={"schema": schema, "field": field})


def json_diff(
    *,
    ignore: tuple[str, ...] = (),
    tolerance: float = 1e-9,
    field: str | None = None,
    name: str = "json_diff",
) -> Scorer:
    """The share of leaves that answer and `expected` have in common, from 0 to 1.

    A leaf is a path such as `items[0].price` with its value; numbers may differ by the relative
    `tolerance`. Paths that begin with one of `ignore` do not count.
    """

    def score(output: Any, expected: Any) -> Score:
        try:
            answer = _leaves(_value(output if field is None else answer_of(output, field)), ignore)
        except msgspec.DecodeError as error:
            return Score(0.0, f"The answer is not JSON: {error}")
        wanted = _leaves(_value(expected), ignore)
        paths = list(dict.fromkeys([*wanted, *answer]))
        wrong = [
            path
            for path in paths
            if path not in answer
            or path not in wanted
            or not _same(answer[path], wanted[path], tolerance)
        ]
        share = 1 - len(wrong) / len(paths) if paths else 1.0
        shown = [_difference(path, wanted, answer) for path in wrong[:5]]
        return Score(share, "; ".join(shown) or None)

    config = {"ignore": ignore, "tolerance": tolerance, "field": field}
    return Scorer(name, score, quick=True, needs=["expected"], config=config)


def numeric_close(
    *,
    relative: float = 1e-6,
    absolute: float = 0.0,
    field: str | None = None,
    name: str = "numeric_close",
) -> Scorer:
    """True if the number in the answer (the last one in a text) is near `expected`.

    Near is within `absolute`, or within `relative` times the expected number.
    """

    def score(output: Any, expected: Any) -> Score:
        wanted = number_in(expected)
        if wanted is None:
            raise InvalidInput(f"numeric_close() needs a number as expected, not {expected!r}.")
        found = number_in(answer_of(output, field))
        if found is None:
            return Score(False, "The answer holds no number.")
        near = abs(found - wanted) <= max(absolute, relative * abs(wanted))
        return Score(near, f"{found:g} against {wanted:g}")

    config = {"relative": relative, "absolute": absolute, "field": field}
    return Scorer(name, score, quick=True, needs=["expected"], config=config)


def number_in(value: Any) -> float | None:
    """Return a number, or the last number in a text (thousands may have commas); else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    found = _NUMBER.findall(as_text(value))
    return float(found[-1].replace(",", "")) if found else None


def _value(value: Any) -> Any:
    if isinstance(value, str | bytes):
        text = value.strip()
        return msgspec.json.decode(text)
    return msgspec.to_builtins(value, enc_hook=str)


def _leaves(value: Any, ignore: tuple[str, ...]) -> dict[str, Any]:
    return {
        path: leaf
        for path, leaf in _walk(value, "")
        if not any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in ignore)
    }


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            yield from _walk(item, f"{path}[{i}]")
    else:
        yield path or "$", value


def _same(first: Any, second: Any, tolerance: float) -> bool:
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, int | float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=tolerance, abs_tol=0.0)
    return bool(first == second)


def _difference(path: str, wanted: dict[str, Any], answer: dict[str, Any]) -> str:
    if path not in answer:
        return f"{path}: missing, expected {wanted[path]!r}"
    if path not in wanted:
        return f"{path}: {answer[path]!r} was not expected"
    return f"{path}: {answer[path]!r}, expected {wanted[path]!r}"
